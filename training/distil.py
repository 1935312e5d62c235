"""A third teacher: the exported cascade itself over every crop, the mean of the crop and of its mirror image.

    python -m training.distil          # after training.labels and training.data; then training.labels once more

A network errs in another way than its labels do: the mean of its points and of the targets that it learned from lies nearer to val-afw's markup, of which neither knows,
than either alone (docs/training.md, "The third teacher"). Writes training/.cache/cascade.npz: `image` [n] in the order of labels.npz and `points`
f32 [n,68,2], pixels of the 192 px crop, y down.
"""
from __future__ import annotations

from multiprocessing import Pool

import numpy as np
from tqdm import tqdm

from . import face_model
from .crops import around
from .data import Batch, Samples
from .evaluate import exported
from .labels import CACHE, mirror
from .train import Cascade, landmark_steps, single_thread
from .weights import load_weights

CASCADE = CACHE / "cascade.npz"
CHUNK = 112


class Teacher:
    """What one process needs: the cascade, and the crops with where their faces are."""

    cascade: Cascade
    samples: Samples


def begin() -> None:
    single_thread()
    Teacher.cascade, Teacher.samples = exported(load_weights(), face_model.load()), Samples()


def look(first: int) -> np.ndarray:
    """The points [m,68,2] of the rows first .. first + m - 1 of labels.npz."""
    samples = Teacher.samples
    rows = np.arange(first, min(first + CHUNK, len(samples.points)))
    out = np.zeros((len(rows), 68, 2))
    for side in (0, 1):
        boxes = around(samples.points[rows, side], np.zeros(len(rows)))
        points = landmark_steps(Teacher.cascade, Batch.unlabelled(samples.draw(rows, np.full(len(rows), side), None), boxes))[-1]
        out += (mirror(points) if side else points) / 2
    return out


def main() -> None:
    with np.load(CACHE / "labels.npz") as labels:
        images = labels["image"]
    with Pool(2, begin) as pool:
        chunks = list(tqdm(pool.imap(look, range(0, len(images), CHUNK)), total=-(-len(images) // CHUNK), desc="cascade", mininterval=5))
    np.savez(CASCADE, image=images, points=np.concatenate(chunks).astype(np.float32))


if __name__ == "__main__":
    main()
