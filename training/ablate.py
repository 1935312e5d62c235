"""Ablations at a small equal budget, each from random weights: what the streams, the costs and regeneration give (docs/training.md, "Ablations").

    python -m training.ablate --steps 300 --seeds 1 2 3

Goes on where it was stopped; results in training/.cache/ablations.json, the table on standard output: mean over seeds ± half their range. Small
budgets favour what learns fast: the figures compare the rows with each other and say little about a full training.
"""
from __future__ import annotations

import argparse
import json
import subprocess
import sys

import numpy as np

from . import face_model
from .data import Samples
from .labels import CACHE
from .train import Cascade, evaluate, load_cascade

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


def cell(values: np.ndarray) -> str:
    """Mean over seeds, and how far they lie apart."""
    return f"{values.mean():.2f}" + (f" ± {(values.max() - values.min()) / 2:.2f}" if len(values) > 1 else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--only", nargs="*", choices=RUNS, metavar="NAME", help="names of rows; all by default")
    args = parser.parse_args()
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
