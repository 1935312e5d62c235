/** Many frames, many aligners: what must stay constant does. */
import { FaceAligner } from '../src/align/aligner.js';
import type { AlignerOptions } from '../src/align/options.js';
import { FaceDetector } from '../src/detect/detector.js';
import { FullposeError } from '../src/engine/errors.js';
import type { FaceBox } from '../src/pictures/boxes.js';
import { FaceTracker } from '../src/track/tracker.js';
import { random } from '../tests/browser/numbers.js';
import { smallWeightBuffers } from '../tests/cascade/small-weights.js';
import { smallDetectorBuffers } from '../tests/detect/small-detector.js';
import { toCanvas, waves } from './pictures.js';
import { expectFaces } from './values.js';
import { listenToErrors, ResourceWatch } from './watch.js';

const MAX_FACES = 3;
const TEXTURE_SIZE = 64;

/** Of the three: enough for `refine` to start from a known face, and a third of the time less. */
const ITERATIONS = 2;

/** Sizes of the pictures; the largest comes first, so that the frame's texture has grown when counting starts. */
const SIZES = [
  [640, 480],
  [320, 240],
  [61, 47],
  [480, 640],
  [200, 300],
  [1, 1],
] as const;

export interface SoakState {
  readonly frames: number;
  readonly buffers: number;
  readonly textures: number;
  readonly bytes: number;
  readonly validationErrors: readonly string[];
  readonly failures: readonly string[];
}

/** Where `encode` finds its picture and puts its faces. */
interface Encoding {
  readonly texture: GPUTexture;
  readonly faces: GPUBuffer;
  readonly vertices: GPUBuffer;
}

/** All that a soak uses, on one device. */
interface Cast {
  readonly aligners: readonly [FaceAligner, FaceAligner];
  readonly detector: FaceDetector;
  readonly tracker: FaceTracker;
  readonly encoding: Encoding;
}

/** A soak that is run in pieces, so that the heap can be measured between them. */
export class Soak {
  readonly #watch: ResourceWatch;
  readonly #cast: Cast;
  readonly #errors: readonly string[];
  readonly #sources: readonly (readonly [ReturnType<typeof waves> | OffscreenCanvas, number, number])[];
  readonly #video = waves(640, 480, 3);
  readonly #next = random(2_000);
  readonly #failures: string[] = [];
  #frames = 0;
  /** The tracker takes one frame at a time. */
  #tracked: Promise<void> = Promise.resolve();

  /** Two aligners, a detector and a tracker on one device. */
  static async create(weights: NonNullable<AlignerOptions['weights']>): Promise<Soak> {
    const watch = new ResourceWatch();
    const options = { iterations: ITERATIONS, maxFaces: MAX_FACES, textureSize: TEXTURE_SIZE };
    const first = await FaceAligner.create({ weights, ...options });
    const others = { device: first.device, maxFaces: 1, textureSize: TEXTURE_SIZE };
    const second = await FaceAligner.create({ weights: smallWeightBuffers(), ...others });
    // Buffers for outputs are made when these are first asked for.
    const box: FaceBox = { x0: 200, y0: 100, x1: 400, y1: 300, kind: 'landmarks' };
    for (const aligner of [first, second]) {
      await aligner.align(waves(640, 480), [box], { outputs: ['vertices', 'depth'] });
      await aligner.align(waves(640, 480), [box], { outputs: ['texture'], mirror: true });
    }
    const { device } = first;
    const detector = await FaceDetector.create({ weights: smallDetectorBuffers(), device, search: 'everywhere' });
    await detector.detect(waves(640, 480));
    // Whatever it is given stays a face: the soak is about the calls.
    const tracking = { maxFaces: 2, detectEvery: 100, smoothing: true, lost: { confidence: 0 } };
    const tracker = await FaceTracker.create({ aligner: first, detector, ...tracking });
    const usage = GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST;
    const texture = device.createTexture({ size: [320, 240], format: 'rgba8unorm', usage });
    device.queue.writeTexture({ texture }, waves(320, 240).data, { bytesPerRow: 1280 }, [320, 240]);
    const buffer = (bytes: number) => device.createBuffer({ size: bytes * MAX_FACES, usage: GPUBufferUsage.COPY_DST });
    const { faces, vertices } = first.outputBytes;
    const encoding = { texture, faces: buffer(faces), vertices: buffer(vertices) };
    const cast: Cast = { aligners: [first, second], detector, tracker, encoding };
    return new Soak(watch, cast, listenToErrors(device).errors);
  }

