import type { FaceDetection, Results } from '@mediapipe/face_detection';
import {
  type DetectedFace,
  type DetectorSource,
  distinctFaces,
  type FaceDetector,
  type Region,
  searchSteps,
} from './detector.js';

/** Longest side, in pixels, of what the network is given. It samples 128 x 128 from it without area averaging. */
const inputSide = 256;

const minDetectionConfidence = 0.5;

declare global {
  interface Window {
    /** Set by the package's script, which is no module. */
    FaceDetection?: typeof FaceDetection;
  }
}

async function loadScript(url: string): Promise<typeof FaceDetection> {
  if (window.FaceDetection === undefined) {
    await new Promise<void>((resolve, reject) => {
      const script = document.createElement('script');
      script.src = url;
      script.addEventListener('load', () => resolve());
      script.addEventListener('error', () => reject(new Error(`cannot load the face detector from ${url}`)));
      document.head.append(script);
    });
  }
  if (window.FaceDetection === undefined) throw new Error(`${url} did not define FaceDetection`);
  return window.FaceDetection;
}

/**
 * MediaPipe's short-range face detector (BlazeFace) from the npm package `@mediapipe/face_detection`, whose files are served under `base`.
 * It needs no network beyond those files.
 */
export class MediaPipeDetector implements FaceDetector {
  readonly #solution: FaceDetection;
  readonly #canvas = document.createElement('canvas');
  #results: Results | undefined;
  #tail: Promise<unknown> = Promise.resolve();

  /** @param base URL of the package's folder, with a slash at the end. */
  static async create(base: string): Promise<MediaPipeDetector> {
    const Solution = await loadScript(`${base}face_detection.js`);
    const solution = new Solution({ locateFile: (file) => `${base}${file}` });
    solution.setOptions({ model: 'short', minDetectionConfidence, selfieMode: false });
    await solution.initialize();
    return new MediaPipeDetector(solution);
  }

  private constructor(solution: FaceDetection) {
    this.#solution = solution;
    solution.onResults((results) => {
      this.#results = results;
    });
  }

  /** One picture at a time; further calls wait. */
  detect(source: DetectorSource): Promise<readonly DetectedFace[]> {
    const faces = this.#tail.then(() => this.#search(source));
    this.#tail = faces.catch(() => {});
    return faces;
  }

  close(): Promise<void> {
    return this.#solution.close();
  }

  async #search(source: DetectorSource): Promise<readonly DetectedFace[]> {
    for (const regions of searchSteps(source.width, source.height)) {
      const faces: DetectedFace[] = [];
      for (const region of regions) faces.push(...(await this.#detectIn(source, region)));
      if (faces.length > 0) return distinctFaces(faces);
    }
    return [];
  }

  async #detectIn(source: DetectorSource, region: Region): Promise<readonly DetectedFace[]> {
    const scale = inputSide / Math.max(region.width, region.height);
    const canvas = this.#canvas;
    canvas.width = Math.max(1, Math.round(region.width * scale));
    canvas.height = Math.max(1, Math.round(region.height * scale));
    const context = canvas.getContext('2d', { willReadFrequently: false });
    if (context === null) throw new Error('the browser gave no 2D canvas');
    context.imageSmoothingQuality = 'high';
    context.drawImage(source, -region.x * scale, -region.y * scale, source.width * scale, source.height * scale);
    this.#results = undefined;
    await this.#solution.send({ image: canvas });
    // Declared here again because TypeScript does not see that the listener ran meanwhile.
    const results: Results | undefined = this.#results;
    return toFaces(results, region);
  }
}

function toFaces(results: Results | undefined, region: Region): readonly DetectedFace[] {
  if (results === undefined) throw new Error('the face detector sent no results');
  return results.detections.map(({ boundingBox: { xCenter, yCenter, width, height } }) => {
    // Canvas coordinates 0..1 run from border to border; pixel centres lie at integers, so the border is at -0.5.
    const x = region.x + xCenter * region.width - 0.5;
    const y = region.y + yCenter * region.height - 0.5;
    const [halfWidth, halfHeight] = [(width * region.width) / 2, (height * region.height) / 2];
    return { x0: x - halfWidth, y0: y - halfHeight, x1: x + halfWidth, y1: y + halfHeight, kind: 'detector' };
  });
}
