"""Pictures of docs/training.md and weights/MODEL_CARD.md.

    python -m training.pictures curves --run main     # docs/images/learning-curves.svg, from the run's log
    python -m training.pictures failures              # docs/images/failures.jpg, the public-domain sample made hard, aligned with weights/
    python -m training.pictures profiles              # docs/images/profiling.jpg, the sample turned out of plane
    python -m training.pictures clip                  # tests/fixtures/profiles.jpg, a film of it from profile to profile
"""
from __future__ import annotations

import argparse
import csv
import json

import cv2
import numpy as np

from . import face_model
from .crops import CROP, Crops, around, plane
from .data import Batch, cut
from .evaluate import exported
from .export import SAMPLE, SAMPLE_BOX
from .export import cut as cut_sample
from .face_model import ROOT
from .geometry import euler_degrees
from .labels import CACHE, SIZE, face_size
from .profiling import Profiler, Turned
from .render import Renderer
from .weights import load_weights

IMAGES = ROOT / "docs" / "images"
FIXTURES = ROOT / "tests" / "fixtures"
PROFILE = 80  # degrees of yaw at either end of the clip
SCALE = 2  # tiles are SCALE times the crop


def curves(name: str, batch: int = 64) -> None:
    import matplotlib
    matplotlib.use("svg")
    from matplotlib import pyplot
    with (CACHE / "runs" / name / "log.csv").open() as file:
        rows = np.array([[float(x) for x in row] for row in csv.reader(file)])
    samples, columns = rows[:, 0] * batch / 1000, rows[:, 2:].reshape(len(rows), -1, 4)
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 3.6), sharex=True)
    for k in range(columns.shape[1]):
        axes[0].plot(samples, columns[:, k, 1], label=f"val-afw, K = {k + 1}", color=f"C{k}")
        axes[0].plot(samples, columns[:, k, 0], label=f"training, K = {k + 1}", color=f"C{k}", linestyle=":")
    for column, label in ((1, "val-afw"), (2, "jittered"), (3, "profiled")):
        axes[1].plot(samples, columns[:, -1, column], label=f"{label}, K = {columns.shape[1]}")
    for axis in axes:
        axis.set_xlabel("thousand samples")
        axis.set_ylabel("NME of 68 points, %")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(IMAGES / "learning-curves.svg", metadata={"Date": None})


