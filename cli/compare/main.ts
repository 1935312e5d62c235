/** The page of `npm run compare`: MediaPipe's FaceLandmarker on the processor, as its authors publish it. */
import { FaceLandmarker } from '@mediapipe/tasks-vision';
import { fetchPicture } from '../../pages/pictures.js';
import { mediapipeBase, mediapipeModel, picturesBase } from '../../pages/routes.js';
import { expectWebGL } from '../../pages/webgl.js';
import { type RivalReply, type View, viewSide } from './landmarker.js';

declare global {
  interface Window {
    /** The face in `/pictures/<index>`, looked for in one view after the other; null where none shows it. */
    findRival?: (index: number, views: readonly View[]) => Promise<RivalReply | null>;
  }
}

async function start(): Promise<FaceLandmarker> {
  expectWebGL('MediaPipe takes pictures in by');
  return FaceLandmarker.createFromOptions(
    {
      wasmLoaderPath: `${mediapipeBase}vision_wasm_internal.js`,
      wasmBinaryPath: `${mediapipeBase}vision_wasm_internal.wasm`,
    },
    {
      baseOptions: { modelAssetPath: mediapipeModel, delegate: 'CPU' },
      runningMode: 'IMAGE',
      numFaces: 1,
      minFaceDetectionConfidence: 0.2,
      minFacePresenceConfidence: 0.2,
      outputFaceBlendshapes: true,
    },
  );
}

const started = start().catch((error: unknown) => {
  // The lines after the first are where in MediaPipe's source.
  const [reason] = String(error).split('\n');
  throw new Error(`MediaPipe does not start: ${reason}`, { cause: error });
});
// The first call says why.
started.catch(() => {});

const canvas = document.createElement('canvas');
canvas.width = viewSide;
canvas.height = viewSide;
const context = canvas.getContext('2d', { willReadFrequently: true });
if (context === null) throw new Error('the browser gave no 2D canvas');
context.imageSmoothingQuality = 'high';

/** The square of the picture that a view shows, grey where there is no picture. */
function show(picture: ImageBitmap, { left, top, side }: View, target: CanvasRenderingContext2D): void {
  const zoom = viewSide / side;
  target.setTransform(1, 0, 0, 1, 0, 0);
  target.fillStyle = '#808080';
  target.fillRect(0, 0, viewSide, viewSide);
  // Canvases count from a pixel's corner, views from its centre.
  target.setTransform(zoom, 0, 0, zoom, -(left + 0.5) * zoom, -(top + 0.5) * zoom);
  target.drawImage(picture, 0, 0);
}

window.findRival = async (index, views) => {
  const landmarker = await started;
  const picture = await fetchPicture(`${picturesBase}${index}`);
  try {
    for (const [number, view] of views.entries()) {
      show(picture, view, context);
      const { faceLandmarks, faceBlendshapes } = landmarker.detect(canvas);
      const [points] = faceLandmarks;
      if (points === undefined) continue;
      const weights = faceBlendshapes[0]?.categories ?? [];
      return {
        view: number,
        points: points.map(({ x, y }) => [x, y]),
        blendshapes: Object.fromEntries(weights.map(({ categoryName, score }) => [categoryName, score])),
      };
    }
    return null;
  } finally {
    picture.close();
  }
};
