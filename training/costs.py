"""Costs of one iteration's update, on predictions p [n,104] against labels [n,104] (docs/training.md, "Costs").

`Points` is what the bundled weights were trained with; `PDC`, `VDC`, `WPDC` and `OWPDC` are those of the papers. All return (cost, mean NME
of the 68 points in %). Checked against finite differences and definitions by `python -m training.check`.
"""
from __future__ import annotations

import numpy as np
import torch
from numba import njit, prange

from .crops import COSINE, SINE, turn_matrix
from .face_model import FaceModel
from .geometry import rotation
from .labels import solve_box

LAMBDA = 0.17  # OWPDC: weight of the regulariser (TPAMI's figure as far as it is known)
SWEEPS = 30    # OWPDC: passes of coordinate descent


EYELIDS = ((37, 41), (38, 40), (43, 47), (44, 46))
LIPS = ((61, 67), (62, 66), (63, 65))
#: Weights of the 68 distances: what people look at first, eyes and lips, counts more than the contour.
POINT_WEIGHTS = np.r_[np.full(17, 0.95), np.full(10, 0.8), np.full(9, 0.9), np.full(12, 2.2), np.full(20, 2.2)]  # jaw, brows, nose, eyes, lips
EXPRESSION_WEIGHTS = {"eyeBlink": 6.0, "jawOpen": 4.0, "mouthSmile": 2.0, "mouthPucker": 2.0, "browInnerUp": 2.0, "browOuterUp": 2.0, "browDown": 2.0}


class PointDecoder(torch.nn.Module):
    """Decodes a fixed subset of vertices: [n,104] -> [n,m,3] in crop pixels, y down, larger z nearer. A turn that p still carries (crops.turn)
    is applied."""

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
        x = torch.cat([x[..., :2] @ turn_matrix(p).transpose(1, 2), x[..., 2:]], -1)
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

    def forward(self, p: torch.Tensor, label: torch.Tensor, points: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """p and label [n,104], points [n,68,2] and their weights valid [n,68], all in the crop's frame."""
        extent = points.amax(1) - points.amin(1)
        size = (extent[:, 0] * extent[:, 1]).sqrt()[:, None]
        predicted = self.decoder(p)
        distance = ((predicted[:, :68, :2] - points).square().sum(-1) + 1e-3).sqrt() / size
        error = 100 * ((distance * valid).sum() / valid.sum()).detach()
        return self.cost(p, label, predicted, distance, size, points, valid), error

    def whitened(self, p: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        return (p - label) * self.inverse_unit


class Points(Cost):
    """Weighted mean distance of the 68 points to their targets, plus how far eyelids and lips are opened wrongly (a term of its own: one
    eyelid that is 2 px off hardly shows in a mean of 68), plus the mean distance of a vertex subset (VDC, unsquared, in 3D) to the label's
    mesh, all as fractions of the face size, plus a weak squared cost on whitened identity and expression (PDC) that settles what the points
    leave open, plus one on the turn in the plane, whose distances alone have no slope where the head stands upside down. Distances
    are not squared: the mean distance is what NME measures and outliers weigh less."""

    def __init__(self, model: FaceModel, unit: np.ndarray, size: int, vertex_weight: float = 0.25, coefficient_weight: float = 0.003,
                 opening_weight: float = 0.5, turn_weight: float = 0.03):
        super().__init__(model, unit, size)
        self.vertex_weight, self.coefficient_weight = vertex_weight, coefficient_weight
        self.opening_weight, self.turn_weight = opening_weight, turn_weight
        self.register_buffer("point_weights", torch.as_tensor(POINT_WEIGHTS / POINT_WEIGHTS.mean(), dtype=torch.float32))
        expression = [next((w for start, w in EXPRESSION_WEIGHTS.items() if name.startswith(start)), 1.0) for name in model.expression_names]
        self.register_buffer("coefficients", torch.tensor([1.0] * (len(model.basis) - 1 - len(expression)) + expression))

    def cost(self, p, label, predicted, distance, size, points, valid):
        weight = valid * self.point_weights
        mesh = ((predicted[:, 68:] - self.decoder(label)[:, 68:]).square().sum(-1) + 1e-3).sqrt() / size
        coefficients = (self.whitened(p, label)[:, 8:-1].square() * self.coefficients).mean()
        r = rotation(label[:, :4])
        goal = torch.nn.functional.normalize(torch.stack([r[:, 1, 1], r[:, 0, 1]], -1), dim=1)  # cosine and sine of the head's roll
        down = torch.stack([-goal[:, 1], goal[:, 0]], -1)
        lids, lips = (self.opening(predicted, points, size, valid, down, pairs) for pairs in (EYELIDS, LIPS))
        turned = torch.stack([1 + p[:, COSINE], p[:, SINE]], -1) - goal
        return ((distance * weight).sum() / weight.sum() + self.vertex_weight * mesh.mean() + self.coefficient_weight * coefficients
                + self.opening_weight * (lids + lips) + self.turn_weight * turned.square().sum(-1).mean())

    def opening(self, predicted, points, size, valid, down, pairs) -> torch.Tensor:
        """Mean error of the signed distances from upper to lower points of `pairs` along the head's own `down` [n,2], in face sizes."""
        upper, lower = [a for a, _ in pairs], [b for _, b in pairs]
        gap = lambda x: ((x[:, lower, :2] - x[:, upper, :2]) * down[:, None]).sum(-1) / size
        weight = valid[:, upper] * valid[:, lower]
        return ((gap(predicted) - gap(points)).abs() * weight).sum() / (weight.sum() + 1e-6)


class PDC(Cost):
    """Squared error of the whitened parameters, all alike (CVPR eq. 6)."""

    def cost(self, p, label, predicted, distance, size, points, valid):
        return self.whitened(p, label).square().mean()


class VDC(Cost):
    """Mean squared distance of the vertices, as a fraction of the face size (CVPR eq. 7)."""

    def cost(self, p, label, predicted, distance, size, points, valid):
        return ((predicted - self.decoder(label)).square().sum(-1) / size**2).mean()


class WPDC(Cost):
    """PDC with weights: how far the mesh of the label moves when one parameter is replaced by the predicted one, over the largest such
    distance of the sample (CVPR eq. 8, TPAMI's normaliser). The weights are constants of the gradient."""

    def cost(self, p, label, predicted, distance, size, points, valid):
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

    def cost(self, p, label, predicted, distance, size, points, valid):
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
