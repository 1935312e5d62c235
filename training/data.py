"""Training samples: decoded pictures in one memory-mapped array, geometric and photometric augmentation, crops cut from them.

    python -m training.data --data ../shared/data     # decodes the pictures once into training/.cache/crops.npy

A sample is a picture of 192 px with the labels in its frame, and the crop (`crops.Crops`) that the first iteration gets. Later crops
are cut from the same picture, where p^k puts them.
"""
from __future__ import annotations

import argparse
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from . import face_model
from .crops import CROP, Crops, around
from .face_model import ROOT
from .labels import CACHE, SIZE
from .profiling import Profiler
from .reshaping import Reshaper

MAX_RESIDUAL, MAX_SPREAD = 2.6, 1.6  # quality filter on the fit and on the label network's own spread, % NME
SPLIT_WEIGHT = {"train-300w": 4.0, "train-youtube": 1.0, "train-lfw": 0.8, "train-utkface": 0.7, "train-cfp": 1.0, "train-closed-eyes": 1.0}
BLACK = 12  # a crop's rim is "outside of the picture" where it is not brighter than this
EYES = ((36, 37, 38, 39, 40, 41), (42, 43, 44, 45, 46, 47))


def inside(picture: np.ndarray) -> tuple[int, int, int, int]:
    """The part x0, y0, x1, y1 (exclusive) of a crop u8 [192,192,3] that lay inside of its picture: what is left after cutting black rims."""
    bright = cv2.threshold(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), BLACK, 1, cv2.THRESH_BINARY)[1]
    columns, rows = (np.where(cv2.reduce(bright, axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel() > 0.02 * SIZE)[0] for axis in (0, 1))
    if len(columns) < 32 or len(rows) < 32:
        return 0, 0, SIZE, SIZE
    inset = lambda low, high: (low + 2 if low else 0, high - 2 if high < SIZE else SIZE)  # the JPEG's ringing at the rim
    (x0, x1), (y0, y1) = inset(columns[0], columns[-1] + 1), inset(rows[0], rows[-1] + 1)
    return x0, y0, x1, y1


def decode(data: Path) -> None:
    """All crops of labels.npz and labels-more.npz, by name, as u8 [n,192,192,3] RGB, and what of each is picture."""
    names = np.concatenate([np.load(data / "faces" / f"{name}.npz")["image"] for name in ("labels", "labels-more")])
    row = {name: i for i, name in enumerate(names)}
    out = np.lib.format.open_memmap(CACHE / "crops.partial.npy", mode="w+", dtype=np.uint8, shape=(len(names), SIZE, SIZE, 3))
    limits, found = np.zeros((len(names), 4), np.int16), 0
    cv2.setNumThreads(1)
    for tar in sorted((data / "faces").glob("*.tar")):
        with tarfile.open(tar) as archive:
            for member in tqdm(archive, desc=tar.stem, unit="crop", mininterval=5):
                key = member.name.removeprefix("./")
                key = key if key in row else f"{tar.stem}/{key}"
                if key in row:
                    picture = cv2.imdecode(np.frombuffer(archive.extractfile(member).read(), np.uint8), cv2.IMREAD_COLOR)
                    out[row[key]], limits[row[key]] = picture[..., ::-1], inside(picture)
                    found += 1
    if found != len(names):
        raise ValueError(f"{found} of {len(names)} crops were found in {data / 'faces'}")
    out.flush()
    np.savez(CACHE / "crops.npz", image=names, inside=limits)
    (CACHE / "crops.partial.npy").rename(CACHE / "crops.npy")


@dataclass
class Batch:
    """pictures u8 [n,192,192,3] RGB; parameters f32 [n,104], points f32 [n,68,2] (pixels, y down) and their weights f32 [n,68] in the
    pictures' frame; the first crops; whether the picture goes on mirrored (else: black) beyond its rim, bool [n]; rows [n] of the labels."""

    pictures: np.ndarray
    parameters: np.ndarray
    points: np.ndarray
    valid: np.ndarray
    crops: Crops
    endless: np.ndarray
    rows: np.ndarray

    @staticmethod
    def unlabelled(pictures: np.ndarray, crops: Crops) -> Batch:
        """Pictures u8 [n,h,w,3] to run a cascade on, black beyond their rim."""
        n = len(pictures)
        none = np.zeros((n, 0), np.float32)
        return Batch(pictures, none, none, none, crops, np.zeros(n, np.bool_), np.arange(n))


def cut(pictures: np.ndarray, crops: Crops, endless: np.ndarray, out: np.ndarray | None = None, average: bool = False) -> np.ndarray:
    """Bilinear resampling of u8 [n,h,w,3] into f32 [n,CROP,CROP,3] in [0,1]. With `average`, as the engine does it: several taps a pixel where the crop is
    larger than its pixels, which the small pictures of training hardly need."""
    out = np.empty((len(pictures), CROP, CROP, 3), np.float32) if out is None else out
    taps = np.clip(np.ceil(crops.side / CROP), 1, 16).astype(int) if average else np.ones(len(pictures), int)
    for image, picture, matrix, goes_on, n in zip(out, pictures, crops.affine(), endless, taps):
        border = cv2.BORDER_REFLECT_101 if goes_on else cv2.BORDER_CONSTANT
        finer = np.concatenate([matrix[:, :2] / n, matrix[:, 2:] - matrix[:, :2].sum(1, keepdims=True) * (n - 1) / (2 * n)], 1)
        part = cv2.warpAffine(picture, finer, (CROP * n, CROP * n), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=border)
        np.multiply(part if n == 1 else cv2.resize(part, (CROP, CROP), interpolation=cv2.INTER_AREA), np.float32(1 / 255), out=image)
    return out


def colour(pictures: np.ndarray, others: np.ndarray, strength: float, rng: np.random.Generator) -> None:
    """Photometric augmentation of u8 [n,192,192,3] in place: gain, bias and gamma always or by chance, as one table a channel; occluder (flat, or a
    piece of one of `others`), blur or sharpening, low resolution, JPEG, grey and noise by chance. `strength` scales amounts and chances."""
    ramp = np.arange(256) / 255
    for picture in pictures:
        if rng.random() < 0.25 * strength:
            w, h = rng.integers(12, 56, 2)
            x, y = rng.integers(22, 150, 2)
            other = others[rng.integers(len(others))][y:y + h, x:x + w]
            picture[y:y + h, x:x + w] = rng.integers(0, 256, 3) if rng.random() < 0.5 else other
        if rng.random() < 0.25 * strength:
            side = 2 * int(rng.integers(1, 4)) + 1
            cv2.blur(picture, (side, side), dst=picture, borderType=cv2.BORDER_REPLICATE)
        elif rng.random() < 0.2 * strength:  # the crops are enlarged for the most part; a sharp photo's are not
            amount = rng.uniform(0.3, 1.2)
            cv2.addWeighted(picture, 1 + amount, cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.8, 1.6)), -amount, 0, dst=picture)
        if rng.random() < 0.15 * strength:
            small = int(SIZE / rng.uniform(1.3, 4))
            picture[:] = cv2.resize(cv2.resize(picture, (small, small), interpolation=cv2.INTER_AREA), (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
        if rng.random() < 0.15 * strength:
            code = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(12, 70))))[1]
            picture[:] = cv2.imdecode(code, cv2.IMREAD_COLOR)
        if rng.random() < 0.2 * strength:
            part = float(rng.random())
            grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
            cv2.addWeighted(picture, 1 - part, cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), part, 0, dst=picture)
        gain, bias = np.exp(strength * (rng.normal(0, 0.2) + rng.normal(0, 0.06, 3))), strength * rng.normal(0, 0.06)
        gamma = np.exp(rng.normal(0, 0.3)) if rng.random() < 0.15 * strength else 1.0
        table = np.clip(ramp[:, None] ** gamma * gain + bias, 0, 1) * 255
        cv2.LUT(picture, np.round(table).astype(np.uint8)[None], dst=picture)
        if rng.random() < 0.15 * strength:
            noise = (rng.standard_normal(picture.shape, np.float32) * np.float32(12 * rng.random())).astype(np.int16)
            np.copyto(picture, np.clip(picture + noise, 0, 255).astype(np.uint8))


