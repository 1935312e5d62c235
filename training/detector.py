"""The detector's network as onnxruntime computes it: tests/fixtures/detector.safetensors.

    python -m training.detector [--data ../shared/data]

Two real pictures (the bundled photo and the same on its side, shrunk), and what the original .onnx file makes of them at each stride: `bbox`, `kps`
and the probabilities `cls` and `obj`, one row a cell.
"""
from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from safetensors.numpy import save_file

ROOT = Path(__file__).resolve().parents[1]
SIZE = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    args = parser.parse_args()
    # Half of the photo's width and height, her face in the middle.
    photo = cv2.imread(str(ROOT / "assets" / "astronaut.png"), cv2.IMREAD_COLOR)[:256, 96:352]
    upright = cv2.resize(photo, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    pictures = np.stack([upright, cv2.rotate(upright, cv2.ROTATE_90_CLOCKWISE)])
    session = onnxruntime.InferenceSession(args.data / "yunet" / "yunet_n_dynamic.onnx", providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    heads = [dict(zip(names, session.run(None, {session.get_inputs()[0].name: p.transpose(2, 0, 1)[None].astype(np.float32)}))) for p in pictures]
    tensors = {name: np.concatenate([head[name] for head in heads]).astype(np.float32) for name in names}
    tensors["pictures"] = np.ascontiguousarray(pictures[..., ::-1])
    origin = {"format": "fullpose-fixture/1", "origin": "yunet_n.onnx (libfacedetection.train, Apache-2.0) on assets/astronaut.png, by onnxruntime"}
    save_file(tensors, ROOT / "tests" / "fixtures" / "detector.safetensors", metadata=origin)


if __name__ == "__main__":
    main()
