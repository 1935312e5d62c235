/** The cascade under the stopwatch: its frame, its stages, its cold start. */
import { FaceAligner } from '../src/align/aligner.js';
import { Cascade } from '../src/cascade/cascade.js';
import { fetchWeights } from '../src/cascade/manifest.js';
import type { CascadeWeights } from '../src/cascade/weights.js';
import { Gpu } from '../src/engine/device.js';
import { type DType, packNetworkWeights } from '../src/engine/network.js';
import { type PreparedStep, Sequence } from '../src/engine/plan.js';
import { StagingRing } from '../src/engine/readback.js';
import { cropOf, type FaceBox } from '../src/pictures/boxes.js';
import { FrameTexture } from '../src/pictures/frame.js';
import { CROP_RECORD_BYTES, cropRecord, writeCropRecord } from '../src/pictures/kernels/crop.js';
import type { LandmarksCase } from './landmarks.js';
import type { Report } from './report.js';
import { type Timed, timedPass } from './timing.js';

/** Of the sample picture: the tight box of its face's landmarks. */
export const SAMPLE_FACE: FaceBox = { x0: 180, y0: 86, x1: 268, y1: 178, kind: 'landmarks' };

/** Boxes of a frame: one face, each time a little elsewhere. */
function boxesFor(face: FaceBox, count: number): readonly FaceBox[] {
  return Array.from({ length: count }, (_, i) => {
    const [dx, dy] = [(i % 4) * 2, Math.floor(i / 4) * 2];
    return { ...face, x0: face.x0 + dx, x1: face.x1 + dx, y0: face.y0 + dy, y1: face.y1 + dy };
  });
}

/** One dispatch of a frame. */
export interface StageStep {
  readonly step: PreparedStep;
  /** As `iteration1`; `frame` where its label has no prefix. */
  readonly part: string;
  readonly timed: Timed;
}

export interface FrameCounts {
  readonly dispatches: number;
  readonly submits: number;
  readonly bytesReadBack: number;
}

/**
 * A loaded cascade with the sample picture. The aligner times what a caller sees; the cascade beside it can be taken
 * apart.
 */
export class CascadeBench {
  readonly gpu: Gpu;
  readonly weights: CascadeWeights;
  readonly coldStart: Report['coldStart'];
  /** GPU memory of the cascade. */
  readonly memory: Report['memory'];
  /** How the cascade holds its network's weights. */
  readonly weightStorage: Report['weights'];
  readonly aligner: FaceAligner;
  readonly #cascade: Cascade;
  readonly #picture: ImageBitmap;
  readonly #face: FaceBox;
  readonly #texture: GPUTexture;
  readonly #staging: StagingRing;

  /** Downloads, compiles and aligns once, with a stopwatch on each. `wanted` is the aligner's option `dtype`. */
  static async create(
    picture: ImageBitmap,
    manifest: string,
    maxFaces: number,
    wanted: DType,
    face = SAMPLE_FACE,
  ): Promise<CascadeBench> {
    const start = performance.now();
    const weights = await fetchWeights(manifest);
    const downloaded = performance.now();
    const gpu = await Gpu.create({ label: 'bench', powerPreference: 'high-performance' });
    const opened = performance.now();
    const aligner = await FaceAligner.create({ weights, device: gpu.device, maxFaces, dtype: wanted });
    // Creation only submits its work; the queue is empty once this resolves.
    await gpu.until(gpu.device.queue.onSubmittedWorkDone());
    const prepared = performance.now();
    await aligner.align(picture, boxesFor(face, 1));
    const first = performance.now();

    const { dtype } = aligner;
    const cascade = await Cascade.create(gpu, weights, { maxFaces, dtype });
    const { bytes, buffers } = gpu.memory;
    const packed = weights.iterations.map(
      (file) => packNetworkWeights(weights.network.graph, file, 'ohwi', dtype).data.byteLength,
    );
    const weightStorage = { wanted, dtype, bytes: packed.reduce((sum, size) => sum + size, 0) };
    const frame = await new FrameTexture(gpu).prepare(picture);
    const { texture, texels, picture: size } = await frame.upload();
    const records = new DataView(new ArrayBuffer(maxFaces * CROP_RECORD_BYTES));
    for (const [index, box] of boxesFor(face, maxFaces).entries()) {
      const crop = cropOf(box, size, weights.network.cropSize);
      writeCropRecord(records, index, cropRecord(crop, size, texels));
    }
    gpu.device.queue.writeBuffer(cascade.crops, 0, records.buffer);
    const coldStart = {
      downloadMs: downloaded - start,
      deviceMs: opened - downloaded,
      prepareMs: prepared - opened,
      pipelines: gpu.pipelines.size,
      firstFrameMs: first - prepared,
    };
    const memory = { bytes, buffers, maxFaces };
    return new CascadeBench(
      gpu,
      weights,
      { coldStart, memory, weightStorage },
      aligner,
      cascade,
      picture,
      face,
      texture,
    );
  }

