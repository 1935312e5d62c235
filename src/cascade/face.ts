/**
 * A face as callers see it, from what a frame returns of it.
 */
import { FullposeError } from '../engine/errors.js';
import { type Crop, cropToPicture } from '../host/crop.js';
import { decodeVertices, toPicturePixels } from '../mmm/decode.js';
import type { FaceModel, ShapeModel } from '../mmm/model.js';
import { type ParameterLayout, quaternionOf, translationOf } from '../mmm/parameters.js';
import { type Pose, poseInPicture } from '../mmm/pose.js';
import { type FaceBox, landmarksBox } from './boxes.js';

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
  /** p before the last iteration. */
  readonly earlier: Float32Array<ArrayBuffer>;
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
  const earlier = output.slice(layout.count + count * 4);
  return { visibility, earlier, ...describe(parameters, landmarks, crop, model, layout) };
}

/**
 * A face with other parameters in the same crop, as smoothing makes them. What can be seen stays as it was.
 * @param landmarks the model of the landmarks alone (`selectVertices`)
 */
export function reposeFace(
  face: Face,
  parameters: Float32Array<ArrayBuffer>,
  landmarks: ShapeModel,
  model: FaceModel,
  layout: ParameterLayout,
): Face {
  const points = Float32Array.from(decodeVertices(landmarks, layout, parameters, face.crop.size));
  return { ...face, ...describe(parameters, points, face.crop, model, layout) };
}

/** All that follows from the parameters. `landmarks` [68,3] come in crop pixels, and are moved to the picture in place. */
function describe(
  parameters: Float32Array<ArrayBuffer>,
  landmarks: Float32Array<ArrayBuffer>,
  crop: Crop,
  model: FaceModel,
  layout: ParameterLayout,
): Omit<Face, 'visibility' | 'earlier'> {
  const toPicture = cropToPicture(crop);
  const [identity, identityCount] = layout.identity;
  const [expression] = layout.expression;
  toPicturePixels(landmarks, toPicture);
  return {
    landmarks,
    box: landmarksBox(landmarks),
    parameters,
    crop,
    pose: poseInPicture(quaternionOf(parameters), translationOf(parameters), crop.size, toPicture),
    identity: parameters.slice(identity, identity + identityCount),
    expression: Object.fromEntries(model.expressionNames.map((name, i) => [name, parameters[expression + i] ?? 0])),
  };
}
