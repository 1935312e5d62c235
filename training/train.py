"""Trains the cascade, one iteration after another, each with its own weights (docs/training.md).

    python -m training.train --run main --iteration 0 --steps 2600
    python -m training.train --run main --iteration 1 --steps 850 --rate 1.4e-3   # starts from iteration 0's weights

State lives in training/.cache/runs/<run>/: net<k>.pt (checkpoint, resumed automatically), log.csv (learning curves).
"""
from __future__ import annotations

import argparse
import copy
import math
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from . import face_model
from .costs import Cost
from .data import CROP, Batch, Samples
from .labels import CACHE, nme
from .network import Net
from .render import Renderer

EMA = 0.998


def statistics(samples: Samples) -> tuple[np.ndarray, np.ndarray]:
    """(p^0, unit): the mean label of augmented crops with a frontal, upright pose, and the spread of each parameter around it."""
    p = np.concatenate([samples.batch(10_000_000 + i, 256).parameters for i in range(8)]).astype(np.float64)
    start = p.mean(0)
    start[2:4] = 0  # yaw and roll are symmetric
    start[8:56] = 0
    unit = np.sqrt(((p - start) ** 2).mean(0))
    return start.astype(np.float32), unit.astype(np.float32)


class Cascade:
    """p^{k+1} = p^k + Net^k(PAF, PNCC) with trained, frozen iterations."""

    def __init__(self, model: face_model.FaceModel, start: np.ndarray, nets: list[Net]):
        self.start, self.nets = start, nets
        self.renderer = Renderer(model, CROP)

    def features(self, p: np.ndarray, images: np.ndarray) -> tuple[torch.Tensor, ...]:
        return tuple(torch.from_numpy(x) for x in self.renderer(p, images))

    @torch.no_grad()
    def run(self, images: np.ndarray) -> list[np.ndarray]:
        """images f32 [n,128,128,3] -> [p^0 .. p^K], each [n,104] (p^0 [1,104])."""
        out = [self.start[None]]
        for net in self.nets:
            out.append(out[-1] + net(*self.features(out[-1], images)).numpy())
        return out


def evaluate(cascade: Cascade, model: face_model.FaceModel, batch: Batch, markup: np.ndarray) -> list[float]:
    """NME68 in % against `markup` (crop pixels), for p^0 and after each iteration."""
    steps = [cascade.run(batch.images[i:i + 56]) for i in range(0, len(markup), 56)]
    out = []
    for k in range(len(cascade.nets) + 1):
        p = np.concatenate([np.broadcast_to(s[k], s[-1].shape) for s in steps])
        out.append(float(nme(cascade.renderer.decode(p)[:, model.landmarks, :2].astype(np.float64), markup).mean()))
    return out


def load_net(path: Path, unit: np.ndarray, streams: str) -> Net:
    """The averaged weights of a checkpoint, in inference mode."""
    net = Net(unit, streams)
    net.load_state_dict(torch.load(path, weights_only=False)["ema"])
    return net.to(memory_format=torch.channels_last).eval()


def train(args: argparse.Namespace) -> None:
    folder = CACHE / "runs" / args.run
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed + args.iteration)
    model, samples = face_model.load(), Samples(args.seed, args.profiling)
    statistics_file = folder / "statistics.npz"
    if not statistics_file.exists():
        start, unit = statistics(samples)
        np.savez(statistics_file, start=start, unit=unit)
    with np.load(statistics_file) as file:
        start, unit = file["start"], file["unit"]
    frozen = [load_net(folder / f"net{k}.pt", unit, args.streams) for k in range(args.iteration)]
    cascade = Cascade(model, start, frozen)
    net = Net(unit, args.streams, args.dropout).to(memory_format=torch.channels_last)
    if frozen:
        net.load_state_dict(frozen[-1].state_dict())
        net.reset_output()  # the features carry over; the update starts at zero, so p^{k+1} starts as good as p^k
    ema = copy.deepcopy(net).eval()
    cost = Cost(model, unit, CROP)
    decay = [p for p in net.parameters() if p.dim() > 1]
    plain = [p for p in net.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": args.decay}, {"params": plain, "weight_decay": 0}], lr=args.rate)
    path, step = folder / f"net{args.iteration}.pt", 0
    if path.exists():
        state = torch.load(path, weights_only=False)
        net.load_state_dict(state["net"]), ema.load_state_dict(state["ema"]), optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    log = (folder / "log.csv").open("a")
    validation = [samples.validation(), samples.validation(jitter=1), samples.profiled_validation()]
    running, began = [], time.time()
    bar = tqdm(total=args.steps, initial=step, unit="step", mininterval=10)

    def save() -> None:
        part = path.with_suffix(".partial")
        torch.save({"net": net.state_dict(), "ema": ema.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "args": vars(args)}, part)
        part.rename(path)

    def measure() -> None:
        ema.eval()
        full = Cascade(model, start, [*frozen, ema])
        plain_nme, jittered, profiled = (evaluate(full, model, *split) for split in validation)
        text = " ".join(f"{value:.3f}" for value in plain_nme)
        bar.write(f"step {step}: train {np.mean(running[-300:]):.3f}%  val-afw p0..p{args.iteration + 1}: {text}  jittered {jittered[-1]:.3f}  profiled {' '.join(f'{value:.3f}' for value in profiled[1:])}")
        log.write(f"{args.iteration},{step},{np.mean(running[-300:]):.4f},{plain_nme[-1]:.4f},{jittered[-1]:.4f},{profiled[-1]:.4f},{time.time() - began:.0f}\n")
        log.flush()

    while step < args.steps:
        warm = min(1, (step + 1) / args.warmup)
        rate = args.rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / args.steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = samples.batch(args.iteration * 1_000_000 + step, args.batch)
        p = cascade.run(batch.images)[-1]
        net.train()
        prediction = torch.from_numpy(p) + net(*cascade.features(p, batch.images))
        loss, error = cost(prediction, torch.from_numpy(batch.parameters), torch.from_numpy(batch.points))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimizer.step()
        step += 1
        with torch.no_grad():
            for slow, fast in zip(ema.state_dict().values(), net.state_dict().values()):
                if slow.dtype.is_floating_point:
                    slow.lerp_(fast, 1 - min(EMA, step / (step + 10)))
                else:
                    slow.copy_(fast)
        running.append(float(error))
        bar.update()
        bar.set_postfix_str(f"{np.mean(running[-50:]):.2f}%", refresh=False)
        if step % 250 == 0:
            save()
        if step % args.measure == 0 or step == args.steps:
            measure()
    save()
    bar.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="main")
    parser.add_argument("--iteration", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--decay", type=float, default=0.02)
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--measure", type=int, default=350)
    parser.add_argument("--streams", choices=["both", "pncc", "paf", "picture"], default="both")
    parser.add_argument("--profiling", type=float, default=0.4, help="fraction of samples turned out of plane")
    parser.add_argument("--seed", type=int, default=1)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
