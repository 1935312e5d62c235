"""Fits the log-odds that a frame ended on a face, and writes them into the last iteration's weights (docs/tracking.md).

    python -m training.confidence [--data ../shared/data] [--backgrounds DIR] [--dry-run]

The last layer has rows whose outputs nothing uses: parameters 6, 7 and 103. Row 7 of the last iteration becomes a logistic regression on the
features that the layer reads, so that p^K[7] is the log-odds of a face, for no more work and no more bytes. Fitted on training crops and on
pictures without a face, its limit set on other training crops; the rates printed are those on val-afw and on windows and pictures not fitted on. Run it after every export of weights,
then `python -m training.export fixtures`: the golden cascade holds p^K.
"""
from __future__ import annotations

import argparse
import tarfile
from pathlib import Path

import cv2
import numpy as np

from . import face_model
from .data import CROP
from .export import WEIGHTS, forward, load_weights, manifest, read, write
from .face_model import ROOT
from .render import Renderer

ROW = 7
RIDGE = 30.0  # the largest that costs the faces and windows held back nothing
#: Part of the faces not fitted on that may fall below log-odds of 0 (a confidence of 0.5).
MISSED = 0.005
#: Of the faces of a split, one in so many is not fitted on but sets that limit.
HELD = 4

Crop = tuple[float, float, float]  # centre x, y and side, picture pixels


