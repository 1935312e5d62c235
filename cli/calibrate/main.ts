/** The page of `cli/calibrate-detector.ts`: detector boxes of pictures placed on a larger black canvas. */
import { fetchPicture } from '../../pages/pictures.js';
import { picturesBase } from '../../pages/routes.js';
import { type DetectedFace, FaceDetector } from '../../src/detect/index.js';

declare global {
  interface Window {
    /**
     * Faces in `/pictures/<index>`, in its own pixels, when it lies in the middle of a canvas `margin` times its size.
     */
    detectFaces: (index: number, margin: number) => Promise<readonly DetectedFace[]>;
  }
}

const detector = await FaceDetector.create();

window.detectFaces = async (index, margin) => {
  const picture = await fetchPicture(`${picturesBase}${index}`);
  const [width, height] = [Math.round(picture.width * margin), Math.round(picture.height * margin)];
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('the browser gave no 2D canvas');
  const [x, y] = [Math.floor((width - picture.width) / 2), Math.floor((height - picture.height) / 2)];
  context.drawImage(picture, x, y);
  picture.close();
  const faces = await detector.detect(canvas);
  return faces.map((face) => ({ ...face, x0: face.x0 - x, y0: face.y0 - y, x1: face.x1 - x, y1: face.y1 - y }));
};
