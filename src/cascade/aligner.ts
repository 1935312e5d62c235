/**
 * `FaceAligner`: pictures and boxes in, faces out. The one class that a caller needs.
 */
import { Gpu } from '../engine/device.js';
import { DeviceLostError, FullposeError, InputError } from '../engine/errors.js';
import { Plan } from '../engine/plan.js';
import type { StageTime } from '../engine/profiler.js';
import { StagingRing } from '../engine/readback.js';
import { show } from '../engine/show.js';
import { toPicturePixels } from '../mmm/decode.js';
import type { FaceModel } from '../mmm/model.js';
import { quaternionOf, translationOf } from '../mmm/parameters.js';
import { type Pose, poseInPicture } from '../mmm/pose.js';
import { type Crop, cropOf, cropToPicture, type FaceBox } from './boxes.js';
import { Cascade } from './cascade.js';
import { type Frame, FrameTexture, type PictureSource } from './frame.js';
import { type FaceRendering, Inspector } from './inspector.js';
import { CROP_RECORD_BYTES, type CropRecord, writeCropRecord } from './kernels/crop.js';
import { type CascadeWeights, fetchWeights, type LoadOptions, parseWeights, type WeightBuffers } from './weights.js';

/** One aligned face. Picture pixels: centres at integers, x right, y down, z toward the viewer in the same scale. */
export interface Face {
  /** [68,3] picture pixels, iBUG order, 3D jaw line. z is 0 at the origin of the face model. */
  readonly landmarks: Float32Array<ArrayBuffer>;
  /** [68]: 1 where the landmark faces the viewer and nothing of the face hides it, else 0. */
  readonly visibility: Uint8Array<ArrayBuffer>;
  /** p in crop space: scaled quaternion, t2d, identity, expression (docs/architecture.md). */
  readonly parameters: Float32Array<ArrayBuffer>;
  /** The square of picture that was looked at. */
  readonly crop: Crop;
  readonly pose: Pose;
  /** Identity coefficients in training standard deviations. */
  readonly identity: Float32Array<ArrayBuffer>;
  /** Expression weights by name; ARKit's names with _L and _R, 0 = neutral, 1 = full. Not clamped. */
  readonly expression: Readonly<Record<string, number>>;
}

export interface AlignerOptions extends LoadOptions {
  /** URL of the weights' manifest, or the files' contents, or weights already parsed. */
  readonly weights: string | URL | WeightBuffers | CascadeWeights;
  /** The caller's device. It is never destroyed here. Without it the aligner makes one of its own. */
  readonly device?: GPUDevice;
  readonly powerPreference?: GPUPowerPreference;
  /** Faces that travel together (default 4). More boxes than this are aligned in several frames. */
  readonly maxFaces?: number;
  /** Calls that may be unfinished at once (default 64); one more is refused, so that a caller who never waits fills no memory. */
  readonly maxPending?: number;
}

export interface AlignOptions {
  /** Iterations of the cascade, 1 to `aligner.iterations` (the default). Fewer are faster and less exact. */
  readonly iterations?: number;
}

/** What the aligner has done so far. */
export interface AlignerCounters {
  readonly frames: number;
  readonly faces: number;
  readonly submits: number;
  readonly dispatches: number;
  /** Bytes copied to the staging buffers. */
  readonly bytesRead: number;
}

const DEFAULT_MAX_FACES = 4;
const DEFAULT_MAX_PENDING = 64;

/** Area sampling stops getting better here: taps are then more than a pixel apart only where a crop is over 2,048 pixels wide. */
const MAX_TAPS = 16;

/** What lives and dies with one device. */
class DeviceState {
  readonly gpu: Gpu;
  readonly cascade: Cascade;
  readonly frame: FrameTexture;
  readonly staging: StagingRing;
  readonly #weights: CascadeWeights;
  #inspector: Promise<Inspector> | undefined;

