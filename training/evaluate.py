"""Figures of the exported cascade in PyTorch, from the files in weights/: the oracle for `npm run evaluate`.

    python -m training.evaluate                        # every validation set
    python -m training.evaluate --split val-infant --json infant.json
    python -m training.evaluate --roll                 # val-afw turned by 0, 30, 60, 90, 135 and 180 degrees
    python -m training.evaluate --run main             # of a run's averaged weights, in f32, instead
    python -m training.evaluate --stale pncc           # what the weights read: every iteration sees p^0's PNCC (or its PAF) instead of its own

What each figure means is said in docs/training.md, "Measuring".
"""
from __future__ import annotations

import argparse
import json
import tarfile
from pathlib import Path

import cv2
import numpy as np
import torch

from . import face_model
from .crops import around
from .data import Batch, Samples, cut, eye_openings, mouth_opening
from .export import forward, layer_results
from .face_model import ROOT
from .labels import CACHE, face_size
from .train import Cascade, landmark_steps, load_cascade
from .weights import EXPRESSION, load_weights, read_blendshapes

SPLITS = ("val-afw", "val-infant", "val-cfp", "val-closed-eyes")
ROLLS = (0, 30, 60, 90, 135, 180)
REGIONS = {"brows": slice(17, 27), "nose": slice(27, 36), "eyes": slice(36, 48), "lips": slice(48, 68)}
OPEN_EYE, OPEN_MOUTH = 0.25, 0.06
#: eyeBlinkLeft and eyeBlinkRight among ARKit's 52 names in the order of the alphabet.
BLINKS = slice(8, 10)
#: Fiducials of val-cfp and the landmarks they are compared with where the image's left half of the face is seen, and where its right half is.
PLACES = {"eye": (slice(12, 18), slice(36, 42), slice(42, 48)), "brow": (slice(9, 12), slice(17, 22), slice(22, 27)), "nose tip": (slice(21, 22), slice(30, 31), slice(30, 31)),
          "bridge": (slice(18, 22), slice(27, 31), slice(27, 31)), "mouth corner": (slice(25, 26), slice(48, 49), slice(54, 55)), "chin": (slice(8, 9), slice(8, 9), slice(8, 9))}


def exported(weights: list[dict[str, np.ndarray]], model: face_model.FaceModel) -> Cascade:
    """The exported iterations as a cascade."""
    nets = [lambda *features, tensors=tensors: torch.from_numpy(forward(tensors, *(x.numpy() for x in features))[1]) for tensors in weights]
    return Cascade(model, weights[0]["initial_parameters"], nets)


def rows_of(data: Path, split: str) -> dict[str, np.ndarray]:
    """The split's rows of labels.npz or labels-more.npz."""
    for name in ("labels", "labels-more"):
        labels = np.load(data / "faces" / f"{name}.npz")
        chosen = np.array([image.startswith(split + "/") for image in labels["image"]])
        if chosen.any():
            return {key: labels[key][chosen] for key in labels.files}
    raise ValueError(f"no face of {data / 'faces'} belongs to {split}")


def load(data: Path, split: str) -> tuple[Batch, dict[str, np.ndarray]]:
    """Pictures of a validation split (padded to the largest with black) with crops by the crop rule on the box of the markup, or of the 3D labels where there
    is none; and the split's labels."""
    labels = dict(np.load(data / "faces" / "val-infant.npz")) if split == "val-infant" else rows_of(data, split)
    images = []
    with tarfile.open(data / "faces" / f"{split}.tar") as archive:
        members = {member.name.removeprefix("./").split("/")[-1]: member for member in archive.getmembers() if member.isfile()}
        for name in labels["image"]:
            file = archive.extractfile(members[name.split("/")[-1]]).read()
            images.append(cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)[..., ::-1])
    height, width = np.max([image.shape[:2] for image in images], 0)
    pictures = np.zeros((len(images), height, width, 3), np.uint8)
    for picture, image in zip(pictures, images):
        picture[:image.shape[0], :image.shape[1]] = image
    marked = "landmarks2d" in labels and np.isfinite(labels["landmarks2d"]).all()
    labels["box"] = (labels["landmarks2d"] if marked else labels["landmarks3d"][..., :2]).astype(np.float64)
    return Batch.unlabelled(pictures, around(labels["box"], np.zeros(len(images)))), labels


