"""Crops as similarities of the picture: what the network sees of it, and how the crop follows the face between iterations
(docs/architecture.md, "Crop"; the twins of src/ are held to these by tests/fixtures/recrop.safetensors).

A crop pixel u (0-based, pixel centres at integers, y down, S = CROP) lies at the picture's pixel

    X = c + (L / S) Rot(r) (u - m),   m = (S - 1) / 2,   Rot(r) = [[cos r, -sin r], [sin r, cos r]]

so that positive r turns clockwise as seen, and a crop with the roll of the head shows it upright.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .face_model import FaceModel
from .geometry import rotation, transform_pose
from .network import description

CROP = 128
BOX_MARGIN = np.sqrt(2)  # side of the crop over the longer side of the landmarks' box, before the first iteration
MARGIN = float(description()["recrop"]["margin"])  # the same before every later one
SMALLEST, LARGEST = 1 / 16, 4.0  # a next crop whose side is beyond these parts of the crop's is not believed
COSINE, SINE = 6, 103    # where an update carries the turn of the head in the picture's plane: cosine - 1 and sine


@dataclass
class Crops:
    """Centre f64 [n,2] and side f64 [n] in picture pixels, roll f64 [n] in radians."""

    centre: np.ndarray
    side: np.ndarray
    roll: np.ndarray

    def __getitem__(self, rows) -> Crops:
        return Crops(self.centre[rows], self.side[rows], self.roll[rows])

    def affine(self) -> np.ndarray:
        """f64 [n,2,3]: crop pixel -> picture pixel."""
        matrix = plane(self.roll) * (self.side / CROP)[:, None, None]
        origin = self.centre - matrix.sum(-1) * ((CROP - 1) / 2)
        return np.concatenate([matrix, origin[..., None]], -1)

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """[n,m,2] crop pixels -> picture pixels."""
        affine = self.affine()
        return np.einsum("nij,nmj->nmi", affine[..., :2], points) + affine[:, None, :, 2]

    def from_picture(self, points: np.ndarray) -> np.ndarray:
        """[n,m,2] picture pixels -> crop pixels."""
        moved = np.einsum("nji,nmj->nmi", plane(self.roll), points - self.centre[:, None])
        return moved * (CROP / self.side)[:, None, None] + (CROP - 1) / 2

    def pose(self, p: np.ndarray, size: int) -> np.ndarray:
        """Parameters [n,104] in the frame of a square picture of `size` pixels -> in the crop's."""
        scale = CROP / self.side
        return transform_pose(p, size, CROP, self.roll, scale, up_shift(self.centre - (size - 1) / 2, self.roll, scale)).astype(np.float32)


    def pose_in_picture(self, p: np.ndarray, size: int) -> np.ndarray:
        """The inverse of `pose`."""
        scale = self.side / CROP
        shift = (self.centre - (size - 1) / 2) * [1, -1]
        return transform_pose(p, CROP, size, -self.roll, scale, shift).astype(np.float32)


def plane(angle: np.ndarray) -> np.ndarray:
    """[n] radians -> [n,2,2] Rot(angle): clockwise as seen where y points down."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)


def up_shift(centre: np.ndarray, roll: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The shift of `transform_pose` that takes the point `centre` [n,2] (pixels from the middle, y down) to the middle."""
    x, y = centre[:, 0] * scale, -centre[:, 1] * scale
    cos, sin = np.cos(roll), np.sin(roll)
    return -np.stack([cos * x - sin * y, sin * x + cos * y], -1)


def upright_box(points: np.ndarray, roll: np.ndarray, middle: float) -> tuple[np.ndarray, np.ndarray]:
    """Tight boxes of points [n,m,2] (pixels, y down) in frames turned by `roll` [n] about `middle`: centres [n,2], not turned, and longer sides [n]."""
    turned = np.einsum("nji,nmj->nmi", plane(roll), points - middle)
    low, high = turned.min(1), turned.max(1)
    return np.einsum("nij,nj->ni", plane(roll), (low + high) / 2) + middle, (high - low).max(1)


