"""The tensors of weights/, by name (docs/formats.md)."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors import safe_open

from .face_model import ROOT

WEIGHTS = ROOT / "weights"
IDENTITY, EXPRESSION = slice(8, 56), slice(56, 103)  # of p


def read(path: Path) -> dict[str, np.ndarray]:
    with safe_open(path, "np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dictionary)


def load_weights(folder: Path = WEIGHTS) -> list[dict[str, np.ndarray]]:
    """The exported iterations, in order."""
    return [read(folder / name) for name in json.loads((folder / "manifest.json").read_text())["iterations"]]


def read_blendshapes(readout: np.ndarray, expression: np.ndarray) -> np.ndarray:
    """ARKit's weights [n,52] by the alphabet from a readout [52,48] and the cascade's weights [n,47]."""
    return np.clip(expression @ readout[:, :-1].T + readout[:, -1], 0, 1)
