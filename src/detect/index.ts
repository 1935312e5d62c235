/**
 * fullpose/detect: the default face detector, on the same engine and, if wanted, the same device as the aligner.
 *
 * ```ts
 * const aligner = await FaceAligner.create();
 * const detector = await FaceDetector.create({ device: aligner.device });
 * const boxes = await detector.detect(picture);
 * const faces = await aligner.align(picture, boxes);
 * ```
 *
 * @module fullpose/detect
 */
export type { Detector } from '../pictures/detector.js';
export { detectorWeights } from './bundled.js';
export {
  type DetectOptions,
  type DetectorCounters,
  FaceDetector,
  type FaceDetectorOptions,
  type Search,
  type SearchProgress,
} from './detector.js';
export type { DetectedFace, Keypoints, Point } from './faces.js';
export { fetchDetectorWeights } from './manifest.js';
export {
  type DetectorBuffers,
  type DetectorHead,
  type DetectorView,
  type DetectorWeights,
  parseDetectorWeights,
} from './weights.js';
