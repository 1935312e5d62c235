"""Writes what the browser reads: iteration weights, manifest, and the golden fixtures of the tests (docs/formats.md).

    python -m training.export weights --run main     # weights/iterationK.safetensors, manifest.json; --only 0: this one, the others stay
    python -m training.export weights --run more --base FOLDER    # the mean with the weights that the run started from, which lie in FOLDER
    python -m training.export fixtures               # tests/fixtures/*.safetensors, from the files in weights/
    python -m training.export onnx                   # bench/models/net0.onnx, for the benchmark's rivals
"""
from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.numpy import save_file
from torch.nn import functional as F

from . import face_model
from .crops import MARGIN, Crops, Recropper, around, turn
from .face_model import ROOT
from .geometry import multiply
from .labels import CACHE
from .network import description
from .render import Renderer, gather, key_bits, raster, resolve
from .train import load_cascade
from .weights import EXPRESSION, WEIGHTS, load_weights, read, read_blendshapes

FIXTURES = ROOT / "tests" / "fixtures"
SAMPLE, SAMPLE_BOX = ROOT / "assets" / "astronaut.png", (180.0, 86.0, 268.0, 178.0)  # tight box of the 68 points, by eye


def write(tensors: dict[str, np.ndarray], path: Path, metadata: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, path, metadata=metadata)
    path.chmod(0o644)
    print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")


def export_weights(run: str, only: list[int] | None, base: Path | None, part: float) -> None:
    """The averaged iterations of a run, or those named by `only` of them beside the others that weights/ has; with `base`, `part` of them and the rest of the exported ones of that folder.
    p^0 goes with iteration 0."""
    start, nets = load_cascade(CACHE / "runs" / run)
    before = load_weights(base) if base else []
    for k, net in enumerate(nets):
        if only and k not in only:
            continue
        folded = net.folded()
        if before:
            folded = {name: part * value + (1 - part) * before[k][name] for name, value in folded.items()}
        tensors = {name: value.astype(np.float16 if name.endswith(".weight") else np.float32) for name, value in folded.items()}
        for name, value in tensors.items():
            if not np.isfinite(value).all():
                raise ValueError(f"{name} of iteration {k} does not fit its type: max |w| = {np.abs(folded[name]).max()}")
        if k == 0:
            tensors["initial_parameters"] = start
        write(tensors, WEIGHTS / f"iteration{k}.safetensors", {"format": "fullpose-iteration/1", "iteration": str(k)})
    count = len(json.loads((WEIGHTS / "manifest.json").read_text())["iterations"]) if only else len(nets)
    manifest([f"iteration{k}.safetensors" for k in range(count)])


def manifest(iterations: list[str]) -> None:
    files = ["face_model.safetensors", "network.json", *iterations]
    entries = {name: {"bytes": (WEIGHTS / name).stat().st_size, "sha256": hashlib.sha256((WEIGHTS / name).read_bytes()).hexdigest()} for name in files}
    out = {"format": "fullpose-weights/1", "faceModel": files[0], "network": files[1], "iterations": iterations, "files": entries}
    (WEIGHTS / "manifest.json").write_text(json.dumps(out, indent=2) + "\n")
    print(f"weights/manifest.json: {sum(e['bytes'] for e in entries.values()) / 1e6:.2f} MB in {len(files)} files")


