"""A second teacher: MediaPipe's FaceLandmarker (tasks-vision 1.1.0, Apache-2.0) over every crop, in headless Chromium on the processor.

    npm ci && python -m training.teacher --data ../shared/data [--opencv]

With `--opencv` OpenCV runs the task's own two networks (points, blendshapes) instead, on the square that the 3D label says: no browser, no detector that
could miss a face (`--compare` says how far the two are apart), and five looks a crop, whose mean is nearer to markup than one (docs/training.md).
Each crop is turned upright by its 3D label, enlarged and shown with a grey margin; one that is not found is shown again, smaller and
then larger. Nothing leaves the machine: the browser can resolve no host and the page's policy allows its own origin alone. Goes on
where it stopped. Writes training/.cache/teacher.npz, rows in the order in which `rows_of` lists the crops:
`image` [n]; `found` bool [n]; `tried` u8 [n] views shown; `points` f32 [n,478,3], pixels of the 192 px crop, y down, larger z nearer;
`blendshapes` f32 [n,52] and their `blendshape_names` [52] (ARKit's, and _neutral). What was not found is NaN.
"""
from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tarfile
import tempfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import Pool
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from . import face_model
from .face_model import ROOT
from .labels import CACHE, SIZE, pose_from_points
from .registration import read_obj

TEACHER = CACHE / "teacher.npz"
POINTS, BLENDSHAPES = 478, 52
SIDE = 384                       # px of the picture that the teacher sees
VIEWS = (192.0, 288.0, 150.0)    # px of the crop that it shows, one after the other until a face is found
GREY = (128, 128, 128)
BATCH = 8
INPUT = 256                      # px of the landmark network's input
PRESENT = 0.2
# How OpenCV looks at a crop: its mirror image or itself, turned further by radians, the square's side times this. The points are the mean of all.
LOOKS = ((False, 0.0, 1.0), (True, 0.0, 1.0), (False, 0.14, 1.0), (False, -0.14, 1.0), (False, 0.0, 0.9))
IRISES_MIRRORED = np.array([473, 476, 475, 474, 477, 468, 471, 470, 469, 472])
# The points that the blendshape network reads, and the shapes that it gives.
SHAPE_POINTS = np.array([
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80, 81, 82, 84, 87,
    88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161,
    162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288,
    291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374,
    375, 377, 378, 379, 380, 381, 382, 384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470,
    471, 472, 473, 474, 475, 476, 477,
])
SHAPE_NAMES = [
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen",
    "jawRight", "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight",
    "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft",
    "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight",
]
PAGE = Path(__file__).parent / "teacher"
# The most valuable first: a run that is cut short is still of use.
ORDER = ("train-300w", "train-closed-eyes", "val-closed-eyes", "train-cfp", "train-youtube", "val-afw", "val-cfp", "train-lfw", "train-utkface")
POLICY = "default-src 'self'; script-src 'self' 'unsafe-eval' 'wasm-unsafe-eval'; worker-src 'self' blob:; img-src 'self' blob: data:"


