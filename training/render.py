"""CPU twins of the browser's raster, resolve and PAF passes (docs/architecture.md, "Rasteriser" and "PAF"), in numba.

The rasteriser is integer arithmetic on snapped vertices, so its result equals the WGSL one bit for bit given the same vertices.
"""
from __future__ import annotations

import numpy as np
from numba import njit, prange

SUBPIXEL = 256
MAX_COORDINATE = 2048.0
MAX_EXTENT = 90 * SUBPIXEL
OCCLUSION_TOLERANCE_PX = 4


def key_bits(triangles: int, size: int) -> tuple[int, int]:
    """(id bits, depth shift) of the rasteriser's key for a mesh of `triangles` in a crop of `size`."""
    id_bits = int(triangles).bit_length()
    depth_bits = (6 * SUBPIXEL * size - 1).bit_length()
    return id_bits, max(0, depth_bits - (32 - id_bits))


@njit(cache=True, inline="always")
def snap(value):
    return np.int32(np.floor(np.float32(value) * np.float32(256.0) + np.float32(0.5)))


@njit(cache=True, inline="always")
def drawable(vertices, v):
    for d in range(3):
        if not abs(vertices[v, d]) < MAX_COORDINATE:  # also false for NaN
            return False
    return True


@njit(cache=True)
def raster(vertices, triangles, size, id_bits, shift, keys):
    """vertices f32 [V,3] in crop pixels, triangles i32 [T,3] -> keys u32 [size,size] (cleared here)."""
    keys[:] = 0
    ids = (1 << id_bits) - 1
    for t in range(triangles.shape[0]):
        i0, i1, i2 = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        if not (drawable(vertices, i0) and drawable(vertices, i1) and drawable(vertices, i2)):
            continue
        x0, y0 = snap(vertices[i0, 0]), snap(vertices[i0, 1])
        x1, y1 = snap(vertices[i1, 0]), snap(vertices[i1, 1])
        x2, y2 = snap(vertices[i2, 0]), snap(vertices[i2, 1])
        low_x, high_x = min(x0, x1, x2), max(x0, x1, x2)
        low_y, high_y = min(y0, y1, y2), max(y0, y1, y2)
        if high_x - low_x > MAX_EXTENT or high_y - low_y > MAX_EXTENT:
            continue
        area = (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0)
        if area == 0:
            continue
        if area < 0:
            x1, y1, x2, y2 = x2, y2, x1, y1
        depth = snap(vertices[i0, 2]) + snap(vertices[i1, 2]) + snap(vertices[i2, 2]) + 3 * SUBPIXEL * size
        depth = max(1, min(6 * SUBPIXEL * size - 1, depth)) >> shift
        key = np.uint32((max(1, depth) << id_bits) | (ids - t))
        # An edge that is not top or left loses ties: shift its function by one (integers).
        bias0 = 0 if (y2 - y1 < 0 or (y2 == y1 and x2 > x1)) else -1
        bias1 = 0 if (y0 - y2 < 0 or (y0 == y2 and x0 > x2)) else -1
        bias2 = 0 if (y1 - y0 < 0 or (y1 == y0 and x1 > x0)) else -1
        for py in range(max(0, (low_y + 255) >> 8), min(size - 1, high_y >> 8) + 1):
            for px in range(max(0, (low_x + 255) >> 8), min(size - 1, high_x >> 8) + 1):
                x, y = px * SUBPIXEL, py * SUBPIXEL
                w0 = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
                w1 = (x0 - x2) * (y - y2) - (y0 - y2) * (x - x2)
                w2 = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
                if w0 + bias0 >= 0 and w1 + bias1 >= 0 and w2 + bias2 >= 0 and key > keys[py, px]:
                    keys[py, px] = key


