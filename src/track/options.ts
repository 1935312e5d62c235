/** What a caller may ask of a tracker, checked. */
import type { FaceAligner } from '../align/aligner.js';
import type { Face } from '../align/face.js';
import { expectNumber, expectObject, expectOptions, expectWhole, refuse } from '../engine/expect.js';
import type { FaceFinderOptions } from '../find/finder.js';
import { checkModel } from '../mmm/decode.js';
import type { FaceBox } from '../pictures/boxes.js';
import type { Detector } from '../pictures/detector.js';
import type { PictureSource } from '../pictures/frame.js';
import { checkSmoothing, type SmoothingOptions } from './smoothing.js';

/** When a face counts as lost. */
export interface LostRule {
  /** A confidence below this is doubt (default 0.5). */
  readonly confidence?: number;
  /** Frames of doubt in a row after which the face leaves (default 3). */
  readonly frames?: number;
}

/** What the tracker asks of an aligner. */
export interface TrackingAligner
  extends Pick<FaceAligner, 'maxFaces' | 'iterations' | 'model' | 'layout'>,
    Partial<Pick<FaceAligner, 'device' | 'upload' | 'blendshapes'>> {
  /** As `FaceAligner.align`. */
  align(source: PictureSource, boxes: readonly FaceBox[]): Promise<Face[]>;
  /** As `FaceAligner.refine`. */
  refine(
    source: PictureSource,
    faces: readonly Face[],
    options: { readonly iterations: number },
  ): Promise<(Face | undefined)[]>;
}

/** Options of `FaceTracker.create`. */
export interface TrackerOptions extends FollowOptions {
  /**
   * Aligns the faces. It stays the caller's. Without one the tracker makes an aligner and a detector of its own, and
   * `destroy` frees them.
   */
  readonly aligner?: TrackingAligner;
  /**
   * Looks for faces where there is room for more. It stays the caller's. With an aligner and without a detector, faces
   * come from the boxes given to `track`.
   */
  readonly detector?: Detector;
  /** How the tracker makes its own two, as `onProgress`, `signal` or `device`: options of `FaceFinder.create`. */
  readonly finder?: FaceFinderOptions;
}

/** How faces are followed. */
export interface FollowOptions {
  /** Faces followed at once (default 1), at most `aligner.maxFaces`: they travel together. */
  readonly maxFaces?: number;
  /**
   * Iterations of a known face, 1 to `aligner.iterations` (default 2, or 1 where that would be all): more follow faster
   * moves.
   */
  readonly iterations?: number;
  /** Whether and how parameters are smoothed over time (default: not at all). */
  readonly smoothing?: boolean | SmoothingOptions;
  /**
   * While some face is followed and there is room for more: least time in ms between two looks of the detector (default
   * 500).
   */
  readonly detectEvery?: number;
  /** When a face counts as lost. */
  readonly lost?: LostRule;
}

const DEFAULTS = { maxFaces: 1, iterations: 2, detectEvery: 500, confidence: 0.5, frames: 3 } as const;

/** How faces are followed, all said. */
export interface Following extends Readonly<Record<keyof typeof DEFAULTS, number>> {
  /** Undefined: not at all. */
  readonly smoothing: SmoothingOptions | undefined;
}

/** @throws InputError for options, an aligner or a detector that cannot be used. */
export function checkFollowing(
  options: FollowOptions,
  aligner: TrackingAligner,
  detector: Detector | undefined,
): Following {
  const { smoothing = false, lost = {} } = options;
  expectObject(aligner, 'aligner');
  if (typeof aligner.align !== 'function' || typeof aligner.refine !== 'function') {
    refuse('aligner', aligner, 'a FaceAligner, or what has align and refine as it has');
  }
  checkModel(aligner.model);
  expectObject(aligner.layout, 'aligner.layout');
  expectOptions(lost, { confidence: 1, frames: 1 }, 'lost');
  if (detector !== undefined && typeof detector?.detect !== 'function') {
    refuse('detector', detector, 'an object with detect(source)');
  }
  expectWhole('aligner.iterations', aligner.iterations, 1);
  const most = Math.max(1, Math.min(DEFAULTS.iterations, aligner.iterations - 1));
  const { maxFaces = DEFAULTS.maxFaces, iterations = most, detectEvery = DEFAULTS.detectEvery } = options;
  const { confidence = DEFAULTS.confidence, frames = DEFAULTS.frames } = lost;
  expectWhole('maxFaces', maxFaces, 1, aligner.maxFaces);
  expectWhole('iterations', iterations, 1, aligner.iterations);
  expectNumber('detectEvery', detectEvery, 0, Number.MAX_VALUE);
  expectNumber('lost.confidence', confidence, 0, 1);
  expectWhole('lost.frames', frames, 1);
  if (typeof smoothing !== 'boolean') checkSmoothing(smoothing);
  const smooth = smoothing === true ? {} : smoothing || undefined;
  return { maxFaces, iterations, detectEvery, confidence, frames, smoothing: smooth };
}