  private constructor(
    gpu: Gpu,
    weights: CascadeWeights,
    found: Pick<CascadeBench, 'coldStart' | 'memory' | 'weightStorage'>,
    aligner: FaceAligner,
    cascade: Cascade,
    picture: ImageBitmap,
    face: FaceBox,
    texture: GPUTexture,
  ) {
    this.gpu = gpu;
    this.weights = weights;
    this.coldStart = found.coldStart;
    this.memory = found.memory;
    this.weightStorage = found.weightStorage;
    this.aligner = aligner;
    this.#cascade = cascade;
    this.#picture = picture;
    this.#face = face;
    this.#texture = texture;
    this.#staging = new StagingRing(gpu, 'bench.staging', cascade.maxFaces * cascade.faceBytes);
  }

  get iterations(): number {
    return this.#cascade.iterations;
  }

  /** The whole frame on the GPU, in one pass. */
  frame(faces: number): Timed {
    return timedPass('frame', (pass) =>
      this.#cascade.encode(pass, this.#texture, this.#cascade.plan(this.iterations), faces),
    );
  }

  /** All dispatches of a frame. */
  steps(): readonly PreparedStep[] {
    return this.#cascade.steps(this.#texture, this.#cascade.plan(this.iterations));
  }

  /** The frame dispatch by dispatch, in order. */
  stages(faces: number): readonly StageStep[] {
    return this.steps().map((step) => {
      const plan = new Sequence(this.gpu, step.label, [step]);
      const [part = '', rest] = step.label.split('/');
      return {
        step,
        part: rest === undefined ? 'frame' : part,
        timed: timedPass(step.label, (pass) => plan.encode(pass, faces)),
      };
    });
  }

  /** Milliseconds from the call of `align` to its result. */
  async endToEnd(faces: number): Promise<number> {
    const boxes = boxesFor(this.#face, faces);
    const start = performance.now();
    await this.aligner.align(this.#picture, boxes);
    return performance.now() - start;
  }

  /** The sample's face, for those who look for it themselves. */
  async landmarksCase(): Promise<LandmarksCase> {
    const [face] = await this.aligner.align(this.#picture, [this.#face]);
    if (face === undefined) throw new Error('the box of the benchmark gives no face');
    return { picture: this.#picture, landmarks: face.landmarks };
  }

  /** Milliseconds a frame with `inFlight` frames under way at any time. */
  async throughput(faces: number, inFlight: number, frames: number): Promise<number> {
    const boxes = boxesFor(this.#face, faces);
    let left = frames;
    const start = performance.now();
    const lane = async () => {
      while (left-- > 0) await this.aligner.align(this.#picture, boxes);
    };
    await Promise.all(Array.from({ length: inFlight }, lane));
    return (performance.now() - start) / frames;
  }

  /** Milliseconds of JavaScript for recording a frame; nothing is submitted. */
  encode(faces: number, repeats: number): number {
    const start = performance.now();
    for (let repeat = 0; repeat < repeats; repeat++) {
      const encoder = this.gpu.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      this.#cascade.encode(pass, this.#texture, this.#cascade.plan(this.iterations), faces);
      pass.end();
      encoder.finish();
    }
    return (performance.now() - start) / repeats;
  }

  /** Milliseconds for copying and mapping the results of a frame, on an idle queue. */
  async readback(faces: number): Promise<number> {
    const slot = this.#staging.take();
    const start = performance.now();
    const encoder = this.gpu.device.createCommandEncoder();
    slot.copyFrom(encoder, this.#cascade.output, 0, faces * this.#cascade.faceBytes);
    this.gpu.device.queue.submit([encoder.finish()]);
    await slot.read();
    return performance.now() - start;
  }

  /** What one frame costs in counts. */
  async counts(faces: number): Promise<FrameCounts> {
    const before = this.aligner.counters;
    await this.aligner.align(this.#picture, boxesFor(this.#face, faces));
    const after = this.aligner.counters;
    return {
      dispatches: after.dispatches - before.dispatches,
      submits: after.submits - before.submits,
      bytesReadBack: after.bytesRead - before.bytesRead,
    };
  }

  destroy(): void {
    this.aligner.destroy();
    this.gpu.destroy();
  }
}