def hard_cases(picture: np.ndarray) -> dict[str, np.ndarray]:
    """The sample u8 [h,w,3] and what was done to it. The face's box stays where it is."""
    x0, y0, x1, y1 = (int(v) for v in SAMPLE_BOX)
    width, height = x1 - x0, y1 - y0
    at = lambda x, y: (int(x0 + x * width), int(y0 + y * height))
    cases = {"as it is": picture, "dark (8%)": (picture * 0.08).astype(np.uint8)}
    light = np.clip((np.arange(picture.shape[1]) - x0) / width, 0, 1)[None, :, None]
    cases["hard side light"] = np.clip(picture * (0.05 + 3.5 * light**2), 0, 255).astype(np.uint8)
    for name, (low, high) in {"mouth covered": ((-0.1, 0.62), (1.1, 1.1)), "eyes covered": ((-0.1, 0.08), (1.1, 0.36)), "half covered": ((0.5, -0.3), (1.4, 1.2))}.items():
        covered = picture.copy()
        cv2.rectangle(covered, at(*low), at(*high), (96, 84, 72), -1)
        cases[name] = covered
    closed = picture.copy()  # the skin of the upper lid smeared down over each eye
    for left in (0.20, 0.58):
        (a, top), (b, bottom) = at(left, 0.13), at(left + 0.24, 0.29)
        lid = picture[top - 2:top + 4, a:b]
        patch = cv2.resize(lid, (b - a, bottom - top), interpolation=cv2.INTER_LINEAR)
        mask = np.zeros(patch.shape[:2], np.float32)
        cv2.ellipse(mask, ((b - a) // 2, (bottom - top) // 2), ((b - a) // 2 - 1, (bottom - top) // 2 - 1), 0, 0, 360, 1, -1)
        mask = cv2.GaussianBlur(mask, (0, 0), 1.5)[..., None]
        closed[top:bottom, a:b] = (patch * mask + picture[top:bottom, a:b] * (1 - mask)).astype(np.uint8)
    cases["lids painted over"] = closed
    small = cv2.resize(picture, None, fx=0.12, fy=0.12, interpolation=cv2.INTER_AREA)
    cases["12 px wide"] = cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    centre = ((SAMPLE_BOX[0] + SAMPLE_BOX[2]) / 2, (SAMPLE_BOX[1] + SAMPLE_BOX[3]) / 2)
    for angle in (60, 180):
        cases[f"rolled {angle} degrees"] = cv2.warpAffine(picture, cv2.getRotationMatrix2D(centre, angle, 1), picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    return cases


def failures() -> None:
    """Tiles with the 68 points; the number is how far these lie from those of the untouched picture, in % of the face size."""
    cascade = exported(load_weights(), face_model.load())
    picture = np.ascontiguousarray(cv2.imread(str(SAMPLE), cv2.IMREAD_COLOR)[..., ::-1])
    box = np.array(SAMPLE_BOX).reshape(1, 2, 2)
    crops, centre = around(box, np.zeros(1)), box.mean((0, 1))
    tiles, reference = [], None
    for name, image in hard_cases(picture).items():
        p, last = cascade.run(Batch.unlabelled(image[None], crops))[-1]
        points = last.to_picture(cascade.recrop.landmarks(p))
        reference = points if reference is None else reference
        angle = np.deg2rad(float(name.split()[1])) if name.startswith("rolled") else 0.0  # OpenCV turns counter-clockwise
        expected = (reference - centre) @ plane(np.array([-angle]))[0].T + centre
        moved = 100 * np.linalg.norm(points - expected, axis=-1).mean() / face_size(reference)[0]
        crop = cut(image[None], crops, np.ones(1, np.bool_), average=True)[0, ..., ::-1]
        tile = cv2.resize((crop * 255).astype(np.uint8), None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_CUBIC)
        for x, y in crops.from_picture(points)[0]:
            cv2.circle(tile, (round((x + 0.5) * SCALE), round((y + 0.5) * SCALE)), 2, (0, 255, 0), -1, cv2.LINE_AA)
        caption = np.full((22, tile.shape[1], 3), 255, np.uint8)
        cv2.putText(caption, f"{name}: {moved:.1f}%", (4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
        tiles.append(np.concatenate([tile, caption]))
        print(f"{name}: {moved:.2f}%")
    columns = 5
    rows = [np.concatenate(tiles[i:i + columns], 1) for i in range(0, len(tiles), columns)]
    cv2.imwrite(str(IMAGES / "failures.jpg"), np.concatenate(rows), [cv2.IMWRITE_JPEG_QUALITY, 85])


class Turner:
    """Turns the public-domain sample, aligned with the exported weights, out of plane."""

    def __init__(self):
        model = face_model.load()
        picture = cv2.imread(str(SAMPLE), cv2.IMREAD_COLOR)[..., ::-1]
        self.wide = (cut_sample(picture, SAMPLE_BOX, SIZE, margin=SIZE / CROP) * 255).astype(np.uint8)[None]
        middle = Crops(np.full((1, 2), (SIZE - 1) / 2), np.full(1, float(CROP)), np.zeros(1))
        p, crops = exported(load_weights(), model).run(Batch.unlabelled(self.wide, middle))[-1]
        self.p = crops.pose_in_picture(p, SIZE)
        self.points = Renderer(model, SIZE).decode(self.p)[:, model.landmarks, :2]
        self.profiler = Profiler(model)

    def __call__(self, yaw: float, pitch: float, size: int) -> tuple[np.ndarray, Turned]:
        """The middle `size` pixels of the picture of 192 px, f32 [size,size,3], turned by degrees from where the head is; and its labels."""
        shift = np.array([[[1, 0, (size - SIZE) / 2], [0, 1, (size - SIZE) / 2]]], np.float32)
        turned = self.profiler.plan(self.p, self.points, np.deg2rad([yaw]), np.deg2rad([pitch]))
        image = np.empty((1, size, size, 3), np.float32)
        self.profiler.draw(self.wide, np.zeros(1, np.int64), np.zeros(1, np.bool_), self.p, turned, shift, image)
        return image[0], turned


def profiles() -> None:
    """The sample turned in steps of yaw (and of pitch, below)."""
    turner, rows = Turner(), []
    for turns in ([(yaw, 0) for yaw in (0, 25, 50, 70, 88)], [(yaw, pitch) for yaw, pitch in ((0, -35), (0, 30), (-45, -25), (-60, 20), (-88, 0))]):
        tiles = []
        for yaw, pitch in turns:
            image, turned = turner(yaw, pitch, CROP)
            tile = cv2.resize((image[..., ::-1] * 255).astype(np.uint8), (192, 192), interpolation=cv2.INTER_CUBIC)
            for x, y in turned.points[0]:
                cv2.circle(tile, (round((float(x) - SIZE / 2 + CROP / 2) * 1.5), round((float(y) - SIZE / 2 + CROP / 2) * 1.5)), 2, (0, 255, 0), -1, cv2.LINE_AA)
            tiles.append(tile)
        rows.append(np.concatenate(tiles, 1))
    cv2.imwrite(str(IMAGES / "profiling.jpg"), np.concatenate(rows), [cv2.IMWRITE_JPEG_QUALITY, 85])


def clip() -> None:
    """A film of the sample from one profile to the other, 48 frames of 192 px in rows of eight, beside the yaw of each and the box of the first: for
    the tracker's test."""
    turner = Turner()
    goals = np.linspace(-PROFILE, PROFILE, 48)
    frames, yaws, boxes = [], [], []
    for goal in goals:
        image, turned = turner(goal, 0, SIZE)
        frames.append((image[..., ::-1] * 255).astype(np.uint8))
        boxes.append(np.r_[turned.points[0].min(0), turned.points[0].max(0)].round(1).tolist())
        yaws.append(round(float(euler_degrees(turned.parameters[0, :4])[1]), 2))
    sheet = np.concatenate([np.concatenate(frames[i:i + 8], 1) for i in range(0, len(frames), 8)])
    cv2.imwrite(str(FIXTURES / "profiles.jpg"), sheet, [cv2.IMWRITE_JPEG_QUALITY, 80])
    (FIXTURES / "profiles.json").write_text(json.dumps({"size": SIZE, "columns": 8, "box": boxes[0], "yaw": yaws}) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["curves", "failures", "profiles", "clip"])
    parser.add_argument("--run", default="main")
    args = parser.parse_args()
    IMAGES.mkdir(parents=True, exist_ok=True)
    {"curves": lambda: curves(args.run), "failures": failures, "profiles": profiles, "clip": clip}[args.what]()
