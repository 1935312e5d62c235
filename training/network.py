"""Net^k in PyTorch, built from `weights/network.json`: the one description that the browser's engine reads too."""
from __future__ import annotations

import json

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .face_model import NETWORK_FILE


def description() -> dict:
    return json.loads(NETWORK_FILE.read_text())


class PoseAdaptiveConv(nn.Module):
    """3x3 convolution over patches gathered at the anchors (TPAMI 3.2): [n,64,64,27] -> [n,C,64,64]; responses of occluded
    anchors are multiplied by `scale` (0.5) before the activation, which the pool behind applies (see Pool)."""

    def __init__(self, pac: dict):
        super().__init__()
        self.conv = nn.Conv2d(pac["patch"] ** 2 * pac["inChannels"], pac["outChannels"], 1, bias=False)
        self.norm = nn.BatchNorm2d(pac["outChannels"])

    def forward(self, patches: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        return self.norm(self.conv(patches.permute(0, 3, 1, 2))) * scale[:, None]  # patches are channels_last already


class ConvNorm(nn.Module):
    def __init__(self, layer: dict, pooled: bool):
        super().__init__()
        self.conv = nn.Conv2d(layer["inChannels"], layer["outChannels"], tuple(layer["kernel"]), tuple(layer["stride"]), tuple(layer["padding"]), bias=False)
        self.norm = nn.BatchNorm2d(layer["outChannels"])
        self.activation = "none" if pooled else layer["activation"]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.conv(x))
        return F.relu(x) if self.activation == "relu" else x


class Pool(nn.MaxPool2d):
    """Max pool, then ReLU if the layer before has one: the two commute, and on a quarter of the pixels the ReLU is cheaper."""

    def __init__(self, layer: dict, relu: bool):
        super().__init__(tuple(layer["kernel"]), tuple(layer["stride"]), tuple(layer["padding"]))
        self.relu = relu

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = super().forward(x)
        return F.relu(x) if self.relu else x


class FullyConnected(nn.Module):
    """Flattens in (h, w, c) order, as the engine does. Layers with a ReLU have a BatchNorm while training: without one nearly all of their
    units end where no input reaches them (docs/training.md, "Dead units")."""

    def __init__(self, layer: dict, dropout: float):
        super().__init__()
        self.activation = layer["activation"]
        self.linear = nn.Linear(layer["inFeatures"], layer["outFeatures"], bias=self.activation != "relu")
        self.norm = nn.BatchNorm1d(layer["outFeatures"]) if self.activation == "relu" else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.dim() == 4:
            x = x.permute(0, 2, 3, 1).flatten(1)
        x = self.linear(x)
        return self.dropout(F.relu(self.norm(x))) if self.norm else x


