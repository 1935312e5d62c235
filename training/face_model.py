"""The morphable model: packing the ICT face model into `weights/face_model.safetensors`, and loading that file.

Everything downstream (labels, rendering, losses, the browser) reads the packed file, so 8-bit quantisation of the bases is
part of the model rather than an error on top of it. Units are decimetres; see docs/formats.md.

    python -m training.face_model --data ../shared/data
    python -m training.face_model --data ../shared/data --anchors    # only the anchors of the packed file
"""
from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from .decimate import decimate

ROOT = Path(__file__).resolve().parent.parent
MODEL_FILE = ROOT / "weights" / "face_model.safetensors"
NETWORK_FILE = ROOT / "weights" / "network.json"

IDENTITY_COUNT = 48
COARSE_TRIANGLES = 3910  # at most; the network sees hardly a difference from all 13,120 (docs/notes/coarse-mesh.md)
# Gaze shapes turn the eyeballs, which are not part of the face area; pupils do nothing on the skin.
DROPPED_EXPRESSIONS = ("PupilDilate", "eyeLook")

ANCHOR_GRID = 64
ANCHOR_AXIS_Z = 0.5  # dm; the axis of the cylinder runs through x = 0 and this z
# Columns stand at azimuths 70 u + 35 u^3 degrees, u from -1 to 1 (the narrow face ends near +-110): half as dense again in the middle as at even steps.
ANCHOR_AZIMUTH = (70.0, 35.0)
# Rows lie between these heights (dm), with 0.75 + bumps of height 1 (middle, width) at the eyes and at the mouth to a unit of height.
ANCHOR_TOP, ANCHOR_BOTTOM = 0.88, -1.0
ANCHOR_DENSE = ((0.36, 0.12), (-0.38, 0.15))
ANCHOR_JAW_OPEN = 0.25  # the mouth of the face that anchors are placed on: shut, nothing would look into it


@dataclass(frozen=True)
class FaceModel:
    """mean [V,3], identity [48,V,3], expression [47,V,3] in dm (dequantised f32); triangles [T,3]; landmarks [68];
    coarse_triangles [C,3], which the features are drawn from, of some of the vertices; on them anchor_vertices [64,64,3], anchor_weights [64,64,3] (row, column).
    The last `correctives` identity shapes, and a shift of the mean, of which ICT's identity shapes give `identity_mean` [48], are fitted to faces (training.correctives)."""

    mean: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    expression_names: list[str]
    triangles: np.ndarray
    uv: np.ndarray
    landmarks: np.ndarray
    coarse_triangles: np.ndarray
    anchor_vertices: np.ndarray
    anchor_weights: np.ndarray
    correctives: int
    identity_mean: np.ndarray

    @property
    def basis(self) -> np.ndarray:
        """[96,V,3]: identity, expression and the zero padding column, in parameter order from offset 8."""
        pad = np.zeros_like(self.mean)[None]
        return np.concatenate([self.identity, self.expression, pad]).astype(np.float32)

    @property
    def ncc(self) -> np.ndarray:
        """Normalised coordinate code of the mean shape as unorm16, [V,3] (CVPR eq. 4)."""
        low, high = self.mean.min(0), self.mean.max(0)
        return np.round((self.mean - low) / (high - low) * 65535).astype(np.uint32)


def load(path: Path = MODEL_FILE) -> FaceModel:
    with safe_open(path, "np") as file:
        get, meta = file.get_tensor, file.metadata()
        return FaceModel(
            mean=get("mean"),
            identity=get("identity").astype(np.float32) * get("identity_scale")[:, None, None],
            expression=get("expression").astype(np.float32) * get("expression_scale")[:, None, None],
            expression_names=json.loads(meta["expression_names"]),
            triangles=get("triangles").astype(np.int32),
            uv=get("uv"),
            landmarks=get("landmarks68").astype(np.int64),
            coarse_triangles=get("coarse_triangles").astype(np.int32),
            anchor_vertices=get("anchor_vertices").astype(np.int32),
            anchor_weights=get("anchor_weights"),
            correctives=int(meta.get("correctives", 0)),
            identity_mean=np.array(json.loads(meta.get("identity_mean", str([0] * IDENTITY_COUNT)))),
        )


