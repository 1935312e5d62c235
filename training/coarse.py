"""How coarse the mesh may be that the features are drawn from: the error of the bundled weights with the whole one and with coarser ones
(docs/notes/coarse-mesh.md). Landmarks are those of the whole mesh.

    python -m training.coarse --triangles 6500 3300 2200
"""
from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from . import face_model
from .crops import CROP
from .data import Samples
from .decimate import decimate
from .evaluate import exported
from .labels import nme
from .render import Renderer
from .train import landmark_steps
from .weights import load_weights


def coarse_model(model: face_model.FaceModel, triangles: np.ndarray) -> face_model.FaceModel:
    """The model with other triangles [C,3] for its features, and the anchors of the pose adaptive feature on them."""
    shape = face_model.anchor_shape(model.mean, model.expression, model.expression_names)
    vertices, weights = face_model.cylinder_anchors(shape, triangles)
    return replace(model, coarse_triangles=triangles, anchor_vertices=vertices.astype(np.int32), anchor_weights=weights)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--triangles", type=int, nargs="*", default=[6500, 3300, 2200])
    args = parser.parse_args()
    model, samples, weights = face_model.load(), Samples(), load_weights()
    splits = {"val-afw": samples.validation(), "profiled": samples.profiled_validation()}
    print("| triangles | vertices | " + " | ".join(f"{name} 68, K = {k}" for name in splits for k in range(1, len(weights) + 1)) + " |")
    for triangles in (model.triangles, *(decimate(model.mean, model.triangles, target) for target in args.triangles)):
        cascade, cells = exported(weights, model), []
        cascade.renderer = Renderer(coarse_model(model, triangles), CROP)
        for batch, truth in splits.values():
            cells += [f"{nme(step, truth).mean():.3f}" for step in landmark_steps(cascade, batch)[1:]]
        print(f"| {len(triangles)} | {len(np.unique(triangles))} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
