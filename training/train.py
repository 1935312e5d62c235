"""Trains the iterations of the cascade together, each with its own weights (docs/training.md).

    python -m training.train --run main --steps 8000
    python -m training.train --run more --steps 8000 --from-weights weights --rate 1.2e-3    # goes on from exported weights

Every batch passes the whole cascade: iteration k learns from p^k as the iterations before it give it at that moment, so a sample is
prepared once for all of them. One process prepares batches and one trains each iteration, single-threaded, as stations of a line: no
core waits for another within a step. State lives in training/.cache/runs/<run>/: net<k>.pt (checkpoints, resumed automatically),
log.csv (learning curves).
"""
from __future__ import annotations

import argparse
import copy
import math
import multiprocessing
import queue
import time
from pathlib import Path

import cv2
import numba
import numpy as np
import torch
from tqdm import tqdm

from . import face_model
from .costs import COSTS, Cost, Points
from .crops import COSINE, CROP, SINE, Crops, Recropper, turn
from .data import SPLIT_WEIGHT, Batch, Samples, cut
from .geometry import COUNT
from .labels import CACHE, SIZE, face_size
from .network import Net
from .regeneration import Regeneration
from .render import Renderer
from .weights import load_weights

FINISH = 0.7  # from this part of the schedule on, data.Samples.batch finishes


TURN_UNIT = 0.7  # spread of the cosine and sine of a roll that may be any


def statistics(samples: Samples) -> tuple[np.ndarray, np.ndarray]:
    """(p^0, unit): the mean label of augmented, nearly upright crops with a frontal, upright pose, and the spread of each parameter around it."""
    p = np.concatenate([samples.upright(10_000_000 + i, 256) for i in range(8)]).astype(np.float64)
    start = p.mean(0)
    start[2:4] = 0  # yaw and roll are symmetric
    start[8:56] = 0
    unit = np.sqrt(((p - start) ** 2).mean(0))
    unit[[COSINE, SINE]] = TURN_UNIT
    return start.astype(np.float32), unit.astype(np.float32)


class Cascade:
    """p^{k+1} = p^k + Net^k(PAF, PNCC) with trained, frozen iterations, each on the crop that follows from p^k."""

    def __init__(self, model: face_model.FaceModel, start: np.ndarray, nets: list[Net]):
        self.start, self.nets = start, nets
        self.renderer, self.recrop = Renderer(model, CROP), Recropper(model)

    def features(self, p: np.ndarray, images: np.ndarray) -> tuple[torch.Tensor, ...]:
        return tuple(torch.from_numpy(x) for x in self.renderer(p, images))

    @torch.no_grad()
    def run(self, batch: Batch, rows: slice = slice(None), stale: str | None = None) -> list[tuple[np.ndarray, Crops]]:
        """p^0 .. p^K [n,104], each with the crops [n] it is in; the feature named by `stale` ("pncc" or "paf") is always that of p^0."""
        pictures, endless, crops, p = batch.pictures[rows], batch.endless[rows], batch.crops[rows], self.start[None]
        out = []
        for k, net in enumerate(self.nets):
            if k:
                p, crops = self.recrop(p, crops)
            out.append((np.broadcast_to(p, (len(pictures), COUNT)), crops))
            images = cut(pictures, crops, endless, average=True)
            kept = {"pncc": slice(0, 1), "paf": slice(1, 3)}.get(stale, slice(0))
            old = [x.clone() for x in self.features(self.start[None], images)[kept]] if stale else []
            features = list(self.features(p, images))
            features[kept] = old
            p = turn(p + net(*features).numpy())
        return [*out, (p, crops)]


def evaluate(cascade: Cascade, model: face_model.FaceModel, batch: Batch, truth: np.ndarray) -> np.ndarray:
    """NME in % of all 68 and of the inner 51 points against `truth` [n,68,2] (picture pixels), for p^0 and after each iteration: [K+1,2]."""
    points = landmark_steps(cascade, batch)
    error = 100 * np.linalg.norm(points - truth, axis=-1) / face_size(truth)[:, None]
    return np.stack([error.mean((1, 2)), error[..., 17:].mean((1, 2))], -1)


def landmark_steps(cascade: Cascade, batch: Batch, stale: str | None = None) -> np.ndarray:
    """The landmarks of p^0 .. p^K, f64 [K+1,n,68,2] in picture pixels."""
    steps = [cascade.run(batch, slice(i, i + 56), stale) for i in range(0, len(batch.crops.side), 56)]
    return np.stack([np.concatenate([crops.to_picture(cascade.recrop.landmarks(p)) for p, crops in step]) for step in zip(*steps)])