class Net(nn.Module):
    """One iteration's regressor. forward(stem [n,S,S,6], patches [n,64,64,27], scale [n,64,64]) -> update [n,104] in parameter
    units: the last layer's output times `unit`, the training spread of each parameter, which export folds into the weights.
    `streams` ablates: "both", "pncc" or "paf" (the other stream's features are zero), "picture" (PNCC channels zeroed)."""

    def __init__(self, unit: np.ndarray, streams: str = "both", dropout: float = 0.0):
        super().__init__()
        self.net = description()
        self.streams = streams
        self.pac = PoseAdaptiveConv(self.net["pac"])
        self.layers = nn.ModuleDict()
        pooled = {layer["input"] for layer in self.net["layers"] if layer["op"] == "maxPool"}  # these have no other reader
        relu = {layer["name"] for layer in self.net["layers"] if layer.get("activation") == "relu"} | {"paf"}
        for layer in self.net["layers"]:
            key = layer["name"].replace(".", "_")
            if layer["op"] == "conv2d":
                self.layers[key] = ConvNorm(layer, layer["name"] in pooled)
            elif layer["op"] == "fullyConnected":
                self.layers[key] = FullyConnected(layer, dropout)
            elif layer["op"] == "maxPool":
                self.layers[key] = Pool(layer, layer["input"] in relu)
            elif layer["op"] != "concat":
                raise ValueError(f"network.json: layer {layer['name']} has op {layer['op']}, which training does not build")
        self.register_buffer("unit", torch.as_tensor(unit, dtype=torch.float32))
        self.reset_output()

    def reset_output(self) -> None:
        """Makes the update nearly zero for every input."""
        last = self.layers[self.net["layers"][-1]["name"].replace(".", "_")].linear
        nn.init.normal_(last.weight, std=0.002)
        nn.init.zeros_(last.bias)

    def forward(self, stem: torch.Tensor, patches: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        if self.streams == "picture":
            stem = torch.cat([stem[..., :3], torch.zeros_like(stem[..., 3:])], -1)
        values = {"stem": stem.permute(0, 3, 1, 2), "paf": self.pac(patches, scale)}
        x = None
        for layer in self.net["layers"]:
            if layer["op"] == "concat":
                parts = [values[name] for name in layer["inputs"]]
                if self.streams != "both":
                    keep = "paf" if self.streams == "paf" else "pncc"
                    parts = [part if name.startswith(keep) else torch.zeros_like(part) for name, part in zip(layer["inputs"], parts)]
                x = torch.cat(parts, 1)
            else:
                x = self.layers[layer["name"].replace(".", "_")](values[layer["input"]])
            values[layer["name"]] = x
        return x * self.unit

    def normed(self) -> dict[str, tuple[nn.Module, nn.Module]]:
        """Every layer with a BatchNorm, by name: (convolution or matrix, norm)."""
        pairs = {self.net["pac"]["name"]: (self.pac.conv, self.pac.norm)}
        for layer in self.net["layers"]:
            module = self.layers[layer["name"].replace(".", "_")] if layer["op"] in ("conv2d", "fullyConnected") else None
            if module is not None and module.norm is not None:
                pairs[layer["name"]] = module.conv if layer["op"] == "conv2d" else module.linear, module.norm
        return pairs

    @torch.no_grad()
    def watch(self, batches: list[tuple[torch.Tensor, ...]]) -> dict[str, tuple[torch.Tensor, ...]]:
        """Mean, variance, least and largest output of each convolution and matrix of `normed` by channel, over `batches` (inputs of forward) in inference mode."""
        seen: dict[str, list[torch.Tensor]] = {name: [] for name in self.normed()}
        hooks = []
        for name, (linear, _) in self.normed().items():
            def record(_, __, out, name=name):
                out = out.flatten(2).transpose(1, 2).flatten(0, 1) if out.dim() == 4 else out
                seen[name].append(torch.stack([out.mean(0), out.square().mean(0), out.amin(0), out.amax(0)]))
            hooks.append(linear.register_forward_hook(record))
        self.eval()
        for batch in batches:
            self(*batch)
        for hook in hooks:
            hook.remove()
        out = {}
        for name, rows in seen.items():
            means, squares, least, largest = torch.stack(rows, 1)
            mean = means.mean(0)
            out[name] = mean, (squares.mean(0) - mean**2).clamp_min(0), least.amin(0), largest.amax(0)
        return out

    @torch.no_grad()
    def load_folded(self, tensors: dict[str, np.ndarray], batches: list[tuple[torch.Tensor, ...]]) -> dict[str, int]:
        """The inverse of `folded`: takes an exported iteration and puts BatchNorms back. Each gets the statistics of its layer's output over
        `batches` (inputs of forward) and the gain and bias that undo them, so that inference is the exported network and training goes on.
        Filters, whose length a BatchNorm makes irrelevant, get the length they have after PyTorch's initialisation.
        Units of the fully connected layers that are 0 on all of `batches` start anew, with no weight in the layers that read them: inference
        stays what it was. Returns how many, by layer."""
        tensor = lambda name: torch.from_numpy(tensors[name].astype(np.float32))
        pairs = self.normed()
        fresh = {name: linear.weight.clone() for name, (linear, _) in pairs.items() if linear.weight.dim() == 2}
        for layer in self.net["layers"]:
            if layer["op"] == "fullyConnected" and layer["name"] not in pairs:
                gain = self.unit if layer is self.net["layers"][-1] else torch.ones(layer["outFeatures"])
                gain = torch.where(gain > 0, 1 / gain, 0)  # parameters that never vary have no unit and no update
                linear = self.layers[layer["name"].replace(".", "_")].linear
                linear.weight.copy_(tensor(layer["name"] + ".weight") * gain[:, None])
                linear.bias.copy_(tensor(layer["name"] + ".bias") * gain)
        for name, (linear, norm) in pairs.items():
            weight = tensor(name + ".weight")
            if name == self.net["pac"]["name"]:
                weight = weight.reshape(len(weight), -1, 1, 1)  # (v, u, c) is the patches' order already
            elif weight.dim() == 4:
                weight = weight.permute(0, 3, 1, 2)
            length = weight.flatten(1).norm(dim=1).clamp_min(1e-8) * 3**0.5
            linear.weight.copy_(weight / length.reshape(-1, *[1] * (weight.dim() - 1)))
            norm.running_mean.zero_(), norm.running_var.fill_(1)
            norm.weight.copy_(length * (1 + norm.eps) ** 0.5), norm.bias.copy_(tensor(name + ".bias"))
        dead = {}
        for name, (_, _, _, largest) in self.watch(batches).items():
            if name in fresh:
                linear, norm = pairs[name]
                dead[name] = largest * norm.weight / (1 + norm.eps) ** 0.5 + norm.bias <= 0
                linear.weight[dead[name]] = fresh[name][dead[name]]
                self._silence(name, dead[name])
        for name, (mean, variance, _, _) in self.watch(batches).items():
            norm = pairs[name][1]
            length = norm.weight / (1 + norm.eps) ** 0.5
            norm.running_mean.copy_(mean), norm.running_var.copy_(variance)
            norm.weight.copy_(length * torch.sqrt(variance + norm.eps)), norm.bias.add_(length * mean)
            if name in dead:
                norm.weight[dead[name]], norm.bias[dead[name]] = 1, 0
        return {name: int(units.sum()) for name, units in dead.items()}

    def _silence(self, name: str, units: torch.Tensor) -> None:
        """Zeroes what the last layer reads of these units of the fully connected layer `name`, one of the vectors that the concat before it joins."""
        *_, concat, last = self.net["layers"]
        widths = {layer["name"]: layer.get("outFeatures") for layer in self.net["layers"]}
        first = sum(widths[source] for source in concat["inputs"][:concat["inputs"].index(name)])
        self.layers[last["name"].replace(".", "_")].linear.weight[:, first:first + len(units)][:, units] = 0

    def folded(self) -> dict[str, np.ndarray]:
        """Inference tensors of docs/formats.md, f32: BatchNorm folded into convolutions, `unit` into the last layer."""
        out: dict[str, np.ndarray] = {}

        def fold(linear: nn.Module, norm: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
            gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            return linear.weight * gain.reshape(-1, *[1] * (linear.weight.dim() - 1)), norm.bias - norm.running_mean * gain

        with torch.no_grad():
            weight, bias = fold(self.pac.conv, self.pac.norm)
            pac = self.net["pac"]
            out[pac["name"] + ".weight"] = weight.reshape(pac["outChannels"], pac["patch"], pac["patch"], pac["inChannels"]).numpy()
            out[pac["name"] + ".bias"] = bias.numpy()
            for layer in self.net["layers"]:
                name = layer["name"]
                if layer["op"] == "conv2d":
                    module = self.layers[name.replace(".", "_")]
                    weight, bias = fold(module.conv, module.norm)
                    out[name + ".weight"], out[name + ".bias"] = weight.permute(0, 2, 3, 1).contiguous().numpy(), bias.numpy()
                elif layer["op"] == "fullyConnected":
                    module = self.layers[name.replace(".", "_")]
                    gain = self.unit if layer is self.net["layers"][-1] else torch.ones(layer["outFeatures"])
                    weight, bias = fold(module.linear, module.norm) if module.norm else (module.linear.weight, module.linear.bias)
                    out[name + ".weight"], out[name + ".bias"] = (weight * gain[:, None]).numpy(), (bias * gain).numpy()
        return out


def macs(net: dict) -> dict[str, int]:
    """Multiply-accumulates of one iteration by layer, for one face."""
    size = net["cropSize"]
    shapes = {"stem": (size, size), "paf": tuple(net["pac"]["anchors"])}
    pac = net["pac"]
    out = {pac["name"]: pac["anchors"][0] * pac["anchors"][1] * pac["patch"] ** 2 * pac["inChannels"] * pac["outChannels"]}
    for layer in net["layers"]:
        if layer["op"] in ("conv2d", "maxPool"):
            h, w = (( s + 2 * p - k) // t + 1 for s, p, k, t in zip(shapes[layer["input"]], layer["padding"], layer["kernel"], layer["stride"]))
            shapes[layer["name"]] = (h, w)
            if layer["op"] == "conv2d":
                out[layer["name"]] = h * w * layer["kernel"][0] * layer["kernel"][1] * layer["inChannels"] * layer["outChannels"]
        elif layer["op"] == "fullyConnected":
            out[layer["name"]] = layer["inFeatures"] * layer["outFeatures"]
    return out