def extend(picture: np.ndarray, limits: np.ndarray, other: np.ndarray, how: float) -> np.ndarray:
    """What the crop shows outside of its picture, black so far, by chance `how` in [0, 1): black, the rim repeated, another picture, or the picture mirrored.
    A turned crop shows corners that a real picture would fill; a network must not learn the head's roll from the edges of black."""
    x0, y0, x1, y1 = (int(v) for v in limits)
    if (x0, y0, x1, y1) == (0, 0, SIZE, SIZE) or how < 0.2:
        return picture.copy()
    if how < 0.4:
        out = other.copy()
        out[y0:y1, x0:x1] = picture[y0:y1, x0:x1]
        return out
    kind = cv2.BORDER_REPLICATE if how < 0.55 else cv2.BORDER_REFLECT_101
    return cv2.copyMakeBorder(picture[y0:y1, x0:x1], y0, SIZE - y1, x0, SIZE - x1, kind)


def shares(weight: np.ndarray, groups: list[tuple[np.ndarray, float]]) -> np.ndarray:
    """Sampling weights in which each group (mask, share) has at least its share of the whole."""
    weight = weight / weight.sum()
    for mask, share in groups:
        part = weight[mask].sum()
        if 0 < part < share:
            weight = np.where(mask, weight * share / part, weight * (1 - share) / (1 - part))
    return weight / weight.sum()


