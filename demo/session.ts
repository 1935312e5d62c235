/** The GPU's side of the page: the aligner, the detector, and what they are asked for. */
import {
  type Detector,
  type Face,
  FaceAligner,
  type FaceBox,
  type FaceTexture,
  LimitError,
  type LoadProgress,
  type StageTime,
  type UploadedPicture,
} from 'fullpose';
import { type DetectorWeights, detectorWeights, FaceDetector, fetchDetectorWeights } from 'fullpose/detect';
import { type AdapterSummary, Gpu } from 'fullpose/engine';
import { FaceTracker } from 'fullpose/track';
import { depthMap, pnccMap } from '../pages/maps.js';
import type { Layer, ShownFace } from './scene.js';
import type { Settings } from './settings.js';

/** Faces that travel together: more than most pictures hold. */
export const maxFaces = 8;

/** As the page's control has it at first. */
const DEFAULT_LEAST_SCORE = 0.5;

export class Session {
  readonly aligner: FaceAligner;
  readonly adapter: AdapterSummary;
  readonly #weights: DetectorWeights;
  #detector: FaceDetector;
  /** The limit that the detector was made with. */
  #leastScore = DEFAULT_LEAST_SCORE;
  /** Resolves when the detector has the limit that was asked for last. */
  #limited: Promise<unknown> = Promise.resolve();
  /** The photo that was looked at last, on the GPU. */
  #photo: { readonly image: ImageBitmap; readonly uploaded: UploadedPicture } | undefined;

  /** @throws as `FaceAligner.create`, and Error where the detector cannot be loaded. */
  static async open(onProgress: (progress: LoadProgress) => void): Promise<Session> {
    const aligner = await FaceAligner.create({ maxFaces, powerPreference: 'high-performance', onProgress });
    const weights = await fetchDetectorWeights(detectorWeights);
    const { device } = aligner;
    const detector = await FaceDetector.create({ weights, device, minConfidence: DEFAULT_LEAST_SCORE });
    const { adapter } = await Gpu.create({ device });
    return new Session(aligner, weights, detector, adapter);
  }

  private constructor(aligner: FaceAligner, weights: DetectorWeights, detector: FaceDetector, adapter: AdapterSummary) {
    this.aligner = aligner;
    this.#weights = weights;
    this.#detector = detector;
    this.adapter = adapter;
  }

  /** The largest first. */
  async detect(
    image: ImageBitmap,
    { search, leastScore }: Pick<Settings, 'search' | 'leastScore'>,
  ): Promise<readonly FaceBox[]> {
    const detector = await this.#detectorFor(leastScore);
    return detector.detect(await this.#onGpu(image), { search });
  }

  /** For one video: it begins without faces. It outlives `recover`. */
  async track({ smoothing, mostFaces, leastScore }: Settings): Promise<FaceTracker> {
    const faces = await this.#detectorFor(leastScore);
    const detector: Detector = {
      detect: (frame) => faces.detect(frame, { search: 'whole' }),
      get device() {
        return faces.device;
      },
    };
    return FaceTracker.create({ aligner: this.aligner, detector, maxFaces: mostFaces, smoothing });
  }

  /** Brings back what was lost with the device. */
  async recover(): Promise<void> {
    await this.aligner.recover();
    await this.#detector.recover({ device: this.aligner.device });
  }

  /** The faces of a photo, with their textures. @param mirror fills what is hidden from the other half of the face */
  async align(
    image: ImageBitmap,
    boxes: readonly FaceBox[],
    iterations: number,
    mirror: boolean,
  ): Promise<ShownFace[]> {
    const faces = await this.aligner.align(await this.#onGpu(image), boxes, {
      iterations,
      outputs: ['texture'],
      mirror,
    });
    return faces.flatMap((face, i) => {
      const box = boxes[i];
      return box === undefined ? [] : [{ id: i + 1, face, box, details: { texture: face.texture } }];
    });
  }

  /** The face unrolled, its hidden half filled from the other. */
  texture(image: ImageBitmap, face: Face): Promise<FaceTexture> {
    return this.aligner.texture(image, face, { mirror: true });
  }

  /** Makes what the wanted layers draw and is not there yet. */
  async prepare(faces: readonly ShownFace[], wanted: ReadonlySet<Layer>): Promise<void> {
    for (const { face, details } of faces) {
      if (wanted.has('mesh')) details.vertices ??= await this.aligner.vertices(face);
      if ((wanted.has('pncc') || wanted.has('depth')) && details.maps === undefined) {
        const rendering = await this.aligner.render(face);
        const [pncc, depth] = await Promise.all([
          createImageBitmap(pnccMap(rendering)),
          createImageBitmap(depthMap(rendering)),
        ]);
        details.maps = { pncc, depth };
      }
    }
  }

  /** GPU time of one frame, stage by stage; undefined where the browser does not tell. */
  async stages(image: ImageBitmap, boxes: readonly FaceBox[], iterations: number): Promise<StageTime[] | undefined> {
    try {
      return await this.aligner.profile(await this.#onGpu(image), boxes.slice(0, maxFaces), { iterations });
    } catch (error) {
      if (error instanceof LimitError) return undefined;
      throw error;
    }
  }

  /** A detector has one limit for life: another limit makes another detector. One at a time, the last one stays. */
  #detectorFor(leastScore: number): Promise<FaceDetector> {
    const detector = this.#limited.then(async () => {
      if (leastScore === this.#leastScore) return this.#detector;
      const { device } = this.aligner;
      const next = await FaceDetector.create({ weights: this.#weights, device, minConfidence: leastScore });
      // A search that still runs on the last one is of a picture that was left: its failure is not said.
      this.#detector.destroy();
      this.#detector = next;
      this.#leastScore = leastScore;
      return next;
    });
    this.#limited = detector.catch(() => {});
    return detector;
  }

  /** Uploads a photo once, however often it is looked at; anew only after another one, or on another device. */
  async #onGpu(image: ImageBitmap): Promise<UploadedPicture> {
    const last = this.#photo;
    if (last?.image === image && last.uploaded.device === this.aligner.device) return last.uploaded;
    this.#photo = undefined;
    const uploaded = await this.aligner.upload(image, last?.uploaded);
    this.#photo = { image, uploaded };
    return uploaded;
  }
}

/** Frees pictures that only the browser's collector would find. */
export function releaseDetails(faces: readonly ShownFace[]): void {
  for (const { details } of faces) {
    details.maps?.pncc.close();
    details.maps?.depth.close();
  }
}
