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
    """Flattens in (h, w, c) order, as the engine does."""

    def __init__(self, layer: dict, dropout: float):
        super().__init__()
        self.linear = nn.Linear(layer["inFeatures"], layer["outFeatures"])
        self.activation = layer["activation"]
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.dim() == 4:
            x = x.permute(0, 2, 3, 1).flatten(1)
        x = self.linear(x)
        return self.dropout(F.relu(x)) if self.activation == "relu" else x


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

    @torch.no_grad()
    def load_folded(self, tensors: dict[str, np.ndarray], batches: list[tuple[torch.Tensor, ...]]) -> None:
        """The inverse of `folded`: takes an exported iteration and puts BatchNorms back. Each gets the statistics of its convolution's
        output over `batches` (inputs of forward) and the gain and bias that undo them, so that inference is the exported network and
        training goes on. Filters, whose length a BatchNorm makes irrelevant, get the length they have after PyTorch's initialisation."""
        tensor = lambda name: torch.from_numpy(tensors[name].astype(np.float32))
        pairs = {self.net["pac"]["name"]: (self.pac.conv, self.pac.norm)}
        for layer in self.net["layers"]:
            module = self.layers[layer["name"].replace(".", "_")] if layer["op"] in ("conv2d", "fullyConnected") else None
            if layer["op"] == "conv2d":
                pairs[layer["name"]] = module.conv, module.norm
            elif layer["op"] == "fullyConnected":
                gain = self.unit if layer is self.net["layers"][-1] else torch.ones(layer["outFeatures"])
                gain = torch.where(gain > 0, 1 / gain, 0)  # parameters that never vary have no unit and no update
                module.linear.weight.copy_(tensor(layer["name"] + ".weight") * gain[:, None])
                module.linear.bias.copy_(tensor(layer["name"] + ".bias") * gain)
        seen = {name: [] for name in pairs}
        for name, (conv, norm) in pairs.items():
            weight = tensor(name + ".weight")
            if name == self.net["pac"]["name"]:
                weight = weight.reshape(len(weight), -1, 1, 1)  # (v, u, c) is the patches' order already
            else:
                weight = weight.permute(0, 3, 1, 2)
            length = weight.flatten(1).norm(dim=1).clamp_min(1e-8) * 3**0.5
            conv.weight.copy_(weight / length[:, None, None, None])
            norm.running_mean.zero_(), norm.running_var.fill_(1)
            norm.weight.copy_(length * (1 + norm.eps) ** 0.5), norm.bias.copy_(tensor(name + ".bias"))
            conv.hook = conv.register_forward_hook(lambda _, __, out, name=name: seen[name].append(torch.stack([out.mean((0, 2, 3)), out.square().mean((0, 2, 3))])))
        self.eval()
        for batch in batches:
            self(*batch)
        for name, (conv, norm) in pairs.items():
            conv.hook.remove()
            mean, square = torch.stack(seen[name]).mean(0)
            length = norm.weight / (1 + norm.eps) ** 0.5
            norm.running_mean.copy_(mean), norm.running_var.copy_((square - mean**2).clamp_min(0))
            norm.weight.copy_(length * torch.sqrt(norm.running_var + norm.eps)), norm.bias.add_(length * mean)

    def folded(self) -> dict[str, np.ndarray]:
        """Inference tensors of docs/formats.md, f32: BatchNorm folded into convolutions, `unit` into the last layer."""
        out: dict[str, np.ndarray] = {}

        def fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
            gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            return conv.weight * gain[:, None, None, None], norm.bias - norm.running_mean * gain

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
                    linear = self.layers[name.replace(".", "_")].linear
                    gain = self.unit if layer is self.net["layers"][-1] else torch.ones(layer["outFeatures"])
                    out[name + ".weight"], out[name + ".bias"] = (linear.weight * gain[:, None]).numpy(), (linear.bias * gain).numpy()
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
