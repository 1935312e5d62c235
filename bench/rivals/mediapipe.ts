/**
 * MediaPipe's FaceLandmarker, as its authors publish it, with the model that the user gave: its own detector and its
 * 478 points.
 */
import type * as Vision from '@mediapipe/tasks-vision';
import { toIbug68 } from '../../cli/compare/landmarker.js';
import { mediapipeBase, mediapipeModel } from '../../pages/routes.js';
import { expectWebGL } from '../../pages/webgl.js';
import { checkLandmarks, frameMs, type LandmarksCase } from '../landmarks.js';
import type { Check, Strategy } from '../strategies.js';

type Delegate = 'CPU' | 'GPU';

/** A picture by itself, or the next frame of a video, for which it keeps the face of the last one. */
type Mode = 'picture' | 'video';

export class FaceLandmarkerFace implements Strategy {
  readonly name: string;
  readonly group: Mode;
  readonly #delegate: Delegate;
  readonly #case: LandmarksCase;
  #landmarker: Vision.FaceLandmarker | undefined;
  #now = 0;

  constructor(delegate: Delegate, mode: Mode, landmarks: LandmarksCase) {
    this.name = `MediaPipe FaceLandmarker (${delegate})`;
    this.group = mode;
    this.#delegate = delegate;
    this.#case = landmarks;
  }

  async prepare(): Promise<void> {
    // Its CPU delegate too.
    expectWebGL('MediaPipe takes pictures in by');
    const base = new URL(`..${mediapipeBase}`, document.baseURI).href;
    const vision: typeof Vision = await import(/* @vite-ignore */ `${base}vision_bundle.mjs`);
    this.#landmarker = await vision.FaceLandmarker.createFromOptions(
      {
        wasmLoaderPath: `${base}vision_wasm_internal.js`,
        wasmBinaryPath: `${base}vision_wasm_internal.wasm`,
      },
      {
        baseOptions: { modelAssetPath: mediapipeModel, delegate: this.#delegate },
        runningMode: this.group === 'video' ? 'VIDEO' : 'IMAGE',
        numFaces: 1,
      },
    );
  }

  async check(): Promise<Check> {
    return checkLandmarks(this.#landmarks(), this.#case);
  }

  async run(): Promise<number> {
    const start = performance.now();
    this.#landmarks();
    return performance.now() - start;
  }

  #landmarks(): readonly number[] | undefined {
    const { picture } = this.#case;
    const landmarker = this.#landmarker;
    if (landmarker === undefined) throw new Error(`${this.name} was not prepared`);
    this.#now += frameMs;
    const { faceLandmarks } =
      this.group === 'video' ? landmarker.detectForVideo(picture, this.#now) : landmarker.detect(picture);
    const [points] = faceLandmarks;
    if (points === undefined) return undefined;
    // Its parts count from a corner of the picture, ours from the centre of the first pixel.
    const whole = { left: -0.5, top: -0.5, width: picture.width, height: picture.height };
    return toIbug68(
      points.map(({ x, y }) => [x, y]),
      whole,
    );
  }
}
