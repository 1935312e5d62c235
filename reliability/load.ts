/** Many frames, many aligners: what must stay constant does. */
import { FaceAligner } from '../src/cascade/aligner.js';
import type { FaceBox } from '../src/cascade/boxes.js';
import type { AlignerOptions } from '../src/cascade/options.js';
import { FullposeError } from '../src/engine/errors.js';
import { random } from '../tests/browser/numbers.js';
import { smallWeightBuffers } from '../tests/cascade/small-weights.js';
import { toCanvas, waves } from './pictures.js';
import { expectFaces } from './values.js';
import { listenToErrors, ResourceWatch } from './watch.js';

const MAX_FACES = 3;
const TEXTURE_SIZE = 64;

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

/** A soak that is run in pieces, so that the heap can be measured between them. */
export class Soak {
  readonly #watch: ResourceWatch;
  readonly #aligners: readonly FaceAligner[];
  readonly #errors: readonly string[];
  readonly #sources: readonly (readonly [ReturnType<typeof waves> | OffscreenCanvas, number, number])[];
  readonly #next = random(2_000);
  readonly #failures: string[] = [];
  #frames = 0;

  /** Two aligners on one device. */
  static async create(weights: NonNullable<AlignerOptions['weights']>): Promise<Soak> {
    const watch = new ResourceWatch();
    const first = await FaceAligner.create({ weights, maxFaces: MAX_FACES, textureSize: TEXTURE_SIZE });
    const others = { device: first.device, maxFaces: 1, textureSize: TEXTURE_SIZE };
    const second = await FaceAligner.create({ weights: smallWeightBuffers(), ...others });
    // Buffers for outputs are made when these are first asked for.
    const box: FaceBox = { x0: 200, y0: 100, x1: 400, y1: 300, kind: 'landmarks' };
    for (const aligner of [first, second]) {
      await aligner.align(waves(640, 480), [box], { outputs: ['vertices', 'depth'] });
      await aligner.align(waves(640, 480), [box], { outputs: ['texture'], mirror: true });
    }
    return new Soak(watch, [first, second], listenToErrors(first.device).errors);
  }

  private constructor(watch: ResourceWatch, aligners: readonly FaceAligner[], errors: readonly string[]) {
    this.#watch = watch;
    this.#aligners = aligners;
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

  /** Another `count` frames: sizes in turn, 0 to 4 faces, one to three calls at once, some with outputs or by `refine`, every tenth on the second
   * aligner. */
  async run(count: number): Promise<void> {
    const end = this.#frames + count;
    while (this.#frames < end) {
      const together = Math.min(1 + Math.floor(this.#next() * 3), end - this.#frames);
      await Promise.all(Array.from({ length: together }, () => this.#frame(this.#frames++)));
    }
  }

  destroy(): void {
    const [first] = this.#aligners;
    for (const aligner of [...this.#aligners].reverse()) aligner.destroy();
    first?.device.destroy();
    this.#watch.stop();
  }

  async #frame(number: number): Promise<void> {
    const [source, width, height] = this.#sources[number % this.#sources.length] ?? [];
    const aligner = this.#aligners[number % 10 === 9 ? 1 : 0];
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
      }
    } catch (error) {
      this.#failures.push(`frame ${number}: ${String(error)}`);
    }
  }
}

export interface LifecycleResult {
  readonly cycles: number;
  readonly leakedBuffers: number;
  readonly failures: readonly string[];
}

/** Makes, uses and destroys aligners: four of five on a shared device, the others on their own. */
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
    // Some are destroyed with calls in flight.
    const pending = cycle % 3 === 0 ? aligner.align(picture, [box, box, box, box, box]) : undefined;
    aligner.destroy();
    await pending?.then(
      () => {},
      (error: unknown) => {
        if (!(error instanceof FullposeError)) failures.push(`cycle ${cycle}: ${String(error)}`);
      },
    );
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
