"""Fits the face model to faces: what its 68 landmarks cannot reach becomes a shift of the mean shape and its last identity shapes.

    python -m training.correctives      # after training.face_model and training.labels; then training.labels once more

The ICT model's landmarks are another definition than the markup's, and its shapes leave a millimetre of every eye and lip unexplained. The residuals of the fits
to near-frontal training faces and to their mirror images, turned back into the model's frame, have a mean, which goes into the mean shape, and a few directions that most of them
share: these replace the weakest identity shapes, scaled to a variance of 1 like all of them. Both are carried from the 68 landmarks over the surface by a
screened biharmonic interpolation, which knows that lids and lips are apart. Anchors and coarse triangles stay on their vertices. The rows of the exported
iterations that gave the replaced coefficients are emptied, so that a training from these weights (`training.train --from-weights`) starts from what still holds. What it gives:
docs/training.md, "Shapes from residuals".
"""
from __future__ import annotations

import json

import numpy as np
from safetensors import safe_open

from . import face_model
from .data import MAX_RESIDUAL
from .export import manifest, write
from .face_model import CORRECTIVE_COUNT, IDENTITY_COUNT, MODEL_FILE, FaceModel, quantise
from .geometry import rotation
from .labels import CACHE, fitted_points
from .network import description
from .surface import carry
from .weights import WEIGHTS, read

LARGEST_YAW = 30.0
MARKUP_WEIGHT = 4.0       # of a face with manual markup beside 1
JAW_WEIGHT = 0.3          # of a jaw point beside 1 when directions are ranked: its targets are no places on the head


def residuals(model: FaceModel, labels) -> tuple[np.ndarray, np.ndarray]:
    """What the fits leave of the targets, both ways round, in the model's frame: [m,68,3] dm (nothing along the line of sight), and the faces' weights [m]."""
    split = labels["split"]
    chosen = (labels["residual"].max(1) < MAX_RESIDUAL) & (np.abs(labels["yaw"]) < LARGEST_YAW) & np.isin(
        split, ["train-300w", "train-lfw", "train-utkface", "train-cfp", "train-closed-eyes"])
    out = []
    for side in (0, 1):
        p = labels["parameters"][chosen, side].astype(np.float64)
        left = (labels["points"][chosen, side] - fitted_points(model, p)) * [1, -1]
        size = np.square(p[:, :4]).sum(1)[:, None, None]
        out.append(np.concatenate([left, np.zeros((*left.shape[:2], 1))], -1) @ (rotation(p[:, :4]) / size) / size)
    return np.concatenate(out), np.tile(np.where(split[chosen] == "train-300w", MARKUP_WEIGHT, 1.0), 2)


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


def empty_rows(first: int, last: int) -> None:
    """Exported iterations give 0 for the parameters first .. last - 1 from now on."""
    names, layer = json.loads((WEIGHTS / "manifest.json").read_text())["iterations"], description()["layers"][-1]["name"]
    for k, name in enumerate(names):
        tensors = read(WEIGHTS / name)
        for key in (layer + ".weight", layer + ".bias"):
            tensors[key][first:last] = 0
        write(tensors, WEIGHTS / name, {"format": "fullpose-iteration/1", "iteration": str(k)})
    manifest(names)


def main() -> None:
    model = face_model.load()
    if model.correctives:
        raise SystemExit(f"{MODEL_FILE} has shapes from residuals already: run training.face_model and training.labels before")
    tensors = read(MODEL_FILE)
    with safe_open(MODEL_FILE, "np") as file:
        metadata = file.metadata()
    with np.load(CACHE / "labels.npz") as labels:
        x, weight = residuals(model, labels)
    mean, shapes = directions(x, weight, CORRECTIVE_COUNT)
    over = carry(model.mean, model.triangles, model.landmarks)
    moved = np.einsum("vl,kld->kvd", over, np.concatenate([mean[None], shapes])).astype(np.float32)
    moved[0] = symmetric(model.mean, moved[0])
    identity = np.concatenate([model.identity[:-CORRECTIVE_COUNT], moved[1:]])
    tensors["mean"] = model.mean + moved[0]
    tensors["identity"], tensors["identity_scale"] = quantise(identity)
    write(tensors, MODEL_FILE, metadata | {"correctives": str(CORRECTIVE_COUNT)})
    shapes_end = 8 + IDENTITY_COUNT
    empty_rows(shapes_end - CORRECTIVE_COUNT, shapes_end)
    length = lambda shift: 100 * np.linalg.norm(shift, axis=-1)
    print(f"{len(x) // 2} faces: mean shift {length(mean)[17:].mean():.2f} mm at the inner landmarks, {length(moved[0]).max():.2f} mm at most; shapes "
          + ", ".join(f"{length(s)[17:].mean():.2f}" for s in shapes) + " mm")


if __name__ == "__main__":
    main()
