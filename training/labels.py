"""Parameter labels for every training crop: markup and 3D labels are fused into one set of 68 target points, to which pose,
identity and expression are fitted jointly (docs/training.md, "Labels"). Mirrored faces are fitted anew.

    python -m training.labels --data ../shared/data

Writes training/.cache/labels.npz: `image`, `split`, `parameters` f32 [n,2,104] (plain, mirrored; frame of the 192 px crop),
`points` f32 [n,2,68,2] (targets, pixels of the 192 px crop, y down), `residual` [n,2] in % NME, `yaw` [n] degrees.
"""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numba import njit, prange

from . import face_model
from .face_model import ROOT
from .geometry import COUNT, EXPRESSION, IDENTITY, IDENTITY_COUNT, euler_degrees, quaternion

CACHE = ROOT / "training" / ".cache"
SIZE = 192
INNER = np.r_[6:11, 17:68]
FAR_JAW_FADE = (12.0, 28.0)  # degrees of yaw over which the far jaw goes from the visible contour to the 3D jaw
IDENTITY_PRIOR, EXPRESSION_PRIOR = 2e-4, 2.5e-3  # dm^2, summed squared error of the points
DEPTH_WEIGHT = 0.1  # the label network's depth belongs to another mesh: a hint for the pose

# The mirror image of iBUG point i is point MIRROR[i].
MIRROR = np.array([*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31, 45, 44, 43, 42, 47, 46, 39, 38, 37,
                   36, 41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65])


def mirror(points: np.ndarray) -> np.ndarray:
    """[...,68,d] in pixels of the 192 px crop -> the same points of the mirrored picture."""
    out = points[..., MIRROR, :].copy()
    out[..., 0] = SIZE - 1 - out[..., 0]
    return out


def face_size(points: np.ndarray) -> np.ndarray:
    """sqrt(w h) of the tight box, the normaliser of NME. [n,68,>=2] -> [n]."""
    return np.sqrt(np.ptp(points[..., :2], axis=-2).prod(-1))


def nme(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[n,68,2] against ground truth [n,68,2] -> [n] in %."""
    return 100 * np.linalg.norm(a - b, axis=-1).mean(-1) / face_size(b)


def pose_from_points(mean: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Umeyama: unit rotation [n,3,3] and scale [n] that take the model points [68,3] to points [n,68,3] (y up)."""
    x, y = mean - mean.mean(0), points - points.mean(1, keepdims=True)
    u, s, vt = np.linalg.svd(np.einsum("nji,jk->nik", y, x))
    sign = np.ones((len(points), 3))
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    return (u * sign[:, None]) @ vt, (s * sign).sum(1) / (x**2).sum()


class LandmarkMap:
    """Ridge regression from the label network's 68 3D points to markup: what separates the two is mostly a fixed difference of
    definition that depends on pose and shape, so a linear map trained on marked photos corrects photos without markup."""

    def __init__(self, points3d: np.ndarray, markup: np.ndarray, ridge: float = 0.1):
        points3d, markup = np.concatenate([points3d, mirror(points3d)]), np.concatenate([markup, mirror(markup)])
        x, y = self.features(points3d), (markup - points3d[..., :2]) / face_size(points3d)[:, None, None]
        y = y.reshape(len(y), -1)
        self.mean_x, self.mean_y = x.mean(0), y.mean(0)
        x = x - self.mean_x
        self.weights = np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ (y - self.mean_y))

    @staticmethod
    def features(points3d: np.ndarray) -> np.ndarray:
        box = (points3d[..., :2].max(1) + points3d[..., :2].min(1)) / 2
        out = points3d.copy()
        out[..., :2] -= box[:, None]
        return (out / face_size(points3d)[:, None, None]).reshape(len(out), -1)

    def __call__(self, points3d: np.ndarray) -> np.ndarray:
        offset = (self.features(points3d) - self.mean_x) @ self.weights + self.mean_y
        return points3d[..., :2] + offset.reshape(-1, 68, 2) * face_size(points3d)[:, None, None]


