"""Fits how ARKit's 52 weights follow from the model's 47, and writes it into the first iteration's weights (docs/formats.md, `blendshapes`).

    python -m training.blendshapes [--count 3000] [--dry-run]

The cascade's expression weights are free: several pull at one place, identity takes a part, and a neutral face has some of each. A rig wants what a person
would say: shut or open, smiling or not. So each of ARKit's weights is read as a linear function of the 47, cut to 0..1, fitted to what the second teacher
(training/teacher.py) reads from the same training crops, both ways round, some of them turned up to profiles and some with another expression. What the teacher reads of the
picture before the turn holds, and what was added to the expression (training/reshaping.py), ARKit's weights by another name, is added to it. What the teacher reads of calm faces counts as 0.
Gaze and tongue stay 0: the model has neither. The agreement on val-afw and val-closed-eyes,
which were not fitted to, is printed and put into docs/expressions.md. Run it after every export of weights, before the fixtures.
"""
from __future__ import annotations

import argparse

import numpy as np
import torch

from . import face_model
from .confidence import Cascade
from .crops import around
from .data import Samples
from .export import manifest, write
from .face_model import ROOT
from .labels import CACHE, above_neutral, arkit, other_sides
from .weights import EXPRESSION, WEIGHTS, read, read_blendshapes

#: A face is calm where the teacher reads less than this of each of CALM_NAMES.
CALM = 0.15
CALM_NAMES = ("eyeBlinkLeft", "eyeBlinkRight", "jawOpen", "mouthSmileLeft", "mouthSmileRight", "mouthPucker", "mouthFrownLeft", "mouthFrownRight",
              "browInnerUp", "browOuterUpLeft", "browOuterUpRight")
DECAY = 0.1
LEAK = 0.02  # slope of the cost beyond 0 and 1, where the reading is cut
STEPS = 2500
VARIES = 0.03  # standard deviation of the teacher's readings under which nothing can be said of a weight
PAGE = ROOT / "docs" / "expressions.md"


class Teacher:
    """What the second teacher reads of the labels' faces: weights [n,2,52], second index mirrored; columns are ARKit's names in the order of the alphabet."""

    def __init__(self) -> None:
        with np.load(CACHE / "labels.npz") as labels:
            given, names = labels["blendshapes"], [str(name) for name in labels["blendshape_names"]]
            yaw = labels["yaw"]
        self.names = [*sorted(name for name in names if not name.startswith("_")), "tongueOut"]
        values = np.concatenate([given, np.zeros((*given.shape[:2], 1), np.float32)], -1)[..., [*(names.index(name) for name in self.names[:-1]), -1]]
        self.found = np.isfinite(values).all((1, 2)) & (np.abs(yaw) < 40)
        calm = self.found & (values[:, 0][:, [self.names.index(name) for name in CALM_NAMES]] < CALM).all(1) & (np.abs(yaw) < 15)
        neutral = np.median(values[calm].reshape(-1, len(self.names)), 0)
        self.values = above_neutral(values, (neutral + neutral[other_sides(self.names)]) / 2)
        self.values[..., [name.startswith("eyeLook") for name in self.names]] = 0
        self.calm = calm


