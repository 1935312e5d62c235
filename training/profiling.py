"""Face profiling: turns a photo of a face out of plane, with labels (CVPR section 4; docs/training.md, "Face profiling").

The whole picture gets a depth: inside the face from the fitted mesh (the wide one, with ears, neck and scalp edge), around it a
surface that falls back from the rim, as a head does. The surface turns with the head near the face and not at all far from it, so
the background stays. Triangles carry their source pixels and are drawn with a z-buffer straight into the network's crop. Faces
are only turned further from frontal, so the texture that is needed was visible.

    python -m training.profiling --data ../shared/data
"""
from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numba import njit, prange

from . import face_model
from .face_model import ROOT
from .geometry import quaternion, rotation
from .labels import CACHE, SIZE
from .surface import carry

WIDE = CACHE / "wide_face.npz"
CELL = 4                      # px between the vertices of the surround's height field
GRID = SIZE // CELL + 1
RIM_SLOPE = 1.3               # px of depth lost per px away from the face's rim ...
RIM_REACH = 0.25              # ... over this fraction of the face size
TURN_FULL, TURN_NONE = 0.10, 0.55  # distance from the rim (fraction of the face size) that turns with the head, and that stays
BEHIND = 2.0                  # px: inside the face the height field lies behind the mesh
LID_SLIDE = 0.5               # of a lid's way down: so much higher lies the skin that it shows, or lashes would be drawn out over the eye


def pack_wide(data: Path) -> None:
    """The wide face area with the packed model's coefficients, and the faces' triangles."""
    source = np.load(data / "ict" / "ict_face.npz")
    _, kept = face_model.expressions(source)
    basis = np.concatenate([source["identity"][:face_model.IDENTITY_COUNT], source["expression"][kept], 0 * source["mean"][None]]) / 10
    mean, model = source["mean"] / 10, face_model.load()
    if model.correctives:
        over = carry(mean, source["triangles"], model.landmarks)
        own = slice(face_model.IDENTITY_COUNT - model.correctives, face_model.IDENTITY_COUNT)
        basis[own] = np.einsum("vl,kld->kvd", over, model.identity[own][:, model.landmarks])
        mean = mean + np.einsum("k,kvd->vd", model.identity_mean, source["identity"][:face_model.IDENTITY_COUNT] / 10)
        mean = mean + over @ (model.mean - mean[:len(model.mean)])[model.landmarks]
    CACHE.mkdir(parents=True, exist_ok=True)
    np.savez(WIDE, mean=mean.astype(np.float32), basis=basis.astype(np.float32), triangles=source["triangles"].astype(np.int32))


@dataclass
class Turned:
    """Parameters [n,104] and the 68 points [n,68,2] of the turned faces, frame of the 192 px crop; `matrix` [n,3,3] turns picture
    coordinates (x right, y up, z toward the viewer) about `centre` [n,3], after the coefficients have changed to those of the parameters."""

    parameters: np.ndarray
    points: np.ndarray
    matrix: np.ndarray
    centre: np.ndarray


