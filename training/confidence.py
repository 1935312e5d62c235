"""Fits the log-odds that a frame ended on a face, and writes them into the last iteration's weights (docs/tracking.md).

    python -m training.confidence [--data ../shared/data] [--backgrounds DIR] [--dry-run]

The last layer has a row whose output nothing uses, that of parameter 7. In the last iteration it becomes a logistic regression on the
features that the layer reads, so that p^K[7] is the log-odds of a face, for no more work and no more bytes. Fitted on training crops, some of them turned out
of plane, and on pictures without a face, its limit set on other training crops; the rates printed are those on val-afw and on windows and pictures not fitted on. Run it after every export of weights,
then `python -m training.export fixtures`: the golden cascade holds p^K.
"""
from __future__ import annotations

import argparse
import tarfile
from pathlib import Path

import cv2
import numpy as np

from . import face_model
from .crops import CROP, Crops, Recropper, around, turn
from .data import Samples, cut
from .evaluate import rows_of
from .export import forward, manifest, write
from .face_model import ROOT
from .network import description
from .render import Renderer
from .weights import WEIGHTS, load_weights, read

ROW = 7
RIDGE = 30.0  # the largest that costs the faces and windows held back nothing
#: Part of the faces not fitted on that may fall below log-odds of 0 (a confidence of 0.5).
MISSED = 0.005
#: Of the faces of a split, one in so many is not fitted on but sets that limit.
HELD = 4

def pictures(data: Path, split: str, count: int, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Crops u8 [192,192,3] of a split and their landmarks [68,2]."""
    labels = rows_of(data, split)
    rows = sorted(rng.permutation(len(labels["image"]))[:count])
    points, names = labels["landmarks3d"][rows][..., :2], labels["image"][rows]
    with tarfile.open(data / "faces" / f"{split}.tar") as archive:
        files = [archive.extractfile(str(name)).read() for name in names]
    return [(picture(np.frombuffer(file, np.uint8)), p) for file, p in zip(files, points)]


def turned(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Training crops turned out of plane, up to profiles, as `pictures` gives them."""
    batch = Samples(seed=12, profiling=1.0, circle=0.0).batch(30_000_000, count)
    return list(zip(batch.pictures, batch.points.astype(np.float64)))


def picture(file: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1])


def moved(crops: Crops, shift: float, scale: float, rng: np.random.Generator) -> Crops:
    """Standard deviations in parts of the landmarks' box."""
    n = len(crops.side)
    return Crops(crops.centre + rng.normal(0, shift, (n, 2)) * crops.side[:, None] / np.sqrt(2), crops.side * np.exp(rng.normal(0, scale, n)), crops.roll)


def squares(centres, sides, rolls) -> Crops:
    return Crops(np.array(centres, np.float64).reshape(-1, 2), np.array(sides, np.float64), np.array(rolls, np.float64))


class Cascade:
    """The exported cascade; also gives what the last layer reads."""

    def __init__(self) -> None:
        self.model = face_model.load()
        self.renderer, self.recrop = Renderer(self.model, CROP), Recropper(self.model)
        self.weights = load_weights()
        last = dict(self.weights[-1])
        name = next(layer["name"] for layer in reversed(description()["layers"]))
        self.layer, width = name, last[name + ".weight"].shape[1]
        last[name + ".weight"], last[name + ".bias"] = np.eye(width, dtype=np.float32), np.zeros(width, np.float32)
        self.probe = last

    def __call__(self, images: list[np.ndarray], crops: Crops, starts: np.ndarray | None = None, iterations: int = 0) -> tuple[np.ndarray, Crops, np.ndarray]:
        """p^K [n,104] with its crops, and the features [n,F] of the last iteration, from p^0 or, by the last `iterations`, from `starts` [n,104]."""
        ends, features = [], []
        first = 0 if starts is None else len(self.weights) - iterations
        for at in range(0, len(images), 32):
            part, own = images[at:at + 32], crops[at:at + 32]
            p = np.repeat(self.weights[0]["initial_parameters"][None], len(part), 0) if starts is None else starts[at:at + 32].astype(np.float32)
            for k in range(first, len(self.weights)):
                if k > first:
                    p, own = self.recrop(p, own)
                inputs = self.renderer(p, cut(part, own, np.zeros(len(part), np.bool_), average=True))
                if k == len(self.weights) - 1:
                    features.append(forward(self.probe, *inputs)[1])
                    matrix, bias = self.weights[k][self.layer + ".weight"].astype(np.float32), self.weights[k][self.layer + ".bias"]
                    p = turn(p + features[-1] @ matrix.T + bias)
                else:
                    p = turn(p + forward(self.weights[k], *inputs)[1])
            ends.append((p, own))
        joined = Crops(*(np.concatenate([getattr(c, name) for _, c in ends]) for name in ("centre", "side", "roll")))
        return np.concatenate([p for p, _ in ends]), joined, np.concatenate(features)


