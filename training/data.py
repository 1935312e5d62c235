"""Training samples: decoded crops in one memory-mapped array, geometric and photometric augmentation in numba.

    python -m training.data --data ../shared/data     # decodes the pictures once into training/.cache/crops.npy
"""
from __future__ import annotations

import argparse
import tarfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from . import face_model
from .face_model import ROOT
from .geometry import COUNT, transform_pose
from .labels import CACHE, SIZE
from .profiling import Profiler

CROP = 128
MAX_RESIDUAL, MAX_SPREAD = 2.6, 1.6  # quality filter on the fit and on the label network's own spread, % NME
SPLIT_WEIGHT = {"train-300w": 4.0, "train-youtube": 1.0, "train-lfw": 0.8, "train-utkface": 0.7}


def decode(data: Path) -> None:
    """All crops of labels.npz, in its order, as u8 [n,192,192,3] RGB."""
    names = np.load(CACHE / "labels.npz")["image"]
    row = {name: i for i, name in enumerate(names)}
    out = np.lib.format.open_memmap(CACHE / "crops.partial.npy", mode="w+", dtype=np.uint8, shape=(len(names), SIZE, SIZE, 3))
    found = 0
    for tar in sorted((data / "faces").glob("*.tar")):
        with tarfile.open(tar) as archive:
            for member in tqdm(archive, desc=tar.stem, unit="crop"):
                key = member.name.removeprefix("./")
                if key in row or f"{tar.stem}/{key}" in row:
                    picture = cv2.imdecode(np.frombuffer(archive.extractfile(member).read(), np.uint8), cv2.IMREAD_COLOR)
                    out[row.get(key, row.get(f"{tar.stem}/{key}"))] = picture[..., ::-1]
                    found += 1
    if found != len(names):
        raise ValueError(f"{found} of {len(names)} crops were found in {data / 'faces'}")
    out.flush()
    (CACHE / "crops.partial.npy").rename(CACHE / "crops.npy")


@dataclass
class Batch:
    """images f32 [n,128,128,3] in [0,1]; parameters [n,104] and points [n,68,2] (pixels, y down) in the crop's frame; rows [n] of the
    labels."""

    images: np.ndarray
    parameters: np.ndarray
    points: np.ndarray
    rows: np.ndarray


