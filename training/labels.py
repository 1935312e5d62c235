"""Parameter labels for the crops: markup, the teachers and fiducials are fused into 68 target points and the openings of eyes and mouth, to which pose,
identity and expression are fitted jointly (docs/training.md, "Labels"). Mirrored faces are fitted anew.

    python -m training.labels --data ../shared/data      # after training.teacher, and again after training.distil; what they have not looked at is labelled without them

Writes training/.cache/labels.npz, again after every split, the most valuable first (rows only ever follow): `image`, `split`; `parameters` f32 [n,2,104] (plain,
mirrored; frame of the 192 px crop); `points` f32 [n,2,68,2] (targets, pixels of the 192 px crop, y down) and their weights `valid` f32 [n,2,68] (0: hidden or
unknown); `lids` f32 [n,2,2] eye aspect ratios (eye of points 36-41, of 42-47) and `lips` f32 [n,2] inner lips' distance over the face size, NaN where
unknown; `blendshapes` f32 [n,2,52] of the teacher (NaN where it found no face) with `blendshape_names`; `eyes_shut` bool [n]; `residual` [n,2] in % NME;
`yaw` [n] degrees; `spread` [n]; `markup` [n,68,2] as marked; `source` [n]: where the inner points come from.
"""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numba import njit
from tqdm import tqdm

from . import face_model
from .face_model import ROOT
from .geometry import (
    COUNT,
    IDENTITY_COUNT,
    euler_degrees,
    quaternion,
    rotation,
)

CACHE = ROOT / "training" / ".cache"
SIZE = 192
INNER = np.r_[6:11, 17:68]
FAR_JAW_FADE = (12.0, 28.0)  # degrees of yaw over which the far jaw goes from the visible contour to the 3D jaw
IDENTITY_PRIOR, EXPRESSION_PRIOR = 2e-4, 2.5e-3  # dm^2, summed squared error of the points
DEPTH_WEIGHT = 0.1  # the label network's depth belongs to another mesh: a hint for the pose

LID_WEIGHT, LIP_WEIGHT = 10.0, 4.0  # of the distance between two lids or lips, beside 1 for a point
LOOSE = {"eyeBlink": 0.1, "jawOpen": 0.1}  # factors of the expression prior: these must be free to close and open
SHUT = 0.06           # eye aspect ratio of eyes that are known to be shut, at most
DISAGREE = 8.0        # % of the face size between two teachers from which the later one's face is taken for a wrong one
CASCADE_PART = 0.3    # of the third teacher's points in the targets without markup
LIDS = np.array([[37, 41], [38, 40], [43, 47], [44, 46]])
LIPS = np.array([[61, 67], [62, 66], [63, 65]])
PAIRS = np.concatenate([LIDS, LIPS])
PAIR_WEIGHTS = np.r_[np.full(4, LID_WEIGHT), np.full(3, LIP_WEIGHT)]
CHUNK = 64

# iBUG's 68 points among the FaceLandmarker's 478. Of the jaw only the chin is a place on the head.
MEDIAPIPE68 = np.array([
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389, 71, 63, 105, 66, 107, 336, 296, 334, 293, 301, 168, 197, 5, 4, 75, 97, 2,
    326, 305, 33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380, 61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87])

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
    """Ridge regression from one or more networks' 68 3D points to markup: what separates them is mostly a fixed difference of definition that depends on pose and
    shape, so a linear map trained on marked photos corrects photos without markup. What it adds is added to the first network's points, in whose box all are seen."""

    def __init__(self, sources: list[np.ndarray], markup: np.ndarray, ridge: float):
        both = [np.concatenate([points, mirror(points)]) for points in sources]
        x, y = self.features(both), (np.concatenate([markup, mirror(markup)]) - both[0][..., :2]) / face_size(both[0])[:, None, None]
        y = y.reshape(len(y), -1)
        self.mean_x, self.mean_y = x.mean(0), y.mean(0)
        x = x - self.mean_x
        self.weights = np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ (y - self.mean_y))

    @staticmethod
    def features(sources: list[np.ndarray]) -> np.ndarray:
        """[n,68,3] each -> [n, 204 a source]."""
        first = sources[0][..., :2]
        box, size = (first.max(1) + first.min(1))[:, None] / 2, face_size(first)[:, None, None]
        return np.concatenate([(np.concatenate([p[..., :2] - box, p[..., 2:]], -1) / size).reshape(len(p), -1) for p in sources], 1)

    def __call__(self, *sources: np.ndarray) -> np.ndarray:
        offset = (self.features(list(sources)) - self.mean_x) @ self.weights + self.mean_y
        return sources[0][..., :2] + offset.reshape(-1, 68, 2) * face_size(sources[0])[:, None, None]


