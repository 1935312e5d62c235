"""Checks of the training code that need PyTorch, in float64 on random faces. Prints a line a check; exits with 1 if one fails.

    python -m training.check
"""
from __future__ import annotations

import sys

import numpy as np
import torch

from . import face_model
from .correctives import directions, symmetric
from .costs import COSTS, LAMBDA, PointDecoder, rotation_derivative
from .crops import COSINE, CROP, MARGIN, SINE, Crops, Recropper, head_roll, turn
from .geometry import rotation
from .labels import LandmarkMap
from .network import Net
from .regeneration import NEIGHBOURS, Regeneration
from .surface import carry

failures = 0


def check(name: str, error: float, limit: float) -> None:
    global failures
    failures += not error <= limit
    print(f"{'ok  ' if error <= limit else 'FAIL'} {name}: {error:.2e} (limit {limit:.0e})")


def faces(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random labels, predictions near them [n,104], and the spread of each parameter."""
    unit = np.r_[np.full(4, 0.8), 5, 5, 0, 0, np.ones(48), np.full(47, 0.2), 0]
    label = np.zeros((n, 104))
    label[:, 0] = 7.5
    label[:, 4:6] = 64
    label += rng.normal(size=label.shape) * unit
    return label, label + 0.3 * rng.normal(size=label.shape) * unit, unit


def turned(label: torch.Tensor) -> float:
    """What the turn in the plane adds to the cost of a label that is not upright and carries none: its squared chord on the unit circle."""
    r = rotation(label[:, :4])
    return float((2 - 2 * r[:, 1, 1] / torch.hypot(r[:, 0, 1], r[:, 1, 1])).mean())


def gradient(f, p: torch.Tensor, step: float = 1e-5) -> torch.Tensor:
    """Central differences of the scalar f by every element of p."""
    out = torch.zeros_like(p)
    for i in np.ndindex(*p.shape):
        e = torch.zeros_like(p)
        e[i] = step
        out[i] = (f(p + e) - f(p - e)) / (2 * step)
    return out


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


def check_costs(model: face_model.FaceModel, rng: np.random.Generator) -> None:
    label, p, unit = (torch.from_numpy(x) for x in faces(3, rng))
    costs = {name: make(model, unit.numpy(), CROP).double() for name, make in COSTS.items()}
    decoder = costs["pdc"].decoder
    valid = torch.from_numpy(rng.uniform(0.2, 1, (3, 68)))
    points = decoder(label)[:, :68, :2] + torch.from_numpy(rng.normal(size=(3, 68, 2)))

    numeric = torch.stack([(decoder(label + e) - decoder(label - e)) / 2e-5 for e in 1e-5 * torch.eye(104, dtype=p.dtype)], -1).flatten(1, 2)
    numeric[..., [COSINE, SINE]] = 0  # a turn in the plane is no parameter of a label
    check("Jacobian of the decoder against differences", relative(decoder.jacobian(label), numeric), 1e-7)
    check("derivative of the rotation by Euler's theorem", relative(torch.einsum("ncij,nc->nij", rotation_derivative(p[:, :4]), p[:, :4]), 2 * rotation(p[:, :4])), 1e-12)
    for name, cost in costs.items():
        variable = p.clone().requires_grad_()
        cost(variable, label, points, valid)[0].backward()
        frozen = cost
        if hasattr(cost, "weights"):  # constants of the gradient: freeze them for the differences too
            weights = cost.weights(p, label)
            frozen = lambda x, *_, w=weights, c=cost: ((w * c.whitened(x, label).square()).mean(), None)
        check(f"gradient of {name} against differences", relative(variable.grad, gradient(lambda x, frozen=frozen: frozen(x, label, points, valid)[0], p)), 1e-6)
        check(f"{name} at its label costs nothing", float(cost(label, label, decoder(label)[:, :68, :2], valid)[0] - getattr(cost, "turn_weight", 0) * turned(label)), 1e-3)

    moved = torch.zeros_like(p)
    for i in range(104):
        replaced = label.clone()
        replaced[:, i] = p[:, i]
        moved[:, i] = (decoder(replaced) - decoder(label)).square().sum((1, 2)).sqrt()
    check("weights of wpdc against their definition", relative(costs["wpdc"].weights(p, label), moved / moved.amax(1, keepdim=True)), 1e-6)

    cost = costs["owpdc"]
    w, (h, g) = cost.weights(p, label), cost.program(p, label)
    slope = torch.einsum("nij,nj->ni", h, w) - g
    slope = slope / g.abs().amax(1, keepdim=True)
    stationary = torch.where(w <= 0, slope.clamp_max(0), torch.where(w >= 1, slope.clamp_min(0), slope))
    check("owpdc: weights lie in [0, 1]", float((-w).clamp_min(0).max() + (w - 1).clamp_min(0).max()), 0)
    check("owpdc: optimality conditions of the box-constrained program", float(stationary.abs().max()), 1e-3)
    value = lambda w: 0.5 * torch.einsum("ni,nij,nj->n", w, h, w) - (g * w).sum(1)
    j, d = decoder.jacobian(label), label - p
    direct = lambda w: (torch.einsum("nij,nj->ni", j, d * (w - 1)).square().sum(1) + (LAMBDA * torch.einsum("nij,nj->ni", j, d).square().sum(1) + 1e-6) * w.square().sum(1)) / 2
    other = torch.from_numpy(rng.uniform(size=w.shape))
    check("owpdc: the program is the linearised vertex error plus the regulariser", relative(value(w) - value(other), direct(w) - direct(other)), 1e-9)
    random = torch.from_numpy(np.clip(w.numpy() + rng.normal(0, 0.1, (200, *w.shape)), 0, 1))
    check("owpdc: no random neighbour is better", float(max((value(w) - value(x)).max() for x in random)), 0)


def check_network(rng: np.random.Generator) -> None:
    torch.manual_seed(5)
    unit = faces(1, rng)[2].astype(np.float32)
    net = Net(unit).train()
    inputs = [(torch.rand(4, CROP, CROP, 6), torch.rand(4, 64, 64, 27), torch.where(torch.rand(4, 64, 64) < 0.3, 0.5, 1.0)) for _ in range(3)]
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1 * torch.randn_like(p))
        for batch in inputs:
            net(*batch)
        net.eval()
        again = Net(unit)
        again.load_folded(net.folded(), inputs)
        check("folded and unfolded network: inference", relative(again.eval()(*inputs[0]), net(*inputs[0])), 1e-4)
        again.train()
        check("unfolded network: training mode on the same samples", relative(again(*(torch.cat(x) for x in zip(*inputs))), net(*(torch.cat(x) for x in zip(*inputs)))), 2e-2)
        module = net.layers["pncc_fc1"]
        module.norm.bias[:150], module.norm.bias[150:] = -1e3, 10  # the others are reached by any input
        net.layers["paf_fc1"].norm.bias.fill_(10)
        again = Net(unit)
        dead = again.load_folded(net.folded(), inputs)
        check("dead units: found, and none other", abs(dead["pncc.fc1"] - 150) + dead["paf.fc1"], 0)
        check("dead units: inference stays", relative(again.eval()(*inputs[0]), net(*inputs[0])), 1e-4)
        *_, (_, _, _, largest) = (seen for name, seen in again.watch(inputs).items() if name == "pncc.fc1")
        norm = again.layers["pncc_fc1"].norm
        reached = (largest - norm.running_mean) * norm.weight / torch.sqrt(norm.running_var + norm.eps) + norm.bias > 0
        check("dead units: all live again", float((~reached).sum()), 0)
        filters = torch.cat([module.weight.flatten(1).norm(dim=1) for module in again.modules() if isinstance(module, torch.nn.Conv2d)])
        check("unfolded network: length of the filters", float((filters - 3**-0.5).abs().max()), 1e-5)


def check_regeneration(model: face_model.FaceModel, rng: np.random.Generator) -> None:
    """Faces in two groups far apart in yaw, whose errors say which group they are of; more are recorded than there is room for."""
    label = faces(4 * NEIGHBOURS, rng)[0].astype(np.float32)
    label[:, 2] = np.where(np.arange(len(label)) % 2, 4.0, -4.0)
    regeneration = Regeneration(model, 1, room=3 * NEIGHBOURS)
    regeneration.record(label[:0], label[:0])
    regeneration.record(label, label + np.sign(label[:, 2:3]))
    drawn = regeneration.draw(label) - label
    check("regeneration: errors come from faces of a similar posture", float(np.abs(drawn - np.sign(label[:, 2:3])).max()), 1e-5)
    scaled = label.copy()
    scaled[:, :4] *= 1.3
    scaled[:, 4:6] += 9
    check("regeneration: posture knows neither scale nor place", float(np.abs(regeneration.posture(scaled) - regeneration.posture(label)).max()), 1e-4)


def check_crops(model: face_model.FaceModel, rng: np.random.Generator) -> None:
    """Heads of every rotation, in crops of every roll."""
    n, recrop = 64, Recropper(model)
    p = np.zeros((n, 104), np.float32)
    q = rng.normal(size=(n, 4))
    p[:, :4] = q / np.linalg.norm(q, axis=1, keepdims=True) * np.sqrt(70)
    p[:, 4:6] = 64 + rng.normal(0, 10, (n, 2))
    p[:, 8:56], p[:, 56:103] = rng.normal(0, 1, (n, 48)), rng.uniform(0, 0.5, (n, 47))
    crops = Crops(rng.normal(100, 20, (n, 2)), rng.uniform(60, 200, n), rng.uniform(-3, 3, n))
    following, after = recrop(p, crops)
    points = recrop.landmarks(following)
    check("recrop: landmarks stay where they are in the picture", float(np.abs(after.to_picture(points) - crops.to_picture(recrop.landmarks(p))).max()), 1e-3)
    check("recrop: the box is MARGIN times smaller than the crop", float(np.abs(np.ptp(points, axis=1).max(1) * MARGIN - CROP).max()), 1e-3)
    check("recrop: the box is in the middle", float(np.abs(points.max(1) + points.min(1) - (CROP - 1)).max()), 1e-3)
    check("recrop: the head is upright", float(np.abs(head_roll(following[:, :4])).max()), 1e-5)
    check("recrop: q0 is not negative", float(-following[:, 0].min()), 0)
    broken = p.copy()
    broken[0, 9], broken[1, :4] = np.nan, 0
    kept, same = recrop(broken, crops)
    check("recrop: what is not believed stays", float(np.nan_to_num(np.abs(kept[:2] - broken[:2])).max() + np.abs(same.affine()[:2] - crops.affine()[:2]).max()), 0)
    angle = rng.uniform(-3.1, 3.1, n)
    carrying = p.copy()
    carrying[:, COSINE], carrying[:, SINE] = 1.7 * np.cos(angle) - 1, 1.7 * np.sin(angle)
    turned = turn(carrying)
    decoder = PointDecoder(model, model.landmarks, CROP)
    check("turn: the decoder of the costs sees what it leads to", float((decoder(torch.from_numpy(carrying)) - decoder(torch.from_numpy(turned))).abs().max()), 1e-3)
    difference = head_roll(turned[:, :4]) - head_roll(p[:, :4]) - angle
    check("turn: the head's roll", float(np.abs((difference + np.pi) % (2 * np.pi) - np.pi).max()), 1e-5)
    check("crops: parameters to the picture and back", float(np.abs(crops.pose(crops.pose_in_picture(p, 192), 192)[:, 4:6] - p[:, 4:6]).max()), 1e-3)


def check_correctives(model: face_model.FaceModel, rng: np.random.Generator) -> None:
    """Residuals that are known: a shift of all faces and two directions that they differ in."""
    mean, shapes = rng.normal(0, 1, (68, 3)), np.zeros((2, 68, 3))
    shapes[:, 17:] = np.linalg.qr(rng.normal(size=(153, 2)))[0].T.reshape(2, 51, 3)  # jaw points rank lower
    found, strongest = directions(mean + np.einsum("nk,kld->nld", rng.normal(0, [3, 2], (20000, 2)), shapes), np.ones(20000), 2)
    check("correctives: the mean", float(np.abs(found - mean).max()), 0.05)
    angle = np.einsum("kld,mld->km", strongest, shapes)
    check("correctives: directions, as long as a standard deviation", float(np.abs(np.abs(angle) - np.diag([3, 2])).max()), 0.1)
    over = carry(model.mean, model.triangles, model.landmarks)
    check("surface: the places move as they are told", float(np.abs(over[model.landmarks] - np.eye(68)).max()), 1e-2)
    far = np.linalg.norm(model.mean[:, None] - model.mean[model.landmarks], axis=-1).min(1)
    check("surface: what is far from all places moves less than half as far", float(np.abs(over[far > far.max() - 0.05].sum(1)).max()), 0.5)
    shift = symmetric(model.mean, rng.normal(0, 0.01, model.mean.shape))
    check("surface: a symmetric shift is its own mirror image", float(np.abs(symmetric(model.mean, shift) - shift).max()), 1e-12)
    check("surface: a lip moves without the other", float(abs(over[model.landmarks[62], 66])), 1e-3)


def check_map(rng: np.random.Generator) -> None:
    """A definition that is linear in two networks' points is found again."""
    first, second = (rng.uniform(40, 150, (600, 68, 3)) for _ in range(2))
    markup = first[..., :2] + 0.1 * (second[..., :2] - first[..., :2])
    learn = LandmarkMap([first[:500], second[:500]], markup[:500], ridge=1e-6)
    check("labels: two networks mapped to markup", float(np.abs(learn(first[500:], second[500:]) - markup[500:]).max()), 1e-3)


if __name__ == "__main__":
    generator = np.random.default_rng(1)
    check_costs(face_model.load(), generator)
    check_network(generator)
    check_regeneration(face_model.load(), generator)
    check_crops(face_model.load(), generator)
    check_correctives(face_model.load(), generator)
    check_map(generator)
    sys.exit(failures > 0)