  /** @throws as `FaceAligner.create`, save for the weights. */
  static async create(
    weights: CascadeWeights,
    { device, powerPreference, maxFaces = DEFAULT_MAX_FACES, signal }: Omit<AlignerOptions, 'weights'>,
  ): Promise<DeviceState> {
    const gpu = await Gpu.create({
      label: 'fullpose',
      ...(device !== undefined && { device }),
      ...(powerPreference !== undefined && { powerPreference }),
    });
    try {
      const cascade = await Cascade.create(gpu, weights, { maxFaces });
      const { value: staging, accepted } = gpu.watch('The staging buffers could not be made', () => {
        return new StagingRing(gpu, 'staging', cascade.maxFaces * cascade.outputBytes);
      });
      await accepted;
      signal?.throwIfAborted();
      return new DeviceState(gpu, weights, cascade, staging);
    } catch (error) {
      gpu.destroy();
      throw error;
    }
  }

  private constructor(gpu: Gpu, weights: CascadeWeights, cascade: Cascade, staging: StagingRing) {
    this.gpu = gpu;
    this.cascade = cascade;
    this.frame = new FrameTexture(gpu);
    this.staging = staging;
    this.#weights = weights;
  }

  /** Made when first asked for. */
  inspector(): Promise<Inspector> {
    if (this.#inspector === undefined) {
      this.#inspector = Inspector.create(this.gpu, this.#weights, this.cascade.model);
      // A failure is not kept: the next call tries again.
      this.#inspector.catch(() => {
        this.#inspector = undefined;
      });
    }
    return this.#inspector;
  }

  destroy(): void {
    this.frame.destroy();
    this.gpu.destroy();
  }
}

