"""A coarser mesh of some of a mesh's vertices.

Vertices stay where they are, so that decoding the coarse mesh is decoding part of the whole one.
"""
from __future__ import annotations

import heapq

import numpy as np

BORDER_WEIGHT = 10  # of the planes that hold the rim in place, against those of the surface
LENGTH_WEIGHT = 1e-4  # of an edge's squared length: among flat places the short edges go first


def quadric(normal: np.ndarray, point: np.ndarray, weight: float) -> np.ndarray:
    """[4,4]: `weight` times the squared distance of a homogeneous point from the plane through `point`."""
    plane = np.append(normal, -normal @ point)
    return weight * np.outer(plane, plane)


def decimate(points: np.ndarray, triangles: np.ndarray, target: int) -> np.ndarray:
    """Collapses edges of the mesh [V,3], [T,3] onto one of their ends, cheapest first by the error quadrics of Garland and Heckbert, until at
    most `target` triangles are left -> i32 [target,3], vertex ids as before. The rim stays the rim, no triangle turns over, and the mesh stays a manifold."""
    points = points.astype(np.float64)
    faces = [tuple(map(int, t)) for t in triangles]
    left = len(faces)
    quadrics, around = np.zeros((len(points), 4, 4)), [set() for _ in points]
    edges: dict[tuple[int, int], list[int]] = {}
    for t, (a, b, c) in enumerate(faces):
        normal = np.cross(points[b] - points[a], points[c] - points[a])
        area = np.linalg.norm(normal)
        for v in faces[t]:
            quadrics[v] += quadric(normal / max(area, 1e-12), points[a], area / 2)
            around[v].add(t)
        for edge in ((a, b), (b, c), (c, a)):
            edges.setdefault((min(edge), max(edge)), []).append(t)
    rim = set()
    for (u, v), (t, *others) in edges.items():
        if others:
            continue
        rim |= {u, v}
        a, b, c = points[list(faces[t])]
        along = points[v] - points[u]
        across = np.cross(along, np.cross(b - a, c - a))
        upright = quadric(across / max(np.linalg.norm(across), 1e-12), points[u], BORDER_WEIGHT * along @ along)
        quadrics[u] += upright
        quadrics[v] += upright

    version = [0] * len(points)
    heap: list[tuple[float, int, int, int, int]] = []

    def offer(u: int, v: int) -> None:
        if u in rim and v not in rim:
            return
        end, way = np.append(points[v], 1), points[u] - points[v]
        cost = end @ (quadrics[u] + quadrics[v]) @ end + LENGTH_WEIGHT * way @ way
        heapq.heappush(heap, (float(cost), u, v, version[u], version[v]))

    def neighbours(v: int) -> set[int]:
        return {w for t in around[v] for w in faces[t]} - {v}

    def normal(face: tuple[int, ...]) -> np.ndarray:
        a, b, c = points[list(face)]
        return np.cross(b - a, c - a)

    for u, v in edges:
        offer(u, v)
        offer(v, u)
    while left > target and heap:
        _, u, v, u_version, v_version = heapq.heappop(heap)
        shared = around[u] & around[v]
        if not shared or (version[u], version[v]) != (u_version, v_version):
            continue
        if len(neighbours(u) & neighbours(v)) != len(shared):
            continue  # the ends would meet at more than the edge's own triangles
        moved = {t: tuple(v if w == u else w for w in faces[t]) for t in around[u] - shared}
        turns = [(normal(faces[t]), normal(face)) for t, face in moved.items()]
        if any(before @ after < 0.5 * np.linalg.norm(before) * np.linalg.norm(after) or not after.any() for before, after in turns):
            continue
        for t in shared:
            for w in faces[t]:
                around[w].discard(t)
        left -= len(shared)
        for t, face in moved.items():
            faces[t] = face
            around[v].add(t)
        around[u] = set()
        quadrics[v] += quadrics[u]
        version[u] += 1
        version[v] += 1
        for w in neighbours(v):
            offer(w, v)
            offer(v, w)
    return np.array([faces[t] for t in sorted({t for ring in around for t in ring})], np.int32)