  private constructor(watch: ResourceWatch, cast: Cast, errors: readonly string[]) {
    this.#watch = watch;
    this.#cast = cast;
    this.#errors = errors;
    this.#sources = SIZES.map(([width, height], i) => {
      const pixels = waves(width, height, i);
      return [i % 2 === 0 ? pixels : toCanvas(pixels), width, height];
    });
  }

  get state(): SoakState {
    const { buffers, textures, bytes } = this.#watch.alive;
    const [frames, validationErrors, failures] = [this.#frames, this.#errors, this.#failures];
    return { frames, buffers, textures, bytes, validationErrors, failures };
  }

  /**
   * Another `count` frames: sizes in turn, 0 to 4 faces, one to three calls at once, some with outputs, by `refine`, in
   * an encoder of the caller's, detected or tracked as well, every tenth on the second aligner.
   */
  async run(count: number): Promise<void> {
    const end = this.#frames + count;
    while (this.#frames < end) {
      const together = Math.min(1 + Math.floor(this.#next() * 3), end - this.#frames);
      await Promise.all(Array.from({ length: together }, () => this.#frame(this.#frames++)));
    }
  }

  destroy(): void {
    const { aligners, detector, tracker, encoding } = this.#cast;
    tracker.destroy();
    detector.destroy();
    for (const one of [encoding.texture, encoding.faces, encoding.vertices]) one.destroy();
    for (const aligner of aligners.toReversed()) aligner.destroy();
    aligners[0].device.destroy();
    this.#watch.stop();
  }

  async #frame(number: number): Promise<void> {
    const [source, width, height] = this.#sources[number % this.#sources.length] ?? [];
    const aligner = this.#cast.aligners[number % 10 === 9 ? 1 : 0];
    if (source === undefined || width === undefined || height === undefined || aligner === undefined) return;
    const boxes = Array.from({ length: Math.floor(this.#next() * 5) }, (): FaceBox => {
      const size = Math.max(4, (0.2 + 0.6 * this.#next()) * Math.min(width, height));
      const [x0, y0] = [this.#next() * (width - size / 2), this.#next() * (height - size / 2)];
      return { x0, y0, x1: x0 + size, y1: y0 + size, kind: number % 2 === 0 ? 'landmarks' : 'detector' };
    });
    try {
      const faces = await aligner.align(source, boxes);
      expectFaces(faces, boxes.length);
      if (number % 7 === 3) {
        for (const { vertices, depth } of await aligner.align(source, boxes, { outputs: ['vertices', 'depth'] })) {
          if (!vertices.every(Number.isFinite) || depth.length === 0) throw new Error('an output is no output');
        }
      } else if (number % 7 === 5) {
        const refined = await aligner.refine(source, faces, { outputs: ['texture'], mirror: true });
        if (refined.length !== faces.length) throw new Error(`${refined.length} results for ${faces.length} faces`);
      } else if (number % 7 === 1) {
        await this.#encode(boxes.length === 0 ? 1 : Math.min(boxes.length, MAX_FACES));
      } else if (number % 7 === 2) {
        const found = await this.#cast.detector.detect(source);
        if (!found.every(({ score }) => score >= 0 && score <= 1)) throw new Error('a score is none');
      } else if (number % 7 === 4) {
        this.#tracked = this.#tracked.catch(() => {}).then(() => this.#track(number));
        await this.#tracked;
      }
    } catch (error) {
      this.#failures.push(`frame ${number}: ${String(error)}`);
    }
  }

  /** A frame in an encoder of the caller's. */
  async #encode(faces: number): Promise<void> {
    const { aligners, encoding } = this.#cast;
    const [{ device }] = aligners;
    const encoder = device.createCommandEncoder();
    const boxes = Array.from({ length: faces }, (_, i): FaceBox => {
      return { x0: 40 * i, y0: 30 * i, x1: 40 * i + 120, y1: 30 * i + 110, kind: 'landmarks' };
    });
    const output = { faces: { buffer: encoding.faces }, vertices: { buffer: encoding.vertices } };
    aligners[0].encode(encoder, { texture: encoding.texture, boxes }, output);
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
  }

  /** The next frame of a video of one picture size; new boxes come now and then, and the video begins anew. */
  async #track(number: number): Promise<void> {
    const { tracker } = this.#cast;
    if (number % 140 === 4) tracker.reset();
    const x0 = 200 + (number % 20);
    const boxes: readonly FaceBox[] = [{ x0, y0: 100, x1: x0 + 160, y1: 270, kind: 'landmarks' }];
    const faces = await tracker.track(this.#video, number * 40, number % 28 === 4 ? { boxes } : {});
    expectFaces(faces, faces.length);
  }
}

export interface LifecycleResult {
  readonly cycles: number;
  readonly leakedBuffers: number;
  readonly failures: readonly string[];
}

/**
 * Makes, uses and destroys aligners, each with a detector and a tracker on its device: four of five on a shared one,
 * the others on their own.
 */
export async function cycleAligners(cycles: number, onProgress: (done: number) => void): Promise<LifecycleResult> {
  const failures: string[] = [];
  const device = await (await navigator.gpu.requestAdapter())?.requestDevice();
  if (device === undefined) throw new Error('no GPU device');
  const { errors } = listenToErrors(device);
  const weights = smallWeightBuffers(1);
  const watch = new ResourceWatch();
  const picture = waves(64, 48);
  const box: FaceBox = { x0: 10, y0: 8, x1: 50, y1: 44, kind: 'landmarks' };
  for (let cycle = 0; cycle < cycles; cycle++) {
    const aligner = await FaceAligner.create({ weights, ...(cycle % 5 !== 4 && { device }) });
    const [face] = await aligner.align(picture, [box]);
    if (face === undefined) failures.push(`cycle ${cycle}: no face`);
    else if (cycle % 10 === 0) await aligner.vertices(face);
    const detector = await FaceDetector.create({ weights: smallDetectorBuffers(), device: aligner.device });
    const tracker = await FaceTracker.create({ aligner, detector });
    await tracker.track(picture, 0, { boxes: [box] });
    // Some are destroyed with calls in flight, and in every order.
    const pending: readonly Promise<unknown>[] =
      cycle % 3 === 0
        ? [aligner.align(picture, [box, box, box, box, box]), detector.detect(picture), tracker.track(picture, 40)]
        : [];
    const made = [aligner, detector, tracker];
    for (let i = 0; i < made.length; i++) made[(cycle + i) % made.length]?.destroy();
    for (const result of await Promise.allSettled(pending)) {
      if (result.status === 'rejected' && !(result.reason instanceof FullposeError)) {
        failures.push(`cycle ${cycle}: ${String(result.reason)}`);
      }
    }
    onProgress(cycle + 1);
  }
  const { buffers, textures } = watch.alive;
  if (textures !== 0) failures.push(`${textures} textures are left`);
  await device.queue.onSubmittedWorkDone();
  failures.push(...errors);
  watch.stop();
  device.destroy();
  return { cycles, leakedBuffers: buffers, failures };
}

/** A producer that never waits: the queue must refuse, and then work again. */
export async function floodAligner(): Promise<readonly string[]> {
  const failures: string[] = [];
  const maxPending = 4;
  const aligner = await FaceAligner.create({ weights: smallWeightBuffers(1), maxPending });
  const picture = waves(64, 48);
  const box: FaceBox = { x0: 10, y0: 8, x1: 50, y1: 44, kind: 'landmarks' };
  const results = await Promise.allSettled(Array.from({ length: 40 }, () => aligner.align(picture, [box])));
  const refused = results.filter((result) => result.status === 'rejected');
  if (refused.length !== 40 - maxPending)
    failures.push(`${refused.length} of 40 calls were refused; wanted ${40 - maxPending}`);
  for (const { reason } of refused) {
    if (!(reason instanceof FullposeError) || reason.code !== 'busy') failures.push(`refused with ${String(reason)}`);
  }
  expectFaces(await aligner.align(picture, [box]), 1);
  aligner.destroy();
  return failures;
}
