/**
 * A face as callers see it, from what a frame returns of it.
 */
import { FullposeError } from '../engine/errors.js';
import { decodeVertices, toPicturePixels } from '../mmm/decode.js';
import { type FaceModel, type ShapeModel, selectVertices } from '../mmm/model.js';
import {
  CONFIDENCE_OFFSET,
  moveParameters,
  type ParameterLayout,
  poseFrame,
  quaternionOf,
  SHAPE_OFFSET,
  translationOf,
} from '../mmm/parameters.js';
import { type Pose, poseInPicture } from '../mmm/pose.js';
import { type FaceBox, landmarksBox } from '../pictures/boxes.js';
import { type Crop, cropToPicture } from '../pictures/crop.js';

/** p^1 .. p^k of one run of k iterations, in its crop. */
export type FacePath = readonly Float32Array<ArrayBuffer>[];

/** One aligned face. Picture pixels: centres at integers, x right, y down, z toward the viewer in the same scale. */
export interface Face {
  /** [68,3] picture pixels, iBUG order, 3D jaw line. z is 0 at the origin of the face model. */
  readonly landmarks: Float32Array<ArrayBuffer>;
  /** The tight box of the landmarks: what `align` takes for the next picture of a video. `toUnitSquare` gives the 0..1 twins of points. */
  readonly box: FaceBox;
  /** [68], 1 where the landmark faces the viewer and nothing of the face hides it, else 0. */
  readonly visibility: Uint8Array<ArrayBuffer>;
  /** p in crop space: scaled quaternion, t2d, identity, expression (docs/architecture.md). */
  readonly parameters: Float32Array<ArrayBuffer>;
  /** How sure it is that this is a face and that it was found, 0 to 1; 0.5 is the usual limit (docs/tracking.md). */
  readonly confidence: number;
  /** How the cascade came to this face when it last ran in full: what `FaceAligner.refine` goes on from. */
  readonly path: FacePath;
  /** The square of picture that was looked at. */
  readonly crop: Crop;
  readonly pose: Pose;
  /** Identity coefficients in training standard deviations. */
  readonly identity: Float32Array<ArrayBuffer>;
  /** Expression weights by name; ARKit's names with _L and _R, 0 = neutral, 1 = full. Not clamped. */
  readonly expression: Readonly<Record<string, number>>;
}

/**
 * Where the last iterations start from, for a face that is known: not where the face ended, but where the cascade would be before them. Each
 * iteration has learned to go on from the one before it, and to start from the end would push the face on in every frame, further and further
 * (docs/tracking.md). The pose is as far from the face's as it was in the run in full, and the shape is that run's.
 * @param to the crop to start in
 * @param iteration k, of 1 and more
 * @returns p^k
 */
export function startOf({ parameters, crop, path }: Face, to: Crop, iteration: number): Float64Array<ArrayBuffer> {
  const start = moveParameters(parameters, poseFrame(crop), poseFrame(to));
  const [then, end] = [path[Math.min(iteration, path.length) - 1], path.at(-1)];
  if (then === undefined || end === undefined) return start;
  // Distances in crop pixels, at the face's size.
  const growth = Math.hypot(...quaternionOf(start)) / Math.hypot(...quaternionOf(end));
  for (let i = 0; i < SHAPE_OFFSET; i++) {
    start[i] = start[i]! + (then[i]! - end[i]!) * (i < 4 ? growth : growth ** 2);
  }
  start.set(then.subarray(SHAPE_OFFSET), SHAPE_OFFSET);
  start[CONFIDENCE_OFFSET] = 0;
  return start;
}

/** Makes faces of one model from numbers. */
export class FaceReader {
  readonly #model: FaceModel;
  readonly #layout: ParameterLayout;
  /** The model of the landmarks alone. */
  readonly #landmarks: ShapeModel;

  constructor(model: FaceModel, layout: ParameterLayout) {
    this.#model = model;
    this.#layout = layout;
    this.#landmarks = selectVertices(model, model.landmarks);
  }

  /**
   * Reads one face's part of the frame's output (docs/passes.md).
   * @param path of the last run in full: this one's, or the one that this face was refined from
   * @throws FullposeError `gpu-error` for numbers that are no face.
   */
  read(output: Float32Array<ArrayBuffer>, crop: Crop, path: FacePath): Face {
    const { count, quaternion } = this.#layout;
    const parameters = output.slice(0, count);
    // No picture gives these; a broken driver or a texture full of NaN does.
    if (!output.every(Number.isFinite) || parameters.subarray(...quaternion).every((q) => q === 0)) {
      throw new FullposeError('gpu-error', 'The GPU gave numbers that are no face (NaN, infinite, or of scale 0).');
    }
    const points = this.#model.landmarks.length;
    const landmarks = new Float32Array(points * 3);
    const visibility = new Uint8Array(points);
    for (let i = 0; i < points; i++) {
      const at = count + i * 4;
      landmarks.set(output.subarray(at, at + 3), i * 3);
      visibility[i] = output[at + 3] === 1 ? 1 : 0;
    }
    const confidence = 1 / (1 + Math.exp(-(parameters[CONFIDENCE_OFFSET] ?? 0)));
    return { visibility, confidence, path, ...this.#describe(parameters, landmarks, crop) };
  }

  /** A face with other parameters in the same crop, as smoothing makes them. What can be seen, and how sure that is, stays. */
  repose(face: Face, parameters: Float32Array<ArrayBuffer>): Face {
    const landmarks = Float32Array.from(decodeVertices(this.#landmarks, this.#layout, parameters, face.crop.size));
    return { ...face, ...this.#describe(parameters, landmarks, face.crop) };
  }

  /** All that follows from the parameters. `landmarks` [68,3] come in crop pixels, and are moved to the picture in place. */
  #describe(
    parameters: Float32Array<ArrayBuffer>,
    landmarks: Float32Array<ArrayBuffer>,
    crop: Crop,
  ): Omit<Face, 'visibility' | 'confidence' | 'path'> {
    const toPicture = cropToPicture(crop);
    const [identity, identityCount] = this.#layout.identity;
    const [expression] = this.#layout.expression;
    toPicturePixels(landmarks, toPicture);
    return {
      landmarks,
      box: landmarksBox(landmarks),
      parameters,
      crop,
      pose: poseInPicture(quaternionOf(parameters), translationOf(parameters), crop.size, toPicture),
      identity: parameters.slice(identity, identity + identityCount),
      expression: Object.fromEntries(
        this.#model.expressionNames.map((name, i) => [name, parameters[expression + i] ?? 0]),
      ),
    };
  }
}