@njit(cache=True)
def resolve(vertices, triangles, ncc, keys, id_bits, out):
    """Fixed-point barycentric NCC of the visible triangle: out f32 [size,size,3], background 0. ncc u32 [V,3] unorm16."""
    size = keys.shape[0]
    ids = (1 << id_bits) - 1
    for py in range(size):
        for px in range(size):
            key = keys[py, px]
            if key == 0:
                out[py, px, :] = 0
                continue
            t = ids - (np.int64(key) & ids)
            i0, i1, i2 = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            x0, y0 = np.int64(snap(vertices[i0, 0])), np.int64(snap(vertices[i0, 1]))
            x1, y1 = np.int64(snap(vertices[i1, 0])), np.int64(snap(vertices[i1, 1]))
            x2, y2 = np.int64(snap(vertices[i2, 0])), np.int64(snap(vertices[i2, 1]))
            area = (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0)
            if area < 0:
                i1, i2 = i2, i1
                x1, y1, x2, y2 = x2, y2, x1, y1
                area = -area
            x, y = px * SUBPIXEL, py * SUBPIXEL
            w1 = (x0 - x2) * (y - y2) - (y0 - y2) * (x - x2)
            w2 = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
            k = 0
            while area >> k >= 65536:
                k += 1
            b1 = ((w1 >> k) << 16) // (area >> k)
            b2 = min(65536 - b1, ((w2 >> k) << 16) // (area >> k))
            b0 = 65536 - b1 - b2
            for c in range(3):
                colour = (b0 * np.int64(ncc[i0, c]) + b1 * np.int64(ncc[i1, c]) + b2 * np.int64(ncc[i2, c])) >> 8
                out[py, px, c] = np.float32(colour) * np.float32(1.0 / 16777216.0)


@njit(cache=True)
def gather(vertices, image, anchor_vertices, anchor_weights, keys, id_bits, shift, anchors, occluded, patches):
    """PAF: anchors f32 [64,64,3], occluded u8 [64,64] and patches f32 [64,64,3,3,3] (v, u, rgb) of image f32 [size,size,3]."""
    size = image.shape[0]
    tolerance = 3 * SUBPIXEL * OCCLUSION_TOLERANCE_PX
    for i in range(anchor_vertices.shape[0]):
        for j in range(anchor_vertices.shape[1]):
            i0, i1, i2 = anchor_vertices[i, j, 0], anchor_vertices[i, j, 1], anchor_vertices[i, j, 2]
            for d in range(3):
                anchors[i, j, d] = (anchor_weights[i, j, 0] * vertices[i0, d] + anchor_weights[i, j, 1] * vertices[i1, d]
                                    + anchor_weights[i, j, 2] * vertices[i2, d])
            hidden = True
            x, y = anchors[i, j, 0], anchors[i, j, 1]
            if drawable(vertices, i0) and drawable(vertices, i1) and drawable(vertices, i2):
                x0, y0 = np.int64(snap(vertices[i0, 0])), np.int64(snap(vertices[i0, 1]))
                area = ((snap(vertices[i1, 0]) - x0) * (snap(vertices[i2, 1]) - y0)
                        - (snap(vertices[i1, 1]) - y0) * (snap(vertices[i2, 0]) - x0))
                hidden = area >= 0
                px, py = np.int64(np.floor(x + np.float32(0.5))), np.int64(np.floor(y + np.float32(0.5)))
                if not hidden and 0 <= px < size and 0 <= py < size:
                    depth = snap(vertices[i0, 2]) + snap(vertices[i1, 2]) + snap(vertices[i2, 2]) + 3 * SUBPIXEL * size
                    front = np.int64(keys[py, px] >> id_bits) << shift
                    hidden = front > depth + tolerance
            occluded[i, j] = hidden
            if not (abs(x) < MAX_COORDINATE and abs(y) < MAX_COORDINATE):
                patches[i, j, :] = 0
                continue
            fx, fy = np.floor(x), np.floor(y)
            ax, ay = x - fx, y - fy
            bx, by = np.int64(fx), np.int64(fy)
            for v in range(3):
                for u in range(3):
                    xx, yy = bx + u - 1, by + v - 1
                    in_x0, in_x1 = 0 <= xx < size, 0 <= xx + 1 < size
                    in_y0, in_y1 = 0 <= yy < size, 0 <= yy + 1 < size
                    for c in range(3):
                        p00 = image[yy, xx, c] if in_y0 and in_x0 else np.float32(0)
                        p01 = image[yy, xx + 1, c] if in_y0 and in_x1 else np.float32(0)
                        p10 = image[yy + 1, xx, c] if in_y1 and in_x0 else np.float32(0)
                        p11 = image[yy + 1, xx + 1, c] if in_y1 and in_x1 else np.float32(0)
                        top = p00 + (p01 - p00) * ax
                        bottom = p10 + (p11 - p10) * ax
                        patches[i, j, v, u, c] = top + (bottom - top) * ay


@njit(cache=True, parallel=True)
def features(vertices, images, triangles, ncc, anchor_vertices, anchor_weights, id_bits, shift, fixed_keys, fixed_pncc, stem, patches, scale):
    """A batch: vertices f32 [n,V,3] (n of 1: the same for all), images f32 [n,S,S,3] -> stem f32 [n,S,S,6] (rgb, pncc), patches f32
    [n,64,64,27] and the response factors scale f32 [n,64,64] (0.5 where occluded). Keys and PNCC are drawn, or taken from
    fixed_* where these are not empty."""
    size = images.shape[1]
    for n in prange(images.shape[0]):
        mesh = vertices[np.int64(n) % vertices.shape[0]]
        if fixed_keys.shape[0] > 0:
            keys, pncc = fixed_keys, fixed_pncc
        else:
            keys = np.empty((size, size), np.uint32)
            pncc = np.empty((size, size, 3), np.float32)
            raster(mesh, triangles, size, id_bits, shift, keys)
            resolve(mesh, triangles, ncc, keys, id_bits, pncc)
        grid = anchor_vertices.shape[0]
        anchors = np.empty((grid, grid, 3), np.float32)
        occluded = np.empty((grid, grid), np.uint8)
        patch = np.empty((grid, grid, 3, 3, 3), np.float32)
        gather(mesh, images[n], anchor_vertices, anchor_weights, keys, id_bits, shift, anchors, occluded, patch)
        for y in range(size):
            for x in range(size):
                for c in range(3):
                    stem[n, y, x, c] = images[n, y, x, c]
                    stem[n, y, x, 3 + c] = pncc[y, x, c]
        for i in range(grid):
            for j in range(grid):
                scale[n, i, j] = np.float32(0.5) if occluded[i, j] else np.float32(1)
                k = 0
                for v in range(3):
                    for u in range(3):
                        for c in range(3):
                            patches[n, i, j, k] = patch[i, j, v, u, c]
                            k += 1


class Renderer:
    """Features of the cascade for batches, drawn from the model's coarse mesh, with buffers reused between calls (results are valid until the next
    call)."""

    def __init__(self, model, size: int):
        self.size = size
        self.mean = model.mean.reshape(-1)
        self.basis = model.basis.reshape(len(model.basis), -1)
        self.triangles, self.ncc = model.coarse_triangles, model.ncc
        self.anchor_vertices, self.anchor_weights = model.anchor_vertices, model.anchor_weights
        self.id_bits, self.shift = key_bits(len(self.triangles), size)
        self.buffers: tuple[np.ndarray, ...] = ()
        self.drawn_once: tuple[np.ndarray, np.ndarray] | None = None

    def decode(self, p: np.ndarray) -> np.ndarray:
        """[n,104] -> vertices f32 [n,V,3] in crop pixels (y down, larger z nearer)."""
        from .geometry import rotation
        p = np.ascontiguousarray(p, np.float32)
        shape = (self.mean + p[:, 8:] @ self.basis).reshape(len(p), -1, 3)
        out = shape @ rotation(p[:, :4]).transpose(0, 2, 1)
        out[..., 0] += p[:, None, 4]
        out[..., 1] = (self.size - 1) - (out[..., 1] + p[:, None, 5])
        return out

    def __call__(self, p: np.ndarray, images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """stem [n,S,S,6], patches [n,64,64,27], scale [n,64,64] for parameters [n,104] (or [1,104]: p^0, the same for all, drawn once) and
        images f32 [n,S,S,3]."""
        n, size, grid = len(images), self.size, self.anchor_vertices.shape[0]
        if not self.buffers or len(self.buffers[0]) != n:
            self.buffers = (np.empty((n, size, size, 6), np.float32), np.empty((n, grid, grid, 27), np.float32),
                            np.empty((n, grid, grid), np.float32))
        vertices = self.decode(p)
        fixed = np.empty((0, 0), np.uint32), np.empty((0, 0, 3), np.float32)
        if len(p) == 1:
            if self.drawn_once is None:
                self.drawn_once = np.empty((size, size), np.uint32), np.empty((size, size, 3), np.float32)
                raster(vertices[0], self.triangles, size, self.id_bits, self.shift, self.drawn_once[0])
                resolve(vertices[0], self.triangles, self.ncc, self.drawn_once[0], self.id_bits, self.drawn_once[1])
            fixed = self.drawn_once
        features(vertices, images, self.triangles, self.ncc, self.anchor_vertices, self.anchor_weights,
                 self.id_bits, self.shift, *fixed, *self.buffers)
        return self.buffers