def fuse(points3d: np.ndarray, markup: np.ndarray, split: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    """Target points [n,68,2]. Inner points and chin: manual markup where it exists, else the label network mapped to the
    markup's definition (automatic markup pulls half way). Jaw: the same on the near side; on the far side of a turned face the markup follows
    the visible contour, so there the 3D jaw of the labels (with its frontal offset) takes over."""
    manual, automatic = split == "train-300w", split == "train-youtube"
    to_manual = LandmarkMap(points3d[manual], markup[manual])
    mapped = to_manual(points3d)
    target = mapped.copy()
    target[manual] = markup[manual]
    own = LandmarkMap(points3d[automatic], markup[automatic], ridge=1.0)(points3d[automatic])
    target[automatic] += 0.5 * (markup[automatic] - own)
    frontal = manual & (np.abs(yaw) < 8)
    size = face_size(points3d)[:, None, None]
    offset = ((markup - points3d[..., :2]) / size)[frontal].mean(0)
    offset = (offset + offset[MIRROR] * [-1, 1]) / 2  # the same on both sides of the face
    jaw3d = points3d[..., :2] + offset * size
    fade = np.clip((np.abs(yaw) - FAR_JAW_FADE[0]) / (FAR_JAW_FADE[1] - FAR_JAW_FADE[0]), 0, 1)
    far = np.zeros((len(yaw), 68))
    far[:, :6] = (fade * (yaw > 0))[:, None]  # positive yaw turns the nose to the image's left: its left jaw is the far one
    far[:, 11:17] = (fade * (yaw < 0))[:, None]
    return target + far[..., None] * (jaw3d - target)


@njit(cache=True)
def solve_box(h, g, x, low, high, sweeps):
    """min 1/2 x'Hx - g'x within [low, high] by cyclic coordinate descent from x (in place)."""
    for _ in range(sweeps):
        for i in range(len(x)):
            x[i] = min(high[i], max(low[i], x[i] + (g[i] - np.dot(h[i], x)) / h[i, i]))


@njit(cache=True)
def rotate(q):
    a, b, c, d = q
    return np.array([[a * a + b * b - c * c - d * d, 2 * (b * c + a * d), 2 * (b * d - a * c)],
                     [2 * (b * c - a * d), a * a - b * b + c * c - d * d, 2 * (a * b + c * d)],
                     [2 * (a * c + b * d), 2 * (c * d - a * b), a * a - b * b - c * c + d * d]])


@njit(cache=True)
def fit_one(points, q, t, a, mean, basis, weights, prior, low, high, depth_weight, rounds):
    """One face: points f64 [68,3] (x right, y up, z toward the viewer, pixels); updates the pose q [4], t [3] and the coefficients a
    in place. Alternates Gauss-Newton steps of the pose with a box-constrained ridge solve of the coefficients."""
    count = basis.shape[0]
    for r in range(rounds):
        shape = mean.copy()
        for k in range(count):
            shape += a[k] * basis[k]
        for _ in range(3):
            rot = rotate(q)
            f = (q**2).sum()
            projected = shape @ rot.T
            t[2] = (points[:, 2] - projected[:, 2]).mean()
            jtj, jtr = np.zeros((6, 6)), np.zeros(6)
            row = np.zeros(6)
            for j in range(68):
                s0, s1, s2 = shape[j]
                for d in range(3):
                    w = weights[j] * (depth_weight if d == 2 else 1.0)
                    if d == 0:
                        row[:] = (2 * (q[0] * s0 + q[3] * s1 - q[2] * s2), 2 * (q[1] * s0 + q[2] * s1 + q[3] * s2),
                                  2 * (-q[2] * s0 + q[1] * s1 - q[0] * s2), 2 * (-q[3] * s0 + q[0] * s1 + q[1] * s2), 1.0, 0.0)
                    elif d == 1:
                        row[:] = (2 * (-q[3] * s0 + q[0] * s1 + q[1] * s2), 2 * (q[2] * s0 - q[1] * s1 + q[0] * s2),
                                  2 * (q[1] * s0 + q[2] * s1 + q[3] * s2), 2 * (-q[0] * s0 - q[3] * s1 + q[2] * s2), 0.0, 1.0)
                    else:
                        row[:] = (2 * (q[2] * s0 - q[1] * s1 + q[0] * s2), 2 * (q[3] * s0 - q[0] * s1 - q[1] * s2),
                                  2 * (q[0] * s0 + q[3] * s1 - q[2] * s2), 2 * (q[1] * s0 + q[2] * s1 + q[3] * s2), 0.0, 0.0)
                    residual = points[j, d] - projected[j, d] - t[d]
                    for x in range(6):
                        jtr[x] += w * row[x] * residual
                        for y in range(6):
                            jtj[x, y] += w * row[x] * row[y]
            step = np.linalg.solve(jtj + 1e-6 * f * np.eye(6), jtr)
            q += step[:4]
            t[:2] += step[4:]
        rot = rotate(q)
        f = (q**2).sum()
        t[2] = (points[:, 2] - (shape @ rot.T)[:, 2]).mean()
        design = np.empty((68 * 3, count))
        target = np.empty(68 * 3)
        base = mean @ rot.T
        for d in range(3):
            for j in range(68):
                w = np.sqrt(weights[j] * (depth_weight if d == 2 else 1.0)) / f
                target[d * 68 + j] = w * (points[j, d] - base[j, d] - t[d])
                for k in range(count):
                    design[d * 68 + j, k] = w * (rot[d, 0] * basis[k, j, 0] + rot[d, 1] * basis[k, j, 1] + rot[d, 2] * basis[k, j, 2])
        h = design.T @ design + np.diag(prior)
        solve_box(h, design.T @ target, a, low, high, 30)


@njit(cache=True, parallel=True)
def fit(points, start, mean, basis, weights, prior, low, high, depth_weight, rounds):
    """fit_one for points [n,68,3] from start [n,104] with q and t set; mean [68,3], basis [95,68,3], weights [68]. Returns [n,104]."""
    out = start.copy()
    for n in prange(points.shape[0]):
        q, t, a = start[n, :4].copy(), np.zeros(3), np.zeros(basis.shape[0])
        t[:2] = start[n, 4:6]
        fit_one(points[n], q, t, a, mean, basis, weights, prior, low, high, depth_weight, rounds)
        out[n, :4], out[n, 4:6], out[n, 8:8 + len(a)] = q, t[:2], a
    return out


def fit_points(model: face_model.FaceModel, points3d: np.ndarray, rounds: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """points3d [n,68,3] in pixels, y down, larger z nearer -> (parameters f32 [n,104] with q0 > 0, residual [n] in % NME of x, y)."""
    up = points3d.astype(np.float64)
    up[..., 1] = SIZE - 1 - up[..., 1]
    mean = model.mean[model.landmarks].astype(np.float64)
    basis = model.basis[:-1, model.landmarks].astype(np.float64)
    rotation, scale = pose_from_points(mean, up)
    start = np.zeros((len(up), COUNT))
    start[:, :4] = quaternion(rotation) * np.sqrt(scale)[:, None]
    start[:, 4:6] = (up.mean(1) - scale[:, None] * (rotation @ mean.mean(0)))[:, :2]
    expressions = len(basis) - IDENTITY_COUNT
    prior = np.r_[np.full(IDENTITY_COUNT, IDENTITY_PRIOR), np.full(expressions, EXPRESSION_PRIOR)]
    low, high = np.r_[np.full(IDENTITY_COUNT, -3.0), np.full(expressions, -0.3)], np.r_[np.full(IDENTITY_COUNT, 3.0), np.full(expressions, 1.2)]
    p = fit(up, start, mean, basis, np.ones(68), prior, low, high, DEPTH_WEIGHT, rounds)
    from .render import Renderer
    fitted = Renderer(model, SIZE).decode(p)[:, model.landmarks, :2]
    return p.astype(np.float32), nme(fitted, points3d[..., :2])


def build(data: Path) -> None:
    labels = np.load(data / "faces" / "labels.npz")
    model = face_model.load()
    image, points3d, markup = labels["image"], labels["landmarks3d"].astype(np.float64), labels["landmarks2d"].astype(np.float64)
    split = np.array([name.split("/")[0] for name in image])
    up = points3d * [1, -1, 1]
    yaw = euler_degrees(quaternion(pose_from_points(model.mean[model.landmarks].astype(np.float64), up)[0]))[:, 1]
    target = fuse(points3d, markup, split, yaw)
    marked = split == "val-afw"  # reported only: nothing here was fitted on it
    print(f"val-afw: label network {nme(points3d[marked, :, :2], markup[marked]).mean():.2f}%, fused labels without its markup {nme(target[marked], markup[marked]).mean():.2f}%")
    parameters, points, residual = [], [], []
    for side in (lambda x: x, mirror):
        xy, z = side(target), side(points3d)[..., 2:]
        p, r = fit_points(model, np.concatenate([xy, z], -1))
        parameters.append(p), points.append(xy), residual.append(r)
    for name in np.unique(split):
        r = np.concatenate([x[split == name] for x in residual])
        print(f"{name:14s} {np.sum(split == name):6d} faces, residual of the fit: mean {r.mean():.2f}% NME, p95 {np.percentile(r, 95):.2f}%")
    p = parameters[0]
    print("coefficients: identity std", p[:, IDENTITY:EXPRESSION].std().round(2), "expression mean", p[:, EXPRESSION:-1].mean().round(3), "scale", (p[:, :4] ** 2).sum(1).mean().round(1))
    CACHE.mkdir(parents=True, exist_ok=True)
    np.savez(CACHE / "labels.npz", image=image, split=split, parameters=np.stack(parameters, 1), points=np.stack(points, 1).astype(np.float32),
             residual=np.stack(residual, 1).astype(np.float32), yaw=yaw.astype(np.float32), spread=labels["spread"], markup=labels["landmarks2d"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT / ".." / "shared" / "data")
    build(parser.parse_args().data)
