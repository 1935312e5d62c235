"""Ablations at a small equal budget, each from random weights: what the streams, the costs and regeneration give (docs/training.md, "Ablations").

    python -m training.ablate --steps 400

Goes on where it was stopped; results in training/.cache/ablations.json, the table on standard output. Small budgets favour what learns fast: the
figures compare the rows with each other and say little about a full training.
"""
from __future__ import annotations

import argparse
import json
import subprocess
import sys

from . import face_model
from .data import CROP, Samples
from .labels import CACHE
from .train import Cascade, evaluate, load_cascade

# Name, arguments of training.train; all others alike. K = 1 where nothing else is said.
RUNS = {
    "both streams": [],
    "picture only": ["--streams", "picture"],
    "PNCC stream only": ["--streams", "pncc"],
    "PAF stream only": ["--streams", "paf"],
    "cost VDC": ["--cost", "vdc"],
    "cost WPDC": ["--cost", "wpdc"],
    "cost OWPDC": ["--cost", "owpdc"],
    "cost PDC": ["--cost", "pdc"],
    "three iterations": ["--iterations", "3", "--ends", "1", "1", "1"],
    "three iterations, regeneration": ["--iterations", "3", "--ends", "1", "1", "1", "--regenerate", "0.5"],
}
RESULTS = CACHE / "ablations.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--only", nargs="*", help="names of runs; all by default")
    args = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    model, samples = face_model.load(), Samples()
    splits = [samples.validation(), samples.validation(jitter=1), samples.profiled_validation()]
    for name in args.only or RUNS:
        key = f"{name}, {args.steps} steps"
        if key in results:
            continue
        run = "ablation-" + key.replace(" ", "-").replace(",", "")
        own = RUNS[name] if "--iterations" in RUNS[name] else ["--iterations", "1", "--ends", "1", *RUNS[name]]
        subprocess.run([sys.executable, "-m", "training.train", "--run", run, "--steps", str(args.steps), "--measure", str(args.steps + 1), "--ema", "0.99", *own], check=True)
        start, nets = load_cascade(CACHE / "runs" / run)
        cascade = Cascade(model, start, nets)
        results[key] = [evaluate(cascade, model, *split)[1:].round(4).tolist() for split in splits]
        RESULTS.write_text(json.dumps(results, indent=1))
    print("| | K | val-afw 68 | inner 51 | jittered 68 | profiled 68 | inner 51 |\n|---|---|---|---|---|---|---|")
    for key, (plain, jittered, profiled) in results.items():
        for k in range(len(plain)):
            print(f"| {key} | {k + 1} | {plain[k][0]:.2f} | {plain[k][1]:.2f} | {jittered[k][0]:.2f} | {profiled[k][0]:.2f} | {profiled[k][1]:.2f} |")


if __name__ == "__main__":
    main()