def rows_of(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Names [n] and 3D labels [n,68,3] (pixels of the 192 px crop) of all crops of the two label files, in the order of `ORDER`."""
    files = [np.load(data / "faces" / name) for name in ("labels.npz", "labels-more.npz")]
    image = np.concatenate([file["image"].astype(str) for file in files])
    points = np.concatenate([file["landmarks3d"].astype(np.float64) for file in files])
    place = np.array([ORDER.index(name.split("/")[0]) for name in image])
    order = np.argsort(place, kind="stable")
    return image[order], points[order]


def read_jpegs(data: Path, image: np.ndarray) -> list[bytes]:
    wanted = {name: i for i, name in enumerate(image)}
    out: list[bytes] = [b""] * len(image)
    for split in dict.fromkeys(name.split("/")[0] for name in image):
        with tarfile.open(data / "faces" / f"{split}.tar") as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                i = wanted.get(name, wanted.get(f"{split}/{name}"))
                if i is not None:
                    out[i] = archive.extractfile(member).read()
    missing = [name for name, jpeg in zip(image, out) if not jpeg]
    if missing:
        raise ValueError(f"{len(missing)} crops are in no archive, the first is {missing[0]}")
    return out


def view_of(centre: np.ndarray, turn: float, side: float, size: int) -> np.ndarray:
    """[2,3]: pixel of a crop -> pixel of a picture of `size` pixels that shows a square of it: its centre and side in pixels, turned by `turn` (radians, see Job.turn)."""
    matrix = size / side * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return np.column_stack([matrix, (size - 1) / 2 - matrix @ centre])


def from_view(points: np.ndarray, view: np.ndarray) -> np.ndarray:
    """MediaPipe's points [n,3] of the picture that `view` gives (pixels, edges at integers, larger z farther) -> as in the file."""
    xy = (points[:, :2] - 0.5 - view[:, 2]) @ np.linalg.inv(view[:, :2]).T
    return np.column_stack([xy, -points[:, 2] / np.hypot(*view[:, 0])])


class Job:
    """What is to be shown and what came back. `next` and `take` are called from the server's threads."""

    def __init__(self, data: Path, limit: int | None):
        self.image, points = rows_of(data)
        if limit is not None:
            self.image, points = self.image[:limit], points[:limit]
        self.points3d = points
        n = len(self.image)
        self.jpegs = read_jpegs(data, self.image)
        mean = face_model.load()
        up = pose_from_points(mean.mean[mean.landmarks].astype(np.float64), points * [1, -1, 1])[0][:, :2, 1]
        self.turn = np.arctan2(up[:, 0], up[:, 1])  # counter-clockwise, brings the model's y axis upright at any yaw
        self.centre = (points[..., :2].max(1) + points[..., :2].min(1)) / 2
        self.found, self.tried = np.zeros(n, bool), np.zeros(n, np.uint8)
        self.points = np.full((n, POINTS, 3), np.nan, np.float32)
        self.blendshapes = np.full((n, BLENDSHAPES), np.nan, np.float32)
        self.names = np.full(BLENDSHAPES, "", "U32")
        self.lock, self.out, self.saved = threading.Lock(), set(), time.monotonic()
        self.error: str | None = None
        if TEACHER.exists():
            self.resume()

    def resume(self) -> None:
        before = np.load(TEACHER)
        row = {name: i for i, name in enumerate(before["image"])}
        here = [i for i, name in enumerate(self.image) if name in row]
        there = [row[self.image[i]] for i in here]
        for name in ("found", "tried", "points", "blendshapes"):
            getattr(self, name)[here] = before[name][there]
        self.names = before["blendshape_names"]

    def pending(self) -> np.ndarray:
        return np.where(~self.found & (self.tried < len(VIEWS)))[0]

    def view(self, i: int) -> np.ndarray:
        """[2,3]: pixel of crop i -> pixel of the picture that is shown (y down)."""
        return view_of(self.centre[i], self.turn[i], VIEWS[self.tried[i]], SIDE)

    def next(self) -> tuple[list[int], bytes]:
        with self.lock:
            todo = self.pending()
            todo = todo[np.argsort(self.tried[todo], kind="stable")]
            rows = [int(i) for i in todo if i not in self.out][:BATCH]
            self.out.update(rows)
        pictures = []
        for i in rows:
            crop = cv2.imdecode(np.frombuffer(self.jpegs[i], np.uint8), cv2.IMREAD_COLOR)
            shown = cv2.warpAffine(crop, self.view(i), (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT, borderValue=GREY)
            pictures.append(cv2.cvtColor(shown, cv2.COLOR_BGR2RGBA).tobytes())
        return rows, b"".join(pictures)

    def take(self, rows: list[int], values: np.ndarray, names: str) -> None:
        for i, row in zip(rows, values.reshape(len(rows), 1 + 3 * POINTS + BLENDSHAPES)):
            if row[0] == 1:
                self.points[i] = from_view(row[1:1 + 3 * POINTS].reshape(POINTS, 3).astype(np.float64) * SIDE, self.view(i))
                self.blendshapes[i] = row[1 + 3 * POINTS:]
                self.found[i] = True
            self.tried[i] += 1
        with self.lock:
            if names:
                self.names[:] = names.split(",")
            self.out.difference_update(rows)
            if time.monotonic() - self.saved > 45:
                self.save()

    def save(self) -> None:
        CACHE.mkdir(parents=True, exist_ok=True)
        partial = TEACHER.with_suffix(".partial.npz")
        np.savez(partial, image=self.image, found=self.found, tried=self.tried, points=self.points, blendshapes=self.blendshapes, blendshape_names=self.names)
        partial.rename(TEACHER)
        self.saved = time.monotonic()


def handler(job: Job, model: Path, bar: tqdm, done: threading.Event):
    package = ROOT / "node_modules" / "@mediapipe" / "tasks-vision"
    files = {
        "/": (PAGE / "index.html", "text/html"), "/run.js": (PAGE / "run.js", "text/javascript"), "/face_landmarker.task": (model, "application/octet-stream"),
        "/tasks-vision/vision_bundle.mjs": (package / "vision_bundle.mjs", "text/javascript"),
        "/tasks-vision/wasm/vision_wasm_internal.js": (package / "wasm" / "vision_wasm_internal.js", "text/javascript"),
        "/tasks-vision/wasm/vision_wasm_internal.wasm": (package / "wasm" / "vision_wasm_internal.wasm", "application/wasm"),
    }

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), "Content-Security-Policy": POLICY, **{k.replace("_", "-"): v for k, v in headers.items()}}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            if self.path == "/next":
                rows, pictures = job.next()
                if rows:
                    self.answer(200, pictures, X_Rows=",".join(map(str, rows)), X_Side=str(SIDE))
                else:
                    self.answer(204)
            elif self.path in files:
                path, kind = files[self.path]
                self.answer(200, path.read_bytes(), Content_Type=kind)
            else:
                self.answer(404)

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/result":
                rows = [int(i) for i in self.headers["X-Rows"].split(",")]
                job.take(rows, np.frombuffer(body, np.float32), self.headers.get("X-Names", ""))
                bar.n = int((job.found | (job.tried >= len(VIEWS))).sum())
                bar.set_postfix(found=int(job.found.sum()), refresh=False)
                bar.update(0)
            elif self.path == "/error":
                job.error = body.decode()
                done.set()
            self.answer(200)
            if not len(job.pending()):
                done.set()

    return Handler