def far_jaw(points3d: np.ndarray, markup: np.ndarray, manual: np.ndarray, yaw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """On the far side of a turned face the markup follows the visible contour; there the label network's 3D jaw takes over, with its offset from the markup of frontal
    faces. Returns the part [n,68,1] that it has of a point, 0 beside the far jaw, and its points [n,68,2]."""
    frontal = manual & (np.abs(yaw) < 8)
    size = face_size(points3d)[:, None, None]
    offset = ((markup - points3d[..., :2]) / size)[frontal].mean(0)
    offset = (offset + offset[MIRROR] * [-1, 1]) / 2  # the same on both sides of the face
    fade = np.clip((np.abs(yaw) - FAR_JAW_FADE[0]) / (FAR_JAW_FADE[1] - FAR_JAW_FADE[0]), 0, 1)
    part = np.zeros((len(yaw), 68))
    part[:, :6] = (fade * (yaw > 0))[:, None]  # positive yaw turns the nose to the image's left: its left jaw is the far one
    part[:, 11:17] = (fade * (yaw < 0))[:, None]
    return part[..., None], points3d[..., :2] + offset * size


def fuse(points3d: np.ndarray, markup: np.ndarray, split: np.ndarray) -> np.ndarray:
    """Points [n,68,2] in the markup's definition: manual markup where it exists, else the label network mapped to it (automatic markup pulls half way)."""
    manual, automatic = split == "train-300w", split == "train-youtube"
    target = LandmarkMap([points3d[manual]], markup[manual], ridge=0.1)(points3d)
    target[manual] = markup[manual]
    own = LandmarkMap([points3d[automatic]], markup[automatic], ridge=1.0)(points3d[automatic])
    target[automatic] += 0.5 * (markup[automatic] - own)
    return target


@njit(cache=True)
def solve_box(h, g, x, low, high, sweeps):
    """min 1/2 x'Hx - g'x within [low, high] by cyclic coordinate descent from x (in place)."""
    for _ in range(sweeps):
        for i in range(len(x)):
            x[i] = min(high[i], max(low[i], x[i] + (g[i] - np.dot(h[i], x)) / h[i, i]))


def eye_ratio(points: np.ndarray) -> np.ndarray:
    """Eye aspect ratio of [...,68,2] -> [...,2]: points 36-41 and 42-47 (image order)."""
    d = lambda i, j: np.linalg.norm(points[..., i, :2] - points[..., j, :2], axis=-1)
    return np.stack([(d(37, 41) + d(38, 40)) / (2 * d(36, 39)), (d(43, 47) + d(44, 46)) / (2 * d(42, 45))], -1)


def lip_opening(points: np.ndarray) -> np.ndarray:
    """Mean distance of the inner lips over the face size, [n,68,2] -> [n]."""
    return np.linalg.norm(points[:, LIPS[:, 0], :2] - points[:, LIPS[:, 1], :2], axis=-1).mean(-1) / face_size(points)


def fit(up, start, mean, basis, weights, pair_weights, prior, centre, low, high, rounds):
    """Poses and coefficients of n faces at once. up [n,68,3] (x right, y up, z toward the viewer, pixels), weights [n,68] of the points, pair_weights [n,7] of
    the distance vectors PAIRS; prior [95] pulls coefficients to centre [n,95] within [low, high]; start [n,104] with pose and coefficients. Alternates
    Gauss-Newton steps of the pose with a box-constrained ridge solve of the coefficients (coordinate descent). Returns f64 [n,104]."""
    n, count = len(up), len(basis)
    q, t, a = start[:, :4].copy(), np.zeros((n, 3)), start[:, 8:8 + count].copy()
    t[:, :2] = start[:, 4:6]
    flat = basis.reshape(count, -1).astype(np.float32)
    by_axis = np.ascontiguousarray(basis.transpose(2, 1, 0)).astype(np.float32)  # [3,68,95]
    w = np.stack([weights, weights, DEPTH_WEIGHT * weights], -1)
    total = weights.sum(1)
    for _ in range(rounds):
        shape = mean + (a.astype(np.float32) @ flat).reshape(n, 68, 3)
        s0, s1, s2 = shape[..., 0], shape[..., 1], shape[..., 2]
        zero, one = np.zeros_like(s0), np.ones_like(s0)
        for _ in range(2):
            projected = shape @ rotation(q).transpose(0, 2, 1)
            t[:, 2] = ((up[..., 2] - projected[..., 2]) * weights).sum(1) / total
            a0, b0, c0, d0 = (q[:, i, None] for i in range(4))
            x = (a0 * s0 + d0 * s1 - c0 * s2, b0 * s0 + c0 * s1 + d0 * s2, -c0 * s0 + b0 * s1 - a0 * s2, -d0 * s0 + a0 * s1 + b0 * s2)
            z = (c0 * s0 - b0 * s1 + a0 * s2, d0 * s0 - a0 * s1 - b0 * s2, x[0], x[1])
            rows = np.stack([np.stack([*(2 * v for v in x), one, zero], -1), np.stack([2 * x[3], -2 * x[2], 2 * x[1], -2 * x[0], zero, one], -1),
                             np.stack([*(2 * v for v in z), zero, zero], -1)], 2).reshape(n, -1, 6)
            residual = (up - projected - t[:, None]).reshape(n, -1)
            weighted = rows * w.reshape(n, -1, 1)
            jtj = weighted.transpose(0, 2, 1) @ rows + 1e-6 * (q**2).sum(1)[:, None, None] * np.eye(6)
            step = np.linalg.solve(jtj, (weighted * residual[..., None]).sum(1)[..., None])[..., 0]
            q += step[:, :4]
            t[:, :2] += step[:, 4:]
        r, f = rotation(q), (q**2).sum(1)
        base = mean @ r.transpose(0, 2, 1)
        t[:, 2] = ((up[..., 2] - (shape @ r.transpose(0, 2, 1))[..., 2]) * weights).sum(1) / total
        target = ((up - base - t[:, None]) / f[:, None, None]).astype(np.float32)
        design = np.einsum("nde,ejk->ndjk", (r / f[:, None, None]).astype(np.float32), by_axis, optimize=True)  # [n,3,68,95]
        pair = design[:, :2, PAIRS[:, 0]] - design[:, :2, PAIRS[:, 1]]
        pair_target = target[:, PAIRS[:, 0], :2] - target[:, PAIRS[:, 1], :2]
        root = np.sqrt(np.concatenate([w.transpose(0, 2, 1).reshape(n, -1), np.tile(pair_weights, (1, 2))], 1)).astype(np.float32)
        everything = np.concatenate([design.reshape(n, -1, count), pair.reshape(n, -1, count)], 1) * root[..., None]
        aims = np.concatenate([target.transpose(0, 2, 1).reshape(n, -1), pair_target.transpose(0, 2, 1).reshape(n, -1)], 1) * root
        h = everything.transpose(0, 2, 1) @ everything + np.diag(prior).astype(np.float32)
        g = (everything.transpose(0, 2, 1) @ aims[..., None])[..., 0] + (prior * centre).astype(np.float32)
        h, g = h.astype(np.float64), g.astype(np.float64)
        for k in range(n):
            solve_box(h[k], g[k], a[k], low, high, 15)
    out = np.zeros((n, COUNT))
    out[:, :4], out[:, 4:6], out[:, 8:8 + count] = q * np.where(q[:, :1] < 0, -1, 1), t[:, :2], a
    return out


def fitted_points(model: face_model.FaceModel, p: np.ndarray) -> np.ndarray:
    """[n,104] -> the model's 68 points [n,68,2], pixels of the 192 px crop, y down."""
    shape = model.mean[model.landmarks] + np.tensordot(p[:, 8:], model.basis[:, model.landmarks], 1)
    out = shape @ rotation(p[:, :4]).transpose(0, 2, 1)
    return np.stack([out[..., 0] + p[:, 4, None], SIZE - 1 - out[..., 1] - p[:, 5, None]], -1)


def fit_points(model, points3d, weights=None, openings=None, centre=None, rounds: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """points3d [n,68,3] in pixels, y down, larger z nearer, with weights [n,68]; `openings` bool [n,7] which of PAIRS count; `centre` [n,47] expected expression ->
    (parameters f32 [n,104] with q0 > 0, residual [n]: weighted mean distance of x, y in % NME)."""
    n = len(points3d)
    weights = np.ones((n, 68)) if weights is None else weights
    up = points3d.astype(np.float64)
    up[..., 1] = SIZE - 1 - up[..., 1]
    mean = model.mean[model.landmarks].astype(np.float64)
    basis = model.basis[:-1, model.landmarks].astype(np.float64)
    turn, scale = pose_from_points(mean, up)
    start = np.zeros((n, COUNT))
    start[:, :4] = quaternion(turn) * np.sqrt(scale)[:, None]
    start[:, 4:6] = (up.mean(1) - scale[:, None] * (turn @ mean.mean(0)))[:, :2]
    expressions = len(basis) - IDENTITY_COUNT
    loose = np.array([next((f for key, f in LOOSE.items() if name.startswith(key)), 1.0) for name in model.expression_names])
    prior = np.r_[np.full(IDENTITY_COUNT, IDENTITY_PRIOR), EXPRESSION_PRIOR * loose]
    aim = np.zeros((n, len(basis)))
    if centre is not None:
        aim[:, IDENTITY_COUNT:] = centre
    low, high = np.r_[np.full(IDENTITY_COUNT, -3.0), np.full(expressions, -0.3)], np.r_[np.full(IDENTITY_COUNT, 3.0), np.full(expressions, 1.2)]
    pair_weights = np.zeros((n, len(PAIRS))) if openings is None else PAIR_WEIGHTS * openings
    chunks = [slice(k, k + CHUNK) for k in range(0, n, CHUNK)]
    p = np.concatenate([
        fit(up[c], start[c], mean, basis, weights[c], pair_weights[c], prior, aim[c], low, high, rounds)
        for c in tqdm(chunks, desc="fit", mininterval=5, leave=False)
    ])
    distance = np.linalg.norm(fitted_points(model, p) - points3d[..., :2], axis=-1)
    return p.astype(np.float32), 100 * (distance * weights).sum(1) / weights.sum(1) / face_size(points3d)


SPLITS = (("train-300w", "train-closed-eyes", "val-closed-eyes"), ("train-cfp", "val-cfp", "val-afw"), ("train-youtube",), ("train-lfw",), ("train-utkface",))
FAR = {1: np.r_[0:7, 17:22, 31, 36:42, 48, 49, 59, 60], -1: np.r_[10:17, 22:27, 35, 42:48, 53, 54, 55, 64]}  # hidden in profile, by the sign of the yaw


def read(data: Path) -> dict[str, np.ndarray]:
    """All labels and the teacher's rows, in the order of SPLITS."""
    one, more = (np.load(data / "faces" / name) for name in ("labels.npz", "labels-more.npz"))
    n, m = len(one["image"]), len(more["image"])
    table = {name: np.concatenate([one[name], more[name]]) for name in ("image", "landmarks3d", "landmarks2d", "spread")}
    table["fiducials"] = np.concatenate([np.full((n, 30, 2), np.nan), more["fiducials30"]])
    table["eyes_shut"] = np.concatenate([np.zeros(n, bool), more["eyes_shut"].astype(bool)])
    table["split"] = np.array([name.split("/")[0] for name in table["image"]])
    order = np.argsort([[name in group for group in SPLITS].index(True) for name in table["split"]], kind="stable")
    table = {name: values[order] for name, values in table.items()}
    table["mediapipe"], table["blendshapes"] = np.full((n + m, 68, 3), np.nan), np.full((n + m, 52), np.nan, np.float32)
    teacher = np.load(CACHE / "teacher.npz")
    row = {name: i for i, name in enumerate(table["image"])}
    found = np.where(teacher["found"])[0]
    here = [row[name] for name in teacher["image"][found]]
    table["mediapipe"][here] = teacher["points"][found][:, MEDIAPIPE68]
    table["blendshapes"][here] = teacher["blendshapes"][found]
    table["blendshape_names"] = teacher["blendshape_names"]
    table["cascade"] = np.full((n + m, 68, 2), np.nan)
    if (CACHE / "cascade.npz").exists():
        third = np.load(CACHE / "cascade.npz")
        table["cascade"][[row[name] for name in third["image"]]] = third["points"]
    return table


def scale_openings(points: np.ndarray, pairs: np.ndarray, vectors: np.ndarray) -> None:
    """Moves both ends of `pairs` [k,2] in points [n,68,2] so that they are `vectors` [n,k,2] apart about the same middle; in place."""
    middle = points[:, pairs].mean(2)
    points[:, pairs[:, 0]], points[:, pairs[:, 1]] = middle + vectors / 2, middle - vectors / 2


def apart(points: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    return points[:, pairs[:, 0], :2] - points[:, pairs[:, 1], :2]


def targets(table: dict[str, np.ndarray], yaw: np.ndarray) -> dict[str, np.ndarray]:
    """Target points [n,68,2], `weights` [n,68] of the fit, `valid` [n,68], `openings` bool [n,7] (which of PAIRS are known), `source` [n]."""
    split, points3d, markup, mediapipe = table["split"], table["landmarks3d"].astype(np.float64), table["landmarks2d"].astype(np.float64), table["mediapipe"]
    n = len(split)
    manual, automatic = split == "train-300w", split == "train-youtube"
    seen = ~np.isnan(mediapipe[:, 0, 0])
    # Markup counts pixels in another way than the pictures do: a shift to the right that mirroring would turn round is taken away.
    for chosen in (manual, automatic):
        shift = (markup[chosen, 17:, 0] - points3d[chosen, 17:, 0]).mean()
        markup[chosen, :, 0] -= shift
        print(f"{split[chosen][0]}: markup lies {shift:.2f} px to the right of the label network's points")
    faded, jaw = far_jaw(points3d, markup, manual, yaw)
    base = fuse(points3d, markup, split)
    base += faded * (jaw - base)
    size = face_size(points3d)
    # MediaPipe's points in the markup's definition; a wrong face would spoil the map.
    fair = seen & manual
    far = lambda a, b: 100 * np.linalg.norm(a - b, axis=-1)[:, 17:].mean(1) / size  # % of the face size; NaN where a teacher was not asked or found nothing
    fair &= far(mediapipe[..., :2], points3d[..., :2]) < DISAGREE
    learn = LandmarkMap([mediapipe[fair], points3d[fair]], markup[fair], ridge=0.3)
    mapped = np.full((n, 68, 2), np.nan)
    mapped[seen] = learn(mediapipe[seen], points3d[seen])
    mapped += faded * (jaw - mapped)
    # Openings: the teacher's own, times what separates its definition from the markup's. Through the origin, so that shut stays shut.
    length = lambda points, pairs: np.linalg.norm(apart(points[fair], pairs), axis=-1).mean(-1)
    lid = np.median(np.concatenate([length(markup, pairs) / length(mediapipe, pairs) for pairs in (LIDS[:2], LIDS[2:])]))
    wide = lip_opening(markup[fair]) > 0.06
    lip = np.median((length(markup, LIPS) / length(mediapipe, LIPS))[wide])
    print(f"MediaPipe to markup: lids x {lid:.3f}, inner lips x {lip:.3f} ({fair.sum()} faces)")
    scale_openings(mapped, LIDS, lid * apart(mediapipe, LIDS))
    scale_openings(mapped, LIPS, lip * apart(mediapipe, LIPS))
    profile = np.char.find(table["image"].astype(str), "profile") >= 0  # CFP says so; the label network's yaw falls short on some
    good = seen & (far(mapped, base) < DISAGREE) & ~profile
    print(f"MediaPipe: found {seen.sum()} of {n}; dropped {np.sum(seen & ~good & ~profile)} that lie more than {DISAGREE}% from the other "
          f"teacher and {np.sum(seen & profile)} profiles")
    out, source = base.copy(), np.where(good, "mediapipe", "label network").astype("U32")
    use = good & ~manual
    out[use] = mapped[use]
    both = use & automatic
    out[both] = (mapped[both] + base[both]) / 2
    source[manual] = "markup"
    source[both] = "mediapipe and automatic markup"
    third = table["cascade"]
    agree = far(third, out) < DISAGREE
    print(f"cascade: {np.isfinite(third[:, 0, 0]).sum()} faces, {np.sum(agree)} of them within {DISAGREE}% of the targets")
    mixed = agree & ~manual
    out[mixed] += CASCADE_PART * (third[mixed] - out[mixed])
    part = out[use]
    scale_openings(part, PAIRS, apart(mapped[use], PAIRS))  # neither automatic markup nor the cascade opens eyes and mouths
    out[use] = part
    weights, valid = np.full((n, 68), 1.0), np.ones((n, 68))
    openings = np.repeat((good | manual)[:, None], len(PAIRS), 1)
    weights[~(good | manual), 17:] = 0.7
    fiducial_targets(out, weights, valid, source, openings, table["fiducials"], profile, yaw)
    shut = np.where(table["eyes_shut"])[0]
    part = out[shut]
    eyes = eye_ratio(part)
    factor = np.minimum(1, SHUT / np.maximum(eyes, 1e-6))[:, [0, 0, 1, 1], None]
    scale_openings(part, LIDS, apart(part, LIDS) * factor)
    out[shut] = part
    openings[shut, :4] = True
    return {"points": out, "weights": weights, "valid": valid, "openings": openings, "source": source, "good": good}


def fiducial_targets(points, weights, valid, source, openings, fiducials, profile, yaw) -> None:
    """Real profiles, in place: the label network's points (mapped) of the seen side, each region moved to where the 30 fiducials have it. The far side keeps a
    trace of weight, for the pose, and is not valid."""
    for sign, far in FAR.items():
        rows = np.where(profile & (np.sign(yaw) == sign) & ~np.isnan(fiducials[:, :, 0]).any(1))[0]
        eye, brow, corner = (np.r_[42:48], np.r_[22:27], 54) if sign > 0 else (np.r_[36:42], np.r_[17:22], 48)
        f, part = fiducials[rows], points[rows]
        for region, marked in ((eye, np.r_[12:18]), (brow, np.r_[9:12])):
            part[:, region] += (f[:, marked].mean(1) - part[:, region].mean(1))[:, None]
        part[:, 27:31] += (f[:, 18:22].mean(1) - part[:, 27:31].mean(1))[:, None]
        part[:, 31:36] += (f[:, 21] - part[:, 30])[:, None]
        part[:, 30] = f[:, 21]
        part[:, 48:68] += (f[:, 25] - part[:, corner])[:, None]
        part[:, 6:11] += (f[:, 8] - part[:, 8])[:, None]
        points[rows] = part
        weights[np.ix_(rows, far)], valid[np.ix_(rows, far)] = 0.1, 0
        weights[np.ix_(rows, np.r_[8, 30, corner])] = 2
        openings[rows] = False
        source[rows] = "fiducials"


def other_sides(names: list[str]) -> list[int]:
    """Of each name, the column of its other side."""
    return [names.index(n.replace("Left", "@").replace("Right", "Left").replace("@", "Right")) for n in names]


def above_neutral(blendshapes: np.ndarray, neutral: np.ndarray) -> np.ndarray:
    """Blendshapes [...,52] where `neutral` [52] counts as nothing."""
    return np.clip((blendshapes - neutral) / (1 - neutral), 0, 1)


def arkit(name: str) -> str:
    """ARKit's name of one of the model's expressions (src/mmm/blendshapes.ts says the same)."""
    name = name.replace("cheekRaiser", "cheekSquint")
    return name[:-2] if name.startswith(("browInnerUp", "cheekPuff")) else name.replace("_L", "Left").replace("_R", "Right")


def expected_expression(model, blendshapes: np.ndarray, names: np.ndarray, neutral: np.ndarray) -> np.ndarray:
    """Blendshapes [n,52] -> expected weights of the model's 47 expressions, 0 where nothing was found. What a shape reads on most faces (`neutral` [52]) counts as
    nothing."""
    column = {name: i for i, name in enumerate(names)}
    clean = above_neutral(blendshapes, neutral)
    return np.nan_to_num(np.stack([clean[:, column[arkit(name)]] for name in model.expression_names], -1))


def build(data: Path) -> None:
    model, table = face_model.load(), read(data)
    split, points3d = table["split"], table["landmarks3d"].astype(np.float64)
    yaw = euler_degrees(quaternion(pose_from_points(model.mean[model.landmarks].astype(np.float64), points3d * [1, -1, 1])[0]))[:, 1]
    made = targets(table, yaw)
    marked = split == "val-afw"  # reported only: nothing here was fitted on it
    if (marked & made["good"]).any():
        report(table, made, marked & made["good"])
    names = list(table["blendshape_names"])
    swapped = other_sides(names)
    frontal = made["good"] & (np.abs(yaw) < 20) & (split != "train-closed-eyes")
    neutral = np.nanmedian(table["blendshapes"][frontal], 0)
    neutral[[i for i, n in enumerate(names) if n.startswith("eyeBlink")]] = 0.1
    blendshapes = np.where(made["good"][:, None], table["blendshapes"], np.nan)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in ("parameters", "residual")}
    CACHE.mkdir(parents=True, exist_ok=True)
    done = 0
    mirror_pairs = [int(np.where((pair == PAIRS).all(1))[0][0]) for pair in MIRROR[PAIRS]]
    for group in SPLITS:
        rows = np.where(np.isin(split, group))[0]
        sides = []
        for flip in (False, True):
            side = mirror if flip else lambda x: x
            xy, z = side(made["points"][rows]), side(points3d[rows])[..., 2:]
            w, o = (made["weights"][rows][:, MIRROR], made["openings"][rows][:, mirror_pairs]) if flip else (made["weights"][rows], made["openings"][rows])
            b = blendshapes[rows][:, swapped] if flip else blendshapes[rows]
            centre = expected_expression(model, b, table["blendshape_names"], (neutral[swapped] + neutral) / 2)
            sides.append(fit_points(model, np.concatenate([xy, z], -1), w, o, centre))
        parts["parameters"].append(np.stack([p for p, _ in sides], 1))
        parts["residual"].append(np.stack([r for _, r in sides], 1).astype(np.float32))
        done += len(rows)
        save(table, made, blendshapes, swapped, yaw, {name: np.concatenate(values) for name, values in parts.items()}, done)
        summary(model, table, made, yaw, parts["parameters"][-1], parts["residual"][-1], rows)


def save(table, made, blendshapes, swapped, yaw, fitted, n: int) -> None:
    points = made["points"][:n]
    both = np.stack([points, mirror(points)], 1)
    lids, lips = eye_ratio(both), np.stack([lip_opening(both[:, s]) for s in (0, 1)], 1)
    known = made["openings"][:n]
    lids[~known[:, 0]], lips[~known[:, 4]] = np.nan, np.nan
    valid = np.stack([made["valid"][:n], made["valid"][:n][:, MIRROR]], 1)
    f32 = np.float32
    partial = CACHE / "labels.partial.npz"
    np.savez(partial, image=table["image"][:n], split=table["split"][:n], points=both.astype(f32), valid=valid.astype(f32), lids=lids.astype(f32), lips=lips.astype(f32),
             blendshapes=np.stack([blendshapes[:n], blendshapes[:n][:, swapped]], 1).astype(f32), blendshape_names=table["blendshape_names"],
             eyes_shut=table["eyes_shut"][:n], yaw=yaw[:n].astype(f32), spread=table["spread"][:n], markup=table["landmarks2d"][:n], source=made["source"][:n], **fitted)
    partial.rename(CACHE / "labels.npz")


REGIONS = {"jaw": slice(0, 17), "brows": slice(17, 27), "nose": slice(27, 36), "eyes": slice(36, 48), "lips": slice(48, 68)}


def by_region(found: np.ndarray, truth: np.ndarray) -> str:
    error = 100 * np.linalg.norm(found - truth, axis=-1) / face_size(truth)[:, None]
    return ", ".join(f"{name} {error[:, s].mean():.2f}" for name, s in REGIONS.items())


def report(table, made, rows) -> None:
    """val-afw, whose markup nothing was fitted on: what the targets are worth."""
    truth = table["landmarks2d"][rows].astype(np.float64)
    for name, found in (("label network", table["landmarks3d"][rows][..., :2]), ("targets", made["points"][rows])):
        lips, open_lips = lip_opening(found), lip_opening(truth)
        wide = open_lips > 0.06
        print(f"val-afw ({rows.sum()}), {name}: NME68 {nme(found, truth).mean():.2f}, {by_region(found, truth)}; "
              f"eye ratio {np.corrcoef(eye_ratio(found).ravel(), eye_ratio(truth).ravel())[0, 1]:.2f} correlated, mean {eye_ratio(found).mean():.3f} of {eye_ratio(truth).mean():.3f}; "
              f"lips {np.corrcoef(lips, open_lips)[0, 1]:.2f}, open ones {lips[wide].mean() / open_lips[wide].mean():.2f} of the truth")


def summary(model, table, made, yaw, p, residual, rows) -> None:
    for name in dict.fromkeys(table["split"][rows]):
        k = np.where(table["split"][rows] == name)[0]
        here = rows[k]
        target, fitted = made["points"][here], fitted_points(model, p[k, 0])
        known = made["openings"][here]
        print(f"{name} ({len(k)}): residual of the fit mean {residual[k].mean():.2f}% NME, p95 {np.percentile(residual[k], 95):.2f}%; {by_region(fitted, target)}")
        for label, chosen in (("yaw 0-30", np.abs(yaw[here]) < 30), ("30-60", (np.abs(yaw[here]) >= 30) & (np.abs(yaw[here]) < 60)), ("60-90", np.abs(yaw[here]) >= 60)):
            if chosen.any():
                print(f"    {label}: {chosen.sum()} faces, {residual[k][chosen].mean():.2f}%")
        if known[:, 0].any():
            eyes = eye_ratio(fitted)[known[:, 0]]
            print(f"    eye ratio: target {eye_ratio(target)[known[:, 0]].mean():.3f}, fitted {eyes.mean():.3f} (p95 {np.percentile(eyes, 95):.3f})")
        wide = known[:, 4] & (lip_opening(target) > 0.06)
        if wide.any():
            print(f"    open mouths: {wide.sum()}, fitted {lip_opening(fitted)[wide].mean() / lip_opening(target)[wide].mean():.2f} of the target")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT / ".." / "shared" / "data")
    build(parser.parse_args().data)
