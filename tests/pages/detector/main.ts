/** The page of tests/pages/detector.test.ts: our detector and MediaPipe's on the same pictures. */
import { fetchPicture } from '../../../pages/pictures.js';
import { mediapipeBase, picturesBase } from '../../../pages/routes.js';
import { type DetectedFace, FaceDetector, type Search } from '../../../src/detect/index.js';
import { MediaPipe, type MediaPipeFace } from './mediapipe.js';

/** Pictures drawn on a grey canvas: `/pictures/<index>` with its left upper corner at (x, y), `width` canvas pixels wide. */
export interface Composition {
  readonly width: number;
  readonly height: number;
  readonly pictures: readonly {
    readonly index: number;
    readonly x: number;
    readonly y: number;
    readonly width: number;
  }[];
}

export interface Comparison {
  readonly ours: readonly DetectedFace[];
  readonly mediapipe: readonly MediaPipeFace[];
}

declare global {
  interface Window {
    detectors: {
      /** Faces in the picture as a whole. MediaPipe sees it on a canvas of `side` pixels at most, ours as it is, or on the same canvas. */
      compare(composition: Composition, side: number, onSameCanvas: boolean): Promise<Comparison>;
      /** Ours alone, where to look as told. */
      search(composition: Composition, search: Search): Promise<readonly DetectedFace[]>;
      /** Milliseconds of each call, in turns. */
      time(
        composition: Composition,
        rounds: number,
      ): Promise<{ readonly ours: number[]; readonly mediapipe: number[] }>;
    };
  }
}

function draw(width: number, height: number, paint: (context: CanvasRenderingContext2D) => void): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('the browser gave no 2D canvas');
  context.imageSmoothingQuality = 'high';
  paint(context);
  return canvas;
}

async function compose({ width, height, pictures }: Composition): Promise<HTMLCanvasElement> {
  const loaded = await Promise.all(pictures.map(({ index }) => fetchPicture(`${picturesBase}${index}`)));
  return draw(width, height, (context) => {
    context.fillStyle = '#808080';
    context.fillRect(0, 0, width, height);
    for (const [at, picture] of loaded.entries()) {
      const place = pictures[at];
      if (place === undefined) continue;
      context.drawImage(picture, place.x, place.y, place.width, (place.width * picture.height) / picture.width);
      picture.close();
    }
  });
}

function shrink(canvas: HTMLCanvasElement, side: number): HTMLCanvasElement {
  const scale = Math.min(1, side / Math.max(canvas.width, canvas.height));
  const [width, height] = [Math.round(canvas.width * scale), Math.round(canvas.height * scale)];
  return draw(width, height, (context) => context.drawImage(canvas, 0, 0, width, height));
}

const [detector, mediapipe] = await Promise.all([
  FaceDetector.create(),
  MediaPipe.create(new URL(mediapipeBase, location.href).href),
]);

window.detectors = {
  async compare(composition, side, onSameCanvas) {
    const canvas = await compose(composition);
    const small = shrink(canvas, side);
    const theirs = await mediapipe.detect(small);
    if (onSameCanvas) return { ours: await detector.detect(small, { search: 'whole' }), mediapipe: theirs };
    // Borders lie at -0.5.
    const [scaleX, scaleY] = [canvas.width / small.width, canvas.height / small.height];
    const x = (value: number) => (value + 0.5) * scaleX - 0.5;
    const y = (value: number) => (value + 0.5) * scaleY - 0.5;
    const scaled = theirs.map(({ x0, y0, x1, y1, points }) => ({
      x0: x(x0),
      y0: y(y0),
      x1: x(x1),
      y1: y(y1),
      points: points.map((point) => ({ x: x(point.x), y: y(point.y) })),
    }));
    return { ours: await detector.detect(canvas, { search: 'whole' }), mediapipe: scaled };
  },

  async search(composition, search) {
    return detector.detect(await compose(composition), { search });
  },

  async time(composition, rounds) {
    const canvas = await compose(composition);
    const small = shrink(canvas, 256);
    const times = { ours: [] as number[], mediapipe: [] as number[] };
    for (let round = 0; round < rounds; round++) {
      const start = performance.now();
      await detector.detect(canvas, { search: 'whole' });
      const middle = performance.now();
      await mediapipe.detect(small);
      times.ours.push(middle - start);
      times.mediapipe.push(performance.now() - middle);
    }
    return times;
  },
};
