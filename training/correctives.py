"""Fits the face model to faces: their mean becomes its mean shape, and what its 68 landmarks cannot reach its last identity shapes.

    python -m training.correctives [--shapes 8]      # after training.face_model and training.labels; then training.labels once more; may be repeated

The ICT model's mean is no mean of these faces (some fitted coefficients lie two standard deviations off, where a prior pulls at them and a bound stops them), its
landmarks are another definition than the markup's, and its shapes leave a millimetre of every eye and lip unexplained. So the mean identity of the fits to near-frontal
training faces and their mirror images goes into the mean shape. What the fits leave, turned back into the model's frame, has a mean, which goes there too, and a few directions that
most of it shares: these replace the weakest identity shapes of ICT, scaled to a variance of 1 like all of them, before those of the runs before. What was left is carried from the 68 landmarks
over the surface by a screened biharmonic interpolation, which knows that lids and lips are apart. Anchors and coarse triangles stay on their vertices. In the exported
iterations the first's bias takes the mean identity away, and the rows of the replaced coefficients are emptied, so that a training from these weights
(`training.train --from-weights`) starts from what still holds. What it gives: docs/training.md, "Shapes from residuals".
"""
from __future__ import annotations

import argparse
import json

import numpy as np
from safetensors import safe_open

from . import face_model
from .data import MAX_RESIDUAL
from .export import manifest, write
from .face_model import IDENTITY_COUNT, MODEL_FILE, FaceModel, quantise
from .geometry import rotation
from .labels import CACHE, fitted_points
from .network import description
from .surface import carry
from .weights import IDENTITY, WEIGHTS, read

LARGEST_YAW = 30.0
MARKUP_WEIGHT = 4.0       # of a face with manual markup beside 1
JAW_WEIGHT = 0.3          # of a jaw point beside 1 when directions are ranked: its targets are no places on the head


def residuals(model: FaceModel, labels) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the fits leave of the targets, both ways round, in the model's frame: [m,68,3] dm (nothing along the line of sight), the faces' weights [m] and identities [m,48]."""
    split = labels["split"]
    chosen = (labels["residual"].max(1) < MAX_RESIDUAL) & (np.abs(labels["yaw"]) < LARGEST_YAW) & np.isin(
        split, ["train-300w", "train-lfw", "train-utkface", "train-cfp", "train-closed-eyes"])
    out = []
    for side in (0, 1):
        p = labels["parameters"][chosen, side].astype(np.float64)
        left = (labels["points"][chosen, side] - fitted_points(model, p)) * [1, -1]
        size = np.square(p[:, :4]).sum(1)[:, None, None]
        out.append(np.concatenate([left, np.zeros((*left.shape[:2], 1))], -1) @ (rotation(p[:, :4]) / size) / size)
    weight = np.tile(np.where(split[chosen] == "train-300w", MARKUP_WEIGHT, 1.0), 2)
    return np.concatenate(out), weight, np.concatenate([labels["parameters"][chosen, side][:, IDENTITY] for side in (0, 1)]).astype(np.float64)


def directions(x: np.ndarray, weight: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean [68,3] of residuals [m,68,3], and their `count` strongest directions [count,68,3], one standard deviation long."""
    mean = np.average(x, 0, weight)
    rank = np.r_[np.full(17, JAW_WEIGHT), np.ones(51)][:, None]
    centred = ((x - mean) * rank).reshape(len(x), -1)
    variance, vectors = np.linalg.eigh((centred * weight[:, None]).T @ centred / weight.sum())
    strongest = np.argsort(-variance)[:count]
    return mean, (vectors[:, strongest] * np.sqrt(variance[strongest])).T.reshape(count, 68, 3) / rank


def symmetric(vertices: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """shift [V,3] made its own mirror image on a symmetric mesh [V,3]: the triangles, over which it was carried, are not quite symmetric."""
    partner = np.array([np.argmin(((vertices * [-1, 1, 1] - vertex) ** 2).sum(1)) for vertex in vertices])
    return (shift + shift[partner] * [-1, 1, 1]) / 2


def follow(centre: np.ndarray, first: int, last: int) -> None:
    """Exported iterations find the faces that they found, with identities counted from `centre` [48], and give 0 for the coefficients first .. last - 1."""
    names, layer = json.loads((WEIGHTS / "manifest.json").read_text())["iterations"], description()["layers"][-1]["name"]
    for k, name in enumerate(names):
        tensors = read(WEIGHTS / name)
        weight, bias = tensors[layer + ".weight"][IDENTITY], tensors[layer + ".bias"][IDENTITY]  # views
        if k == 0:
            bias -= centre.astype(bias.dtype)
        weight[first:last], bias[first:last] = 0, 0
        write(tensors, WEIGHTS / name, {"format": "fullpose-iteration/1", "iteration": str(k)})
    manifest(names)


def main(count: int) -> None:
    model = face_model.load()
    tensors = read(MODEL_FILE)
    with safe_open(MODEL_FILE, "np") as file:
        metadata = file.metadata()
    with np.load(CACHE / "labels.npz") as labels:
        x, weight, found = residuals(model, labels)
    centre = np.average(found, 0, weight)
    mean, shapes = directions(x, weight, count)
    over = carry(model.mean, model.triangles, model.landmarks)
    moved = np.einsum("vl,kld->kvd", over, np.concatenate([mean[None], shapes]))
    last = IDENTITY_COUNT - model.correctives
    first = last - count
    identity = np.concatenate([model.identity[:first], moved[1:], model.identity[last:]])
    shift = symmetric(model.mean, moved[0] + np.einsum("k,kvd->vd", centre, model.identity))
    tensors["mean"] = model.mean + shift.astype(np.float32)
    tensors["identity"], tensors["identity_scale"] = quantise(identity)
    # ICT's own part of the shift, for training.profiling, which has more of its surface.
    own = model.identity_mean + np.where(np.arange(IDENTITY_COUNT) < last, centre, 0)
    write(tensors, MODEL_FILE, metadata | {"correctives": str(model.correctives + count), "identity_mean": json.dumps(own.round(4).tolist())})
    follow(centre, first, last)
    length = lambda shift: 100 * np.linalg.norm(shift, axis=-1)
    print(f"{len(x) // 2} faces: mean identity {np.abs(centre).max():.2f} standard deviations at most; mean of what was left {length(mean)[17:].mean():.2f} mm at the inner landmarks; "
          f"the mean shape moved by {length(shift).max():.2f} mm at most; shapes " + ", ".join(f"{length(s)[17:].mean():.2f}" for s in shapes) + " mm")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", type=int, default=8, help="so many directions become identity shapes (0: the mean alone)")
    main(parser.parse_args().shapes)
