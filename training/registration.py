"""MediaPipe's canonical mesh registered to the morphable model: where each of its 468 points lies on our surface.

    python -m training.registration --data ../shared/data [--picture FILE]

A similarity on the points that both meshes share, a thin plate spline that carries the rest along, then the nearest points of the mean face with the
displacements smoothed over the canonical mesh's edges. What definition leaves is refined on data: the mean residual of a point over fitted faces
(training/.cache/labels.npz and teacher.npz) moves it along the surface. Writes training/.cache/registration.npz: `vertices` i32 [468,3] of the packed model
and `weights` f32 [468,3]; `distance` f32 [468] from the surface before it was projected, dm; `systematic` and `scatter` f32 [468], the
mean residual and its spread over the faces, % of the face size (NaN where there were no labels); `used` bool [468].
"""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.interpolate import RBFInterpolator

from . import face_model
from .face_model import ROOT
from .geometry import rotation
from .labels import CACHE, MEDIAPIPE68, SIZE, face_size

REGISTRATION = CACHE / "registration.npz"
SHARED = np.r_[7:10, 17:68]      # of iBUG's 68: jaw points other than the chin are no places on the head
FAR_OFF, VAGUE = 0.12, 2.5       # dm from the surface, and % of the face size of scatter, from which a point is not used
FACES, LARGEST_YAW = 1500, 25.0  # for the refinement
#: The rims of both eyes. How far eyes are open is a matter of expression, and what fits of it leave moves these points off the rim by up to 3 mm: with both
#: blink weights at 1 the lids of the model meet, and these points are still 4 to 6 mm apart. Landmarks and apertures say where lids are.
EYE_RIMS = np.array([33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246,
                     263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466])


