"""Figures of the exported cascade in PyTorch, from the files in weights/: the oracle for `npm run evaluate`.

    python -m training.evaluate
    python -m training.evaluate --run main      # of a run's averaged weights, in f32, instead
    python -m training.evaluate --stale pncc    # what the weights read: iterations 1, 2, .. see p^0's PNCC (or its PAF) instead of their own
"""
from __future__ import annotations

import argparse

import numpy as np

from . import face_model
from .data import CROP, Samples
from .export import forward, layer_results, load_weights
from .geometry import euler_degrees
from .labels import CACHE, nme
from .render import Renderer
from .train import load_cascade


def run(images: np.ndarray, renderer: Renderer, weights: list[dict[str, np.ndarray]], stale: str | None = None) -> list[np.ndarray]:
    """p^0 .. p^K [n,104] for images f32 [n,128,128,3]; the feature named by `stale` ("pncc" or "paf") is always that of p^0."""
    out, kept = [weights[0]["initial_parameters"][None]], {"pncc": slice(0, 1), "paf": slice(1, 3)}.get(stale, slice(0))
    first: list[np.ndarray] = []
    for tensors in weights:
        features = list(renderer(out[-1], images))
        first = first or [feature.copy() for feature in features[kept]]  # the renderer's buffers are its own
        features[kept] = first
        out.append(out[-1] + forward(tensors, *features)[1])
    return [np.broadcast_to(p, out[-1].shape) for p in out]


def landmark_steps(images: np.ndarray, renderer: Renderer, weights: list[dict[str, np.ndarray]], landmarks: np.ndarray, stale: str | None = None) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """`run` for any number of images: p^0 .. p^K, and their landmarks f64 [n,68,2] in crop pixels."""
    chunks = [run(images[i:i + 56], renderer, weights, stale) for i in range(0, len(images), 56)]
    steps = [np.concatenate(step) for step in zip(*chunks)]
    return steps, [renderer.decode(p)[:, landmarks, :2].astype(np.float64) for p in steps]


def living_units(images: np.ndarray, renderer: Renderer, weights: list[dict[str, np.ndarray]]) -> None:
    """Prints how many units of the hidden fully connected layers any of the images reaches: the ReLU of the others is always 0."""
    for k, p in enumerate(run(images, renderer, weights)[:-1]):
        values = layer_results(weights[k], *renderer(p, images))
        hidden = {name: value for name, value in list(values.items())[:-1] if value.dim() == 2 and name + ".weight" in weights[k]}
        print(f"iteration {k}: units that a face reaches: " + ", ".join(f"{name} {int((value > 0).any(0).sum())} of {value.shape[1]}" for name, value in hidden.items()))


def run_weights(name: str) -> list[dict[str, np.ndarray]]:
    """The networks of a run as `load_weights` gives the exported ones, their BatchNorms folded."""
    start, nets = load_cascade(CACHE / "runs" / name)
    return [net.folded() | {"initial_parameters": start} for net in nets]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", help="a folder's name in training/.cache/runs; the exported weights by default")
    parser.add_argument("--stale", choices=["pncc", "paf"])
    args = parser.parse_args()
    model, samples = face_model.load(), Samples()
    renderer = Renderer(model, CROP)
    weights = run_weights(args.run) if args.run else load_weights()
    splits = {"val-afw": samples.validation(), "val-afw, boxes jittered uniformly": samples.validation(jitter=1), "val-afw profiled to 60..90 degrees": samples.profiled_validation()}
    living_units(splits["val-afw"][0].images[:128], renderer, weights)
    print(f"{'NME in %':36s} {'points':8s} " + " ".join(f"   K={k}" for k in range(len(weights) + 1)))
    for name, (batch, truth) in splits.items():
        steps, points = landmark_steps(batch.images, renderer, weights, model.landmarks, args.stale)
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