def run_layers(layers: list[dict], weights: dict[str, np.ndarray], inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A network of docs/formats.md (`layers`) from exported tensors alone, float32; `inputs` [n,C,H,W]. Returns these and every layer's result, the last one last."""
    tensor = lambda name: torch.from_numpy(weights[name].astype(np.float32))
    values = dict(inputs)
    for layer in layers:
        name, op = layer["name"], layer["op"]
        x = values.get(layer.get("input"))
        if op == "conv2d":
            x = F.conv2d(x, tensor(name + ".weight").permute(0, 3, 1, 2), tensor(name + ".bias"), tuple(layer["stride"]), tuple(layer["padding"]))
        elif op == "depthwiseConv2d":
            x = F.conv2d(x, tensor(name + ".weight").permute(2, 0, 1)[:, None], tensor(name + ".bias"), tuple(layer["stride"]), tuple(layer["padding"]), groups=x.shape[1])
        elif op in ("maxPool", "averagePool"):
            x = (F.max_pool2d if op == "maxPool" else F.avg_pool2d)(x, tuple(layer["kernel"]), tuple(layer["stride"]), tuple(layer["padding"]))
        elif op == "fullyConnected":
            x = F.linear(x.permute(0, 2, 3, 1).flatten(1) if x.dim() == 4 else x, tensor(name + ".weight"), tensor(name + ".bias"))
        elif op == "concat":
            x = torch.cat([values[i] for i in layer["inputs"]], 1)
        else:
            raise ValueError(f"layer {name} is a {op}, which is not computed here")
        values[name] = F.relu(x) if layer.get("activation") == "relu" else x
    return values


def layer_results(weights: dict[str, np.ndarray], stem: np.ndarray, patches: np.ndarray, scale: np.ndarray) -> dict[str, torch.Tensor]:
    """Net^k from exported tensors alone, float32: every layer's result."""
    net = description()
    pac = net["pac"]
    kernel, bias = (torch.from_numpy(weights[f"{pac['name']}.{name}"].astype(np.float32)) for name in ("weight", "bias"))
    paf = torch.from_numpy(patches) @ kernel.reshape(len(kernel), -1).T + bias
    paf = F.relu(paf * torch.from_numpy(scale)[..., None])
    return run_layers(net["layers"], weights, {"stem": torch.from_numpy(stem[..., :6]).permute(0, 3, 1, 2), "paf": paf.permute(0, 3, 1, 2)})


def forward(weights: dict[str, np.ndarray], stem: np.ndarray, patches: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(paf map [n,64,64,C], update [n,104])."""
    values = layer_results(weights, stem, patches, scale)
    return np.ascontiguousarray(values["paf"].permute(0, 2, 3, 1)), list(values.values())[-1].numpy()


def export_onnx() -> None:
    """Net^0 as ONNX (opset 17) from the exported f16 weights: inputs `stem` [n,8,128,128] (channels 6 and 7 zero, as in the engine)
    and `paf` [n,C,64,64], output `update` [n,104]."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    net = description()
    weights = read(WEIGHTS / "iteration0.safetensors")
    nodes, constants = [], []

    def constant(name: str, value: np.ndarray) -> str:
        stored = value.astype(np.float16) if value.ndim > 1 else value.astype(np.float32)
        constants.append(numpy_helper.from_array(np.ascontiguousarray(stored), name + (".f16" if value.ndim > 1 else "")))
        if value.ndim > 1:
            nodes.append(helper.make_node("Cast", [name + ".f16"], [name], to=TensorProto.FLOAT))
        return name

    flat = set()
    for layer in net["layers"]:
        name, last = layer["name"], layer is net["layers"][-1]
        result = "update" if last else name
        before = result + ".linear" if layer.get("activation") == "relu" else result
        if layer["op"] == "conv2d":
            kernel = weights[name + ".weight"].transpose(0, 3, 1, 2)
            if layer["input"] == "stem":
                kernel = np.pad(kernel, ((0, 0), (0, 8 - kernel.shape[1]), (0, 0), (0, 0)))
            pad = layer["padding"]
            nodes.append(helper.make_node("Conv", [layer["input"], constant(name + ".weight", kernel), constant(name + ".bias", weights[name + ".bias"])], [before],
                                          kernel_shape=layer["kernel"], strides=layer["stride"], pads=[*pad, *pad]))
        elif layer["op"] == "maxPool":
            pad = layer["padding"]
            nodes.append(helper.make_node("MaxPool", [layer["input"]], [before], kernel_shape=layer["kernel"], strides=layer["stride"], pads=[*pad, *pad]))
        elif layer["op"] == "fullyConnected":
            source = layer["input"]
            if source not in flat:  # features are flattened in h, w, c order
                nodes.append(helper.make_node("Transpose", [source], [name + ".nhwc"], perm=[0, 2, 3, 1]))
                nodes.append(helper.make_node("Flatten", [name + ".nhwc"], [name + ".flat"], axis=1))
                source = name + ".flat"
            nodes.append(helper.make_node("Gemm", [source, constant(name + ".weight", weights[name + ".weight"]), constant(name + ".bias", weights[name + ".bias"])], [before], transB=1))
            flat.add(name)
        elif layer["op"] == "concat":
            nodes.append(helper.make_node("Concat", layer["inputs"], [before], axis=1))
            flat.add(name)
        if before != result:
            nodes.append(helper.make_node("Relu", [before], [result]))
    size, pac = net["cropSize"], net["pac"]
    inputs = [helper.make_tensor_value_info("stem", TensorProto.FLOAT, ["n", 8, size, size]), helper.make_tensor_value_info("paf", TensorProto.FLOAT, ["n", pac["outChannels"], *pac["anchors"]])]
    outputs = [helper.make_tensor_value_info("update", TensorProto.FLOAT, ["n", net["parameters"]["count"]])]
    model = helper.make_model(helper.make_graph(nodes, "net0", inputs, outputs, constants), opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    target = ROOT / "bench" / "models" / "net0.onnx"
    target.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, target)
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1e6:.2f} MB")


def cut(picture: np.ndarray, box: tuple[float, float, float, float], size: int, margin: float = 1) -> np.ndarray:
    """The crop rule on a landmark box, times `margin`: f32 [size,size,3] in [0,1]; for pictures not much larger than the crop (bilinear)."""
    side = np.sqrt(2) * max(box[2] - box[0], box[3] - box[1]) * margin
    step, cx, cy = side / size, (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    matrix = np.array([[step, 0, cx - (size - 1) / 2 * step], [0, step, cy - (size - 1) / 2 * step]])
    picture = picture.astype(np.float32) / 255
    return cv2.warpAffine(picture, matrix, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def sample(picture: np.ndarray, crop: Crops, size: int) -> np.ndarray:
    """The crop pass in float64, one crop of a picture u8 [h,w,3]: f32 [size,size,3] in [0,1], black outside, mean of n x n taps a pixel, n = ceil(side / size)."""
    height, width = picture.shape[:2]
    padded = np.zeros((height + 2, width + 2, 3))
    padded[1:-1, 1:-1] = picture / 255
    taps = int(np.clip(np.ceil(crop.side[0] / size), 1, 16))
    at = (np.arange(size * taps) + 0.5) / taps - 0.5
    x, y = np.moveaxis(crop.to_picture(np.stack(np.meshgrid(at, at), -1).reshape(1, -1, 2))[0], -1, 0) + 1
    x, y = np.clip(x, 0, width + 0.999), np.clip(y, 0, height + 0.999)
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    x1, y1, fx, fy = np.minimum(x0 + 1, width + 1), np.minimum(y0 + 1, height + 1), (x - x0)[:, None], (y - y0)[:, None]
    top, bottom = padded[y0, x0] * (1 - fx) + padded[y0, x1] * fx, padded[y1, x0] * (1 - fx) + padded[y1, x1] * fx
    colours = top * (1 - fy) + bottom * fy
    return colours.reshape(size, taps, size, taps, 3).mean((1, 3)).astype(np.float32)


def recrop_fixture(model: face_model.FaceModel, meta: dict[str, str]) -> None:
    """Random heads of every roll and yaw with an update's turn, and what becomes of them and of their crops."""
    rng, n = np.random.default_rng(8), 24
    p = np.zeros((n, 104), np.float32)
    yaw, pitch, scale = np.deg2rad(rng.uniform(-90, 90, n)), np.deg2rad(rng.normal(0, 15, n)), rng.uniform(40, 110, n)
    half = lambda angle, axis: np.stack([np.cos(angle / 2), *(np.sin(angle / 2) * (i == axis) for i in range(3))], -1)
    p[:, :4] = multiply(half(yaw, 1), half(pitch, 0)) * np.sqrt(scale)[:, None]
    p[:, 4:6] = 64 + rng.normal(0, 20, (n, 2))
    p[:, 7] = rng.normal(0, 3, n)
    p[:, 8:56], p[:, 56:103] = rng.normal(0, 1, (n, 48)), rng.uniform(0, 0.5, (n, 47))
    angle, length = rng.uniform(-np.pi, np.pi, n), rng.uniform(0.3, 1.5, n)
    angle[:3] = np.pi, -np.pi / 2, 0
    p[:, 6], p[:, 103] = length * np.cos(angle) - 1, length * np.sin(angle)
    p[3, [6, 103]] = -1, 0          # no direction: no turn
    p[4:8, :4] *= np.sqrt(np.array([0.02, 0.06, 6, 30]) * 70 / scale[4:8])[:, None]  # sides beyond what is believed, and within
    crops = Crops(rng.uniform(-50, 700, (n, 2)), rng.uniform(20, 900, n), rng.uniform(-np.pi, np.pi, n))
    turned = turn(p)
    following, after = Recropper(model)(turned, crops)
    rows = lambda c: np.c_[c.centre, c.side, np.rad2deg(c.roll)].astype(np.float32)
    write({"parameters": p, "crop": rows(crops), "turned": turned, "next_parameters": following.astype(np.float32), "next_crop": rows(after)},
          FIXTURES / "recrop.safetensors", {**meta, "margin": str(MARGIN)})


def cascade_fixture(model: face_model.FaceModel, weights: list[dict[str, np.ndarray]], renderer: Renderer, picture: np.ndarray, meta: dict[str, str]) -> None:
    """The sample and its mirror image, the latter from a crop that is too large and rolled. A part of the picture, u8; per iteration k the crops (centre x, y,
    side, degrees), p^k in them as the iteration starts, and p^{k+1} as it ends, turned, in the same crop; landmarks in the last crop's pixels; ARKit's weights [2,52] by the alphabet."""
    x0, y0, x1, y1 = (int(v) for v in (SAMPLE_BOX[0] - 60, SAMPLE_BOX[1] - 60, SAMPLE_BOX[2] + 60, SAMPLE_BOX[3] + 60))
    part = picture[y0:y1, x0:x1]
    pictures = np.ascontiguousarray(np.stack([part, part[:, ::-1]]))
    box = np.array(SAMPLE_BOX).reshape(1, 2, 2) - [x0, y0]
    crops = around(np.concatenate([box, box]), np.zeros(2))
    crops.centre[1, 0] = part.shape[1] - 1 - crops.centre[1, 0]
    crops.side *= [1.02, 1.2]  # sizes at which no anchor is hidden by a hair
    crops.roll[1] = np.deg2rad(25)
    recrop, p, rows = Recropper(model), np.repeat(weights[0]["initial_parameters"][None], 2, 0), []
    for k, tensors in enumerate(weights):
        if k:
            p, crops = recrop(p, crops)
        images = np.stack([sample(picture, crops[n:n + 1], renderer.size) for n, picture in enumerate(pictures)])
        end = turn(p + forward(tensors, *renderer(p, images))[1])
        rows.append((np.c_[crops.centre, crops.side, np.rad2deg(crops.roll)].astype(np.float32), p.astype(np.float32), end))
        p = end
    landmarks = renderer.decode(p)[:, model.landmarks].astype(np.float32)
    all_crops, starts, ends = (np.stack(x) for x in zip(*rows))
    blendshapes = read_blendshapes(weights[0]["blendshapes"], p[:, EXPRESSION]).astype(np.float32)
    write({"picture": pictures, "crops": all_crops, "starts": starts, "ends": ends, "landmarks": landmarks, "blendshapes": blendshapes}, FIXTURES / "cascade.safetensors", meta)


def export_fixtures() -> None:
    model, net = face_model.load(), description()
    size = net["cropSize"]
    renderer = Renderer(model, size)
    weights = load_weights()
    picture = cv2.imread(str(SAMPLE), cv2.IMREAD_COLOR)[..., ::-1]
    images = np.stack([cut(picture, SAMPLE_BOX, size), cut(picture[:, ::-1], (511 - SAMPLE_BOX[2], SAMPLE_BOX[1], 511 - SAMPLE_BOX[0], SAMPLE_BOX[3]), size)])
    images = np.ascontiguousarray(images, np.float32)
    meta = {"made_by": "training/export.py fixtures", "origin": "NASA portrait (public domain) and random parameters"}

    rng = np.random.default_rng(7)
    poses = np.repeat(weights[0]["initial_parameters"][None], 6, 0).astype(np.float32)
    poses[1:, :4] = [[5.2, .4, 5.5, -.5], [5.0, -1.2, -5.8, .6], [7.2, 1.8, 1.0, 2.4], [8.6, -1.0, .3, -.2], [4.1, .3, .2, 0]]
    poses[1:, 4:6] += rng.normal(0, 6, (5, 2))
    poses[4, 4:6] = [118, 20]  # half outside the crop
    poses[1:, 8:56] = rng.normal(0, 1, (5, 48))
    poses[1:, 56:103] = rng.uniform(0, 0.5, (5, 47))
    vertices = renderer.decode(poses).astype(np.float32)
    write({"parameters": poses, "vertices": vertices}, FIXTURES / "geometry.safetensors", meta)

    shown = np.ascontiguousarray(vertices[1:5])
    keys = np.empty((4, size, size), np.uint32)
    pncc = np.empty((4, size, size, 3), np.float32)
    bits = key_bits(len(model.triangles), size)  # kernels are held to the whole mesh, the cascade below to the coarse one
    for n in range(4):
        raster(shown[n], model.triangles, size, *bits, keys[n])
        resolve(shown[n], model.triangles, model.ncc, keys[n], bits[0], pncc[n])
    write({"vertices": shown, "keys": keys, "pncc": pncc}, FIXTURES / "pncc.safetensors", meta)

    grid = model.anchor_vertices.shape[0]
    anchors, occluded = np.empty((2, grid, grid, 3), np.float32), np.empty((2, grid, grid), np.uint8)
    patches = np.empty((2, grid, grid, 3, 3, 3), np.float32)
    for n in range(2):
        gather(shown[n], images[n], model.anchor_vertices, model.anchor_weights, keys[n], *bits, anchors[n], occluded[n], patches[n])
    write({"vertices": shown[:2], "image": images, "anchors": anchors, "occluded": occluded, "patches": patches}, FIXTURES / "paf.safetensors", meta)

    stem, patch, scale = renderer(weights[0]["initial_parameters"][None], images)
    paf, update = forward(weights[0], stem, patch, scale)
    padded = np.concatenate([stem[:1], np.zeros((1, size, size, 2), np.float32)], -1)
    write({"stem": padded, "paf": paf[:1], "update": update[:1]}, FIXTURES / "network.safetensors", meta)
    recrop_fixture(model, meta)
    cascade_fixture(model, weights, renderer, picture, meta)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["weights", "fixtures", "onnx"])
    parser.add_argument("--run", default="main")
    parser.add_argument("--only", type=int, nargs="+", help="with weights: these iterations")
    parser.add_argument("--base", type=Path, help="with weights: a folder of exported weights that the run started from, to take the mean with")
    parser.add_argument("--part", type=float, default=0.85, help="with --base: how much of that mean is the run's")
    args = parser.parse_args()
    {"weights": lambda: export_weights(args.run, args.only, args.base, args.part), "fixtures": export_fixtures, "onnx": export_onnx}[args.what]()
