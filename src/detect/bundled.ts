/**
 * Where the package's own detector files lie: beside the module, wherever that was loaded from (see src/weights.ts).
 */
import { besideModule, type WeightUrls } from '../files/download.js';

/**
 * What `FaceDetector.create` loads where it is given no weights.
 * @throws InputError from its fields where the module has no address, as in a classic script.
 */
export const detectorWeights: WeightUrls = {
  get manifest() {
    return besideModule(() => new URL('../../weights/detector.json', import.meta.url));
  },
  get files() {
    return besideModule(() => ({
      'face_detector.json': new URL('../../weights/face_detector.json', import.meta.url),
      'face_detector.safetensors': new URL('../../weights/face_detector.safetensors', import.meta.url),
    }));
  },
};
