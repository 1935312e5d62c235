"""Costs of one iteration's update, on predictions p [n,104] against labels [n,104] (docs/training.md, "Costs").

`Points` is what the bundled weights were trained with; `PDC`, `VDC`, `WPDC` and `OWPDC` are those of the papers. All return (cost, mean NME
of the 68 points in %). Checked against finite differences and definitions by `python -m training.check`.
"""
from __future__ import annotations

import numpy as np
import torch
from numba import njit, prange

from .face_model import FaceModel
from .geometry import rotation
from .labels import solve_box

LAMBDA = 0.17  # OWPDC: weight of the regulariser (TPAMI's figure as far as it is known)
SWEEPS = 30    # OWPDC: passes of coordinate descent


class PointDecoder(torch.nn.Module):
    """Decodes a fixed subset of vertices: [n,104] -> [n,m,3] in crop pixels, y down, larger z nearer."""

    def __init__(self, model: FaceModel, vertices: np.ndarray, size: int):
        super().__init__()
        self.size = size
        self.register_buffer("mean", torch.as_tensor(model.mean[vertices]).reshape(-1))
        self.register_buffer("basis", torch.as_tensor(model.basis[:, vertices]).reshape(len(model.basis), -1))

    def shape(self, p: torch.Tensor) -> torch.Tensor:
        """Model coordinates [n,m,3] in dm."""
        return (self.mean + p[:, 8:] @ self.basis).reshape(len(p), -1, 3)

    def forward(self, p: torch.Tensor) -> torch.Tensor:
        x = torch.einsum("nij,nvj->nvi", rotation(p[:, :4]), self.shape(p))
        return torch.stack([x[..., 0] + p[:, None, 4], (self.size - 1) - (x[..., 1] + p[:, None, 5]), x[..., 2]], -1)

    def jacobian(self, p: torch.Tensor) -> torch.Tensor:
        """Derivative of forward by the parameters, [n,3m,104]."""
        n, shape = len(p), self.shape(p)
        r = rotation_derivative(p[:, :4])
        out = p.new_zeros(n, shape.shape[1], 3, p.shape[1])
        out[..., :4] = torch.einsum("ncij,nvj->nvic", r, shape)
        out[..., 0, 4], out[..., 1, 5] = 1, 1
        out[..., 8:] = torch.einsum("nij,kvj->nvik", rotation(p[:, :4]), self.basis.reshape(len(self.basis), -1, 3))
        out[..., 1, :] *= -1
        return out.flatten(1, 2)


def rotation_derivative(q: torch.Tensor) -> torch.Tensor:
    """[n,4] -> [n,4,3,3], dR/dq_c. R is quadratic in q, so R(q + e) - R(q - e) is twice the derivative along e, for any step."""
    step = torch.eye(4, dtype=q.dtype)
    return (rotation(q[:, None] + step) - rotation(q[:, None] - step)) / 2


