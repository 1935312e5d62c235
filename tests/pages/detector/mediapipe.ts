/** MediaPipe's detector in its own runtime, from the npm package: what ours is compared with. */
import type { FaceDetection, Results } from '@mediapipe/face_detection';

declare global {
  interface Window {
    /** Set by the package's script, which is no module. */
    FaceDetection?: typeof FaceDetection;
  }
}

/** A box in canvas pixels, pixel centres at integers, and its points: right eye, left eye, nose, mouth, right ear, left ear. */
export interface MediaPipeFace {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

async function loadScript(url: string): Promise<typeof FaceDetection> {
  const script = document.createElement('script');
  script.src = url;
  await new Promise((resolve, reject) => {
    script.addEventListener('load', resolve);
    script.addEventListener('error', () => reject(new Error(`cannot load ${url}`)));
    document.head.append(script);
  });
  if (window.FaceDetection === undefined) throw new Error(`${url} did not define FaceDetection`);
  return window.FaceDetection;
}

export class MediaPipe {
  readonly #solution: FaceDetection;
  #results: Results | undefined;

  /** @param base URL of the package's folder, with a slash at the end. */
  static async create(base: string): Promise<MediaPipe> {
    const Solution = await loadScript(`${base}face_detection.js`);
    const solution = new Solution({ locateFile: (file) => `${base}${file}` });
    solution.setOptions({ model: 'short', minDetectionConfidence: 0.5, selfieMode: false });
    await solution.initialize();
    return new MediaPipe(solution);
  }

  private constructor(solution: FaceDetection) {
    this.#solution = solution;
    solution.onResults((results) => {
      this.#results = results;
    });
  }

  /** One call at a time. */
  async detect(canvas: HTMLCanvasElement): Promise<readonly MediaPipeFace[]> {
    this.#results = undefined;
    await this.#solution.send({ image: canvas });
    const { width, height } = canvas;
    return this.#heard().detections.map(({ boundingBox, landmarks }) => {
      // Its coordinates run from border to border, 0 to 1; pixel centres lie at integers here, so the border is at -0.5.
      const [x, y] = [boundingBox.xCenter * width - 0.5, boundingBox.yCenter * height - 0.5];
      const [halfWidth, halfHeight] = [(boundingBox.width * width) / 2, (boundingBox.height * height) / 2];
      const points = landmarks.map((point) => ({ x: point.x * width - 0.5, y: point.y * height - 0.5 }));
      return { x0: x - halfWidth, y0: y - halfHeight, x1: x + halfWidth, y1: y + halfHeight, points };
    });
  }

  #heard(): Results {
    if (this.#results === undefined) throw new Error('MediaPipe sent no results');
    return this.#results;
  }
}