def errors(points: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """NME68 and NME51 in % a face, [n] each."""
    distance = 100 * np.linalg.norm(points - truth, axis=-1) / face_size(truth)[:, None]
    return distance.mean(1), distance[:, 17:].mean(1)


def summary(values: np.ndarray) -> dict[str, float]:
    return {"mean": float(values.mean()), "median": float(np.median(values)), "over10": float(100 * (values > 10).mean()), "faces": len(values)}


def area_under_curve(positive: np.ndarray, negative: np.ndarray) -> float:
    """Chance that a positive value lies above a negative one; half where they are equal."""
    above = (positive[:, None] > negative[None]).mean() + (positive[:, None] == negative[None]).mean() / 2
    return float(above)


def regions(points: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Mean error in % by region once each point's own mean offset, fitted on the other half of the faces, is taken away: definitions of points differ."""
    offset, half = (points - truth) / face_size(truth)[:, None, None], np.arange(len(truth)) % 2
    corrected = offset.copy()
    for side in (0, 1):
        corrected[half == side] -= offset[half != side].mean(0)
    distance = 100 * np.linalg.norm(corrected, axis=-1)
    return {"inner 51": float(distance[:, 17:].mean()), **{name: float(distance[:, part].mean()) for name, part in REGIONS.items()}}


def blink(p: np.ndarray, readout: np.ndarray) -> np.ndarray:
    """Mean of the two blink weights as `face.blendshapes` has them, [n]."""
    return read_blendshapes(readout, p[:, EXPRESSION])[:, BLINKS].mean(1)


def final(cascade: Cascade, batch: Batch) -> np.ndarray:
    """p^K [n,104]."""
    return np.concatenate([cascade.run(batch, slice(i, i + 56))[-1][0] for i in range(0, len(batch.crops.side), 56)])


def measure_afw(cascade: Cascade, data: Path, stale: str | None) -> dict:
    batch, labels = load(data, "val-afw")
    truth = labels["box"]
    steps = landmark_steps(cascade, batch, stale)
    nme = [errors(points, truth) for points in steps]
    rng = np.random.default_rng(1)
    side = batch.crops.side / np.sqrt(2)
    moved = around(truth, np.zeros(len(truth)))
    moved.centre = moved.centre + rng.normal(0, 0.05, (len(truth), 2)) * side[:, None]
    moved.side = moved.side * np.exp(rng.normal(0, 0.1, len(truth)))
    batch.crops = moved
    jittered = [errors(points, truth) for points in landmark_steps(cascade, batch, stale)]
    found, true = mouth_opening(steps[-1]), mouth_opening(truth)
    wide = true > OPEN_MOUTH
    return {"nme68": [float(a.mean()) for a, _ in nme], "nme51": [float(b.mean()) for _, b in nme],
            "jittered68": [float(a.mean()) for a, _ in jittered], "jittered51": [float(b.mean()) for _, b in jittered], "over10": float(100 * (nme[-1][1] > 10).mean()),
            "corrected": regions(steps[-1], truth), "mouth": {"correlation": float(np.corrcoef(found, true)[0, 1]), "opened": float(found[wide].mean() / true[wide].mean())}}


def measure_roll(cascade: Cascade, data: Path) -> dict:
    batch, labels = load(data, "val-afw")
    truth, out = labels["box"], {}
    for angle in ROLLS:  # a picture turned clockwise shows what a crop turned counter-clockwise does
        batch.crops = around(truth, np.full(len(truth), -np.deg2rad(angle)))
        a, b = errors(landmark_steps(cascade, batch)[-1], truth)
        out[str(angle)] = {"nme68": float(a.mean()), "nme51": float(b.mean()), "over10": float(100 * (b > 10).mean())}
    return out


def measure_infant(cascade: Cascade, data: Path) -> dict:
    batch, labels = load(data, "val-infant")
    truth = labels["box"]
    error = errors(landmark_steps(cascade, batch)[-1], truth)[1]
    line = truth[:, 42:48].mean(1) - truth[:, 36:42].mean(1)
    roll = np.abs(np.rad2deg(np.arctan2(line[:, 1], line[:, 0])))
    bins = {f"roll {low}-{high}": summary(error[(roll >= low) & (roll < high)]) for low, high in ((0, 30), (30, 60), (60, 181))}
    return {"nme51": summary(error), **bins}


def measure_cfp(cascade: Cascade, data: Path) -> dict:
    batch, labels = load(data, "val-cfp")
    fiducials = labels["fiducials30"].astype(np.float64)
    points = landmark_steps(cascade, batch)[-1]
    size = np.sqrt(np.ptp(fiducials, axis=1).prod(-1))
    # The nose points to the side whose half of the face is hidden.
    right_seen = fiducials[:, 21, 0] < fiducials[:, 12:18, 0].mean(1)
    places = {}
    for name, (a, left, right) in PLACES.items():
        target = fiducials[:, a].mean(1)
        found = np.where(right_seen[:, None], points[:, right].mean(1), points[:, left].mean(1))
        places[name] = 100 * np.linalg.norm(found - target, axis=-1) / size
    mean = np.mean(list(places.values()), 0)
    return {"mean": float(mean.mean()), "over10": float(100 * (mean > 10).mean()), "faces": len(mean), **{name: float(values.mean()) for name, values in places.items()}}


def measure_closed(cascade: Cascade, data: Path) -> dict:
    batch, _ = load(data, "val-closed-eyes")
    others, labels = load(data, "val-afw")
    wide = eye_openings(labels["box"]).mean(1) > OPEN_EYE
    shut, opened = final(cascade, batch), final(cascade, others)[wide]
    ratio, readout = lambda p: eye_openings(cascade.recrop.landmarks(p)).mean(1), load_weights()[0]["blendshapes"]
    return {"ratio shut": float(ratio(shut).mean()), "ratio open": float(ratio(opened).mean()), "faces": [len(shut), len(opened)],
            "auc": area_under_curve(ratio(opened), ratio(shut)), "auc of blink weights": area_under_curve(blink(shut, readout), blink(opened, readout))}


def living_units(cascade: Cascade, weights: list[dict[str, np.ndarray]], data: Path) -> None:
    """Prints how many units of the hidden fully connected layers any of 128 faces reaches: the ReLU of the others is always 0."""
    batch, _ = load(data, "val-afw")
    for k, (p, crops) in enumerate(cascade.run(batch, slice(0, 128))[:-1]):
        images = cut(batch.pictures[:128], crops, batch.endless[:128], average=True)
        values = layer_results(weights[k], *cascade.renderer(np.ascontiguousarray(p), images))
        hidden = {name: value for name, value in list(values.items())[:-1] if value.dim() == 2 and name + ".weight" in weights[k]}
        print(f"iteration {k}: units that a face reaches: " + ", ".join(f"{name} {int((value > 0).any(0).sum())} of {value.shape[1]}" for name, value in hidden.items()))


def run_weights(name: str) -> list[dict[str, np.ndarray]]:
    """The networks of a run as `load_weights` gives the exported ones, their BatchNorms folded."""
    start, nets = load_cascade(CACHE / "runs" / name)
    weights = [net.folded() for net in nets]
    weights[0]["initial_parameters"] = start
    return weights


def measure_profiled(cascade: Cascade) -> dict:
    batch, truth = Samples().profiled_validation()
    nme = [errors(points, truth) for points in landmark_steps(cascade, batch)]
    return {"nme68": [float(a.mean()) for a, _ in nme], "nme51": [float(b.mean()) for _, b in nme]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT / ".." / "shared" / "data")
    parser.add_argument("--split", choices=SPLITS, help="this one alone; by default all")
    parser.add_argument("--roll", action="store_true", help="val-afw turned in the plane, instead")
    parser.add_argument("--profiled", action="store_true", help="val-afw turned out of the plane to 60 to 90 degrees, instead; needs training.labels and training.data")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--run", help="a folder's name in training/.cache/runs; the exported weights by default")
    parser.add_argument("--stale", choices=["pncc", "paf"], help="for val-afw")
    parser.add_argument("--units", action="store_true", help="also count the living hidden units")
    args = parser.parse_args()
    model = face_model.load()
    weights = run_weights(args.run) if args.run else load_weights()
    cascade = exported(weights, model)
    if args.units:
        living_units(cascade, weights, args.data)
    measures = {"val-afw": lambda: measure_afw(cascade, args.data, args.stale), "val-infant": lambda: measure_infant(cascade, args.data),
                "val-cfp": lambda: measure_cfp(cascade, args.data), "val-closed-eyes": lambda: measure_closed(cascade, args.data)}
    if args.roll:
        measures = {"val-afw --roll": lambda: measure_roll(cascade, args.data)}
    elif args.profiled:
        measures = {"val-afw profiled": lambda: measure_profiled(cascade)}
    elif args.split:
        measures = {args.split: measures[args.split]}
    results = {}
    for name, measure in measures.items():
        results[name] = measure()
        print(f"{name}: {json.dumps(results[name], default=float)}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