class Profiler:
    def __init__(self, model: face_model.FaceModel):
        wide = np.load(WIDE)
        self.mean, self.basis, self.triangles = wide["mean"], wide["basis"].reshape(len(wide["basis"]), -1), wide["triangles"]
        self.landmarks = model.landmarks
        blinks = np.array([name.startswith("eyeBlink") for name in model.expression_names])
        self.blinks = face_model.IDENTITY_COUNT + np.where(blinks)[0]
        ways = np.linalg.norm(self.basis[self.blinks].reshape(len(self.blinks), -1, 3), axis=-1).max(0)
        edges = np.sort(np.concatenate([self.triangles[:, [0, 1]], self.triangles[:, [1, 2]], self.triangles[:, [2, 0]]]), 1)
        edges, count = np.unique(edges, axis=0, return_counts=True)
        self.lids = ways > 0.1 * ways.max()
        self.lids[edges[count == 1]] = False  # the rim keeps its lashes
        cells = np.arange(GRID * GRID).reshape(GRID, GRID)
        a, b, c, d = cells[:-1, :-1], cells[:-1, 1:], cells[1:, :-1], cells[1:, 1:]
        field = np.concatenate([np.stack([a, c, b], -1).reshape(-1, 3), np.stack([b, c, d], -1).reshape(-1, 3)])
        self.all_triangles = np.concatenate([self.triangles, field + len(self.mean)]).astype(np.int32)

    def vertices(self, p: np.ndarray, subset: np.ndarray | slice = slice(None)) -> np.ndarray:
        """[n,104] -> wide mesh (or a subset of its vertices) [n,W,3], picture coordinates with y up, in the precision of p."""
        basis = self.basis.reshape(len(self.basis), -1, 3)[:, subset].reshape(len(self.basis), -1)
        shape = (self.mean[subset].reshape(-1) + p[:, 8:] @ basis).reshape(len(p), -1, 3)
        out = shape @ rotation(p[:, :4]).transpose(0, 2, 1)
        out[..., :2] += p[:, None, 4:6]
        return out

    def plan(self, p: np.ndarray, points: np.ndarray, yaw: np.ndarray, pitch: np.ndarray, reshaped: np.ndarray | None = None) -> Turned:
        """Turns faces p [n,104] with points [n,68,2] by `yaw` and `pitch` radians (300W-LP signs) about the head's own axes. Labels: rotation and
        translation change, coefficients stay or become those of `reshaped` [n,104]; points are the model's, inner ones keep their offset from the model."""
        p = p.astype(np.float64)
        scale = (p[:, :4] ** 2).sum(1)
        r = rotation(p[:, :4]) / scale[:, None, None]
        half = np.zeros((len(p), 4))
        half[:, 0], half[:, 2] = np.cos(yaw / 2), np.sin(yaw / 2)
        tilt = np.zeros((len(p), 4))
        tilt[:, 0], tilt[:, 1] = np.cos(pitch / 2), np.sin(pitch / 2)
        turned = rotation(tilt) @ r @ rotation(half)
        matrix = turned @ r.transpose(0, 2, 1)
        before = self.vertices(p, self.landmarks)
        centre = before.mean(1)
        out = p.copy()
        if reshaped is not None:
            out[:, 8:] = reshaped[:, 8:]
        mesh = self.vertices(out, self.landmarks)
        out[:, :4] = quaternion(turned) * np.sqrt(scale)[:, None]
        origin = np.concatenate([p[:, 4:6], np.zeros((len(p), 1))], 1)
        out[:, 4:6] = (np.einsum("nij,nj->ni", matrix, origin - centre) + centre)[:, :2]
        lifted = mesh.copy()
        lifted[:, 17:, 0] += points[:, 17:, 0] - before[:, 17:, 0]
        lifted[:, 17:, 1] += SIZE - 1 - points[:, 17:, 1] - before[:, 17:, 1]
        lifted = np.einsum("nij,nvj->nvi", matrix, lifted - centre[:, None]) + centre[:, None]
        return Turned(out.astype(np.float32), np.stack([lifted[..., 0], SIZE - 1 - lifted[..., 1]], -1), matrix, centre)

    def draw(self, crops: np.ndarray, rows: np.ndarray, mirrored: np.ndarray, p: np.ndarray, turned: Turned, inverse: np.ndarray, out: np.ndarray) -> None:
        """Draws the turned pictures into out f32 [n,S,S,3]. p [n,104] are the faces before the turn; inverse [n,2,3]: pixel of the 192 px crop
        -> output pixel (y down)."""
        size = np.sqrt(np.ptp(turned.points, axis=1).prod(-1)).astype(np.float32)
        p = p.astype(np.float32)
        mesh, changed = self.vertices(p), self.vertices(np.concatenate([p[:, :8], turned.parameters[:, 8:]], 1))
        blinks = (turned.parameters - p)[:, 8 + self.blinks]
        way = np.einsum("nk,kvd->nvd", blinks, self.basis.reshape(len(self.basis), -1, 3)[self.blinks][:, self.lids])
        shown = mesh.copy()
        shown[:, self.lids] -= LID_SLIDE * np.einsum("nij,nvj->nvi", rotation(p[:, :4]), way)
        draw_batch(crops, rows, mirrored, mesh, shown, changed, self.all_triangles, turned.matrix.astype(np.float32),
                   turned.centre.astype(np.float32), size, inverse.astype(np.float32), out)


