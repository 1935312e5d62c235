/**
 * The crop that follows the face, on the processor in float64: the twin of recrop.wgsl (and of training/crops.py), for
 * what happens between frames.
 */

import { decodeVertices } from '../mmm/decode.js';
import type { ShapeModel } from '../mmm/model.js';
import { moveParameters, type ParameterLayout, poseFrame, quaternionOf, TURN_OFFSET } from '../mmm/parameters.js';
import { headRoll, quaternionToMatrix, turnQuaternion } from '../mmm/pose.js';
import { cropSquare, landmarksBox } from '../pictures/boxes.js';
import { type Crop, cropWithin } from '../pictures/crop.js';

/** A new crop's side over that of the old one, at least and at most: beyond, it is not believed. */
const [SMALLEST, LARGEST] = [1 / 16, 4];

const IDENTITY = { scale: 1, x0: 0, y0: 0 } as const;

/**
 * Parameters with the turn that an update left in them applied, and taken out: the head turned clockwise as seen by
 * atan2(sine, 1 + cosine).
 * @param parameters [count]: cosine - 1 at `TURN_OFFSET`, the sine in the last float
 */
export function applyTurn(parameters: ArrayLike<number>): Float64Array<ArrayBuffer> {
  const turned = Float64Array.from(parameters);
  const [cosine, sine] = [1 + turned[TURN_OFFSET]!, turned[turned.length - 1]!];
  const length = Math.hypot(cosine, sine);
  if (length > 0 && Number.isFinite(length)) {
    turned.set(turnQuaternion(quaternionOf(turned), (Math.atan2(sine, cosine) * 180) / Math.PI));
  }
  turned[TURN_OFFSET] = 0;
  turned[turned.length - 1] = 0;
  return turned;
}

/** Parameters and the crop that they are given in. */
export interface Placed<Floats extends ArrayLike<number> = ArrayLike<number>> {
  readonly crop: Crop;
  /** [count]. */
  readonly parameters: Floats;
}

/**
 * The crop of the next iteration, upright round the landmarks that parameters show, and the parameters in it. All stays
 * where a number is not finite, or the new crop would be less than 1/16 or more than 4 times as wide.
 * @param landmarks the shape of the landmarks alone
 * @param parameters [count] in `crop`
 * @param margin side of the new crop over the longer side of the landmarks' box
 */
export function recrop(
  landmarks: ShapeModel,
  layout: ParameterLayout,
  parameters: ArrayLike<number>,
  crop: Crop,
  margin: number,
): Placed<Float64Array<ArrayBuffer>> {
  const stays = { crop, parameters: Float64Array.from(parameters) };
  if (!stays.parameters.every(Number.isFinite)) return stays;
  const points = decodeVertices(landmarks, layout, stays.parameters, crop.size);
  // In the old crop's pixels.
  const next: Crop = {
    ...cropSquare(landmarksBox(points, headRoll(quaternionToMatrix(quaternionOf(parameters)))), margin),
    size: crop.size,
  };
  if (!(next.side >= SMALLEST * crop.size && next.side <= LARGEST * crop.size)) return stays;
  const moved = moveParameters(parameters, { size: crop.size, toPicture: IDENTITY }, poseFrame(next));
  // The next update is added to q, so that its sign must not depend on the way that the head came: upright it has q0 >
  // 0.
  if (moved[0]! < 0) moved.set(quaternionOf(moved).map((value) => -value));
  return { crop: cropWithin(crop, next), parameters: moved };
}
