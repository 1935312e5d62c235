/**
 * Where each part of the pose and shape vector p sits. The layout is data (weights/network.json, `parameters`), read by
 * training and by the browser; the GPU sees p as vec4s, so `count` is a multiple of 4 and the pose fills the first two
 * of them.
 */
import { WeightsError } from '../engine/errors.js';
import { show } from '../engine/show.js';
import { type Crop, cropToPicture, type PixelTransform, rotate, turnOf, wrapDegrees } from '../pictures/crop.js';
import { type Quaternion, turnQuaternion } from './pose.js';

/** `[offset, count]` in floats. */
export type Span = readonly [offset: number, count: number];

/** Where each part of the parameter vector p sits. */
export interface ParameterLayout {
  /** Floats of p, a multiple of 4. */
  readonly count: number;
  /** Scaled quaternion; always `[0, 4]`. */
  readonly quaternion: Span;
  /**
   * t2d in crop pixels, y up; always `[4, 2]`. Float 6 is 0 but in an update (`TURN_OFFSET`); float 7 is
   * `CONFIDENCE_OFFSET`'s.
   */
  readonly translation: Span;
  /** Identity coefficients in training standard deviations. */
  readonly identity: Span;
  /** Expression weights. */
  readonly expression: Span;
}

/** First float that may be a shape coefficient: the pose takes two vec4s. */
export const SHAPE_OFFSET = 8;

/**
 * The float that is the log-odds of a face: 0 until the last iteration, whose network adds them (docs/tracking.md). No
 * part of the pose or shape.
 */
export const CONFIDENCE_OFFSET = 7;

/**
 * The float where an update of a network whose crop follows the face carries the cosine, less 1, of the head's turn in
 * the picture's plane; the last float of the vector carries the sine. Both are 0 in parameters.
 */
export const TURN_OFFSET = 6;

/** A longer vector is damage. */
const MOST = 4096;

/**
 * Reads `parameters` of weights/network.json.
 * @throws WeightsError where a span is missing, overlaps another, or leaves the vector.
 */
export function parseParameterLayout(value: unknown): ParameterLayout {
  const record = isRecord(value) ? value : {};
  const count = record.count;
  if (
    typeof count !== 'number' ||
    !Number.isInteger(count) ||
    count < SHAPE_OFFSET ||
    count > MOST ||
    count % 4 !== 0
  ) {
    throw new WeightsError(`parameters.count is ${show(count)}; wanted a multiple of 4, ${SHAPE_OFFSET} to ${MOST}.`);
  }
  const span = (name: string): Span => {
    const pair = record[name];
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw new WeightsError(`parameters.${name} is ${show(pair)}; wanted [offset, count].`);
    }
    const [offset, length]: unknown[] = pair;
    if (!isCount(offset) || !isCount(length) || offset + length > count) {
      throw new WeightsError(`parameters.${name} is ${show(pair)}; wanted a span inside ${count} floats.`);
    }
    return [offset, length];
  };
  const layout: ParameterLayout = {
    count,
    quaternion: span('quaternion'),
    translation: span('translation'),
    identity: span('identity'),
    expression: span('expression'),
  };
  const { quaternion, translation, identity, expression } = layout;
  if (quaternion[0] !== 0 || quaternion[1] !== 4 || translation[0] !== 4 || translation[1] !== 2) {
    throw new WeightsError(
      `The pose is at quaternion ${quaternion}, translation ${translation}; wanted [0,4] and [4,2].`,
    );
  }
  const overlap = identity[0] < expression[0] + expression[1] && expression[0] < identity[0] + identity[1];
  if (overlap || identity[0] < SHAPE_OFFSET || expression[0] < SHAPE_OFFSET) {
    throw new WeightsError(
      `Identity ${identity} and expression ${expression} overlap each other or the first ${SHAPE_OFFSET} floats.`,
    );
  }
  return layout;
}

/** The scaled quaternion of one parameter vector. */
export function quaternionOf(parameters: ArrayLike<number>): Quaternion {
  return [parameters[0] ?? 0, parameters[1] ?? 0, parameters[2] ?? 0, parameters[3] ?? 0];
}

/** t2d of one parameter vector: crop pixels, y up. */
export function translationOf(parameters: ArrayLike<number>): readonly [number, number] {
  return [parameters[4] ?? 0, parameters[5] ?? 0];
}

/** A square of pixels that poses may be given in: its side, and the way from it to the picture. */
export interface PoseFrame {
  readonly size: number;
  readonly toPicture: PixelTransform;
}

/** The frame that parameters in a crop are given in. */
export function poseFrame(crop: Crop): PoseFrame {
  return { size: crop.size, toPicture: cropToPicture(crop) };
}

/** The picture itself: its pixels, y up from row 0. */
export const PICTURE_FRAME: PoseFrame = { size: 1, toPicture: { scale: 1, x0: 0, y0: 0 } };

/**
 * The same face's parameters in another frame of the same picture: q grows with the square root of the pixels' ratio
 * and turns as the frames do (by half a turn at most, which fixes its sign), t2d moves with the points, and the shape
 * stays (docs/architecture.md, "Coordinates").
 * @param parameters [count] in the frame `from`
 * @returns [count] in the frame `to`
 */
export function moveParameters(
  parameters: ArrayLike<number>,
  from: PoseFrame,
  to: PoseFrame,
): Float64Array<ArrayBuffer> {
  const moved = Float64Array.from(parameters);
  const [{ toPicture: a }, { toPicture: b }] = [from, to];
  const ratio = a.scale / b.scale;
  const turn = wrapDegrees((a.roll ?? 0) - (b.roll ?? 0));
  moved.set(turnQuaternion(quaternionOf(parameters), turn).map((value) => value * Math.sqrt(ratio)));
  const [x, y] = translationOf(parameters);
  // y is counted from the last row, upwards.
  const [across, down] = rotate(x, from.size - 1 - y, turnOf(turn));
  const [shiftX, shiftY] = rotate(a.x0 - b.x0, a.y0 - b.y0, turnOf(-(b.roll ?? 0)));
  moved[4] = across * ratio + shiftX / b.scale;
  moved[5] = to.size - 1 - (down * ratio + shiftY / b.scale);
  return moved;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}