def warp(crops: np.ndarray, rows: np.ndarray, mirrored: np.ndarray, affine: np.ndarray, out: np.ndarray) -> None:
    """Bilinear resampling into out f32 [n,S,S,3]. affine [n,2,3]: output pixel (x, y) -> pixel of the (possibly mirrored) crop; black outside."""
    affine = affine.copy()
    affine[mirrored, 0] = [0, 0, crops.shape[1] - 1] - affine[mirrored, 0]
    for image, row, matrix in zip(out, rows, affine):
        cut = cv2.warpAffine(crops[row], matrix, image.shape[1::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        np.multiply(cut, np.float32(1 / 255), out=image)


def colour(images: np.ndarray, crops: np.ndarray, rows: np.ndarray, strength: float, rng: np.random.Generator) -> None:
    """Photometric augmentation in place: gain and bias always; occluder (flat, or a piece of another face), blur, grey, gamma and
    noise by chance. `strength` scales amounts and chances."""
    f32 = np.float32
    for image in images:
        if rng.random() < 0.25 * strength:
            w, h = rng.integers(12, 56, 2)
            x, y = rng.integers(-10, CROP - 10, 2)
            x0, y0, x1, y1 = max(0, x), max(0, y), min(CROP, x + w), min(CROP, y + h)
            other = crops[rows[rng.integers(len(rows))]][y0:y1, x0:x1] * f32(1 / 255)
            image[y0:y1, x0:x1] = rng.random(3) if rng.random() < 0.5 else other
        if rng.random() < 0.25 * strength:
            side = 2 * int(rng.integers(1, 4)) + 1
            cv2.blur(image, (side, side), dst=image, borderType=cv2.BORDER_REPLICATE)
        if rng.random() < 0.2 * strength:
            image += f32(rng.random()) * (image.mean(2, keepdims=True) - image)
        if rng.random() < 0.15 * strength:
            np.maximum(image, 0, out=image)  # the running sums of a blur end a little below
            np.power(image, f32(np.exp(rng.normal(0, 0.3))), out=image)
        image *= np.exp(strength * (rng.normal(0, 0.2) + rng.normal(0, 0.06, 3))).astype(f32)
        image += f32(strength * rng.normal(0, 0.06))
        if rng.random() < 0.15 * strength:
            image += f32(0.05 * rng.random()) * rng.standard_normal(image.shape, f32)
        np.clip(image, 0, 1, out=image)


def crop_affine(centre: np.ndarray, angle: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Inverse of geometry.transform_pose for pixels (y down): crop pixel -> source pixel, [n,2,3]."""
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    # y-up source = Rot(-angle) (y-up crop - shift) / scale; both frames flip y about their centres.
    matrix = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
    origin = np.stack([(CROP - 1) / 2 + shift[:, 0], (CROP - 1) / 2 - shift[:, 1]], -1)
    return np.concatenate([matrix, (centre - (matrix @ origin[..., None])[..., 0])[..., None]], -1)


class Samples:
    """Draws augmented batches, a pure function of (seed, step): training resumes exactly. `profiling` is the fraction of samples
    that is turned out of plane."""

    def __init__(self, seed: int = 1, profiling: float = 0.0):
        labels = np.load(CACHE / "labels.npz")
        self.crops = np.load(CACHE / "crops.npy", mmap_mode="r")
        self.parameters, self.points = labels["parameters"], labels["points"]
        self.split, self.yaw, self.markup = labels["split"], labels["yaw"], labels["markup"]
        good = (labels["residual"].max(1) < MAX_RESIDUAL) & (labels["spread"] < MAX_SPREAD) & (self.split != "val-afw")
        self.rows = np.where(good)[0]
        weight = np.array([SPLIT_WEIGHT[name] for name in self.split[self.rows]])
        weight *= 1 + np.minimum((np.abs(self.yaw[self.rows]) / 15) ** 2, 6)
        self.weight = weight / weight.sum()
        self.held_back = np.arange(len(self.split)) // 50 % 10 == 0  # a tenth, in runs: pictures of one person lie side by side
        self.seed, self.profiling = seed, profiling
        self.profiler = Profiler(face_model.load())

    def frame(self, points: np.ndarray, angle: np.ndarray, stretch: np.ndarray, move: np.ndarray):
        """The crop rule (sqrt2 x the longer side of the tight box) for points turned by `angle`, disturbed by `stretch` (factor) and `move`
        (fraction of the box side). Returns scale [n] and shift [n,2] for transform_pose and crop_affine."""
        x, y = points[..., 0] - (SIZE - 1) / 2, (SIZE - 1) / 2 - points[..., 1]
        cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
        turned = np.stack([cos * x - sin * y, sin * x + cos * y], -1)
        low, high = turned.min(1), turned.max(1)
        side = (high - low).max(1)
        scale = CROP / (np.sqrt(2) * side * stretch)
        return scale, -scale[:, None] * ((low + high) / 2 + move * side[:, None])

    def cut(self, rows, side, angle, scale, shift) -> Batch:
        images = np.empty((len(rows), CROP, CROP, 3), np.float32)
        centre = np.full((len(rows), 2), (SIZE - 1) / 2)
        affine = crop_affine(centre, angle, scale, shift)
        warp(self.crops, rows, side.astype(np.bool_), affine, images)
        points = self.points[rows, side]
        inverse = np.linalg.inv(affine[..., :2])
        points = np.einsum("nij,nkj->nki", inverse, points - affine[:, None, :, 2])
        return Batch(images, transform_pose(self.parameters[rows, side], SIZE, CROP, angle, scale, shift), points.astype(np.float32), rows)

    def profiled(self, rows, side, yaw, pitch, angle, stretch, move) -> Batch:
        """Faces turned out of plane by `yaw` and `pitch` (radians), then cut like any other (see `frame`)."""
        p = self.parameters[rows, side]
        turned = self.profiler.plan(p, self.points[rows, side], yaw, pitch)
        scale, shift = self.frame(turned.points, angle, stretch, move)
        affine = crop_affine(np.full((len(rows), 2), (SIZE - 1) / 2), angle, scale, shift)
        inverse = np.linalg.inv(affine[..., :2])
        inverse = np.concatenate([inverse, -inverse @ affine[..., 2:]], -1)
        images = np.empty((len(rows), CROP, CROP, 3), np.float32)
        self.profiler.draw(self.crops, rows, side.astype(np.bool_), p, turned, inverse, images)
        points = np.einsum("nij,nkj->nki", inverse[..., :2], turned.points) + inverse[:, None, :, 2]
        return Batch(images, transform_pose(turned.parameters, SIZE, CROP, angle, scale, shift), points.astype(np.float32), rows)

    def turns(self, rows, side, rng) -> tuple[np.ndarray, np.ndarray]:
        """Random turns away from frontal: the yaw to reach is uniform between the face's own and 90 degrees; pitch up to about 30."""
        own = self.yaw[rows] * np.where(side == 1, -1, 1)
        sign = np.where(np.abs(own) < 8, rng.choice([-1, 1], len(rows)), np.sign(own))
        goal = rng.uniform(np.minimum(np.abs(own), 60), 90)
        return np.deg2rad(sign * np.maximum(0, goal - np.abs(own))), np.deg2rad(np.clip(rng.normal(0, 12, len(rows)), -35, 35))

    def batch(self, step: int, n: int, finish: float = 0.0) -> Batch:
        """Batch number `step`. `finish` (0..1) is the way through the last part of the schedule: manual markup comes to weigh twice, augmentation half."""
        rng = np.random.default_rng([self.seed, step])
        weight = self.weight * np.where(self.split[self.rows] == "train-300w", 1 + finish, 1)
        strength = 1 - 0.5 * finish
        rows = self.rows[rng.choice(len(self.rows), n, p=weight / weight.sum())]
        side = rng.integers(0, 2, n)
        angle = np.deg2rad(np.clip(rng.normal(0, 16 * strength, n), -50, 50)) * (rng.random(n) < 0.7)
        stretch = np.exp(np.clip(rng.normal(0, 0.08, n), -0.25, 0.25))
        move = np.clip(rng.normal(0, 0.045, (n, 2)), -0.15, 0.15)
        t = rng.random(n) < self.profiling
        yaw, pitch = self.turns(rows, side, rng)
        batch = Batch(np.empty((n, CROP, CROP, 3), np.float32), np.empty((n, COUNT), np.float32), np.empty((n, 68, 2), np.float32), rows)
        flat = lambda c: self.cut(rows[c], side[c], angle[c], *self.frame(self.points[rows[c], side[c]], angle[c], stretch[c], move[c]))
        turned = lambda c: self.profiled(rows[c], side[c], yaw[c], pitch[c], angle[c] * 0.5, stretch[c], move[c])
        for draw, chosen in ((flat, ~t), (turned, t)):
            if chosen.any():
                part = draw(chosen)
                batch.images[chosen], batch.parameters[chosen], batch.points[chosen] = part.images, part.parameters, part.points
        colour(batch.images, self.crops, self.rows, strength, rng)
        return batch

    def validation(self, split: str = "val-afw", jitter: int | None = None) -> tuple[Batch, np.ndarray]:
        """The split's crops by the crop rule on the markup's box (with `jitter`, a seed: shifted by up to 5%, scaled by up to 10%, uniform), and markup in crop pixels."""
        rows = np.where(self.split == split)[0]
        n = len(rows)
        markup = self.markup[rows].astype(np.float64)
        stretch, move = np.ones(n), np.zeros((n, 2))
        if jitter is not None:
            rng = np.random.default_rng(jitter)
            stretch, move = 1 + rng.uniform(-0.1, 0.1, n), rng.uniform(-0.05, 0.05, (n, 2))
        zero = np.zeros(n)
        scale, shift = self.frame(markup, zero, stretch, move)
        batch = self.cut(rows, np.zeros(n, np.int64), zero, scale, shift)
        affine = crop_affine(np.full((n, 2), (SIZE - 1) / 2), zero, scale, shift)
        return batch, (markup - affine[:, None, :, 2]) * scale[:, None, None]

    def profiled_validation(self, split: str = "val-afw", seed: int = 3) -> tuple[Batch, np.ndarray]:
        """The split's faces turned to 60 to 90 degrees of yaw (seeded), boxes by the crop rule; the truth is the turned points."""
        rows = np.where(self.split == split)[0]
        n, rng = len(rows), np.random.default_rng(seed)
        own = self.yaw[rows]
        sign = np.where(np.abs(own) < 8, rng.choice([-1, 1], n), np.sign(own))
        yaw = np.deg2rad(sign * np.maximum(0, rng.uniform(60, 90, n) - np.abs(own)))
        batch = self.profiled(rows, np.zeros(n, np.int64), yaw, np.zeros(n), np.zeros(n), np.ones(n), np.zeros((n, 2)))
        return batch, batch.points.astype(np.float64)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT / ".." / "shared" / "data")
    decode(parser.parse_args().data)