def pictures(data: Path, split: str, count: int, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Crops f32 [192,192,3] of a split and their landmarks [68,2]."""
    labels = np.load(data / "faces" / "labels.npz")
    rows = [i for i, name in enumerate(labels["image"]) if name.startswith(split + "/")]
    rows = sorted(rng.permutation(rows)[:count])
    points, names = labels["landmarks3d"][rows][..., :2], labels["image"][rows]
    with tarfile.open(data / "faces" / f"{split}.tar") as archive:
        files = [archive.extractfile(str(name)).read() for name in names]
    return [(picture(np.frombuffer(file, np.uint8)), p) for file, p in zip(files, points)]


def picture(file: np.ndarray) -> np.ndarray:
    return cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32) / 255


def cut(image: np.ndarray, crop: Crop) -> np.ndarray:
    """As the crop pass: black outside, several taps a pixel where the crop is larger than its pixels."""
    x, y, side = crop
    taps = min(16, max(1, int(np.ceil(side / CROP))))
    size = CROP * taps
    step = side / size
    matrix = np.array([[step, 0, x - (size - 1) / 2 * step], [0, step, y - (size - 1) / 2 * step]])
    out = cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return out.reshape(CROP, taps, CROP, taps, 3).mean((1, 3))


def square(points: np.ndarray) -> Crop:
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    return (*(low + high) / 2, float(np.sqrt(2) * (high - low).max()))


def moved(crop: Crop, shift: float, scale: float, rng: np.random.Generator) -> Crop:
    """Standard deviations in parts of the landmarks' box."""
    x, y, side = crop
    dx, dy = rng.normal(0, shift * side / np.sqrt(2), 2)
    return x + dx, y + dy, side * float(np.exp(rng.normal(0, scale)))


def move_parameters(p: np.ndarray, a: Crop, b: Crop) -> np.ndarray:
    """src/mmm/parameters.ts, `moveParameters`."""
    out, ratio = p.copy(), a[2] / b[2]
    half = (CROP - 1) / 2
    origin = [(a[i] - half * a[2] / CROP - b[i] + half * b[2] / CROP) / (b[2] / CROP) for i in (0, 1)]
    out[:4] *= np.sqrt(ratio)
    out[4] = p[4] * ratio + origin[0]
    out[5] = CROP - 1 - ((CROP - 1 - p[5]) * ratio + origin[1])
    return out


class Cascade:
    """The exported cascade; also gives what the last layer reads."""

    def __init__(self) -> None:
        self.model = face_model.load()
        self.renderer = Renderer(self.model, CROP)
        self.weights = load_weights()
        last = dict(self.weights[-1])
        name = next(layer["name"] for layer in reversed(face_layers()))
        self.layer, width = name, last[name + ".weight"].shape[1]
        last[name + ".weight"], last[name + ".bias"] = np.eye(width, dtype=np.float32), np.zeros(width, np.float32)
        self.probe = last

    def __call__(self, images: list[np.ndarray], crops: list[Crop], starts: np.ndarray | None = None, iterations: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """p^K [n,104] and the features [n,F] of the last iteration, from p^0 or, by the last `iterations`, from `starts` [n,104]."""
        ends, features = [], []
        first = 0 if starts is None else len(self.weights) - iterations
        for at in range(0, len(images), 32):
            batch = np.ascontiguousarray(np.stack([cut(i, c) for i, c in zip(images[at:at + 32], crops[at:at + 32])]), np.float32)
            p = self.weights[0]["initial_parameters"][None] if starts is None else starts[at:at + 32].astype(np.float32)
            for k in range(first, len(self.weights)):
                inputs = self.renderer(p, batch)
                if k == len(self.weights) - 1:
                    features.append(forward(self.probe, *inputs)[1])
                    matrix, bias = self.weights[k][self.layer + ".weight"].astype(np.float32), self.weights[k][self.layer + ".bias"]
                    p = p + features[-1] @ matrix.T + bias
                else:
                    p = p + forward(self.weights[k], *inputs)[1]
            ends.append(p)
        return np.concatenate(ends), np.concatenate(features)

    def landmarks(self, p: np.ndarray, crops: list[Crop]) -> np.ndarray:
        """[n,68,2] picture pixels."""
        points = np.concatenate([self.renderer.decode(p[i:i + 32])[:, self.model.landmarks, :2] for i in range(0, len(p), 32)]).astype(np.float64)
        c = np.array(crops)
        return points * (c[:, 2] / CROP)[:, None, None] + (c[:, :2] - (CROP - 1) / 2 * c[:, 2:] / CROP)[:, None]


def face_layers() -> list[dict]:
    from .network import description
    return description()["layers"]


def non_faces(faces: list[tuple[np.ndarray, np.ndarray]], photos: list[np.ndarray], rng: np.random.Generator) -> list[tuple[np.ndarray, Crop]]:
    """Windows that hold no face: off the face, its tiles shuffled, noise, and windows of pictures without faces."""
    out = []
    for image, points in faces:
        x, y, side = square(points)
        angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.95, 1.4) * side / np.sqrt(2)
        out.append((image, (x + np.cos(angle) * far, y + np.sin(angle) * far, side * rng.uniform(0.6, 1))))
        tiles = image.reshape(4, 48, 4, 48, 3).transpose(0, 2, 1, 3, 4).reshape(16, 48, 48, 3)[rng.permutation(16)]
        out.append((tiles.reshape(4, 4, 48, 48, 3).transpose(0, 2, 1, 3, 4).reshape(192, 192, 3), (95.5, 95.5, rng.uniform(80, 190))))
    for _ in range(len(faces) // 3):
        grain = rng.random((*rng.integers(2, 193, 2), 3), np.float32)
        out.append((cv2.resize(grain, (192, 192), interpolation=cv2.INTER_CUBIC).clip(0, 1), (95.5, 95.5, 128.0)))
    for photo in photos:
        height, width = photo.shape[:2]
        for _ in range(max(1, len(faces) // len(photos))):
            side = rng.uniform(0.2, 0.9) * min(height, width)
            out.append((photo, (rng.uniform(side / 2, width - side / 2), rng.uniform(side / 2, height - side / 2), side)))
    return [(np.ascontiguousarray(image), crop) for image, crop in out]


def samples(cascade: Cascade, faces, photos, rng, log: str) -> dict[str, np.ndarray]:
    """Features by situation: aligned from a detector's box, and refined by 1 or 2 iterations; for non-faces through several frames."""
    images, squares = [image for image, _ in faces], [square(points) for _, points in faces]
    crops = [moved(s, 0.05, 0.1, rng) for s in squares]
    known, features = cascade(images, crops)
    out = {"face: aligned": features}
    landmarks = cascade.landmarks(known, crops)
    last = len(cascade.weights)
    for m in range(1, last)[-1:]:
        for speed in (0.01, 0.05):
            expected = [square(points) for points in landmarks]
            starts = np.stack([move_parameters(p, c, e) for p, c, e in zip(known, crops, expected)])
            # The face moves under the crop, which is where it was expected.
            windows = [moved(e, speed, speed, rng) for e in expected]
            out[f"face: refined by {m}, moved {speed}"] = cascade(images, windows, starts, m)[1]
    others = non_faces(faces, photos, rng)
    empty, windows = [image for image, _ in others], [window for _, window in others]
    _, out["no face: aligned"] = cascade(empty, windows)
    for m in range(1, last)[-1:]:
        order = rng.integers(0, len(known), len(empty))
        p = np.stack([move_parameters(known[i], crops[i], square(landmarks[i])) for i in order])
        at = windows
        for frame in range(3):
            p, out[f"no face: refined by {m}, frame {frame}"] = cascade(empty, at, p, m)
            following = [(x, y, float(np.clip(side, 8, 2000))) for x, y, side in map(square, cascade.landmarks(p, at))]
            p = np.stack([move_parameters(q, a, b) for q, a, b in zip(p, at, following)])
            at = following
    print(f"{log}: {len(faces)} faces, {len(others)} windows without", flush=True)
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
    train = [face for split in ("train-300w", "train-lfw", "train-youtube", "train-utkface") for face in pictures(args.data, split, args.count, rng)]
    held = samples(cascade, train[::HELD], photos[:1], rng, "limit set on")
    fitted = samples(cascade, [face for i, face in enumerate(train) if i % HELD], photos[::2], rng, "fitted on")
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