class Cost(torch.nn.Module):
    """What the costs share. `unit` [104] is each parameter's spread; parameters without one never vary and cost nothing."""

    def __init__(self, model: FaceModel, unit: np.ndarray, size: int):
        super().__init__()
        self.decoder = PointDecoder(model, np.r_[model.landmarks, np.arange(0, len(model.mean), 17)], size)
        unit = torch.as_tensor(unit, dtype=torch.float32)
        self.register_buffer("inverse_unit", torch.where(unit > 0, 1 / unit, 0))

    def forward(self, p: torch.Tensor, label: torch.Tensor, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        extent = points.amax(1) - points.amin(1)
        size = (extent[:, 0] * extent[:, 1]).sqrt()[:, None]
        predicted = self.decoder(p)
        distance = ((predicted[:, :68, :2] - points).square().sum(-1) + 1e-3).sqrt() / size
        return self.cost(p, label, predicted, distance, size), 100 * distance.mean().detach()

    def whitened(self, p: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        return (p - label) * self.inverse_unit


class Points(Cost):
    """Mean distance of the 68 points to their targets, plus the mean distance of a vertex subset (VDC, unsquared, in 3D) to the label's
    mesh, both as a fraction of the face size, plus a weak squared cost on whitened identity and expression (PDC) that settles what the
    points leave open. Distances are not squared: the mean distance is what NME measures and outliers weigh less."""

    def __init__(self, model: FaceModel, unit: np.ndarray, size: int, vertex_weight: float = 0.25, coefficient_weight: float = 0.002):
        super().__init__(model, unit, size)
        self.vertex_weight, self.coefficient_weight = vertex_weight, coefficient_weight

    def cost(self, p, label, predicted, distance, size):
        mesh = ((predicted[:, 68:] - self.decoder(label)[:, 68:]).square().sum(-1) + 1e-3).sqrt() / size
        coefficients = self.whitened(p, label)[:, 8:-1].square().mean()
        return distance.mean() + self.vertex_weight * mesh.mean() + self.coefficient_weight * coefficients


class PDC(Cost):
    """Squared error of the whitened parameters, all alike (CVPR eq. 6)."""

    def cost(self, p, label, predicted, distance, size):
        return self.whitened(p, label).square().mean()


class VDC(Cost):
    """Mean squared distance of the vertices, as a fraction of the face size (CVPR eq. 7)."""

    def cost(self, p, label, predicted, distance, size):
        return ((predicted - self.decoder(label)).square().sum(-1) / size**2).mean()


class WPDC(Cost):
    """PDC with weights: how far the mesh of the label moves when one parameter is replaced by the predicted one, over the largest such
    distance of the sample (CVPR eq. 8, TPAMI's normaliser). The weights are constants of the gradient."""

    def cost(self, p, label, predicted, distance, size):
        return (self.weights(p.detach(), label) * self.whitened(p, label).square()).mean()

    def weights(self, p: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """[n,104]. In closed form: a moved quaternion turns the label's shape by a 3x3 difference, whose effect on all vertices is its
        product with their second moments; translation moves all vertices alike; a coefficient moves them by its column."""
        shape, d = self.decoder.shape(label), (p - label).abs()
        moments = torch.einsum("nvi,nvj->nij", shape, shape)
        q, step = label[:, None, :4], torch.diag_embed((p - label)[:, :4])
        change = rotation(q + step) - rotation(q)
        out = torch.zeros_like(p)
        out[:, :4] = torch.einsum("ncij,njk,ncik->nc", change, moments, change).clamp_min(0).sqrt()
        out[:, 4:6] = d[:, 4:6] * shape.shape[1] ** 0.5
        scale = label[:, :4].square().sum(1, keepdim=True)
        out[:, 8:] = scale * d[:, 8:] * self.decoder.basis.norm(dim=1)
        return out / (out.amax(1, keepdim=True) + 1e-6)


class OWPDC(Cost):
    """PDC with optimal weights w in [0, 1]: the fractions of the way to the label, parameter by parameter, that lower the vertex error
    most for the least movement (TPAMI 3.4). The vertex error is linearised at the label, J = dV/dp, d = label - p:

        min (w - 1)' G (w - 1) + LAMBDA |J d|^2 |w|^2,   G = diag(d) J'J diag(d),   0 <= w <= 1

    The published text leaves the regulariser unclear; this one follows the residual, so identity and expression gain weight once the pose
    is right. With the other reading (LAMBDA |diag(w) d|^2) the ranking is static."""

    def cost(self, p, label, predicted, distance, size):
        return (self.weights(p.detach(), label) * self.whitened(p, label).square()).mean()

    def program(self, p: torch.Tensor, label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(H [n,104,104], g [n,104]) of min 1/2 w'Hw - g'w."""
        moved = self.decoder.jacobian(label) * (label - p)[:, None]
        gram = moved.transpose(1, 2) @ moved
        residual = moved.sum(2).square().sum(1)
        return gram + torch.diag_embed((LAMBDA * residual + 1e-6)[:, None].expand_as(p)), gram.sum(2)

    def weights(self, p: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        h, g = self.program(p, label)
        return torch.from_numpy(solve_boxes(h.numpy().astype(np.float64), g.numpy().astype(np.float64))).to(p.dtype)


@njit(cache=True, parallel=True)
def solve_boxes(h, g):
    """Weights in [0, 1] from w = 1, a program each."""
    w, low, high = np.ones(g.shape), np.zeros(g.shape[1]), np.ones(g.shape[1])
    for n in prange(len(g)):
        solve_box(h[n], g[n], w[n], low, high, SWEEPS)
    return w


COSTS = {"points": Points, "pdc": PDC, "vdc": VDC, "wpdc": WPDC, "owpdc": OWPDC}
