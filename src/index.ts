/**
 * fullpose: 3D face alignment in the full pose range, on hand-written WebGPU.
 *
 * ```ts
 * // Boxes come from a detector: `findFaces` of fullpose/find has both in one call.
 * const aligner = await FaceAligner.create();
 * const [face] = await aligner.align(picture, [{ x0, y0, x1, y1, kind: 'landmarks' }]);
 * face.landmarks;   // [68,3] picture pixels
 * face.pose.yaw;    // degrees
 * aligner.destroy();
 * ```
 *
 * @module fullpose
 */
export { FaceAligner } from './align/aligner.js';
export type { AlignerCounters } from './align/counters.js';
export type { CropBuffer, EncodeInput, EncodeOutput, OutputBytes, OutputRange } from './align/encode.js';
export type { Face, FacePath } from './align/face.js';
export type { FaceRendering } from './align/inspector.js';
export type { AlignBoxesOptions, AlignerOptions, AlignOptions } from './align/options.js';
export type { FaceOutputs, FaceTexture, FaceWith, OutputName } from './align/outputs.js';
export type { Tuning, TuningMode, TuningOptions, TuningStorage } from './align/tuning.js';
export { fetchWeights, type LoadOptions } from './cascade/manifest.js';
export {
  type CascadeWeights,
  type NetworkDescription,
  parseWeights,
  type WeightBuffers,
} from './cascade/weights.js';
export * from './engine/errors.js';
export type { DType } from './engine/network.js';
export type { StageTime } from './engine/profiler.js';
export { clearCache } from './files/cache.js';
export type { DownloadOptions, LoadProgress, WeightUrls } from './files/download.js';
export {
  BLENDSHAPE_NAMES,
  type BlendshapeName,
  type BlendshapeReadout,
  type Blendshapes,
  type Expression,
  type ExpressionName,
} from './mmm/blendshapes.js';
export {
  type Matrix4,
  type PerspectivePose,
  type PictureCamera,
  type PinholeView,
  pictureCamera,
  toPerspective,
  toThreeMatrix,
  toUnitSquare,
} from './mmm/camera.js';
export { decodeShape, decodeVertices, pickVertices, toPicturePixels } from './mmm/decode.js';
export { LANDMARK_CONNECTIONS, LANDMARK_CONTOURS, type LandmarkContour } from './mmm/landmarks.js';
export { type AnchorGrid, type FaceModel, loadFaceModel, type QuantisedBasis } from './mmm/model.js';
export { vertexNormals } from './mmm/normals.js';
export type { ParameterLayout, Span } from './mmm/parameters.js';
export {
  type EulerAngles,
  eulerToMatrix,
  eulerToQuaternion,
  type Matrix3,
  type Matrix3x4,
  matrixToEuler,
  matrixToQuaternion,
  type Pose,
  poseInPicture,
  type Quaternion,
  quaternionToMatrix,
} from './mmm/pose.js';
export {
  type BoxKind,
  cropOf,
  DETECTOR_TO_CROP,
  type FaceBox,
  LANDMARKS_TO_CROP,
} from './pictures/boxes.js';
export { type Crop, cropToPicture, type PixelTransform, pictureToCrop } from './pictures/crop.js';
export type { Detector } from './pictures/detector.js';
export type { PictureSource, PixelData, UploadedPicture } from './pictures/frame.js';