export class FaceAligner {
  /** Mean, bases, triangles, texture coordinates: what the mesh writers need. */
  readonly model: FaceModel;
  readonly #weights: CascadeWeights;
  readonly #options: Pick<AlignerOptions, 'powerPreference' | 'maxFaces'>;
  readonly #maxPending: number;
  readonly #ownsDevice: boolean;
  /** Crop records of one frame, reused. */
  readonly #records: DataView<ArrayBuffer>;
  readonly #counters = { frames: 0, faces: 0, submits: 0, dispatches: 0, bytesRead: 0 };
  #state: DeviceState;
  /** The uploads and submits of the calls so far: they take turns, only their readbacks overlap. */
  #turn: Promise<unknown> = Promise.resolve();
  /** The same, without the last call. */
  #turnBefore: Promise<unknown> = Promise.resolve();
  #pending = 0;
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
    this.#maxPending = options.maxPending ?? DEFAULT_MAX_PENDING;
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
    return this.#admit(async () => {
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
    return this.#admit(async () => {
      const inspector = await this.#inspect(face);
      return toPicturePixels(await inspector.vertices(face.parameters), cropToPicture(face.crop));
    });
  }

  /**
   * PNCC and depth of an aligned face, in its crop.
   * @throws InputError for a face of another model; DeviceLostError; FullposeError `busy`.
   */
  render(face: Face): Promise<FaceRendering> {
    return this.#admit(async () => {
      const inspector = await this.#inspect(face);
      return inspector.render(face.parameters);
    });
  }

  /**
   * GPU time per stage of one frame, in order, with a pass a stage. At most `maxFaces` boxes.
   * @throws LimitError where the device cannot measure (no `timestamp-query`), and as `align`.
   */
  profile(source: PictureSource, boxes: readonly FaceBox[], options: AlignOptions = {}): Promise<StageTime[]> {
    return this.#admit(async () => {
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

  /** Runs a call unless too many are unfinished. */
  async #admit<T>(call: () => Promise<T>): Promise<T> {
    if (this.#pending >= this.#maxPending) {
      throw new FullposeError(
        'busy',
        `${this.#pending} calls are unfinished; wanted fewer than maxPending = ${this.#maxPending}. Await some, or drop this frame.`,
      );
    }
    this.#pending++;
    try {
      return await call();
    } finally {
      this.#pending--;
    }
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
    const [beforeLast, before] = [this.#turnBefore, this.#turn];
    const run = async (): Promise<T> => {
      // One picture is decoded ahead of its turn, not all that wait: each may be large.
      await beforeLast;
      const prepared = await state.frame.prepare(source);
      try {
        const crops = boxes.map((box, i) => this.#crop(box, i, prepared.picture));
        await before;
        state.gpu.assertAlive();
        return await action(state, await prepared.upload(), crops);
      } finally {
        prepared.release();
      }
    };
    const result = run();
    this.#turnBefore = before;
    // A call that fails early must not end the turn of the one before it. What the calls gave is dropped: kept, each would hold the last.
    this.#turn = Promise.allSettled([before, result]).then(() => {});
    return result;
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
    return crops.map((crop, i) => this.#faceOf(new Float32Array(data, i * floats * 4, floats), crop));
  }

  #faceOf(output: Float32Array<ArrayBuffer>, crop: Crop): Face {
    const { parameters: layout } = this.#weights.network;
    const parameters = output.slice(0, layout.count);
    const [quaternion] = layout.quaternion;
    // No picture gives these; a broken driver or a texture full of NaN does.
    if (!output.every(Number.isFinite) || parameters.subarray(quaternion, quaternion + 4).every((q) => q === 0)) {
      throw new FullposeError('gpu-error', 'The GPU gave numbers that are no face (NaN, infinite, or of scale 0).');
    }
    const count = this.model.landmarks.length;
    const landmarks = new Float32Array(count * 3);
    const visibility = new Uint8Array(count);
    for (let i = 0; i < count; i++) {
      const at = layout.count + i * 4;
      landmarks.set(output.subarray(at, at + 3), i * 3);
      visibility[i] = output[at + 3] === 1 ? 1 : 0;
    }
    const toPicture = cropToPicture(crop);
    const [identity, identityCount] = layout.identity;
    const [expression] = layout.expression;
    return {
      landmarks: toPicturePixels(landmarks, toPicture),
      visibility,
      parameters,
      crop,
      pose: poseInPicture(quaternionOf(parameters), translationOf(parameters), crop.size, toPicture),
      identity: parameters.slice(identity, identity + identityCount),
      expression: Object.fromEntries(
        this.model.expressionNames.map((name, i) => [name, parameters[expression + i] ?? 0]),
      ),
    };
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

/** Where a crop of the picture lies in the frame's texels, which are fewer where the picture was shrunk. */
export function cropRecord(crop: Crop, picture: Frame['picture'], texels: Frame['texels']): CropRecord {
  const { scale, x0, y0 } = cropToPicture(crop);
  const [scaleX, scaleY] = [texels.width / picture.width, texels.height / picture.height];
  const [stepX, stepY] = [scale * scaleX, scale * scaleY];
  return {
    // A pixel's centre is half a pixel from its corner, and corners are what shrinking keeps.
    originX: (x0 + 0.5) * scaleX - 0.5,
    originY: (y0 + 0.5) * scaleY - 0.5,
    stepX,
    stepY,
    width: texels.width,
    height: texels.height,
    taps: Math.min(MAX_TAPS, Math.max(1, Math.ceil(Math.max(stepX, stepY)))),
  };
}

async function loadWeights(options: AlignerOptions): Promise<CascadeWeights> {
  const { weights, iterations } = options;
  if (typeof weights === 'string' || weights instanceof URL) return fetchWeights(weights, options);
  const all = 'model' in weights ? weights : parseWeights(weights);
  const wanted = iterations ?? all.iterations.length;
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > all.iterations.length) {
    throw new InputError(`iterations is ${show(wanted)}; the weights have ${all.iterations.length}.`);
  }
  return { ...all, iterations: all.iterations.slice(0, wanted) };
}

/** What the types say already, for callers without them. Numbers are checked where they are used. */
function checkOptions(options: AlignerOptions): void {
  expectObject(options, 'The options');
  const { weights, onProgress, signal, maxPending } = options;
  if (typeof weights !== 'string') {
    expectObject(weights, 'weights');
    if ('model' in weights) {
      for (const part of ['model', 'network', 'initialParameters', 'iterations'] as const) {
        expectObject(weights[part], `weights.${part}`);
      }
    }
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw new InputError(`onProgress is ${show(onProgress)}; wanted a function.`);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new InputError(`signal is ${show(signal)}; wanted an AbortSignal.`);
  }
  if (maxPending !== undefined && (!Number.isInteger(maxPending) || maxPending < 1)) {
    throw new InputError(`maxPending is ${show(maxPending)}; wanted a whole number, at least 1.`);
  }
}

function expectObject(value: unknown, what: string): void {
  if (typeof value !== 'object' || value === null) {
    throw new InputError(`${what} ${what.endsWith('s') ? 'are' : 'is'} ${show(value)}; wanted an object.`);
  }
}
