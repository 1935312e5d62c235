/**
 * A face as callers see it, from what a frame returns of it.
 */
import { FullposeError } from '../engine/errors.js';
import { type Crop, cropToPicture } from '../host/crop.js';
import { toPicturePixels } from '../mmm/decode.js';
import type { FaceModel } from '../mmm/model.js';
import { type ParameterLayout, quaternionOf, translationOf } from '../mmm/parameters.js';
import { type Pose, poseInPicture } from '../mmm/pose.js';

/** One aligned face. Picture pixels: centres at integers, x right, y down, z toward the viewer in the same scale. */
export interface Face {
  /** [68,3] picture pixels, iBUG order, 3D jaw line. z is 0 at the origin of the face model. */
  readonly landmarks: Float32Array<ArrayBuffer>;
  /** [68]: 1 where the landmark faces the viewer and nothing of the face hides it, else 0. */
  readonly visibility: Uint8Array<ArrayBuffer>;
  /** p in crop space: scaled quaternion, t2d, identity, expression (docs/architecture.md). */
  readonly parameters: Float32Array<ArrayBuffer>;
  /** The square of picture that was looked at. */
  readonly crop: Crop;
  readonly pose: Pose;
  /** Identity coefficients in training standard deviations. */
  readonly identity: Float32Array<ArrayBuffer>;
  /** Expression weights by name; ARKit's names with _L and _R, 0 = neutral, 1 = full. Not clamped. */
  readonly expression: Readonly<Record<string, number>>;
}

/**
 * Reads one face's part of the frame's output (docs/passes.md).
 * @throws FullposeError `gpu-error` for numbers that are no face.
 */
export function readFace(
  output: Float32Array<ArrayBuffer>,
  crop: Crop,
  model: FaceModel,
  layout: ParameterLayout,
): Face {
  const parameters = output.slice(0, layout.count);
  const [quaternion] = layout.quaternion;
  // No picture gives these; a broken driver or a texture full of NaN does.
  if (!output.every(Number.isFinite) || parameters.subarray(quaternion, quaternion + 4).every((q) => q === 0)) {
    throw new FullposeError('gpu-error', 'The GPU gave numbers that are no face (NaN, infinite, or of scale 0).');
  }
  const count = model.landmarks.length;
  const landmarks = new Float32Array(count * 3);
  const visibility = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const at = layout.count + i * 4;
    landmarks.set(output.subarray(at, at + 3), i * 3);
    visibility[i] = output[at + 3] === 1 ? 1 : 0;
  }
  const toPicture = cropToPicture(crop);
  const [identity, identityCount] = layout.identity;
  const [expression] = layout.expression;
  return {
    landmarks: toPicturePixels(landmarks, toPicture),
    visibility,
    parameters,
    crop,
    pose: poseInPicture(quaternionOf(parameters), translationOf(parameters), crop.size, toPicture),
    identity: parameters.slice(identity, identity + identityCount),
    expression: Object.fromEntries(model.expressionNames.map((name, i) => [name, parameters[expression + i] ?? 0])),
  };
}