def eye_openings(points: np.ndarray) -> np.ndarray:
    """Eye aspect ratio of points [n,68,2]: [n,2], mean distance of the lids over the distance of the corners."""
    gap = lambda a, b: np.linalg.norm(points[:, a] - points[:, b], axis=-1)
    return np.stack([(gap(b, f) + gap(c, e)) / (2 * gap(a, d) + 1e-6) for a, b, c, d, e, f in EYES], -1)


def mouth_opening(points: np.ndarray) -> np.ndarray:
    """Inner lips of points [n,68,2]: [n], mean distance of the three pairs over the face size."""
    size = np.sqrt(np.ptp(points, axis=1).prod(-1))
    return np.mean([np.linalg.norm(points[:, a] - points[:, b], axis=-1) for a, b in ((61, 67), (62, 66), (63, 65))], 0) / size


class Samples:
    """Draws augmented batches, a pure function of (seed, step): training resumes exactly. `profiling` is the fraction of samples
    that is turned out of plane, `circle` the fraction whose first crop has any roll, `share` the least part of each rare group; `leave_out` names
    splits that are not drawn from; `reshaping` is the fraction whose identity and expression are changed."""

    def __init__(self, seed: int = 1, profiling: float = 0.25, circle: float = 0.5, share: float = 0.15, leave_out: Sequence[str] = (),
                 reshaping: float = 0.0):
        labels = np.load(CACHE / "labels.npz")
        with np.load(CACHE / "crops.npz") as decoded:
            row, limits = {name: i for i, name in enumerate(decoded["image"])}, decoded["inside"]
        self.pictures = np.load(CACHE / "crops.npy", mmap_mode="r")
        self.source = np.array([row[name] for name in labels["image"]])
        self.limits = limits[self.source]
        self.parameters, self.points = labels["parameters"], labels["points"]
        self.valid = labels["valid"] if "valid" in labels else np.ones(self.points.shape[:3], np.float32)
        self.split, self.yaw, self.markup = labels["split"], labels["yaw"], labels["markup"]
        good = (labels["residual"].max(1) < MAX_RESIDUAL) & ((labels["spread"] < MAX_SPREAD) | np.isin(self.split, ["train-cfp", "train-closed-eyes"]))
        self.rows = np.where(good & np.isin(self.split, [name for name in SPLIT_WEIGHT if name not in leave_out]))[0]
        weight = np.array([SPLIT_WEIGHT[name] for name in self.split[self.rows]])
        weight *= 1 + np.minimum((np.abs(self.yaw[self.rows]) / 15) ** 2, 6)
        points = self.points[self.rows, 0]
        self.groups = [((eye_openings(points).max(1) < 0.16) & (np.abs(self.yaw[self.rows]) < 45), share),
                       (mouth_opening(points) > 0.06, share), (np.abs(self.yaw[self.rows]) > 45, share)]
        self.weight = shares(weight, self.groups)
        self.held_back = np.arange(len(self.split)) // 50 % 10 == 0  # a tenth, in runs: pictures of one person lie side by side
        self.seed, self.profiling, self.circle, self.reshaping = seed, profiling, circle, reshaping

    @cached_property
    def profiler(self) -> Profiler:
        return Profiler(face_model.load())

    @cached_property
    def reshaper(self) -> Reshaper:
        return Reshaper(face_model.load())

    def draw(self, rows: np.ndarray, side: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """The labels' pictures, mirrored where `side` is 1; with `rng`, what was outside of the original is filled."""
        out = np.empty((len(rows), SIZE, SIZE, 3), np.uint8)
        for target, row, mirrored in zip(out, rows, side):
            picture = self.pictures[self.source[row]]
            if rng is not None:
                other = self.pictures[self.source[self.rows[rng.integers(len(self.rows))]]]
                picture = extend(picture, self.limits[row], other, rng.random())
            target[:] = picture[:, ::-1] if mirrored else picture
        return out

    def turned(self, rows: np.ndarray, side: np.ndarray, pictures: np.ndarray, yaw: np.ndarray, pitch: np.ndarray, reshaped: np.ndarray | None = None):
        """Faces turned out of plane by `yaw` and `pitch` (radians), with the coefficients of `reshaped` [n,104] where given: pictures u8, parameters and points in
        their frame."""
        p = self.parameters[rows, side]
        turned = self.profiler.plan(p, self.points[rows, side], yaw, pitch, reshaped)
        images = np.empty((len(rows), SIZE, SIZE, 3), np.float32)
        same = np.repeat(np.eye(2, 3, dtype=np.float32)[None], len(rows), 0)
        self.profiler.draw(pictures, np.arange(len(rows)), np.zeros(len(rows), np.bool_), p, turned, same, images)
        return (images * 255 + 0.5).astype(np.uint8), turned.parameters, turned.points.astype(np.float32)

    def turns(self, rows, side, rng) -> tuple[np.ndarray, np.ndarray]:
        """Random turns away from frontal: the yaw to reach is uniform between the face's own and 90 degrees; pitch up to about 30."""
        own = self.yaw[rows] * np.where(side == 1, -1, 1)
        sign = np.where(np.abs(own) < 8, rng.choice([-1, 1], len(rows)), np.sign(own))
        goal = rng.uniform(np.minimum(np.abs(own), 60), 90)
        return np.deg2rad(sign * np.maximum(0, goal - np.abs(own))), np.deg2rad(np.clip(rng.normal(0, 12, len(rows)), -35, 35))

    def redraw(self, rows: np.ndarray, side: np.ndarray, pictures: np.ndarray, turned: np.ndarray, reshaped: np.ndarray,
               rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draws the labels' `pictures` anew, in place, where `turned` out of plane and where `reshaped`, at random -> parameters and points f32 in their frame."""
        parameters, points = self.parameters[rows, side].copy(), self.points[rows, side].astype(np.float32)
        yaw, pitch = (np.where(turned, angle, 0) for angle in self.turns(rows, side, rng))
        goal, drawn = parameters.copy(), turned | reshaped
        if reshaped.any():
            goal[reshaped] = self.reshaper(parameters[reshaped], rng)
        if drawn.any():
            pictures[drawn], parameters[drawn], points[drawn] = self.turned(rows[drawn], side[drawn], pictures[drawn], yaw[drawn], pitch[drawn], goal[drawn])
        return parameters, points

    def batch(self, step: int, n: int, finish: float = 0.0) -> Batch:
        """Batch number `step`. `finish` (0..1) is the way through the last part of the schedule: manual markup comes to weigh twice, augmentation half."""
        rng = np.random.default_rng([self.seed, step])
        weight = self.weight * np.where(self.split[self.rows] == "train-300w", 1 + finish, 1)
        strength = 1 - 0.5 * finish
        rows = self.rows[rng.choice(len(self.rows), n, p=weight / weight.sum())]
        side = rng.integers(0, 2, n)
        pictures = self.draw(rows, side, rng)
        drawable = np.abs(self.yaw[rows]) < 45
        turned, reshaped = (rng.random(n) < self.profiling) & drawable, (rng.random(n) < self.reshaping) & drawable
        parameters, points = self.redraw(rows, side, pictures, turned, reshaped, rng)
        colour(pictures, self.pictures, strength, rng)
        # The first crop: any roll or a moderate one, boxes that are off a little or much.
        roll = np.where(rng.random(n) < self.circle, rng.uniform(-np.pi, np.pi, n), np.deg2rad(rng.normal(0, 18, n)))
        rough = rng.random(n) < 0.3
        crops = around(points, roll)
        crops.side *= np.exp(np.clip(rng.normal(0, np.where(rough, 0.18, 0.08)), -0.35, 0.35))
        box = crops.side / np.sqrt(2)
        crops.centre += box[:, None] * np.clip(rng.normal(0, np.where(rough, 0.08, 0.045)[:, None], (n, 2)), -0.2, 0.2)
        return Batch(pictures, parameters, points, self.valid[rows, side], crops, rng.random(n) < 0.7, rows)

    def upright(self, step: int, n: int) -> np.ndarray:
        """Parameters [n,104] of batch number `step` as nearly upright crops show them: what later iterations see."""
        batch, rng = self.batch(step, n), np.random.default_rng([self.seed, step, 1])
        return around(batch.points, np.deg2rad(rng.normal(0, 8, n))).pose(batch.parameters, SIZE)

    def validation(self, split: str = "val-afw", jitter: int | None = None, roll: float = 0.0) -> tuple[Batch, np.ndarray]:
        """The split's crops by the crop rule on the markup's box (with `jitter`, a seed: shifted by up to 5%, scaled by up to 10%, uniform) as pictures
        turned counter-clockwise by `roll` radians give it, and markup in picture pixels."""
        rows = np.where(self.split == split)[0]
        n = len(rows)
        markup = self.markup[rows].astype(np.float64)
        crops = around(markup, np.full(n, roll))
        if jitter is not None:
            rng = np.random.default_rng(jitter)
            side = crops.side / np.sqrt(2)
            crops.side = crops.side * (1 + rng.uniform(-0.1, 0.1, n))
            crops.centre = crops.centre + rng.uniform(-0.05, 0.05, (n, 2)) * side[:, None]
        none = np.zeros(n, np.int64)
        batch = Batch(self.draw(rows, none, None), self.parameters[rows, 0], self.points[rows, 0].astype(np.float32), self.valid[rows, 0], crops, np.zeros(n, np.bool_), rows)
        return batch, markup

    def profiled_validation(self, split: str = "val-afw", seed: int = 3) -> tuple[Batch, np.ndarray]:
        """The split's faces turned to 60 to 90 degrees of yaw (seeded), boxes by the crop rule; the truth is the turned points."""
        rows = np.where(self.split == split)[0]
        n, rng = len(rows), np.random.default_rng(seed)
        own = self.yaw[rows]
        sign = np.where(np.abs(own) < 8, rng.choice([-1, 1], n), np.sign(own))
        yaw = np.deg2rad(sign * np.maximum(0, rng.uniform(60, 90, n) - np.abs(own)))
        none = np.zeros(n, np.int64)
        pictures, parameters, points = self.turned(rows, none, self.draw(rows, none, None), yaw, np.zeros(n))
        batch = Batch(pictures, parameters, points, self.valid[rows, 0], around(points, np.zeros(n)), np.zeros(n, np.bool_), rows)
        return batch, points.astype(np.float64)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT / ".." / "shared" / "data")
    decode(parser.parse_args().data)