def load_cascade(folder: Path) -> tuple[np.ndarray, list[Net]]:
    """p^0 and the averaged iterations of a run, in inference mode."""
    with np.load(folder / "statistics.npz") as file:
        start, unit = file["start"], file["unit"]
    nets = []
    while (path := folder / f"net{len(nets)}.pt").exists():
        state = torch.load(path, weights_only=False)
        net = Net(unit, state["args"]["streams"])
        net.load_state_dict(state["ema"])
        nets.append(net.to(memory_format=torch.channels_last).eval())
    return start, nets


class Ring:
    """Batches in shared memory on their way from the process that prepares them through the processes of the iterations. A slot also
    holds which faces are held back from training, p, which each iteration replaces by its own, and the iterations' errors."""

    def __init__(self, context, slots: int, batch: int, iterations: int):
        shared = lambda *shape: torch.zeros(slots, *shape).share_memory_()
        self.pictures = torch.zeros(slots, batch, SIZE, SIZE, 3, dtype=torch.uint8).share_memory_()
        self.parameters, self.points, self.valid = shared(batch, COUNT), shared(batch, 68, 2), shared(batch, 68)
        self.crops = torch.zeros(slots, batch, 4, dtype=torch.float64).share_memory_()  # centre, side, roll
        self.endless = torch.zeros(slots, batch, dtype=torch.bool).share_memory_()
        self.held = torch.zeros(slots, batch, dtype=torch.bool).share_memory_()
        self.p, self.errors = shared(batch, COUNT), shared(iterations)
        self.queues = [context.Queue() for _ in range(iterations + 1)]  # k: waits for iteration k; the last: free
        for slot in range(slots):
            self.queues[-1].put(slot)
        self.done = context.Queue()  # errors of finished batches
        self.progress = context.Value("d", 0.0)  # 0..1 through the schedule


def take(waiting: multiprocessing.Queue, timeout: float) -> int | None:
    """The next slot, or None after `timeout` seconds; ends this process if its parent has gone."""
    try:
        return waiting.get(timeout=timeout)
    except queue.Empty:
        if not multiprocessing.parent_process().is_alive():
            raise SystemExit from None
        return None


def single_thread() -> None:
    cv2.setNumThreads(1)
    numba.set_num_threads(1)
    torch.set_num_threads(1)


def samples_of(args: argparse.Namespace) -> Samples:
    return Samples(args.seed, args.profiling, args.circle, args.share, args.leave_out, args.reshaping)


def produce(ring: Ring, args: argparse.Namespace, step: int) -> None:
    """Process that prepares batches step, step + 1, ..."""
    single_thread()
    samples = samples_of(args)
    while True:
        if (slot := take(ring.queues[-1], 2)) is None:
            continue
        batch = samples.batch(step, ring.pictures.shape[1], max(0.0, (ring.progress.value - FINISH) / (1 - FINISH)))
        for name in ("pictures", "parameters", "points", "valid", "endless"):
            getattr(ring, name)[slot].copy_(torch.from_numpy(getattr(batch, name)))
        ring.crops[slot].copy_(torch.from_numpy(np.c_[batch.crops.centre, batch.crops.side, batch.crops.roll]))
        if args.regenerate:
            ring.held[slot].copy_(torch.from_numpy(samples.held_back[batch.rows]))
        ring.queues[0].put(slot)
        step += 1


def cost_of(args: argparse.Namespace, model: face_model.FaceModel, unit: np.ndarray) -> Cost:
    if args.cost != "points":
        return COSTS[args.cost](model, unit, CROP)
    return Points(model, unit, CROP, vertex_weight=args.vertices, coefficient_weight=args.coefficients, opening_weight=args.openings)


