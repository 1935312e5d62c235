"""Ablations at a small equal budget, each from random weights: what the streams, the costs and regeneration give (docs/training.md, "Ablations").

    python -m training.ablate --steps 300 --seeds 1 2 3
    python -m training.ablate --steps 150 --seeds 1 2 --eyes FOLDER   # what opens and shuts eyes and mouths: a short training of the last iteration of these weights

Goes on where it was stopped; results in training/.cache/ablations.json, the table on standard output: mean over seeds ± half their range. Small
budgets favour what learns fast: the figures compare the rows with each other and say little about a full training.
"""
from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from . import face_model
from .data import Samples
from .evaluate import exported, measure_afw, measure_cfp, measure_closed, run_weights
from .face_model import ROOT
from .labels import CACHE
from .train import Cascade, evaluate, load_cascade
from .weights import load_weights

DATA = ROOT / ".." / "shared" / "data"
THREE = ["--iterations", "3", "--ends", "1", "1", "1"]
# Name, arguments of training.train; all others alike. K = 1 where nothing else is said. At K = 1 p^0's PNCC is the same for every face, so what
# the streams give by feedback shows only in three iterations.
RUNS = {
    "both streams": [],
    "picture only": ["--streams", "picture"],
    "PNCC stream only": ["--streams", "pncc"],
    "PAF stream only": ["--streams", "paf"],
    "cost VDC": ["--cost", "vdc"],
    "cost WPDC": ["--cost", "wpdc"],
    "cost OWPDC": ["--cost", "owpdc"],
    "cost PDC": ["--cost", "pdc"],
    "three iterations": THREE,
    "three iterations, picture only": [*THREE, "--streams", "picture"],
    "three iterations, PNCC stream only": [*THREE, "--streams", "pncc"],
    "three iterations, PAF stream only": [*THREE, "--streams", "paf"],
    "three iterations, regeneration": [*THREE, "--regenerate", "0.5"],
}
# The last iteration alone goes on from weights that know no shut eyes; its labels come from both teachers in every row.
LAST = ["--iterations", "3", "--ends", "0", "0", "1", "--circle", "0", "--rate", "6e-4", "--bf16"]
EYES = {
    "as shipped": [],
    "without terms of lids and lips": ["--openings", "0"],
    "without shares of a batch": ["--share", "0"],
    "without the mesh": ["--vertices", "0"],
    "without identity and expression": ["--coefficients", "0"],
    "without real profiles": ["--leave-out", "train-cfp"],
    "without real shut eyes": ["--leave-out", "train-closed-eyes"],
}
RESULTS = CACHE / "ablations.json"


def run(name: str, steps: int, seed: int) -> list:
    """Trains one row from random weights -> per split, [[NME68, NME51] after each iteration] in %."""
    folder = f"ablation-{name}-{steps}-{seed}".replace(" ", "-").replace(",", "")
    own = RUNS[name] if "--iterations" in RUNS[name] else ["--iterations", "1", "--ends", "1", *RUNS[name]]
    budget = ["--steps", str(steps), "--measure", str(steps + 1), "--ema", "0.99", "--seed", str(seed)]
    subprocess.run([sys.executable, "-m", "training.train", "--run", folder, *budget, *own], check=True)
    model, samples = face_model.load(), Samples()
    cascade = Cascade(model, *load_cascade(CACHE / "runs" / folder))
    splits = [samples.validation(), samples.validation(jitter=1), samples.profiled_validation()]
    return [evaluate(cascade, model, *split)[1:].round(4).tolist() for split in splits]


def run_eyes(name: str, steps: int, seed: int, weights: Path) -> dict[str, float]:
    """Trains the last iteration from exported weights -> figures of eyes and mouths."""
    folder = f"ablation-eyes-{name}-{steps}-{seed}".replace(" ", "-")
    budget = ["--steps", str(steps), "--measure", str(steps + 1), "--ema", "0.98", "--seed", str(seed), "--from-weights", str(weights)]
    subprocess.run([sys.executable, "-m", "training.train", "--run", folder, *budget, *LAST, *EYES[name]], check=True)
    return figures(exported(run_weights(folder), face_model.load()))


def figures(cascade: Cascade) -> dict[str, float]:
    afw, closed = measure_afw(cascade, DATA, None), measure_closed(cascade, DATA)
    return {"eyes": afw["corrected"]["eyes"], "lips": afw["corrected"]["lips"], "inner 51": afw["corrected"]["inner 51"], "mouths opened": afw["mouth"]["opened"],
            "mouths correlation": afw["mouth"]["correlation"], "ratio of shut eyes": closed["ratio shut"], "AUC": closed["auc"], "AUC of blink weights": closed["auc of blink weights"],
            "profiles": measure_cfp(cascade, DATA)["mean"]}


def cell(values: np.ndarray) -> str:
    """Mean over seeds, and how far they lie apart."""
    return f"{values.mean():.2f}" + (f" ± {(values.max() - values.min()) / 2:.2f}" if len(values) > 1 else "")


def ablate_eyes(args: argparse.Namespace) -> None:
    file = CACHE / "ablations-eyes.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    if "before" not in results:
        results["before"] = {"0": figures(exported(load_weights(args.eyes), face_model.load()))}
    for seed in args.seeds:
        for name in EYES:
            done = results.setdefault(f"{name}, {args.steps} steps", {})
            if str(seed) not in done:
                done[str(seed)] = run_eyes(name, args.steps, seed, args.eyes)
                file.write_text(json.dumps(results, indent=1))
    names = list(results["before"]["0"])
    print(f"| | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for key, seeds in results.items():
        print(f"| {key} | {' | '.join(cell(np.array([row[name] for row in seeds.values()])) for name in names)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--only", nargs="*", choices=RUNS, metavar="NAME", help="names of rows; all by default")
    parser.add_argument("--eyes", type=Path, metavar="FOLDER", help="the rows of eyes and mouths, from the exported weights in FOLDER")
    args = parser.parse_args()
    if args.eyes:
        return ablate_eyes(args)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for seed in args.seeds:
        for name in args.only or RUNS:
            done = results.setdefault(f"{name}, {args.steps} steps", {})
            if str(seed) not in done:
                done[str(seed)] = run(name, args.steps, seed)
                RESULTS.write_text(json.dumps(results, indent=1))
    print("| | seeds | K | val-afw 68 | inner 51 | jittered 68 | profiled 68 | inner 51 |\n|---|---|---|---|---|---|---|---|")
    for key, seeds in results.items():
        plain, jittered, profiled = np.array(list(seeds.values())).transpose(1, 2, 3, 0)  # each [K, 68 or 51, seed]
        for k in range(len(plain)):
            cells = plain[k, 0], plain[k, 1], jittered[k, 0], profiled[k, 0], profiled[k, 1]
            print(f"| {key} | {len(seeds)} | {k + 1} | {' | '.join(map(cell, cells))} |")


if __name__ == "__main__":
    main()
