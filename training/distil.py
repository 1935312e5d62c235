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
from .data import Batch
from .evaluate import exported
from .labels import CACHE, mirror
from .train import Cascade, landmark_steps, single_thread
from .weights import load_weights

CASCADE = CACHE / "cascade.npz"
CHUNK = 112


class Teacher:
    """What one process needs: the cascade, the pictures and where the faces are."""

    cascade: Cascade
    pictures: np.ndarray
    points: np.ndarray
    source: np.ndarray


def begin() -> None:
    single_thread()
    Teacher.cascade = exported(load_weights(), face_model.load())
    with np.load(CACHE / "labels.npz") as labels, np.load(CACHE / "crops.npz") as decoded:
        row = {name: i for i, name in enumerate(decoded["image"])}
        Teacher.source = np.array([row[name] for name in labels["image"]])
        Teacher.points = labels["points"].astype(np.float64)
    Teacher.pictures = np.load(CACHE / "crops.npy", mmap_mode="r")


def look(first: int) -> np.ndarray:
    """The points [m,68,2] of the rows first .. first + m - 1 of labels.npz."""
    rows = np.arange(first, min(first + CHUNK, len(Teacher.source)))
    out = np.zeros((len(rows), 68, 2))
    for side in (0, 1):
        pictures = np.stack([Teacher.pictures[Teacher.source[row]][:, ::-1 if side else 1] for row in rows])
        batch = Batch.unlabelled(pictures, around(Teacher.points[rows, side], np.zeros(len(rows))))
        points = landmark_steps(Teacher.cascade, batch)[-1]
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