@njit(cache=True)
def surround(mesh, face_size, depth, distance, nearest):
    """Height field of one picture: depth f32 [GRID,GRID] (px, toward the viewer), distance from the face in px (0 inside) and the vertex
    of the mesh that is nearest. mesh f32 [W,3], y up. Two chamfer passes carry the rim's depth outwards."""
    depth[:] = -1e9
    distance[:] = 1e9
    nearest[:] = 0
    for v in range(mesh.shape[0]):
        j, i = np.int64(np.round(mesh[v, 0] / CELL)), np.int64(np.round((SIZE - 1 - mesh[v, 1]) / CELL))
        if 0 <= i < GRID and 0 <= j < GRID:
            if mesh[v, 2] > depth[i, j]:
                depth[i, j], nearest[i, j] = mesh[v, 2], v
            distance[i, j] = 0
    inside = distance == 0
    for sweep in range(2):
        for a in range(GRID):
            for b in range(GRID):
                i, j = (a, b) if sweep == 0 else (GRID - 1 - a, GRID - 1 - b)
                s = -1 if sweep == 0 else 1
                for k in range(4):
                    di, dj = (0, s) if k == 0 else (s, s) if k == 1 else (s, 0) if k == 2 else (s, -s)
                    y, x = i + di, j + dj
                    if 0 <= y < GRID and 0 <= x < GRID and distance[y, x] < 1e8:
                        d = distance[y, x] + CELL * (1.41421356 if di != 0 and dj != 0 else 1.0)
                        if d < distance[i, j]:
                            distance[i, j] = d
                            depth[i, j], nearest[i, j] = depth[y, x], nearest[y, x]
    reach = RIM_REACH * face_size
    for i in range(GRID):
        for j in range(GRID):
            if inside[i, j]:
                depth[i, j] -= BEHIND
            else:
                depth[i, j] -= BEHIND + RIM_SLOPE * min(distance[i, j], reach)
    for _ in range(4):  # the nearest rim point changes abruptly: smooth outside the face
        before = depth.copy()
        for i in range(1, GRID - 1):
            for j in range(1, GRID - 1):
                if not inside[i, j]:
                    depth[i, j] = (before[i - 1, j] + before[i + 1, j] + before[i, j - 1] + before[i, j + 1]) / 4


