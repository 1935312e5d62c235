"""Costs of one iteration's update, on predictions p [n,104] against labels [n,104] (docs/training.md, "Costs")."""
from __future__ import annotations

import numpy as np
import torch

from .face_model import FaceModel
from .geometry import rotation


class PointDecoder(torch.nn.Module):
    """Decodes a fixed subset of vertices: [n,104] -> [n,m,3] in crop pixels, y down, larger z nearer."""

    def __init__(self, model: FaceModel, vertices: np.ndarray, size: int):
        super().__init__()
        self.size = size
        self.register_buffer("mean", torch.as_tensor(model.mean[vertices]).reshape(-1))
        self.register_buffer("basis", torch.as_tensor(model.basis[:, vertices]).reshape(len(model.basis), -1))

    def forward(self, p: torch.Tensor) -> torch.Tensor:
        shape = (self.mean + p[:, 8:] @ self.basis).reshape(len(p), -1, 3)
        x = torch.einsum("nij,nvj->nvi", rotation(p[:, :4]), shape)
        return torch.stack([x[..., 0] + p[:, None, 4], (self.size - 1) - (x[..., 1] + p[:, None, 5]), x[..., 2]], -1)


class Cost(torch.nn.Module):
    """Mean distance of the 68 points to their targets, plus the mean distance of a vertex subset (VDC, unsquared, in 3D) to the label's
    mesh, both as a fraction of the face size, plus a weak squared cost on whitened identity and expression (PDC) that settles what the
    points leave open. Distances are not squared: the mean distance is what NME measures and outliers weigh less."""

    def __init__(self, model: FaceModel, unit: np.ndarray, size: int, vertex_weight: float = 0.5, coefficient_weight: float = 0.002):
        super().__init__()
        self.decoder = PointDecoder(model, np.r_[model.landmarks, np.arange(0, len(model.mean), 17)], size)
        self.register_buffer("coefficient_unit", torch.as_tensor(unit[8:], dtype=torch.float32).clamp_min(1e-6))
        self.vertex_weight, self.coefficient_weight = vertex_weight, coefficient_weight

    def forward(self, p: torch.Tensor, label: torch.Tensor, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns (cost, mean NME of the 68 points in %)."""
        predicted, truth = self.decoder(p), self.decoder(label)
        extent = points.amax(1) - points.amin(1)
        size = (extent[:, 0] * extent[:, 1]).sqrt()[:, None]
        distance = ((predicted[:, :68, :2] - points).square().sum(-1) + 1e-3).sqrt() / size
        mesh = ((predicted[:, 68:] - truth[:, 68:]).square().sum(-1) + 1e-3).sqrt() / size
        coefficients = ((p[:, 8:] - label[:, 8:]) / self.coefficient_unit)[:, :-1].square().mean()
        cost = distance.mean() + self.vertex_weight * mesh.mean() + self.coefficient_weight * coefficients
        return cost, 100 * distance.mean().detach()