def quantise(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[n,V,3] f32 -> int8 values and one scale a column with columns ~= values * scale."""
    scale = np.abs(columns).max((1, 2)) / 127
    return np.round(columns / scale[:, None, None]).astype(np.int8), scale.astype(np.float32)


def anchor_rays() -> tuple[np.ndarray, np.ndarray]:
    """Azimuths (radians) of the columns and heights (dm) of the rows, [64] each: denser round eyes and mouth."""
    u = np.linspace(-1, 1, ANCHOR_GRID)
    height = np.linspace(ANCHOR_TOP, ANCHOR_BOTTOM, 4096)
    density = 0.75 + sum(np.exp(-0.5 * ((height - middle) / width) ** 2) for middle, width in ANCHOR_DENSE)
    way = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return np.deg2rad(ANCHOR_AZIMUTH[0] * u + ANCHOR_AZIMUTH[1] * u**3), np.interp(np.linspace(0, way[-1], ANCHOR_GRID), way, height)


def around_axis(points: np.ndarray) -> np.ndarray:
    """[n,3] dm -> azimuth (radians) and height (dm), f64 [n,2]."""
    return np.stack([np.arctan2(points[:, 0], points[:, 2] - ANCHOR_AXIS_Z), points[:, 1]], -1).astype(np.float64)


def openings(shape: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Triangles [n,3] over the eyes and the mouth, where the mesh has holes: every rim but the face's own, ears clipped as seen from the axis."""
    edges = {(int(a), int(b)) for a, b in np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])}
    following = {b: a for a, b in edges if (b, a) not in edges}
    rims = []
    while following:
        rim = [next(iter(following))]
        while (vertex := following.pop(rim[-1])) != rim[0]:
            rim.append(vertex)
        rims.append(rim)
    at, out = around_axis(shape), []
    cross = lambda a, b, c: float((at[b] - at[a])[0] * (at[c] - at[a])[1] - (at[b] - at[a])[1] * (at[c] - at[a])[0])

    def fullness(rim: list[int], i: int) -> float:
        """How far from flat the ear at i is; negative: it turns the wrong way or another vertex lies in it."""
        a, b, c = rim[i - 1], rim[i], rim[(i + 1) % len(rim)]
        if any(min(cross(a, b, v), cross(b, c, v), cross(c, a, v)) > 0 for v in rim if v not in (a, b, c)):
            return -1.0
        return cross(a, b, c) / max(np.linalg.norm(at[p] - at[q]) for p, q in ((a, b), (b, c), (c, a))) ** 2

    for rim in sorted(rims, key=len)[:-1]:
        while len(rim) > 2:
            i = max(range(len(rim)), key=partial(fullness, rim))
            out.append((rim[i - 1], rim[i], rim[(i + 1) % len(rim)]))
            del rim[i]
    return np.array(out, triangles.dtype).reshape(-1, 3)


