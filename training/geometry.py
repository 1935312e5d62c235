"""Scaled quaternion pose, parameter layout and similarity transforms (docs/architecture.md, "Coordinates").

Parameters are 104 floats: q (4), t2d (2) + two zeros, identity (48), expression (47) + one zero. Vertices in a crop of side S:
X = R(q) S + (tx, ty, 0) in the y-up frame, then x = X.x, y = (S - 1) - X.y, z = X.z.
"""
from __future__ import annotations

import numpy as np
import torch

COUNT, IDENTITY, EXPRESSION = 104, 8, 56
IDENTITY_COUNT, EXPRESSION_COUNT = 48, 47


def rotation(q):
    """[...,4] scaled quaternions -> [...,3,3] R(q), quadratic in q; works on numpy arrays and on tensors (spec 1.4)."""
    a, b, c, d = q[..., 0], q[..., 1], q[..., 2], q[..., 3]
    rows = [
        a * a + b * b - c * c - d * d, 2 * (b * c + a * d), 2 * (b * d - a * c),
        2 * (b * c - a * d), a * a - b * b + c * c - d * d, 2 * (a * b + c * d),
        2 * (a * c + b * d), 2 * (c * d - a * b), a * a - b * b - c * c + d * d,
    ]
    stack = torch.stack if isinstance(q, torch.Tensor) else np.stack
    return stack(rows, -1).reshape(*q.shape[:-1], 3, 3)


def euler_degrees(q: np.ndarray) -> np.ndarray:
    """[...,4] -> [...,3] pitch, yaw, roll in degrees, 300W-LP convention (spec 1.3)."""
    r = rotation(q / np.linalg.norm(q, axis=-1, keepdims=True))
    yaw = -np.arcsin(np.clip(r[..., 0, 2], -1, 1))
    return np.rad2deg(np.stack([np.arctan2(r[..., 1, 2], r[..., 2, 2]), yaw, np.arctan2(r[..., 0, 1], r[..., 0, 0])], -1))


def quaternion(matrix: np.ndarray) -> np.ndarray:
    """[...,3,3] rotation (unit scale) -> [...,4] unit quaternion with q0 >= 0, by Shepperd's choice of the largest component."""
    r = np.asarray(matrix, np.float64)
    trace = np.trace(r, axis1=-2, axis2=-1)
    squares = np.stack([trace, *(2 * r[..., i, i] - trace for i in range(3))], -1)  # 4 q_i^2 - 1
    best = squares.argmax(-1)
    products = np.zeros((*r.shape[:-2], 4, 4))  # 4 q_i q_j
    for i in range(4):
        products[..., i, i] = 1 + squares[..., i]
    for (i, j), value in {
        (0, 1): r[..., 1, 2] - r[..., 2, 1], (0, 2): r[..., 2, 0] - r[..., 0, 2], (0, 3): r[..., 0, 1] - r[..., 1, 0],
        (1, 2): r[..., 0, 1] + r[..., 1, 0], (1, 3): r[..., 0, 2] + r[..., 2, 0], (2, 3): r[..., 1, 2] + r[..., 2, 1],
    }.items():
        products[..., i, j] = products[..., j, i] = value
    q = np.take_along_axis(products, best[..., None, None], -2)[..., 0, :]
    q = q / np.linalg.norm(q, axis=-1, keepdims=True)
    return q * np.where(q[..., :1] < 0, -1, 1)


def transform_pose(p: np.ndarray, size_from: int, size_to: int, angle: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Moves parameters [n,104] along the picture similarity x' = scale * Rot(angle) * (x - (size_from - 1) / 2) + (size_to - 1) / 2 + shift
    (pixels, y up, angle in radians counter-clockwise). Only q and t change: R' = scale Rz R."""
    out = p.copy()
    half = angle / 2
    z = np.stack([np.cos(half), 0 * half, 0 * half, -np.sin(half)], -1)  # Rz of the transposed convention turns clockwise
    out[:, :4] = multiply(p[:, :4], z) * np.sqrt(scale)[:, None]
    x, y = p[:, 4] - (size_from - 1) / 2, p[:, 5] - (size_from - 1) / 2
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    out[:, 4] = cos * x - sin * y + (size_to - 1) / 2 + shift[:, 0]
    out[:, 5] = sin * x + cos * y + (size_to - 1) / 2 + shift[:, 1]
    return out


def multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Hamilton product of [...,4] quaternions."""
    a0, a1, a2, a3 = np.moveaxis(a, -1, 0)
    b0, b1, b2, b3 = np.moveaxis(b, -1, 0)
    return np.stack([
        a0 * b0 - a1 * b1 - a2 * b2 - a3 * b3, a0 * b1 + a1 * b0 + a2 * b3 - a3 * b2,
        a0 * b2 - a1 * b3 + a2 * b0 + a3 * b1, a0 * b3 + a1 * b2 - a2 * b1 + a3 * b0,
    ], -1)
