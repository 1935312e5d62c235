/** From a picture to landmarks: the detector and the aligner, or the tracker, as an app calls them. */
import { innerPoints, tightBox } from '../cli/accuracy.js';
import type { FaceDetector } from '../src/detect/index.js';
import type { FaceAligner } from '../src/index.js';
import { FaceTracker } from '../src/track.js';
import type { Check, Strategy } from './strategies.js';

/** A picture with the face that all strategies of the groups `picture` and `video` must find in it. */
export interface LandmarksCase {
  readonly picture: ImageBitmap;
  /** [68,3] picture pixels, as the aligner finds them in a box that is given. */
  readonly landmarks: Float32Array;
}

/** Milliseconds between frames of a video. */
export const frameMs = 40;

/** Within the jaw line points have the same definition in all markups, but for some percent of the face. */
const TOLERANCE = 0.08;

/**
 * The same face where the inner points are off by a few percent of its box on average. `maxAbsError` is the furthest
 * one's distance, over the box's longer side.
 * @param found [68,3]
 * @throws Error where there is no face
 */
export function checkLandmarks(
  found: ArrayLike<number> | undefined,
  { landmarks }: Pick<LandmarksCase, 'landmarks'>,
): Check {
  if (found === undefined) throw new Error('it finds no face in the picture');
  const { x0, y0, x1, y1 } = tightBox(landmarks, 3);
  const side = Math.max(x1 - x0, y1 - y0);
  const distances: number[] = [];
  for (let at = 3 * innerPoints; at < landmarks.length; at += 3) {
    const [dx, dy] = [0, 1].map((axis) => Number(found[at + axis]) - Number(landmarks[at + axis]));
    distances.push(Math.hypot(dx ?? Number.NaN, dy ?? Number.NaN) / side);
  }
  const mean = distances.reduce((sum, distance) => sum + distance, 0) / distances.length;
  return {
    maxAbsError: Math.max(...distances),
    ok: mean <= TOLERANCE,
    note: `the 51 inner points are ${(100 * mean).toFixed(1)}% of the face's box from the aligner's, on average`,
  };
}

/** Our detector and aligner, from one upload. */
export class DetectedFace implements Strategy {
  readonly name = 'detector and aligner (ours)';
  readonly group = 'picture';
  readonly #aligner: FaceAligner;
  readonly #detector: FaceDetector;
  readonly #case: LandmarksCase;

  constructor(aligner: FaceAligner, detector: FaceDetector, landmarks: LandmarksCase) {
    this.#aligner = aligner;
    this.#detector = detector;
    this.#case = landmarks;
  }

  /** Both are there. */
  async prepare(): Promise<void> {}

  async check(): Promise<Check> {
    return checkLandmarks(await this.#landmarks(), this.#case);
  }

  async run(): Promise<number> {
    const start = performance.now();
    await this.#landmarks();
    return performance.now() - start;
  }

  async #landmarks(): Promise<Float32Array | undefined> {
    const picture = await this.#aligner.upload(this.#case.picture);
    try {
      const boxes = await this.#detector.detect(picture);
      return (await this.#aligner.align(picture, boxes))[0]?.landmarks;
    } finally {
      picture.destroy();
    }
  }
}

/** Our tracker, on a face that was there in the frame before. */
export class TrackedFace implements Strategy {
  readonly name = 'tracker (ours)';
  readonly group = 'video';
  readonly #aligner: FaceAligner;
  readonly #detector: FaceDetector;
  readonly #case: LandmarksCase;
  #tracker: FaceTracker | undefined;
  #now = 0;

  constructor(aligner: FaceAligner, detector: FaceDetector, landmarks: LandmarksCase) {
    this.#aligner = aligner;
    this.#detector = detector;
    this.#case = landmarks;
  }

  /** The first frame finds the face. */
  async prepare(): Promise<void> {
    this.#tracker = await FaceTracker.create({ aligner: this.#aligner, detector: this.#detector, maxFaces: 1 });
    await this.#landmarks();
  }

  async check(): Promise<Check> {
    return checkLandmarks(await this.#landmarks(), this.#case);
  }

  async run(): Promise<number> {
    const start = performance.now();
    await this.#landmarks();
    return performance.now() - start;
  }

  async #landmarks(): Promise<Float32Array | undefined> {
    if (this.#tracker === undefined) throw new Error(`${this.name} was not prepared`);
    this.#now += frameMs;
    return (await this.#tracker.track(this.#case.picture, this.#now))[0]?.landmarks;
  }
}
