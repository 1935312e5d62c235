/** A detector that is not the library's: here the one that some browsers have themselves (Shape Detection API). */
import { type Detector, FaceAligner, type FaceBox } from 'fullpose';

/** TypeScript does not know it yet. */
declare class FaceDetector {
  constructor(options?: { readonly maxDetectedFaces?: number; readonly fastMode?: boolean });
  detect(image: ImageBitmapSource): Promise<readonly { readonly boundingBox: DOMRectReadOnly }[]>;
}

/** All that the library asks of a detector; `FaceTracker` takes it as well. */
class BrowserDetector implements Detector {
  readonly #faces = new FaceDetector({ maxDetectedFaces: 4 });

  async detect(picture: HTMLImageElement | HTMLVideoElement): Promise<FaceBox[]> {
    const found = await this.#faces.detect(picture);
    return found.map(({ boundingBox: { left, top, right, bottom } }) => ({
      x0: left,
      y0: top,
      x1: right,
      y1: bottom,
      kind: 'detector',
    }));
  }
}

const photo = document.querySelector('img')!;
const canvas = document.querySelector('canvas')!;
const status = document.querySelector('[role="status"]')!;

/** [68,3] each. */
export const landmarks: Float32Array[] = [];

if ('FaceDetector' in window) {
  await photo.decode();
  const [aligner, boxes] = await Promise.all([FaceAligner.create(), new BrowserDetector().detect(photo)]);

  // Its boxes lie round a face in another way than the library expects. A second run, in the boxes of what the first one found, forgives that.
  const picture = await aligner.upload(photo);
  const first = await aligner.align(picture, boxes);
  const faces = await aligner.align(
    picture,
    first.map(({ box }) => box),
  );
  picture.destroy();
  landmarks.push(...faces.map((face) => face.landmarks));

  [canvas.width, canvas.height] = [photo.naturalWidth, photo.naturalHeight];
  const context = canvas.getContext('2d')!;
  context.fillStyle = '#00ff88';
  for (const points of landmarks) {
    for (let i = 0; i < points.length; i += 3) context.fillRect(points[i]! - 0.5, points[i + 1]! - 0.5, 2, 2);
  }
  status.textContent = `${faces.length} found`;
} else {
  status.textContent = 'This browser has no face detector of its own.';
}