def cylinder_anchors(shape: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Anchors of the pose adaptive feature: for each (row = height, column = azimuth) the outermost triangle of the face `shape` [V,3], its eyes
    and mouth filled, that the ray from the cylinder's axis hits, as vertex ids and barycentric weights. Rays past the rim take the mesh vertex nearest
    in cylinder coordinates (TPAMI 3.2.1; spec 3.2)."""
    triangles = np.concatenate([triangles, openings(shape, triangles)])
    azimuth, height = anchor_rays()
    a, b, c = (shape[triangles[:, i]].astype(np.float64) for i in range(3))
    at = around_axis(shape)
    triangle_of_vertex = np.full(len(shape), -1)
    triangle_of_vertex[triangles.reshape(-1)] = np.repeat(np.arange(len(triangles)), 3)
    used = np.where(triangle_of_vertex >= 0)[0]
    vertices = np.zeros((ANCHOR_GRID, ANCHOR_GRID, 3), np.int64)
    weights = np.zeros((ANCHOR_GRID, ANCHOR_GRID, 3), np.float64)
    e1, e2 = b - a, c - a
    for column, angle in enumerate(azimuth):
        direction = np.array([np.sin(angle), 0, np.cos(angle)])
        cross = np.cross(direction, e2)
        det = (e1 * cross).sum(1)
        det = np.where(np.abs(det) < 1e-12, np.inf, det)
        for row, y in enumerate(height):
            offset = np.array([0, y, ANCHOR_AXIS_Z]) - a
            u = (offset * cross).sum(1) / det
            other = np.cross(offset, e1)
            v = other @ direction / det
            distance = (e2 * other).sum(1) / det
            hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (distance > 0)
            if hit.any():
                index = np.where(hit)[0][np.argmax(distance[hit])]
                vertices[row, column] = triangles[index]
                weights[row, column] = 1 - u[index] - v[index], u[index], v[index]
            else:
                arc = (at[used, 0] - angle) * 0.7  # dm on a typical radius
                nearest = used[np.argmin(arc**2 + (at[used, 1] - y) ** 2)]
                triangle = triangles[triangle_of_vertex[nearest]]
                vertices[row, column] = triangle
                weights[row, column] = triangle == nearest
    return vertices, weights.astype(np.float32)


def anchor_shape(mean: np.ndarray, expression: np.ndarray, names: list[str]) -> np.ndarray:
    """The face that anchors are placed on: the mean with its mouth a little open, [V,3] dm."""
    return mean + ANCHOR_JAW_OPEN * expression[names.index("jawOpen")]


def expressions(data: np.lib.npyio.NpzFile) -> tuple[list[str], list[int]]:
    """Names of the model's expression shapes, and their columns in the ICT file."""
    names = [str(name) for name in data["expression_names"]]
    kept = [i for i, name in enumerate(names) if not name.startswith(DROPPED_EXPRESSIONS)]
    return [names[i] for i in kept], kept


def pack(source: Path, target: Path = MODEL_FILE) -> None:
    data = np.load(source)
    count = int(data["narrow_vertices"])
    mean = (data["mean"][:count] / 10).astype(np.float32)
    triangles = data["triangles"][(data["triangles"] < count).all(1)]
    names, kept = expressions(data)
    identity, identity_scale = quantise(data["identity"][:IDENTITY_COUNT, :count] / 10)
    expression, expression_scale = quantise(data["expression"][kept, :count] / 10)
    edge1, edge2 = mean[triangles[:, 1]] - mean[triangles[:, 0]], mean[triangles[:, 2]] - mean[triangles[:, 0]]
    outward = (np.cross(edge1, edge2) * (mean[triangles].mean(1) - [0, 0, ANCHOR_AXIS_Z])).sum(1)
    if (outward > 0).mean() < 0.75:
        raise ValueError(f"triangles are not counter-clockwise seen from outside: {(outward > 0).mean():.0%} face outwards")
    coarse = decimate(mean, triangles, COARSE_TRIANGLES)
    vertices, weights = cylinder_anchors(anchor_shape(mean, expression * expression_scale[:, None, None], names), coarse)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {
            "mean": mean,
            "identity": identity, "identity_scale": identity_scale,
            "expression": expression, "expression_scale": expression_scale,
            "triangles": triangles.astype(np.uint16), "uv": data["uv"][:count].astype(np.float32),
            "landmarks68": data["landmarks68"].astype(np.uint16), "coarse_triangles": coarse.astype(np.uint16),
            "anchor_vertices": vertices.astype(np.uint16), "anchor_weights": weights,
        },
        target,
        metadata={
            "format": "fullpose-face-model/1", "unit": "dm", "expression_names": json.dumps(names),
            "origin": "ICT face model, USC Institute for Creative Technologies, narrow face area", "licence": "MIT",
        },
    )
    print(f"{target}: {count} vertices, {len(triangles)} and {len(coarse)} triangles, {len(kept)} expressions, {target.stat().st_size / 1e6:.2f} MB")


def place_anchors(source: Path, target: Path = MODEL_FILE) -> None:
    """Places the anchors of the packed file anew, as `pack` would: on the face without what training.correctives adds."""
    with safe_open(target, "np") as file:
        tensors, metadata = load_file(target), file.metadata()
    model, mean = load(target), np.load(source)["mean"][:len(tensors["mean"])] / 10
    shape = anchor_shape(mean.astype(np.float32), model.expression, model.expression_names)
    vertices, tensors["anchor_weights"] = cylinder_anchors(shape, model.coarse_triangles)
    tensors["anchor_vertices"] = vertices.astype(np.uint16)
    save_file(tensors, target, metadata=metadata)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT / ".." / "shared" / "data")
    parser.add_argument("--anchors", action="store_true", help="place only the anchors of the packed file anew")
    args = parser.parse_args()
    (place_anchors if args.anchors else pack)(args.data / "ict" / "ict_face.npz")