def read_obj(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [V,3] and triangles [T,3] of a Wavefront file of triangles."""
    lines = [line.split() for line in path.read_text().splitlines()]
    vertices = np.array([line[1:4] for line in lines if line and line[0] == "v"], float)
    triangles = np.array([[int(corner.split("/")[0]) - 1 for corner in line[1:4]] for line in lines if line and line[0] == "f"])
    return vertices, triangles


def similarity(source: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Scale, rotation and translation that take source [n,3] to target [n,3] best (Umeyama)."""
    x, y = source - source.mean(0), target - target.mean(0)
    u, s, vt = np.linalg.svd(y.T @ x)
    sign = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    turn = (u * sign) @ vt
    scale = (s * sign).sum() / (x**2).sum()
    return scale, turn, target.mean(0) - scale * turn @ source.mean(0)


def nearest(points: np.ndarray, vertices: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearest points of a mesh: triangle [n] and barycentric weights [n,3] for points [n,3]. Candidates are the triangles of the nearest centroids."""
    corners = vertices[triangles]
    centroid = corners.mean(1)
    index, weights = np.empty(len(points), np.int64), np.empty((len(points), 3))
    for i, point in enumerate(points):
        near = np.argpartition(((centroid - point) ** 2).sum(1), 60)[:60]
        a, b, c = corners[near].transpose(1, 0, 2)
        bary = project(point, a, b, c)
        gap = ((bary[:, 0, None] * a + bary[:, 1, None] * b + bary[:, 2, None] * c - point) ** 2).sum(1)
        best = gap.argmin()
        index[i], weights[i] = near[best], bary[best]
    return index, weights


def project(point: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Barycentric weights [t,3] of the nearest point of each triangle (corners [t,3]): of the plane where that lies inside, else of the best edge."""
    e, f, g = b - a, c - a, point - a
    ee, ef, ff, eg, fg = ((x * y).sum(1) for x, y in ((e, e), (e, f), (f, f), (e, g), (f, g)))
    area = np.maximum(ee * ff - ef * ef, 1e-18)
    v, w = (ff * eg - ef * fg) / area, (ee * fg - ef * eg) / area
    options = [np.stack([1 - v - w, v, w], 1)]
    for p, q, order in ((a, b, (0, 1, 2)), (b, c, (2, 0, 1)), (c, a, (1, 2, 0))):
        t = np.clip(((point - p) * (q - p)).sum(1) / np.maximum(((q - p) ** 2).sum(1), 1e-18), 0, 1)
        edge = np.stack([1 - t, t, 0 * t], 1)
        options.append(edge[:, list(order)])
    options = np.stack(options, 1)
    gap = ((np.einsum("tok,ktd->tod", options, np.stack([a, b, c])) - point) ** 2).sum(2)
    gap[(options.min(2) < -1e-9)] = np.inf
    return options[np.arange(len(a)), gap.argmin(1)]


def register(model: face_model.FaceModel, canonical: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices [468,3], weights [468,3] and the distance [468] (dm) from the surface before the last projection, on the mean face alone."""
    mean = model.mean.astype(np.float64)
    source, target = canonical[MEDIAPIPE68[SHARED]], mean[model.landmarks[SHARED]]
    scale, turn, shift = similarity(source, target)
    placed = scale * canonical @ turn.T + shift
    spline = RBFInterpolator(placed[MEDIAPIPE68[SHARED]], target - placed[MEDIAPIPE68[SHARED]], kernel="thin_plate_spline", smoothing=1e-3)
    placed = placed + spline(placed)
    edges = np.unique(np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1), axis=0)
    degree = np.bincount(edges.ravel(), minlength=len(canonical))[:, None]
    for _ in range(3):
        index, weights = nearest(placed, mean, model.triangles)
        move = surface(mean, model.triangles[index], weights) - placed
        distance = np.linalg.norm(move, axis=1)
        smooth = np.zeros_like(move)
        np.add.at(smooth, edges[:, 0], move[edges[:, 1]])
        np.add.at(smooth, edges[:, 1], move[edges[:, 0]])
        placed += (move + smooth / degree) / 2
    index, weights = nearest(placed, mean, model.triangles)
    return model.triangles[index], weights, distance


def surface(vertices: np.ndarray, corners: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """[...,V,3] at corners [468,3] with weights [468,3] -> [...,468,3]."""
    return (vertices[..., corners, :] * weights[..., None]).sum(-2)


def training_faces(model) -> tuple[np.ndarray, np.ndarray] | None:
    """Parameters [n,104] and the teacher's 468 points [n,468,2] of near-frontal training faces; None where there are no labels."""
    labels_file, teacher_file = CACHE / "labels.npz", CACHE / "teacher.npz"
    if not (labels_file.exists() and teacher_file.exists()):
        return None
    labels, teacher = np.load(labels_file), np.load(teacher_file)
    row = {name: i for i, name in enumerate(teacher["image"])}
    there = np.array([row[name] for name in labels["image"]])
    fit = teacher["found"][there] & (np.abs(labels["yaw"]) < LARGEST_YAW) & ~np.char.startswith(labels["split"].astype(str), "val")
    fit &= labels["residual"][:, 0] < 2.0
    rows = np.where(fit)[0]
    rows = np.sort(np.random.default_rng(0).permutation(rows)[:FACES])
    return labels["parameters"][rows, 0].astype(np.float64), teacher["points"][there[rows]][:, :468, :2].astype(np.float64)


def residuals(model, p: np.ndarray, points: np.ndarray, corners: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """points [n,468,2] less where the model has them, y up, pixels."""
    touched, local = np.unique(corners, return_inverse=True)
    out = np.empty((len(p), 468, 2))
    mean, basis = model.mean[touched].astype(np.float64), model.basis[:, touched].reshape(96, -1).astype(np.float64)
    for k in range(0, len(p), 64):
        shape = mean + (p[k:k + 64, 8:] @ basis).reshape(-1, len(touched), 3)
        at = surface(shape, local.reshape(corners.shape), weights) @ rotation(p[k:k + 64, :4]).transpose(0, 2, 1)
        out[k:k + 64, :, 0] = points[k:k + 64, :, 0] - at[..., 0] - p[k:k + 64, 4, None]
        out[k:k + 64, :, 1] = SIZE - 1 - points[k:k + 64, :, 1] - at[..., 1] - p[k:k + 64, 5, None]
    return out


def refine(model, corners, weights, p, points, rounds: int = 3):
    """Moves the points by what their residuals have in common, then back onto the surface. Returns corners, weights, systematic [468] and scatter [468]
    in % of the face size."""
    mean = model.mean.astype(np.float64)
    turn = rotation(p[:, :4])[:, :2]
    size = face_size(points[:, MEDIAPIPE68])
    for k in range(rounds + 1):
        r = residuals(model, p, points, corners, weights)
        part = 100 * r / size[:, None, None]
        systematic = np.linalg.norm(np.median(part, 0), axis=1)
        scatter = np.median(np.linalg.norm(part - np.median(part, 0), axis=2), 0)
        print(f"refined {k} times: systematic {systematic.mean():.2f}% (p95 {np.percentile(systematic, 95):.2f}%), scatter {scatter.mean():.2f}%; "
              f"the 51 inner points {systematic[MEDIAPIPE68[17:]].mean():.2f}% and {scatter[MEDIAPIPE68[17:]].mean():.2f}%")
        if k == rounds:
            break
        normal = np.einsum("nij,nik->jk", turn, turn)
        right = np.einsum("nij,nvi->vj", turn, r)
        move = np.linalg.solve(normal + 0.02 * np.trace(normal) * np.eye(3), right.T).T
        index, weights = nearest(surface(mean, corners, weights) + move, mean, model.triangles)
        corners = model.triangles[index]
    return corners, weights, systematic, scatter


def build(data: Path, picture: Path | None) -> None:
    model = face_model.load()
    canonical, faces = read_obj(data / "mediapipe" / "canonical_face_model.obj")
    corners, weights, distance = register(model, canonical, faces)
    print(f"on the mean face: {distance.mean() * 100:.1f} mm from the surface in the mean, at most {distance.max() * 100:.1f} mm")
    systematic, scatter = np.full(468, np.nan), np.full(468, np.nan)
    known = training_faces(model)
    if known:
        corners, weights, systematic, scatter = refine(model, corners, weights, *known)
    used = (distance < FAR_OFF) & ~(scatter > VAGUE)
    used[EYE_RIMS] = False
    print(f"{used.sum()} of 468 points are used")
    CACHE.mkdir(parents=True, exist_ok=True)
    np.savez(REGISTRATION, vertices=corners.astype(np.int32), weights=weights.astype(np.float32), distance=distance.astype(np.float32),
             systematic=systematic.astype(np.float32), scatter=scatter.astype(np.float32), used=used)
    if picture:
        draw(model, surface(model.mean, corners, weights), faces, used, picture)


def draw(model, points: np.ndarray, faces: np.ndarray, used: np.ndarray, target: Path) -> None:
    """The canonical mesh on the mean face, from the front and from the side; red: not used."""
    import cv2
    tiles = []
    for axis in (0, 2):
        at = lambda x, y: (round(300 + 300 * float(x)), round(300 - 300 * float(y)))
        tile = np.full((640, 640, 3), 255, np.uint8)
        flat = lambda v, axis=axis: (v[axis] if axis == 0 else v[2] - 0.5, v[1])
        for v in model.mean:
            cv2.circle(tile, at(*flat(v)), 0, (200, 200, 200), -1)
        for face in faces:
            cv2.polylines(tile, [np.array([at(*flat(points[i])) for i in face])], True, (160, 120, 0), 1, cv2.LINE_AA)
        for i, v in enumerate(points):
            cv2.circle(tile, at(*flat(v)), 2, (0, 160, 0) if used[i] else (0, 0, 255), -1, cv2.LINE_AA)
        for i in model.landmarks:
            cv2.circle(tile, at(*flat(model.mean[i])), 3, (255, 0, 200), 1, cv2.LINE_AA)
        tiles.append(tile)
    cv2.imwrite(str(target), np.concatenate(tiles, 1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT / ".." / "shared" / "data")
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    build(args.data, args.picture)
