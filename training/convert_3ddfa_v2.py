"""Converts a 3DDFA_V2 checkpoint (MobileNet-V1, 62 parameters; cleardusk/3DDFA_V2, MIT) to the engine's format: a network of other people's
making on the same kernels (docs/formats.md, "Networks of others").

    python -m training.convert_3ddfa_v2 --data ../shared/data --out out/3ddfa_v2    # checked against the parameters that come with the checkpoint
    python -m training.convert_3ddfa_v2 fixture                                     # tests/fixtures/mobilenet.*

Writes network.json (`inputSize`, `layers`) and network.safetensors. Input: B, G, R as (value - 127.5) / 128. Output: the 62 parameters,
whitened; `parameter_mean` and `parameter_std` of the file undo that.
"""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import torch

from .export import FIXTURES, SAMPLE, SAMPLE_BOX, cut, run_layers, write
from .face_model import ROOT

INPUT = 120
# Separable blocks by name, in order, and the stride of each.
BLOCKS = {"dw2_1": 1, "dw2_2": 2, "dw3_1": 1, "dw3_2": 2, "dw4_1": 1, "dw4_2": 2, "dw5_1": 1, "dw5_2": 1, "dw5_3": 1, "dw5_4": 1, "dw5_5": 1, "dw5_6": 2, "dw6": 1}
ORIGIN = {"origin": "3DDFA_V2 (github.com/cleardusk/3DDFA_V2), mb05_120x120.pth, BatchNorm folded, in f16", "licence": "MIT, (c) 2020 Jianzhu Guo"}


def convert(checkpoint: Path) -> tuple[list[dict], dict[str, np.ndarray]]:
    """(layers, tensors in f16 and f32) of a checkpoint of any width. Raises KeyError, naming the tensor, where it is not such a network."""
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")["state_dict"]
    state = {name.removeprefix("module."): value.numpy().astype(np.float64) for name, value in state.items()}
    layers, tensors, last, size = [], {}, "picture", INPUT

    def convolution(name: str, weight: str, norm: str, stride: int) -> None:
        nonlocal last, size
        kernel = state[weight + ".weight"]  # [out,in,h,w]
        gain = state[norm + ".weight"] / np.sqrt(state[norm + ".running_var"] + 1e-5)
        kernel = kernel * gain[:, None, None, None]
        extent, depthwise = kernel.shape[2], kernel.shape[1] == 1
        layer = {"name": name, "op": "depthwiseConv2d" if depthwise else "conv2d", "input": last, "kernel": [extent] * 2, "stride": [stride] * 2, "padding": [extent // 2] * 2}
        if not depthwise:
            layer |= {"inChannels": kernel.shape[1], "outChannels": len(kernel)}
        layers.append(layer | {"activation": "relu"})
        tensors[name + ".weight"] = (kernel[:, 0].transpose(1, 2, 0) if depthwise else kernel.transpose(0, 2, 3, 1)).astype(np.float16)
        tensors[name + ".bias"] = (state[norm + ".bias"] - gain * state[norm + ".running_mean"]).astype(np.float32)
        last, size = name, (size - 1) // stride + 1

    convolution("conv1", "conv1", "bn1", 2)
    for block, stride in BLOCKS.items():
        convolution(f"{block}.depthwise", f"{block}.conv_dw", f"{block}.bn_dw", stride)
        convolution(f"{block}.pointwise", f"{block}.conv_sep", f"{block}.bn_sep", 1)
    layers.append({"name": "pool", "op": "averagePool", "input": last, "kernel": [size] * 2, "stride": [size] * 2, "padding": [0, 0]})
    weight = state["fc_param.weight"]
    layers.append({"name": "parameters", "op": "fullyConnected", "input": "pool", "inFeatures": weight.shape[1], "outFeatures": len(weight), "activation": "none"})
    tensors |= {"parameters.weight": weight.astype(np.float16), "parameters.bias": state["fc_param.bias"].astype(np.float32)}
    return layers, tensors


def picture(crops: np.ndarray) -> dict[str, torch.Tensor]:
    """B, G, R [n,120,120,3] in 0..255 as the network's input."""
    return {"picture": torch.from_numpy((crops.astype(np.float32) - 127.5) / 128).permute(0, 3, 1, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["network", "fixture"], nargs="?", default="network")
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    parser.add_argument("--out", type=Path, default=ROOT / "out/3ddfa_v2")
    args = parser.parse_args()
    folder = args.data / "3ddfa_v2"
    layers, tensors = convert(folder / "mb05_120x120.pth")
    with np.load(folder / "constants.npz") as constants, np.load(folder / "golden.npz") as golden:
        tensors |= {"parameter_mean": constants["param_mean"], "parameter_std": constants["param_std"]}
        expected = (golden["parameters"] - tensors["parameter_mean"]) / tensors["parameter_std"]
        error = np.abs(run_layers(layers, tensors, picture(golden["crops_bgr"]))["parameters"].numpy() - expected)
    print(f"{len(layers)} layers; whitened parameters of {len(expected)} faces: mean error {error.mean():.1e}, largest {error.max():.1e} (f16 weights)")
    if error.max() > 0.02:
        raise SystemExit("the converted network does not give the parameters that come with the checkpoint")
    target = args.out if args.what == "network" else FIXTURES
    name = "network" if args.what == "network" else "mobilenet"
    if args.what == "fixture":  # only the public-domain sample may be in the repository
        sample = cv2.imread(str(SAMPLE), cv2.IMREAD_COLOR)[..., ::-1]
        crop = np.round(cut(sample, SAMPLE_BOX, INPUT)[..., ::-1] * 255)[None]
        inputs = picture(crop)
        tensors |= {"picture": inputs["picture"].permute(0, 2, 3, 1).numpy(), "expected": run_layers(layers, tensors, inputs)["parameters"].numpy()}
    target = target.resolve()
    write(tensors, target / f"{name}.safetensors", ORIGIN)
    (target / f"{name}.json").write_text(json.dumps({"inputSize": INPUT, "layers": layers}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