@njit(cache=True)
def draw_one(picture, mirrored, mesh, shown, changed, triangles, matrix, centre, face_size, inverse, out):
    count = mesh.shape[0]
    depth, distance, nearest_vertex = np.empty((GRID, GRID), np.float32), np.empty((GRID, GRID), np.float32), np.empty((GRID, GRID), np.int32)
    surround(mesh, face_size, depth, distance, nearest_vertex)
    total = count + GRID * GRID
    source = np.empty((total, 2), np.float32)   # pixel of the 192 px crop, y down
    target = np.empty((total, 3), np.float32)   # output pixel and depth
    for v in range(total):
        if v < count:
            x, y, z, weight, near = mesh[v, 0], mesh[v, 1], mesh[v, 2], np.float32(1), v
            source[v, 0], source[v, 1] = shown[v, 0], SIZE - 1 - shown[v, 1]
        else:
            i, j = (v - count) // GRID, (v - count) % GRID
            x, y, z = np.float32(j * CELL), np.float32(SIZE - 1 - i * CELL), depth[i, j]
            t = (distance[i, j] / face_size - TURN_FULL) / (TURN_NONE - TURN_FULL)
            t = min(np.float32(1), max(np.float32(0), np.float32(t)))
            weight, near = 1 - t * t * (3 - 2 * t), nearest_vertex[i, j]
            source[v, 0], source[v, 1] = x, SIZE - 1 - y
        x, y, z = x + weight * (changed[near, 0] - mesh[near, 0]), y + weight * (changed[near, 1] - mesh[near, 1]), z + weight * (changed[near, 2] - mesh[near, 2])
        dx, dy, dz = x - centre[0], y - centre[1], z - centre[2]
        tx = x + weight * (matrix[0, 0] * dx + matrix[0, 1] * dy + matrix[0, 2] * dz + centre[0] - x)
        ty = y + weight * (matrix[1, 0] * dx + matrix[1, 1] * dy + matrix[1, 2] * dz + centre[1] - y)
        tz = z + weight * (matrix[2, 0] * dx + matrix[2, 1] * dy + matrix[2, 2] * dz + centre[2] - z)
        ty = SIZE - 1 - ty
        target[v, 0] = inverse[0, 0] * tx + inverse[0, 1] * ty + inverse[0, 2]
        target[v, 1] = inverse[1, 0] * tx + inverse[1, 1] * ty + inverse[1, 2]
        target[v, 2] = tz
    size = out.shape[0]
    nearest = np.full((size, size), np.float32(-1e9))
    winner = np.full((size, size), np.int32(-1))
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t]
        ax, ay, bx, by, cx, cy = target[a, 0], target[a, 1], target[b, 0], target[b, 1], target[c, 0], target[c, 1]
        x0, x1 = max(0, np.int32(np.ceil(min(ax, bx, cx)))), min(size - 1, np.int32(np.floor(max(ax, bx, cx))))
        y0, y1 = max(0, np.int32(np.ceil(min(ay, by, cy)))), min(size - 1, np.int32(np.floor(max(ay, by, cy))))
        if x0 > x1 or y0 > y1:
            continue
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < np.float32(1e-6):
            continue
        scale = np.float32(1) / area
        az, bz, cz = target[a, 2], target[b, 2], target[c, 2]
        for py in range(y0, y1 + 1):
            for px in range(x0, x1 + 1):
                dx, dy = np.float32(px) - ax, np.float32(py) - ay
                wb = (dx * (cy - ay) - dy * (cx - ax)) * scale
                wc = ((bx - ax) * dy - (by - ay) * dx) * scale
                wa = np.float32(1) - wb - wc
                if min(wa, wb, wc) < np.float32(-1e-4):
                    continue
                z = wa * az + wb * bz + wc * cz
                if z > nearest[py, px]:
                    nearest[py, px], winner[py, px] = z, t
    limit = np.float32(SIZE - 1.001)
    for py in range(size):
        for px in range(size):
            t = winner[py, px]
            if t < 0:
                out[py, px, :] = 0
                continue
            a, b, c = triangles[t]
            ax, ay, bx, by, cx, cy = target[a, 0], target[a, 1], target[b, 0], target[b, 1], target[c, 0], target[c, 1]
            scale = np.float32(1) / ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
            dx, dy = np.float32(px) - ax, np.float32(py) - ay
            wb = (dx * (cy - ay) - dy * (cx - ax)) * scale
            wc = ((bx - ax) * dy - (by - ay) * dx) * scale
            wa = np.float32(1) - wb - wc
            sx = wa * source[a, 0] + wb * source[b, 0] + wc * source[c, 0]
            sy = wa * source[a, 1] + wb * source[b, 1] + wc * source[c, 1]
            if mirrored:
                sx = np.float32(SIZE - 1) - sx
            sx, sy = min(max(sx, np.float32(0)), limit), min(max(sy, np.float32(0)), limit)
            x0, y0 = np.int32(sx), np.int32(sy)
            fx, fy = sx - np.float32(x0), sy - np.float32(y0)
            for k in range(3):
                p00, p01 = np.float32(picture[y0, x0, k]), np.float32(picture[y0, x0 + 1, k])
                p10, p11 = np.float32(picture[y0 + 1, x0, k]), np.float32(picture[y0 + 1, x0 + 1, k])
                top, bottom = p00 + (p01 - p00) * fx, p10 + (p11 - p10) * fx
                out[py, px, k] = (top + (bottom - top) * fy) * np.float32(1 / 255)


@njit(cache=True, parallel=True)
def draw_batch(crops, rows, mirrored, mesh, shown, changed, triangles, matrix, centre, face_size, inverse, out):
    for n in prange(len(rows)):
        draw_one(crops[rows[n]], mirrored[n], mesh[n], shown[n], changed[n], triangles, matrix[n], centre[n], face_size[n], inverse[n], out[n])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT / ".." / "shared" / "data")
    pack_wide(parser.parse_args().data)
