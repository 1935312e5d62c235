/**
 * `FaceAligner`: pictures and boxes in, faces out. The one class that a caller needs.
 */
import type { Gpu } from '../engine/device.js';
import { DeviceLostError, InputError } from '../engine/errors.js';
import { Plan } from '../engine/plan.js';
import type { StageTime } from '../engine/profiler.js';
import { show } from '../engine/show.js';
import { CROP_RECORD_BYTES, type Crop, cropRecord, cropToPicture, writeCropRecord } from '../host/crop.js';
import type { Frame, PictureSource } from '../host/frame.js';
import { Turns } from '../host/turns.js';
import { toPicturePixels } from '../mmm/decode.js';
import type { FaceModel } from '../mmm/model.js';
import { cropOf, type FaceBox } from './boxes.js';
import type { Cascade } from './cascade.js';
import { DeviceState } from './device-state.js';
import { type Face, readFace } from './face.js';
import type { FaceRendering, Inspector } from './inspector.js';
import {
  type AlignerOptions,
  type AlignOptions,
  checkOptions,
  DEFAULT_MAX_PENDING,
  expectObject,
  loadWeights,
} from './options.js';
import type { CascadeWeights } from './weights.js';

/** What the aligner has done so far. */
export interface AlignerCounters {
  readonly frames: number;
  readonly faces: number;
  readonly submits: number;
  readonly dispatches: number;
  /** Bytes copied to the staging buffers. */
  readonly bytesRead: number;
}

export class FaceAligner {
  /** Mean, bases, triangles, texture coordinates: what the mesh writers need. */
  readonly model: FaceModel;
  readonly #weights: CascadeWeights;
  readonly #options: Pick<AlignerOptions, 'powerPreference' | 'maxFaces'>;
  /** Uploads and submits take turns; only readbacks overlap. */
  readonly #turns: Turns;
  readonly #ownsDevice: boolean;
  /** Crop records of one frame, reused. */
  readonly #records: DataView<ArrayBuffer>;
  readonly #counters = { frames: 0, faces: 0, submits: 0, dispatches: 0, bytesRead: 0 };
  #state: DeviceState;
  #recovery: Promise<void> | undefined;
  #destroyed = false;

  /**
   * Loads weights, finds a GPU and prepares everything; `align` then compiles and allocates nothing.
   * @throws WebGPUUnavailableError, LimitError, OutOfMemoryError, DeviceLostError, WeightsError, KernelCompileError, InputError; the reason of
   * `signal` where it aborts.
   */
  static async create(options: AlignerOptions): Promise<FaceAligner> {
    checkOptions(options);
    const weights = await loadWeights(options);
    options.signal?.throwIfAborted();
    return new FaceAligner(weights, options, await DeviceState.create(weights, options));
  }