def non_faces(faces: list[tuple[np.ndarray, np.ndarray]], photos: list[np.ndarray], rng: np.random.Generator) -> tuple[list[np.ndarray], Crops]:
    """Windows that hold no face: off the face, its tiles shuffled, noise, and windows of pictures without faces; at any roll."""
    images, centres, sides = [], [], []

    def add(image: np.ndarray, centre, side: float) -> None:
        images.append(np.ascontiguousarray(image))
        centres.append(centre), sides.append(side)

    for image, points in faces:
        own = around(points[None], np.zeros(1))
        angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.95, 1.4) * own.side[0] / np.sqrt(2)
        add(image, own.centre[0] + far * np.array([np.cos(angle), np.sin(angle)]), own.side[0] * rng.uniform(0.6, 1))
        tiles = image.reshape(4, 48, 4, 48, 3).transpose(0, 2, 1, 3, 4).reshape(16, 48, 48, 3)[rng.permutation(16)]
        add(tiles.reshape(4, 4, 48, 48, 3).transpose(0, 2, 1, 3, 4).reshape(192, 192, 3), (95.5, 95.5), rng.uniform(80, 190))
    for _ in range(len(faces) // 3):
        grain = rng.random((*rng.integers(2, 193, 2), 3), np.float32)
        add((cv2.resize(grain, (192, 192), interpolation=cv2.INTER_CUBIC).clip(0, 1) * 255).astype(np.uint8), (95.5, 95.5), 128.0)
    for photo in photos:
        height, width = photo.shape[:2]
        for _ in range(max(1, len(faces) // len(photos))):
            side = rng.uniform(0.2, 0.9) * min(height, width)
            add(photo, (rng.uniform(side / 2, width - side / 2), rng.uniform(side / 2, height - side / 2)), side)
    return images, squares(centres, sides, np.where(rng.random(len(images)) < 0.5, 0, rng.uniform(-np.pi, np.pi, len(images))))


def samples(cascade: Cascade, faces, photos, rng, log: str) -> dict[str, np.ndarray]:
    """Features by situation: aligned from a detector's box, a part of them at any roll, and refined; for non-faces through several frames."""
    images, points = [image for image, _ in faces], np.stack([points for _, points in faces])
    rolls = np.where(rng.random(len(faces)) < 0.7, 0, rng.uniform(-np.pi, np.pi, len(faces)))
    known, crops, features = cascade(images, moved(around(points, rolls), 0.05, 0.1, rng))
    out = {"face: aligned": features}
    last = len(cascade.weights)
    starts, expected = cascade.recrop(known, crops)
    for m in range(1, last)[-1:]:
        for speed in (0.01, 0.05):
            # The face moves under the crop, which is where it was expected.
            out[f"face: refined by {m}, moved {speed}"] = cascade(images, moved(expected, speed, speed, rng), starts, m)[2]
    empty, windows = non_faces(faces, photos, rng)
    out["no face: aligned"] = cascade(empty, windows)[2]
    for m in range(1, last)[-1:]:
        p, at = starts[rng.integers(0, len(known), len(empty))], windows
        for frame in range(3):
            p, at, out[f"no face: refined by {m}, frame {frame}"] = cascade(empty, at, p, m)
            p, at = cascade.recrop(p, at)
            at = Crops(at.centre, np.clip(at.side, 8, 2000), at.roll)
    print(f"{log}: {len(faces)} faces, {len(empty)} windows without", flush=True)
    return out


def fit(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, float]:
    """Logistic regression with a ridge on standardised features, by Newton's method."""
    mean, unit = x.mean(0), x.std(0) + 1e-3
    z = np.c_[(x - mean) / unit, np.ones(len(x))].astype(np.float64)
    w, ridge = np.zeros(z.shape[1]), np.r_[np.full(x.shape[1], RIDGE), 0]
    for _ in range(25):
        p = 1 / (1 + np.exp(-z @ w))
        s = weight * p * (1 - p) + 1e-9
        w += np.linalg.solve((z * s[:, None]).T @ z + np.diag(ridge), z.T @ (weight * (y - p)) - ridge * w)
    return w[:-1] / unit, float(w[-1] - (w[:-1] * mean / unit).sum())


def together(sets: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = np.concatenate(list(sets.values()))
    y = np.concatenate([np.full(len(v), float(k.startswith("face"))) for k, v in sets.items()])
    # Both classes weigh the same, and so do the situations within each.
    groups = {kind: sum(k.startswith(kind) for k in sets) for kind in ("face", "no face")}
    weight = np.concatenate([np.full(len(v), len(x) / 2 / groups["face" if k.startswith("face") else "no face"] / len(v)) for k, v in sets.items()])
    return x, y, weight


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--backgrounds", type=Path, help="folder of pictures without faces, every second one for the test")
    parser.add_argument("--count", type=int, default=150, help="faces of each training split")
    parser.add_argument("--dry-run", action="store_true", help="print the rates and write nothing")
    args = parser.parse_args()
    rng = np.random.default_rng(11)
    photos = [picture(np.fromfile(path, np.uint8)) for path in sorted(args.backgrounds.iterdir())] if args.backgrounds else []
    cascade = Cascade()
    train = [face for split in ("train-300w", "train-lfw", "train-youtube", "train-utkface", "train-cfp") for face in pictures(args.data, split, args.count, rng)]
    held = samples(cascade, train[::HELD], photos[:1], rng, "limit set on")
    fitted = samples(cascade, [face for i, face in enumerate(train) if i % HELD] + turned(len(train) // 3), photos[::2], rng, "fitted on")
    tested = samples(cascade, pictures(args.data, "val-afw", 336, rng), photos[1::2], rng, "tested on")
    w, bias = fit(*together(fitted))
    score = {name: x @ w + bias for name, x in tested.items()}
    faces = np.concatenate([v for k, v in score.items() if k.startswith("face")])
    others = np.concatenate([v for k, v in score.items() if not k.startswith("face")])
    own = np.concatenate([x @ w + bias for k, x in held.items() if k.startswith("face")])
    shift = -min(0.0, float(np.quantile(own, MISSED)))
    print(f"shift {shift:+.2f}, so that {100 * MISSED:.1f}% of the faces held back fall below 0")
    rank = np.argsort(np.argsort(np.r_[faces, others]))
    area = (rank[:len(faces)].sum() - len(faces) * (len(faces) - 1) / 2) / len(faces) / len(others)
    print(f"area under the ROC {area:.4f}\nlimit on the confidence: faces below, non-faces at or above, in %")
    for confidence in (0.1, 0.3, 0.5, 0.7, 0.9):
        limit = np.log(confidence / (1 - confidence)) - shift
        print(f"  {confidence:.1f}   {100 * (faces < limit).mean():6.2f}   {100 * (others >= limit).mean():6.2f}")
    print("at 0.5, by situation: % on the wrong side")
    for name, values in score.items():
        wrong = values < -shift if name.startswith("face") else values >= -shift
        print(f"  {name:38s} {100 * wrong.mean():6.2f}  of {len(values)}")
    for name, faces in (("val-cfp, real profiles", pictures(args.data, "val-cfp", 300, rng)), ("turned up to profiles", turned(300)[150:])):
        crops = moved(around(np.stack([points for _, points in faces]), np.zeros(len(faces))), 0.05, 0.1, rng)
        below = cascade([image for image, _ in faces], crops)[2] @ w + bias < -shift
        print(f"  face: {name:32s} {100 * below.mean():6.2f}  of {len(faces)}")
    if args.dry_run:
        return
    path = WEIGHTS / f"iteration{len(cascade.weights) - 1}.safetensors"
    tensors = read(path)
    tensors[cascade.layer + ".weight"][ROW] = w.astype(np.float16)
    tensors[cascade.layer + ".bias"][ROW] = bias + shift
    write(tensors, path, {"format": "fullpose-iteration/1", "iteration": str(len(cascade.weights) - 1)})
    manifest([f"iteration{k}.safetensors" for k in range(len(cascade.weights))])


if __name__ == "__main__":
    main()