def optimise(ring: Ring, k: int, net: Net, average: Net, start: np.ndarray, state: dict | None, path: Path, args: argparse.Namespace) -> None:
    """Process that trains iteration k until the schedule ends. `average` holds the averaged weights."""
    single_thread()
    model = face_model.load()
    renderer, cost = Renderer(model, CROP), cost_of(args, model, net.unit.numpy())
    recrop, images = Recropper(model), np.empty((ring.pictures.shape[1], CROP, CROP, 3), np.float32)
    regeneration = Regeneration(model, args.seed + k)
    decay, plain = ([p for p in net.parameters() if (p.dim() > 1) == matrix] for matrix in (True, False))
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": args.decay}, {"params": plain, "weight_decay": 0}], lr=args.rate)
    step = 0
    if state:
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]

    def save() -> None:
        part = path.with_suffix(".partial")
        torch.save({"net": net.state_dict(), "ema": average.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "args": vars(args)}, part)
        part.rename(path)

    def update(loss: torch.Tensor, way: float) -> None:
        """One step of the optimiser and of the average, `way` (0..1) through this iteration's schedule."""
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        rate = args.rate * min(1, (step + 1) / args.warmup) * (0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * way)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        with torch.no_grad():
            for slow, fast in zip(average.state_dict().values(), net.state_dict().values()):
                if slow.dtype.is_floating_point:
                    slow.lerp_(fast, 1 - min(args.ema, (step + 1) / (step + 11)))
                else:
                    slow.copy_(fast)

    net.train()
    while ring.progress.value < 1:
        if (slot := take(ring.queues[k], 2)) is None:
            continue
        way = ring.progress.value / args.ends[k] if args.ends[k] else 1.0
        stored = ring.crops[slot].numpy()
        crops, p = Crops(stored[:, :2], stored[:, 2], stored[:, 3]), start[None]
        if k:
            p, crops = recrop(ring.p[slot].numpy(), crops)
            ring.crops[slot].copy_(torch.from_numpy(np.c_[crops.centre, crops.side, crops.roll]))
        label = torch.from_numpy(crops.pose(ring.parameters[slot].numpy(), SIZE))
        points = torch.from_numpy(crops.from_picture(ring.points[slot].numpy()).astype(np.float32))
        valid, held = ring.valid[slot], ring.held[slot]
        if k and args.regenerate:
            regeneration.record(label[held].numpy(), p[held.numpy()])
            chosen = (torch.rand(len(held)) < args.regenerate) & ~held
            if regeneration.ready and chosen.any():
                p = p.copy()
                p[chosen.numpy()] = regeneration.draw(label[chosen].numpy())
        features = [torch.from_numpy(x) for x in renderer(p, cut(ring.pictures[slot].numpy(), crops, ring.endless[slot].numpy(), images))]
        prediction = torch.from_numpy(p).expand(len(held), -1).clone()
        learns = ~held if way < 1 else torch.zeros_like(held)
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
            if not learns.all():
                with torch.no_grad():
                    prediction[~learns] += average(*(x[~learns] for x in features)).float()
            if learns.any():
                prediction[learns] += net(*(features if learns.all() else (x[learns] for x in features))).float()
        if learns.any():
            loss, error = cost(prediction[learns], label[learns], points[learns], valid[learns])
            if not loss.isfinite():  # one such step would spoil the averages and every checkpoint
                raise FloatingPointError(f"the loss of iteration {k} at its step {step} is {float(loss)}")
            update(loss, way)
        else:
            error = cost(prediction, label, points, valid)[1]
        step += 1
        ring.p[slot].copy_(torch.from_numpy(turn(prediction.detach().numpy())))
        ring.errors[slot, k] = error
        if k == args.iterations - 1:
            ring.done.put(ring.errors[slot].tolist())
        ring.queues[k + 1].put(slot)
        if step % 200 == 0:
            save()
    save()


