/**
 * A face as callers see it, from what a frame returns of it.
 */
import { type Placed, recrop } from '../cascade/recrop.js';
import { FullposeError, InputError } from '../engine/errors.js';
import { BlendshapeReadout, type Blendshapes, type Expression } from '../mmm/blendshapes.js';
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
import { headRoll, type Pose, poseInPicture, quaternionToMatrix } from '../mmm/pose.js';
import { checkInPicture, cropOf, type FaceBox, landmarksBox } from '../pictures/boxes.js';
import { type Crop, cropToPicture, wrapDegrees } from '../pictures/crop.js';
import type { PictureSize } from '../pictures/frame.js';

/** p^1 .. p^k of one run of k iterations, all in its last crop. */
export type FacePath = readonly Float32Array<ArrayBuffer>[];

/** What the last iterations of a frame start from. */
export interface Start {
  readonly crop: Crop;
  /** p^k in the crop; p^0 is known. */
  readonly parameters?: ArrayLike<number>;
  /** How the face came to be, where it is known. */
  readonly path?: FacePath;
}

/** One aligned face. Picture pixels: centres at integers, x right, y down, z toward the viewer in the same scale. */
export interface Face {
  /** [68,3] picture pixels, iBUG order, 3D jaw line. z is 0 at the origin of the face model. */
  readonly landmarks: Float32Array<ArrayBuffer>;
  /**
   * The tight box of the landmarks: what `align` takes for the next picture of a video. Turned with the head (`roll`)
   * where the crop is, or follows the face. `toUnitSquare` gives the 0..1 twins of points.
   */
  readonly box: FaceBox;
  /** [68], 1 where the landmark faces the viewer and nothing of the face hides it, else 0. */
  readonly visibility: Uint8Array<ArrayBuffer>;
  /** p in crop space: scaled quaternion, t2d, identity, expression (docs/architecture.md). */
  readonly parameters: Float32Array<ArrayBuffer>;
  /** How sure it is that this is a face and that it was found, 0 to 1; 0.5 is the usual limit (docs/tracking.md). */
  readonly confidence: number;
  /** How the cascade came to this face when it last ran in full: what `FaceAligner.refine` goes on from. */
  readonly path: FacePath;
  /** The square of picture that was looked at, last where the crop follows the face. */
  readonly crop: Crop;
  /** How the head is turned and where it is: angles in degrees, and matrices to picture pixels. */
  readonly pose: Pose;
  /** Identity coefficients in training standard deviations. */
  readonly identity: Float32Array<ArrayBuffer>;
  /**
   * Expression weights as the cascade found them, by the model's names: ARKit's with _L and _R, 0 = neutral, 1 = full.
   * Not clamped.
   */
  readonly expression: Expression;
  /** The expression as ARKit names and bounds it, for what drives a rig: 52 weights from 0 to 1, about 0 at rest. */
  readonly blendshapes: Blendshapes;
}

/**
 * Where the last iterations start from, for a face that is known: not where the face ended, but where the cascade would
 * be before them. Each iteration has learned to go on from the one before it, and to start from the end would push the
 * face on in every frame, further and further (docs/tracking.md). The pose is as far from the face's as it was in the
 * run in full, and the shape is that run's.
 * @param to the crop to start in
 * @param iteration k, of 1 and more
 * @returns p^k
 */
export function startOf(
  { parameters, crop, path }: Pick<Face, 'parameters' | 'crop' | 'path'>,
  to: Crop,
  iteration: number,
): Float64Array<ArrayBuffer> {
  const start = moveParameters(parameters, poseFrame(crop), poseFrame(to));
  const [then, end] = [path[Math.min(iteration, path.length) - 1], path.at(-1)];
  if (then === undefined || end === undefined) return start;
  align(start, end);
  // Distances in crop pixels, at the face's size.
  const growth = Math.hypot(...quaternionOf(start)) / Math.hypot(...quaternionOf(end));
  for (let i = 0; i < SHAPE_OFFSET; i++) {
    start[i] = start[i]! + (then[i]! - end[i]!) * (i < 4 ? growth : growth ** 2);
  }
  start.set(then.subarray(SHAPE_OFFSET), SHAPE_OFFSET);
  start[CONFIDENCE_OFFSET] = 0;
  return start;
}

/** Gives the quaternion of `parameters` the sign that is nearer to that of `reference`: both signs are one rotation. */
function align(parameters: Float64Array, reference: ArrayLike<number>): void {
  const [q, other] = [quaternionOf(parameters), quaternionOf(reference)];
  if (q.reduce((sum, value, i) => sum + value * other[i]!, 0) < 0) parameters.set(q.map((value) => -value));
}

/** Parameters in the crop of others, with the sign of the quaternion that is nearer to theirs. */
function movedTo({ parameters, crop }: Placed, other: Placed): Float64Array {
  const moved = moveParameters(parameters, poseFrame(crop), poseFrame(other.crop));
  align(moved, other.parameters);
  return moved;
}

/** Makes faces of one model from numbers. */
export class FaceReader {
  readonly #model: FaceModel;
  readonly #layout: ParameterLayout;
  readonly #margin: number | undefined;
  /** The model of the landmarks alone. */
  readonly #landmarks: ShapeModel;
  readonly #blendshapes: BlendshapeReadout;