  private constructor(weights: CascadeWeights, options: AlignerOptions, state: DeviceState) {
    const { powerPreference, maxFaces, device } = options;
    this.#weights = weights;
    this.#options = {
      ...(powerPreference !== undefined && { powerPreference }),
      ...(maxFaces !== undefined && { maxFaces }),
    };
    this.#turns = new Turns(options.maxPending ?? DEFAULT_MAX_PENDING);
    this.#ownsDevice = device === undefined;
    this.#state = state;
    this.#records = new DataView(new ArrayBuffer(state.cascade.maxFaces * CROP_RECORD_BYTES));
    this.model = weights.model;
  }

  /** The device in use: the caller's, or the aligner's own. Another one after `recover`. */
  get device(): GPUDevice {
    return this.#state.gpu.device;
  }

  /** Resolves, never rejects, once the device in use is lost. A new promise after `recover`. */
  get lost(): Promise<DeviceLostError> {
    return this.#state.gpu.lost;
  }

  /** Faces that travel together. */
  get maxFaces(): number {
    return this.#state.cascade.maxFaces;
  }

  /** Iterations there are weights for. */
  get iterations(): number {
    return this.#state.cascade.iterations;
  }

  /** Side S of the crop that the network sees. */
  get cropSize(): number {
    return this.#weights.network.cropSize;
  }

  get counters(): AlignerCounters {
    return { ...this.#counters };
  }

  /**
   * Aligns the faces in `boxes`; result i belongs to box i. Up to `maxFaces` boxes are one submit and one readback. Calls may overlap; they
   * are served in order. Do not change the source before the promise resolves.
   * @throws InputError for a source, box or option that cannot be used; DeviceLostError, after which `recover` helps; FullposeError `busy`
   * where `maxPending` calls are unfinished, `gpu-error` where the GPU refused the frame or gave no face; OutOfMemoryError.
   */
  align(source: PictureSource, boxes: readonly FaceBox[], options: AlignOptions = {}): Promise<Face[]> {
    return this.#turns.admit(async () => {
      const iterations = this.#iterationsOf(options);
      const submitted = await this.#inTurn(source, boxes, iterations, async (state, frame, crops) => {
        const batches: Promise<Face[]>[] = [];
        for (let first = 0; first < crops.length; first += this.maxFaces) {
          const batch = this.#submit(state, frame, crops.slice(first, first + this.maxFaces), iterations);
          batches.push((await batch).faces);
        }
        return { batches, uploaded: frame.accepted };
      });
      await submitted.uploaded;
      return (await Promise.all(submitted.batches)).flat();
    });
  }

  /**
   * Dense vertices of an aligned face.
   * @returns [V,3] picture pixels
   * @throws InputError for a face of another model; DeviceLostError; FullposeError `busy`.
   */
  vertices(face: Face): Promise<Float32Array<ArrayBuffer>> {
    return this.#turns.admit(async () => {
      const inspector = await this.#inspect(face);
      return toPicturePixels(await inspector.vertices(face.parameters), cropToPicture(face.crop));
    });
  }

  /**
   * PNCC and depth of an aligned face, in its crop.
   * @throws InputError for a face of another model; DeviceLostError; FullposeError `busy`.
   */
  render(face: Face): Promise<FaceRendering> {
    return this.#turns.admit(async () => {
      const inspector = await this.#inspect(face);
      return inspector.render(face.parameters);
    });
  }

  /**
   * GPU time per stage of one frame, in order, with a pass a stage. At most `maxFaces` boxes.
   * @throws LimitError where the device cannot measure (no `timestamp-query`), and as `align`.
   */
  profile(source: PictureSource, boxes: readonly FaceBox[], options: AlignOptions = {}): Promise<StageTime[]> {
    return this.#turns.admit(async () => {
      const iterations = this.#iterationsOf(options);
      if (Array.isArray(boxes) && (boxes.length < 1 || boxes.length > this.maxFaces)) {
        throw new InputError(`profile was given ${boxes.length} boxes; wanted 1 to ${this.maxFaces}, one frame.`);
      }
      return this.#inTurn(source, boxes, iterations, async ({ gpu, cascade }, frame, crops) => {
        await frame.accepted;
        this.#writeRecords(gpu, cascade, frame, crops);
        const steps = [...cascade.cropPlan(frame.texture).steps, ...cascade.plan(iterations).steps];
        return new Plan(gpu, 'profiled frame', steps, undefined).profile(crops.length);
      });
    });
  }

  /**
   * Brings the aligner back after its device was lost: a new device, the same weights, the same results. Does nothing while the device lives.
   * Calls that were lost stay lost; faces from before stay good.
   * @param options.device the new device, where the old one was the caller's
   * @throws InputError where the caller's device was lost and there is no new one; DeviceLostError after `destroy`, or where the new device is
   * lost too; otherwise as `create`. The aligner stays lost then, and `recover` may be called again.
   */
  recover(options: { readonly device?: GPUDevice } = {}): Promise<void> {
    this.#recovery ??= this.#recover(options).finally(() => {
      this.#recovery = undefined;
    });
    return this.#recovery;
  }

  /** Frees everything made here. Calls in flight reject with DeviceLostError. Calling it twice does nothing. */
  destroy(): void {
    this.#destroyed = true;
    this.#state.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  async #recover(options: { readonly device?: GPUDevice }): Promise<void> {
    expectObject(options, 'The options of recover');
    const { device } = options;
    const lost = await this.#state.gpu.lossOr(undefined);
    if (this.#destroyed) throw new DeviceLostError('destroyed', 'destroy() was called on this aligner');
    if (lost === undefined) return;
    if (device === undefined && !this.#ownsDevice) {
      throw new InputError('The device that was lost was yours; wanted a new one: recover({ device }).');
    }
    const state = await DeviceState.create(this.#weights, {
      ...this.#options,
      ...(device !== undefined && { device }),
    });
    this.#state.destroy();
    this.#state = state;
    if (!this.#destroyed) return;
    state.destroy();
    throw new DeviceLostError('destroyed', 'destroy() was called on this aligner');
  }

  #iterationsOf(options: AlignOptions): number {
    expectObject(options, 'The options');
    return options.iterations ?? this.iterations;
  }

  /** Checks and prepares, then waits for the calls before, uploads the picture and runs `action`. */
  async #inTurn<T>(
    source: PictureSource,
    boxes: readonly FaceBox[],
    iterations: number,
    action: (state: DeviceState, frame: Frame, crops: readonly Crop[]) => Promise<T>,
  ): Promise<T> {
    const state = this.#state;
    state.gpu.assertAlive();
    state.cascade.plan(iterations);
    if (!Array.isArray(boxes)) throw new InputError(`The boxes are ${show(boxes)}; wanted a list.`);
    return this.#turns.take(
      () => state.frame.prepare(source),
      async (prepared) => {
        const crops = boxes.map((box, i) => this.#crop(box, i, prepared.picture));
        state.gpu.assertAlive();
        return action(state, await prepared.upload(), crops);
      },
    );
  }

  /** Submits one frame as soon as a staging buffer is free. */
  async #submit(
    { gpu, cascade, staging }: DeviceState,
    frame: Frame,
    crops: readonly Crop[],
    iterations: number,
  ): Promise<{ readonly faces: Promise<Face[]> }> {
    const slot = await staging.takeWhenFree();
    try {
      const bytes = crops.length * cascade.outputBytes;
      const { accepted } = gpu.watch('The frame was refused', () => {
        this.#writeRecords(gpu, cascade, frame, crops);
        const encoder = gpu.device.createCommandEncoder({ label: 'frame' });
        const pass = encoder.beginComputePass({ label: 'frame' });
        cascade.encode(pass, frame.texture, iterations, crops.length);
        pass.end();
        slot.copyFrom(encoder, cascade.output, 0, bytes);
        gpu.device.queue.submit([encoder.finish()]);
      });
      this.#count(crops.length, 1 + cascade.plan(iterations).steps.length, bytes);
      // A refused frame leaves an earlier one's bytes in the staging buffer: read them only to give the buffer back.
      const faces = Promise.all([slot.read(), accepted]).then(([data]) => this.#facesOf(data, crops));
      // Whoever waits for the batches sees the failure; until then it is nobody's.
      faces.catch(() => {});
      return { faces };
    } catch (error) {
      slot.release();
      throw error;
    }
  }

  #crop(box: FaceBox, index: number, picture: { readonly width: number; readonly height: number }): Crop {
    try {
      return cropOf(box, picture, this.cropSize);
    } catch (cause) {
      if (!(cause instanceof InputError)) throw cause;
      throw new InputError(`Box ${index}: ${cause.message}`, { cause });
    }
  }

  #writeRecords(gpu: Gpu, cascade: Cascade, { texels, picture }: Frame, crops: readonly Crop[]): void {
    for (const [face, crop] of crops.entries()) writeCropRecord(this.#records, face, cropRecord(crop, picture, texels));
    gpu.device.queue.writeBuffer(cascade.faces, 0, this.#records.buffer, 0, crops.length * CROP_RECORD_BYTES);
  }

  #count(faces: number, dispatches: number, bytes: number): void {
    this.#counters.frames++;
    this.#counters.submits++;
    this.#counters.faces += faces;
    this.#counters.dispatches += dispatches;
    this.#counters.bytesRead += bytes;
  }

  #facesOf(data: ArrayBuffer, crops: readonly Crop[]): Face[] {
    const floats = data.byteLength / 4 / this.maxFaces;
    const { parameters: layout } = this.#weights.network;
    return crops.map((crop, i) => readFace(new Float32Array(data, i * floats * 4, floats), crop, this.model, layout));
  }

  #inspect(face: Face): Promise<Inspector> {
    const state = this.#state;
    state.gpu.assertAlive();
    const { count } = this.#weights.network.parameters;
    const parameters: unknown = face?.parameters;
    if (!(parameters instanceof Float32Array))
      throw new InputError(`The face is ${show(face)}; wanted one of align's.`);
    if (parameters.length !== count) {
      throw new InputError(`The face has ${parameters.length} parameters; this aligner's model has ${count}.`);
    }
    const { centreX, centreY, side, size } = face.crop ?? {};
    if (![centreX, centreY, side, size].every(Number.isFinite)) {
      throw new InputError(`The face's crop is ${show(face.crop)}; wanted one of align's.`);
    }
    return state.inspector();
  }
}
