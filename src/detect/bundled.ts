/** Where the package's own detector files lie: beside the module, wherever that was loaded from (see src/weights.ts). */
import type { WeightUrls } from '../files/download.js';

/** What `FaceDetector.create` loads where it is given no weights. */
export const detectorWeights: WeightUrls = {
  manifest: new URL('../../weights/detector.json', import.meta.url),
  files: {
    'face_detector.json': new URL('../../weights/face_detector.json', import.meta.url),
    'face_detector.safetensors': new URL('../../weights/face_detector.safetensors', import.meta.url),
  },
};