  /**
   * @param options.margin of the crops where they follow the face (`recrop` of the network)
   * @param options.blendshapes of the weights; default: every weight under its own name
   */
  constructor(
    model: FaceModel,
    layout: ParameterLayout,
    options: { readonly margin?: number | undefined; readonly blendshapes?: BlendshapeReadout | undefined } = {},
  ) {
    this.#model = model;
    this.#layout = layout;
    this.#margin = options.margin;
    this.#blendshapes = options.blendshapes ?? BlendshapeReadout.named(model.expressionNames);
    this.#landmarks = selectVertices(model, model.landmarks);
  }

  /**
   * Reads one face's part of the frame's output (docs/passes.md).
   * @param crop the last that was looked at
   * @param path of the last run in full that this face was refined from; or the steps of this one, up to the one before
   * its end
   * @throws FullposeError `gpu-error` for numbers that are no face.
   */
  read(
    output: Float32Array<ArrayBuffer>,
    crop: Crop,
    path: { readonly known: FacePath } | { readonly steps: readonly Placed<Float32Array<ArrayBuffer>>[] },
  ): Face {
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
    const whole = 'known' in path ? path.known : this.#pathOf([...path.steps, { crop, parameters }]);
    return { ...this.#describe(parameters, landmarks, crop, visibility), confidence, path: whole };
  }

  /** The steps of a run, all in the crop of the last of them. */
  #pathOf(steps: readonly Placed<Float32Array<ArrayBuffer>>[]): FacePath {
    const end = steps.at(-1);
    if (this.#margin === undefined || end === undefined) return steps.map(({ parameters }) => parameters.slice());
    return steps.map((step) => Float32Array.from(movedTo(step, end)));
  }

  /**
   * The same steps, in the crop that the last of them gives: as in the crop that a known face gives, the head is
   * upright there and as large.
   */
  #uprightPath(path: FacePath, size: number, margin: number): FacePath {
    const [middle, last] = [(size - 1) / 2, path.at(-1)];
    if (last === undefined) return path;
    // Where the crop lies in the picture does not matter.
    const crop = { centreX: middle, centreY: middle, side: size, roll: 0, size };
    const end = this.#recrop({ crop, parameters: last }, margin);
    return path.map((parameters) => Float32Array.from(movedTo({ crop, parameters }, end)));
  }

  #recrop({ parameters, crop }: Placed, margin: number): Placed {
    return recrop(this.#landmarks, this.#layout, parameters, crop, margin);
  }

  /**
   * Where a known face is looked for again, and p^k there: in the crop that its landmarks give, or where the crop
   * follows the face that p^k gives.
   * @param iteration k
   * @returns undefined where the picture has no such crop
   */
  start(face: Face, picture: PictureSize, iteration: number): Start | undefined {
    try {
      const { path } = face;
      if (iteration === 0) return { crop: cropOf(this.#boxOf(face), picture, face.crop.size) };
      if (this.#margin === undefined) {
        const crop = cropOf(this.#boxOf(face), picture, face.crop.size);
        return { crop, path, parameters: startOf(face, crop, iteration) };
      }
      const { crop: upright } = this.#recrop(face, this.#margin);
      const start = startOf(
        { parameters: face.parameters, crop: face.crop, path: this.#uprightPath(path, face.crop.size, this.#margin) },
        upright,
        iteration,
      );
      const { crop, parameters } = this.#recrop({ crop: upright, parameters: start }, this.#margin);
      return { crop: checkInPicture(crop, picture, "The face's crop"), path, parameters };
    } catch (error) {
      if (error instanceof InputError) return undefined;
      throw error;
    }
  }

  /** The tight box of the landmarks, turned with the head where the crop is turned, or follows the face. */
  #boxOf({ landmarks, parameters, crop }: Pick<Face, 'landmarks' | 'parameters' | 'crop'>): FaceBox {
    if (crop.roll === 0 && this.#margin === undefined) return landmarksBox(landmarks);
    return landmarksBox(landmarks, wrapDegrees(crop.roll + headRoll(quaternionToMatrix(quaternionOf(parameters)))));
  }

  /**
   * A face with other parameters in the same crop, as smoothing makes them. What can be seen, and how sure that is,
   * stays.
   */
  repose(face: Face, parameters: Float32Array<ArrayBuffer>): Face {
    const landmarks = Float32Array.from(decodeVertices(this.#landmarks, this.#layout, parameters, face.crop.size));
    return { ...face, ...this.#describe(parameters, landmarks, face.crop, face.visibility) };
  }

  /**
   * All that follows from the parameters. `landmarks` [68,3] come in crop pixels, and are moved to the picture in
   * place.
   */
  #describe(
    parameters: Float32Array<ArrayBuffer>,
    landmarks: Float32Array<ArrayBuffer>,
    crop: Crop,
    visibility: Uint8Array<ArrayBuffer>,
  ): Omit<Face, 'confidence' | 'path'> {
    const toPicture = cropToPicture(crop);
    const [identity, identityCount] = this.#layout.identity;
    const [first, count] = this.#layout.expression;
    const weights = parameters.subarray(first, first + count);
    toPicturePixels(landmarks, toPicture);
    return {
      landmarks,
      visibility,
      box: this.#boxOf({ landmarks, parameters, crop }),
      parameters,
      crop,
      pose: poseInPicture(quaternionOf(parameters), translationOf(parameters), crop.size, toPicture),
      identity: parameters.slice(identity, identity + identityCount),
      expression: Object.fromEntries(
        this.#model.expressionNames.map((name, i) => [name, weights[i] ?? 0]),
      ) as Expression,
      blendshapes: this.#blendshapes.read(weights),
    };
  }
}
