"""Figures of the exported cascade in PyTorch, from the files in weights/: the oracle for `npm run evaluate`.

    python -m training.evaluate
"""
from __future__ import annotations

import numpy as np

from . import face_model
from .data import CROP, Samples
from .export import forward, load_weights
from .geometry import euler_degrees
from .labels import nme
from .render import Renderer


def run(images: np.ndarray, renderer: Renderer, weights: list[dict[str, np.ndarray]]) -> list[np.ndarray]:
    """p^0 .. p^K [n,104] for images f32 [n,128,128,3]."""
    out = [weights[0]["initial_parameters"][None]]
    for tensors in weights:
        out.append(out[-1] + forward(tensors, *renderer(out[-1], images))[1])
    return [np.broadcast_to(p, out[-1].shape) for p in out]


def main() -> None:
    model, samples = face_model.load(), Samples()
    renderer = Renderer(model, CROP)
    weights = load_weights()
    splits = {"val-afw": samples.validation(), "val-afw, boxes jittered uniformly": samples.validation(jitter=1), "val-afw profiled to 60..90 degrees": samples.profiled_validation()}
    print(f"{'NME in %':36s} {'points':8s} " + " ".join(f"   K={k}" for k in range(len(weights) + 1)))
    for name, (batch, truth) in splits.items():
        chunks = [run(batch.images[i:i + 56], renderer, weights) for i in range(0, len(truth), 56)]
        steps = [np.concatenate([c[k] for c in chunks]) for k in range(len(weights) + 1)]
        points = [renderer.decode(p)[:, model.landmarks, :2].astype(np.float64) for p in steps]
        size = 100 / np.sqrt(np.ptp(truth, axis=1).prod(-1))
        inner = [(np.linalg.norm(x - truth, axis=-1)[:, 17:].mean(1) * size).mean() for x in points]
        print(f"{name:36s} {'68':8s} " + " ".join(f"{nme(x, truth).mean():6.3f}" for x in points))
        print(f"{'':36s} {'inner 51':8s} " + " ".join(f"{x:6.3f}" for x in inner))
        yaw = np.abs(euler_degrees(steps[-1][:, :4])[:, 1])
        for low, high in ((0, 30), (30, 60), (60, 90)):
            chosen = (yaw > low) & (yaw <= high)
            if chosen.any():
                print(f"{'':36s} {f'{low}-{high}':8s} " + " ".join(f"{nme(x[chosen], truth[chosen]).mean():6.3f}" for x in points) + f"  ({chosen.sum()} faces)")


if __name__ == "__main__":
    main()