def around(points: np.ndarray, roll: np.ndarray, margin: float | np.ndarray = BOX_MARGIN) -> Crops:
    """The crop rule: `margin` times the longer side of the tight box of points [n,68,2] (picture pixels), seen at `roll` [n]."""
    centre, side = upright_box(points.astype(np.float64), roll, 0.0)
    return Crops(centre, side * margin, np.array(roll, np.float64))


def head_roll(q: np.ndarray) -> np.ndarray:
    """[n,4] -> [n] radians: how far the model's y axis is turned clockwise from up, which is defined at every yaw (the x axis is not, in
    profile); 0 where the head is seen along it."""
    r = rotation(q.astype(np.float64))
    x, y = r[..., 0, 1], r[..., 1, 1]
    seen = x**2 + y**2 > 1e-6 * np.square(q.astype(np.float64)).sum(-1) ** 2
    return np.where(seen, np.arctan2(x, np.where(seen, y, 1)), 0)


def turn(p: np.ndarray) -> np.ndarray:
    """Applies the turn that an update carries and takes it out of p [n,104]: R' = Rz R, clockwise by atan2(p[SINE], 1 + p[COSINE]). A half
    turn changes the quaternion's sign somewhere on the circle; these two change nowhere abruptly."""
    angle = np.arctan2(p[:, SINE], 1 + p[:, COSINE])
    zero = np.zeros(len(p))
    out = transform_pose(p, 1, 1, -angle, zero + 1, np.zeros((len(p), 2)))
    out[:, 4:6], out[:, COSINE], out[:, SINE] = p[:, 4:6], 0, 0
    return out.astype(np.float32)


def turn_matrix(p: torch.Tensor) -> torch.Tensor:
    """[n,104] -> [n,2,2]: the same turn, of x and y (y up), differentiable."""
    d = torch.stack([1 + p[:, COSINE], p[:, SINE]], -1)
    d = d / (d.square().sum(-1, keepdim=True) + 1e-8).sqrt()
    return torch.stack([torch.stack([d[:, 0], d[:, 1]], -1), torch.stack([-d[:, 1], d[:, 0]], -1)], -2)


class Recropper:
    """The crop that follows from p, for the next iteration."""

    def __init__(self, model: FaceModel):
        self.model = model
        self.mean = model.mean[model.landmarks].reshape(-1)
        self.basis = model.basis[:, model.landmarks].reshape(len(model.basis), -1)

    def landmarks(self, p: np.ndarray) -> np.ndarray:
        """[n,104] -> f64 [n,68,2] in crop pixels, y down."""
        shape = (self.mean + p[:, 8:] @ self.basis).reshape(len(p), -1, 3)
        out = (shape @ rotation(p[:, :4]).transpose(0, 2, 1))[..., :2].astype(np.float64)
        out[..., 0] += p[:, None, 4]
        out[..., 1] = (CROP - 1) - (out[..., 1] + p[:, None, 5])
        return out

    def __call__(self, p: np.ndarray, crops: Crops, margin: float = MARGIN) -> tuple[np.ndarray, Crops]:
        """p [n,104] (turned already) in `crops` -> (p in the next crops f32 [n,104], these): the head upright, its landmarks' box in the middle.
        Where the next side would not be within SMALLEST .. LARGEST crops, or anything is not finite, all stays as it is."""
        middle = (CROP - 1) / 2
        with np.errstate(all="ignore"):
            roll = head_roll(p[:, :4])
            centre, side = upright_box(self.landmarks(p), roll, middle)
            side = side * margin
            good = np.isfinite(p).all(1) & np.isfinite(centre).all(1) & (side >= SMALLEST * CROP) & (side <= LARGEST * CROP)
        roll, side, centre = np.where(good, roll, 0), np.where(good, side, CROP), np.where(good[:, None], centre, middle)
        scale = CROP / side
        moved = transform_pose(p, CROP, CROP, roll, scale, up_shift(centre - middle, roll, scale)).astype(np.float32)
        moved[:, :4] *= np.where(moved[:, :1] < 0, -1, 1)  # half angles may add up to a full turn, and updates are added to q
        step = (crops.side / CROP)[:, None] * np.einsum("nij,nj->ni", plane(crops.roll), centre - middle)
        return np.where(good[:, None], moved, p), Crops(crops.centre + step, crops.side * side / CROP, crops.roll + roll)