def found_by(cascade: Cascade, pictures: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Expression weights [n,47] of faces by the exported cascade, from boxes that are off as a detector's, half of them at any roll."""
    n = len(points)
    roll = np.where(rng.random(n) < 0.5, rng.uniform(-np.pi, np.pi, n), np.deg2rad(rng.normal(0, 10, n)))
    crops = around(points.astype(np.float64), roll)
    crops.centre += rng.normal(0, 0.04, (n, 2)) * crops.side[:, None] / np.sqrt(2)
    crops.side *= np.exp(rng.normal(0, 0.08, n))
    return cascade(list(pictures), crops)[0][:, EXPRESSION]


def faces(cascade: Cascade, samples: Samples, rows: np.ndarray, side: np.ndarray, turned: np.ndarray, reshaped: np.ndarray,
          rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Expression weights [n,47] of the labels' faces, mirrored where `side` is 1, turned out of plane where `turned` and reshaped where `reshaped` is true, and what the latter
    added to the expression [n,47]."""
    out, added = np.empty((2, len(rows), EXPRESSION.stop - EXPRESSION.start), np.float32)
    for at in range(0, len(rows), 64):
        r, s, t, c = (x[at:at + 64] for x in (rows, side, turned, reshaped))
        pictures = samples.draw(r, s, None)
        p, points = samples.redraw(r, s, pictures, t, c, rng)
        out[at:at + 64] = found_by(cascade, pictures, points, rng)
        added[at:at + 64] = (p - samples.parameters[r, s])[:, EXPRESSION]
    return out, added


def fit(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x [n,47] and y [n,52] in 0..1 -> [52,48] weights and bias of least squared error of the reading, cut to 0..1."""
    torch.manual_seed(1)
    mean, unit = x.mean(0), x.std(0) + 1e-3
    given, wanted = torch.from_numpy((x - mean) / unit).float(), torch.from_numpy(y).float()
    layer = torch.nn.Linear(x.shape[1], y.shape[1])
    optimizer = torch.optim.AdamW(layer.parameters(), lr=1e-2, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        z = layer(given)
        inside = z.clamp(0, 1)
        loss = (inside + LEAK * (z - inside) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    weight, bias = layer.weight.detach().double().numpy() / unit, layer.bias.detach().double().numpy()
    return np.c_[weight, bias - weight @ mean].astype(np.float32)


def table(names: list[str], found: np.ndarray, teacher: np.ndarray, calm: np.ndarray) -> str:
    """A Markdown table, best first: correlation with the teacher, mean on calm faces, and on the tenth of the faces of which the teacher reads most."""
    rows = []
    for name, x, y in zip(names, found.T, teacher.T):
        if y.std() >= VARIES:
            most = np.argsort(-y)[:len(y) // 10]
            rows.append((np.corrcoef(x, y)[0, 1] if x.std() > 0 else 0.0, name, x[calm].mean(), x[most].mean(), y[most].mean()))
    head = "| weight | correlation | calm faces | where the teacher reads most | there the teacher |\n| --- | --- | --- | --- | --- |\n"
    return head + "\n".join(f"| {name} | {r:.2f} | {rest:.2f} | {own:.2f} | {its:.2f} |" for r, name, rest, own, its in sorted(rows, reverse=True))


def document(block: str) -> None:
    """Puts the table into docs/expressions.md."""
    start, end = "<!-- teacher -->\n", "<!-- end of teacher -->"
    text = PAGE.read_text()
    before, rest = text.split(start)
    PAGE.write_text(before + start + "\n" + block + "\n\n" + end + rest.split(end)[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=3000, help="training faces")
    parser.add_argument("--dry-run", action="store_true", help="print the agreement and write nothing")
    args = parser.parse_args()
    rng = np.random.default_rng(5)
    cascade, samples, teacher = Cascade(), Samples(seed=5), Teacher()
    known = teacher.found[samples.rows]
    weight = samples.weight * known
    rows = samples.rows[rng.choice(len(samples.rows), args.count, p=weight / weight.sum())]
    side, turned, reshaped = rng.integers(0, 2, args.count), rng.random(args.count) < 0.2, rng.random(args.count) < 0.4
    x, added = faces(cascade, samples, rows, side, turned, reshaped, rng)
    named = np.array([[arkit(name) == wanted for wanted in teacher.names] for name in face_model.load().expression_names], np.float32)
    wanted = np.clip(teacher.values[rows, side] + added @ (named / np.maximum(named.sum(0), 1)), 0, 1)
    readout = fit(x, wanted)
    readout[[name.startswith(("eyeLook", "tongue")) for name in teacher.names]] = 0
    held = np.where(teacher.found & np.isin(samples.split, ["val-afw", "val-closed-eyes"]))[0]
    none = np.zeros(len(held), np.int64)
    z, _ = faces(cascade, samples, held, none, none > 0, none > 0, rng)
    print(f"{len(rows)} training faces, {turned.sum()} of them turned, {reshaped.sum()} reshaped; agreement on {len(held)} others, {teacher.calm[held].sum()} of them calm:")
    block = table(teacher.names, read_blendshapes(readout, z), teacher.values[held, 0], teacher.calm[held])
    print(block)
    if args.dry_run:
        return
    document(block)
    path = WEIGHTS / "iteration0.safetensors"
    write({**read(path), "blendshapes": readout}, path, {"format": "fullpose-iteration/1", "iteration": "0"})
    manifest([f"iteration{k}.safetensors" for k in range(len(cascade.weights))])


if __name__ == "__main__":
    main()