def train(args: argparse.Namespace) -> None:
    folder = CACHE / "runs" / args.run
    folder.mkdir(parents=True, exist_ok=True)
    single_thread()
    torch.manual_seed(args.seed)
    model, samples = face_model.load(), samples_of(args)
    exported = load_weights(args.from_weights) if args.from_weights else []
    statistics_file = folder / "statistics.npz"
    if not statistics_file.exists():
        start, unit = statistics(samples)
        np.savez(statistics_file, start=exported[0]["initial_parameters"] if exported else start, unit=unit)
    with np.load(statistics_file) as file:
        start, unit = file["start"], file["unit"]
    paths = [folder / f"net{k}.pt" for k in range(args.iterations)]
    states = [torch.load(path, weights_only=False) if path.exists() else None for path in paths]
    nets = [Net(unit, args.streams, args.dropout).to(memory_format=torch.channels_last) for _ in paths]
    if exported and not states[0]:
        # Tensors of each iteration's inputs on a few batches, on the crops that the exported iterations before it give.
        renderer, recrop = Renderer(model, CROP), Recropper(model)
        batches = [samples.batch(20_000_000 + i, 128) for i in range(12)]
        states_of = [(start[None], batch.crops) for batch in batches]
        for k, (net, tensors) in enumerate(zip(nets, exported)):
            if k:
                states_of = [recrop(p, crops) for p, crops in states_of]
            inputs = [tuple(torch.from_numpy(x.copy()) for x in renderer(p, cut(batch.pictures, crops, batch.endless))) for (p, crops), batch in zip(states_of, batches)]
            revived = net.load_folded(tensors, inputs)
            print("units that no input reached, started anew: " + ", ".join(f"{name} {count}" for name, count in revived.items()))
            with torch.no_grad():
                states_of = [(turn(p + net(*x).numpy()), crops) for (p, crops), x in zip(states_of, inputs)]
    averages = [copy.deepcopy(net).eval() for net in nets]
    for net, average, state in zip(nets, averages, states):
        if state:
            net.load_state_dict(state["net"]), average.load_state_dict(state["ema"])
        net.share_memory(), average.share_memory()
    step = min(state["step"] if state else 0 for state in states)
    log_file = folder / "log.csv"
    spent = float(log_file.read_text().splitlines()[-1].split(",")[1]) if log_file.exists() and step else 0.0
    log = log_file.open("a")
    context = multiprocessing.get_context("spawn")
    ring = Ring(context, 8, args.batch, args.iterations)
    ring.progress.value = step / args.steps
    workers = [context.Process(target=produce, args=(ring, args, step), daemon=True)]
    for k in range(args.iterations):
        workers.append(context.Process(target=optimise, args=(ring, k, nets[k], averages[k], start, states[k], paths[k], args), daemon=True))
    for worker in workers:
        worker.start()
    validation = [samples.validation(), samples.validation(roll=np.deg2rad(135)), samples.profiled_validation()]
    running, began = [], time.time() - spent
    bar = tqdm(total=args.steps, initial=step, unit="step", mininterval=10)

    def measure() -> None:
        results = [evaluate(Cascade(model, start, averages), model, *split)[1:, 0] for split in validation]
        trained = np.mean(running[-300:], 0) if running else np.full(args.iterations, np.nan)
        text = "  ".join(f"{name} " + " ".join(f"{x:.3f}" for x in values) for name, values in zip(("train", "val-afw", "rolled by 135", "profiled"), (trained, *results)))
        bar.write(f"step {step}, {time.time() - began:.0f} s: {text}")
        values = [x for k in range(args.iterations) for x in (trained[k], *(r[k] for r in results))]
        log.write(f"{step},{time.time() - began:.0f}," + ",".join(f"{x:.4f}" for x in values) + "\n")
        log.flush()

    while ring.progress.value < 1:
        try:
            running.append(ring.done.get(timeout=10))
        except queue.Empty:
            if not all(worker.is_alive() for worker in workers):
                raise RuntimeError("a process of the training ended early: see the error above") from None
            continue
        step += 1
        ring.progress.value = max(step / args.steps, (time.time() - began) / (60 * args.minutes))
        bar.update()
        bar.set_postfix_str(" ".join(f"{x:.2f}%" for x in np.mean(running[-50:], 0)), refresh=False)
        if step % args.measure == 0:
            measure()
    for worker in workers[1:]:
        worker.join()
    measure()
    bar.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="main")
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--from-weights", type=Path, help="folder of exported weights to go on from")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--minutes", type=float, default=math.inf, help="the schedule ends after this time even if not all steps were made")
    parser.add_argument("--ends", type=float, nargs="+", default=[0.45, 0.75, 1], help="part of the schedule after which each iteration is done; 0: it stays as it is")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--decay", type=float, default=0.02)
    parser.add_argument("--ema", type=float, default=0.998, help="weights are averaged with this factor a step")
    parser.add_argument("--cost", choices=COSTS, default="points")
    parser.add_argument("--regenerate", type=float, default=0.0, help="fraction of samples that start iterations 1, 2, .. with errors of held-back faces")
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--measure", type=int, default=500)
    parser.add_argument("--streams", choices=["both", "pncc", "paf", "picture"], default="both")
    parser.add_argument("--profiling", type=float, default=0.25, help="fraction of samples turned out of plane")
    parser.add_argument("--reshaping", type=float, default=0.25, help="fraction of samples with another identity and expression")
    parser.add_argument("--circle", type=float, default=0.5, help="fraction of samples whose first crop has any roll")
    parser.add_argument("--share", type=float, default=0.15, help="least part of a batch each of shut eyes, open mouths and real faces beyond 45 degrees of yaw")
    parser.add_argument("--openings", type=float, default=0.5, help="weight of the errors of the lids' and lips' distances (cost points)")
    parser.add_argument("--vertices", type=float, default=0.25, help="weight of the mesh's distance to the label's (cost points)")
    parser.add_argument("--coefficients", type=float, default=0.003, help="weight of identity's and expression's errors (cost points)")
    parser.add_argument("--leave-out", nargs="+", default=[], choices=SPLIT_WEIGHT, metavar="SPLIT", help="splits that are not drawn from")
    parser.add_argument("--bf16", action="store_true", help="convolutions in bfloat16: faster on processors that multiply it (avx512_bf16, amx)")
    parser.add_argument("--seed", type=int, default=1)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
