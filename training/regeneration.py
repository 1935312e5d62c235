"""Initialisation regeneration (CVPR 5.1): samples start an iteration with the errors that held-back faces of a similar posture had there,
not with their own, which training has made smaller than they will be on new faces."""
from __future__ import annotations

import numpy as np

from .face_model import FaceModel
from .geometry import rotation

NEIGHBOURS = 32


class Regeneration:
    """The latest errors p - label of held-back faces before one iteration, with their postures: the 68 points of the label, turned but
    neither scaled nor moved (CVPR eq. 9)."""

    def __init__(self, model: FaceModel, seed: int, room: int = 2048):
        self.mean = model.mean[model.landmarks].reshape(-1)
        self.basis = model.basis[:, model.landmarks].reshape(len(model.basis), -1)
        self.postures, self.errors = np.zeros((room, len(self.mean)), np.float32), np.zeros((room, 104), np.float32)
        self.count, self.rng = 0, np.random.default_rng(seed)

    def posture(self, label: np.ndarray) -> np.ndarray:
        turn = rotation(label[:, :4]) / np.square(label[:, :4]).sum(1)[:, None, None]
        shape = (self.mean + label[:, 8:] @ self.basis).reshape(len(label), len(self.mean) // 3, 3)
        return (shape @ turn.transpose(0, 2, 1)).reshape(len(label), len(self.mean))

    def record(self, label: np.ndarray, p: np.ndarray) -> None:
        """Errors of held-back faces [n,104]; the oldest give way."""
        for posture, error in zip(self.posture(label), p - label):
            slot = self.count % len(self.errors)
            self.postures[slot], self.errors[slot] = posture, error
            self.count += 1

    def draw(self, label: np.ndarray) -> np.ndarray:
        """label [n,104] -> the label with the error of a random one of the NEIGHBOURS nearest postures (CVPR eq. 10)."""
        known = min(self.count, len(self.errors))
        posture = self.posture(label)
        distance = np.square(self.postures[:known]).sum(1) - 2 * posture @ self.postures[:known].T
        nearest = np.argpartition(distance, NEIGHBOURS, 1)[:, :NEIGHBOURS]
        chosen = nearest[np.arange(len(label)), self.rng.integers(0, NEIGHBOURS, len(label))]
        return label + self.errors[chosen]

    @property
    def ready(self) -> bool:
        return self.count > 4 * NEIGHBOURS