class Networks:
    """The task's landmark and blendshape networks in OpenCV. One process, one thread."""

    def __init__(self, model: Path, data: Path):
        cv2.setNumThreads(1)
        self.mirror_order = mirror_order(data)
        # From a path and not from memory: OpenCV 5 then takes the engine that is asked for, the one that gives all outputs.
        with zipfile.ZipFile(model) as task, tempfile.TemporaryDirectory() as folder:
            read = lambda name: cv2.dnn.readNetFromTFLite(task.extract(name, folder), cv2.dnn.ENGINE_CLASSIC)
            self.landmarks, self.shapes = read("face_landmarks_detector.tflite"), read("face_blendshapes.tflite")

    def points(self, crop: np.ndarray, centre: np.ndarray, turn: float, side: float) -> tuple[np.ndarray, float]:
        """crop u8 [192,192,3] BGR; the square to look at: its centre and side in pixels, turned by `turn` (radians, see Job.turn).
        Returns points [478,3] as in the file and the presence of a face (0..1)."""
        view = view_of(centre, turn, side, INPUT)
        shown = cv2.warpAffine(crop, view, (INPUT, INPUT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=GREY)
        self.landmarks.setInput(cv2.dnn.blobFromImage(shown, 1 / 255, swapRB=True))
        points, presence = self.landmarks.forward(["Identity", "Identity_1"])
        return from_view(points.reshape(POINTS, 3).astype(np.float64), view), 1 / (1 + np.exp(-float(presence.ravel()[0])))

    def blendshapes(self, points: np.ndarray, centre: np.ndarray, turn: float, side: float) -> np.ndarray:
        """Blendshapes [52] of points [478,>=2] in pixels of the crop, as they lie in the square."""
        view = view_of(centre, turn, side, INPUT)
        upright = points[SHAPE_POINTS, :2] @ view[:, :2].T + view[:, 2] + 0.5
        self.shapes.setInput(np.ascontiguousarray(upright[None], np.float32))
        return self.shapes.forward().ravel().copy()

    def __call__(self, crop: np.ndarray, centre: np.ndarray, turn: float, side: float) -> tuple[np.ndarray, np.ndarray, float]:
        """The mean points [478,3] of all LOOKS, their blendshapes [52] and the presence of a face in the first look."""
        mirrored = np.ascontiguousarray(crop[:, ::-1])
        looks, present = [], []
        for mirror, further, larger in LOOKS:
            middle = np.array([SIZE - 1 - centre[0], centre[1]]) if mirror else centre
            points, presence = self.points(mirrored if mirror else crop, middle, (-turn if mirror else turn) + further, side * larger)
            if mirror:
                points = points[self.mirror_order] * [-1, 1, 1] + [SIZE - 1, 0, 0]
            looks.append(points)
            present.append(presence)
        mean = np.mean(looks, 0)
        return mean, self.blendshapes(mean, centre, turn, side), present[0]


def mirror_order(data: Path) -> np.ndarray:
    """[478]: the mirror image of point i is point order[i]. The canonical mesh is symmetric."""
    canonical, _ = read_obj(data / "mediapipe" / "canonical_face_model.obj")
    gap = np.linalg.norm(canonical[:, None] * [-1, 1, 1] - canonical, axis=-1)
    return np.r_[gap.argmin(1), IRISES_MIRRORED]


def square(points3d: np.ndarray, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre [n,2] and side [n] (pixels) of what the landmark network should see of faces with 3D labels [n,68,3]: 1.5 times the box that its own points
    will span in the upright picture. Those reach to the hairline: the box of the 68 points is moved up by 0.1 and enlarged by 1.12."""
    cos, sin = np.cos(turn), np.sin(turn)
    matrix = np.stack([np.stack([cos, sin], -1), np.stack([-sin, cos], -1)], -2)
    upright = points3d[..., :2] @ matrix.transpose(0, 2, 1)
    low, high = upright.min(1), upright.max(1)
    side = (high - low).max(1)
    centre = (low + high) / 2 - side[:, None] * [0, 0.1]
    return np.einsum("nji,nj->ni", matrix, centre), 1.5 * 1.12 * side


networks: Networks | None = None


def look(work: tuple[int, bytes, np.ndarray, float, float, Path, Path]) -> tuple[int, np.ndarray, np.ndarray, float]:
    """One crop in a worker process."""
    global networks
    i, jpeg, centre, turn, side, model, data = work
    networks = networks or Networks(model, data)
    return i, *networks(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), centre, turn, side)


def run_opencv(data: Path, model: Path, processes: int, limit: int | None = None) -> Job:
    job = Job(data, limit)
    centre, side = square(job.points3d, job.turn)
    job.names[:] = SHAPE_NAMES
    work = ((int(i), job.jpegs[i], centre[i], job.turn[i], side[i], model, data) for i in job.pending())
    with Pool(processes) as pool, tqdm(total=len(job.image), initial=int(job.found.sum()), desc="FaceLandmarker", unit="crop", smoothing=0.05) as bar:
        for i, points, shapes, presence in pool.imap(look, work, chunksize=4):
            job.tried[i] = len(VIEWS)
            job.found[i] = presence > PRESENT
            if job.found[i]:
                job.points[i], job.blendshapes[i] = points, shapes
            bar.update()
            if time.monotonic() - job.saved > 45:
                job.save()
    job.save()
    return job


def compare(data: Path, model: Path, count: int) -> None:
    """How far apart the two ways are, on crops that Chromium has done."""
    job = Job(data, None)
    centre, side = square(job.points3d, job.turn)
    rows = np.random.default_rng(0).choice(np.where(job.found)[0], count, replace=False)
    done = [look((int(i), job.jpegs[i], centre[i], job.turn[i], side[i], model, data)) for i in rows]
    points, shapes = np.stack([d[1] for d in done]), np.stack([d[2] for d in done])
    gap = points[..., :2] - job.points[rows][..., :2]
    size = np.sqrt(np.ptp(job.points[rows][..., :2], axis=1).prod(-1))
    error = 100 * np.linalg.norm(gap, axis=-1).mean(-1) / size
    print(f"{count} crops: points apart by {np.median(error):.2f}% of the face's size in the median, p95 {np.percentile(error, 95):.2f}%, mean offset {gap.mean((0, 1)).round(2)} px; "
          f"presence p5 {np.percentile([d[3] for d in done], 5):.3f}")
    print(f"blendshapes apart by {np.abs(shapes - job.blendshapes[rows]).mean():.3f}, correlation {np.corrcoef(shapes.ravel(), job.blendshapes[rows].ravel())[0, 1]:.3f}")


def chromium() -> str:
    names = (os.environ.get("PUPPETEER_EXECUTABLE_PATH"), "google-chrome-stable", "google-chrome", "chromium", "chromium-browser")
    for name in names:
        if name and shutil.which(name):
            return shutil.which(name)
    raise FileNotFoundError("no Chrome or Chromium on the PATH; set PUPPETEER_EXECUTABLE_PATH")


def run(data: Path, model: Path, browsers: int, limit: int | None = None) -> Job:
    job = Job(data, limit)
    done = threading.Event()
    with tqdm(total=len(job.image), desc="FaceLandmarker", unit="crop", smoothing=0.05) as bar:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler(job, model, bar, done))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profiles:
            running = []
            try:
                for b in range(browsers if len(job.pending()) else 0):
                    running.append(subprocess.Popen([
                        chromium(), "--headless=new", "--no-sandbox", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
                        "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                        f"--user-data-dir={profiles}/{b}", f"http://127.0.0.1:{server.server_port}/",
                    ], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
                while len(job.pending()) and not done.wait(5):
                    if all(browser.poll() is not None for browser in running):
                        raise RuntimeError(f"Chromium ended with code {running[0].returncode}")
            finally:
                for browser in running:
                    browser.terminate()
                for browser in running:
                    browser.wait()
                with job.lock:
                    job.save()
                server.shutdown()
    if job.error:
        raise RuntimeError(f"the page failed: {job.error}")
    return job


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT / ".." / "shared" / "data")
    parser.add_argument("--model", type=Path, help="face_landmarker.task (default: DATA/mediapipe/face_landmarker.task)")
    parser.add_argument("--browsers", type=int, default=2, help="browsers (or processes) at the same time; each keeps about one core busy")
    parser.add_argument("--limit", type=int, help="only the first crops")
    parser.add_argument("--opencv", action="store_true", help="OpenCV in place of the browser")
    parser.add_argument("--compare", type=int, metavar="N", help="only say how far the two ways are apart, on N crops that the browser has done")
    args = parser.parse_args()
    model_file = args.model or args.data / "mediapipe" / "face_landmarker.task"
    if args.compare:
        compare(args.data, model_file, args.compare)
        raise SystemExit
    result = (run_opencv if args.opencv else run)(args.data, model_file, args.browsers, args.limit)
    split = np.array([name.split("/")[0] for name in result.image])
    for name in dict.fromkeys(split):
        here = split == name
        print(f"{name:18s} {here.sum():6d} crops, found {result.found[here].mean():7.2%}")
