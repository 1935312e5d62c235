/** What the rest asks of a face detector, so that any may serve: `fullpose/detect` has the default one. */

import type { FaceBox } from './boxes.js';
import type { PictureSource } from './frame.js';

/**
 * Finds faces. Where the boxes do not lie round a face as MediaPipe's do, their crop is off: give them as what `cropOf`
 * expects of kind `detector` (`DETECTOR_TO_CROP`), or as tight boxes of kind `landmarks`.
 */
export interface Detector {
  /**
   * Boxes in picture pixels, the surest or largest first; none is an empty list. The source is not changed before the
   * promise resolves.
   */
  detect(source: PictureSource): Promise<readonly FaceBox[]>;
  /**
   * Where this is the aligner's device, a tracker gives `detect` the picture that it uploaded there
   * (`UploadedPicture`), not the caller's source.
   */
  readonly device?: GPUDevice;
}
