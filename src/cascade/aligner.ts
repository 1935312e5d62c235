/**
 * `FaceAligner`: pictures and boxes in, faces out. The one class that a caller needs.
 */
import { Gpu } from '../engine/device.js';
import { type DeviceLostError, InputError } from '../engine/errors.js';
import { Plan } from '../engine/plan.js';
import type { StageTime } from '../engine/profiler.js';
import { StagingRing } from '../engine/readback.js';
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

/** Area sampling stops getting better here: taps are then more than a pixel apart only where a crop is over 2,048 pixels wide. */
const MAX_TAPS = 16;

export class FaceAligner {
  /** Mean, bases, triangles, texture coordinates: what the mesh writers need. */
  readonly model: FaceModel;
  /** Resolves, never rejects, once the device is lost. */
  readonly lost: Promise<DeviceLostError>;
  readonly #gpu: Gpu;
  readonly #weights: CascadeWeights;
  readonly #cascade: Cascade;
  readonly #frame: FrameTexture;
  readonly #staging: StagingRing;
  /** Crop records of one frame, reused. */
  readonly #records: DataView<ArrayBuffer>;
  readonly #counters = { frames: 0, faces: 0, submits: 0, dispatches: 0, bytesRead: 0 };
  #inspector: Promise<Inspector> | undefined;
  /** The last call's uploads and submits: calls take turns, only their readbacks overlap. */
  #turn: Promise<unknown> = Promise.resolve();
  #destroyed = false;

  /**
   * Loads weights, finds a GPU and prepares everything; `align` then compiles and allocates nothing.
   * @throws WebGPUUnavailableError, LimitError, WeightsError, KernelCompileError, InputError; the reason of `signal` where it aborts.
   */
  static async create(options: AlignerOptions): Promise<FaceAligner> {
    const weights = await loadWeights(options);
    options.signal?.throwIfAborted();
    const { device, powerPreference } = options;
    const gpu = await Gpu.create({
      label: 'fullpose',
      ...(device && { device }),
      ...(powerPreference && { powerPreference }),
    });
    try {
      const cascade = await Cascade.create(gpu, weights, { maxFaces: options.maxFaces ?? DEFAULT_MAX_FACES });
      options.signal?.throwIfAborted();
      return new FaceAligner(gpu, weights, cascade);
    } catch (error) {
      gpu.destroy();
      throw error;
    }
  }

  private constructor(gpu: Gpu, weights: CascadeWeights, cascade: Cascade) {
    this.#gpu = gpu;
    this.#weights = weights;
    this.#cascade = cascade;
    this.#frame = new FrameTexture(gpu);
    this.#staging = new StagingRing(gpu, 'staging', cascade.maxFaces * cascade.outputBytes);
    this.#records = new DataView(new ArrayBuffer(cascade.maxFaces * CROP_RECORD_BYTES));
    this.model = weights.model;
    this.lost = gpu.lost;
  }

  /** The device in use: the caller's, or the aligner's own. */
  get device(): GPUDevice {
    return this.#gpu.device;
  }

  /** Faces that travel together. */
  get maxFaces(): number {
    return this.#cascade.maxFaces;
  }

  /** Iterations there are weights for. */
  get iterations(): number {
    return this.#cascade.iterations;
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
   * @throws InputError for a source, box or number of iterations that cannot be used; DeviceLostError.
   */
  async align(
    source: PictureSource,
    boxes: readonly FaceBox[],
    { iterations = this.iterations }: AlignOptions = {},
  ): Promise<Face[]> {
    const submitted = await this.#inTurn(source, boxes, iterations, async (frame, crops) => {
      const batches: Promise<Face[]>[] = [];
      for (let first = 0; first < crops.length; first += this.maxFaces) {
        const batch = crops.slice(first, first + this.maxFaces);
        const slot = await this.#staging.takeWhenFree();
        try {
          this.#gpu.assertAlive();
          this.#writeRecords(frame, batch);
          const bytes = batch.length * this.#cascade.outputBytes;
          const encoder = this.#gpu.device.createCommandEncoder({ label: 'frame' });
          const pass = encoder.beginComputePass({ label: 'frame' });
          this.#cascade.encode(pass, frame.texture, iterations, batch.length);
          pass.end();
          slot.copyFrom(encoder, this.#cascade.output, 0, bytes);
          this.#gpu.device.queue.submit([encoder.finish()]);
          this.#count(batch.length, 1 + this.#cascade.plan(iterations).steps.length, bytes);
        } catch (error) {
          slot.release();
          throw error;
        }
        const faces = slot.read().then((data) => this.#facesOf(data, batch));
        // Whoever waits for the batches sees the failure; until then it is nobody's.
        faces.catch(() => {});
        batches.push(faces);
      }
      return batches;
    });
    return (await Promise.all(submitted)).flat();
  }

  /**
   * Dense vertices of an aligned face.
   * @returns [V,3] picture pixels
   * @throws InputError for a face of another model; DeviceLostError.
   */
  async vertices(face: Face): Promise<Float32Array<ArrayBuffer>> {
    const inspector = await this.#inspect(face);
    return toPicturePixels(await inspector.vertices(face.parameters), cropToPicture(face.crop));
  }

  /**
   * PNCC and depth of an aligned face, in its crop.
   * @throws InputError for a face of another model; DeviceLostError.
   */
  async render(face: Face): Promise<FaceRendering> {
    const inspector = await this.#inspect(face);
    return inspector.render(face.parameters);
  }

  /**
   * GPU time per stage of one frame, in order, with a pass a stage. At most `maxFaces` boxes.
   * @throws LimitError where the device cannot measure (no `timestamp-query`), and as `align`.
   */
  async profile(
    source: PictureSource,
    boxes: readonly FaceBox[],
    { iterations = this.iterations }: AlignOptions = {},
  ): Promise<StageTime[]> {
    if (boxes.length < 1 || boxes.length > this.maxFaces) {
      throw new InputError(`profile was given ${boxes.length} boxes; wanted 1 to ${this.maxFaces}, one frame.`);
    }
    return this.#inTurn(source, boxes, iterations, (frame, crops) => {
      this.#writeRecords(frame, crops);
      const steps = [...this.#cascade.cropPlan(frame.texture).steps, ...this.#cascade.plan(iterations).steps];
      return new Plan(this.#gpu, 'profiled frame', steps, undefined).profile(crops.length);
    });
  }

  /** Frees everything made here. Calls in flight reject with DeviceLostError. Calling it twice does nothing. */
  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#frame.destroy();
    this.#gpu.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  /** Checks and prepares, then waits for the calls before, uploads the picture and runs `action`. */
  async #inTurn<T>(
    source: PictureSource,
    boxes: readonly FaceBox[],
    iterations: number,
    action: (frame: Frame, crops: readonly Crop[]) => Promise<T>,
  ): Promise<T> {
    this.#gpu.assertAlive();
    this.#cascade.plan(iterations);
    const before = this.#turn;
    const run = async (): Promise<T> => {
      const prepared = await this.#frame.prepare(source);
      try {
        const crops = boxes.map((box, i) => this.#crop(box, i, prepared.picture));
        await before;
        this.#gpu.assertAlive();
        return await action(prepared.upload(), crops);
      } finally {
        prepared.release();
      }
    };
    const result = run();
    // A call that fails early must not end the turn of the one before it.
    this.#turn = Promise.allSettled([before, result]);
    return result;
  }

  #crop(box: FaceBox, index: number, picture: { readonly width: number; readonly height: number }): Crop {
    try {
      return cropOf(box, picture, this.cropSize);
    } catch (cause) {
      if (!(cause instanceof InputError)) throw cause;
      throw new InputError(`Box ${index}: ${cause.message}`, { cause });
    }
  }

  #writeRecords({ texels, picture }: Frame, crops: readonly Crop[]): void {
    for (const [face, crop] of crops.entries()) writeCropRecord(this.#records, face, cropRecord(crop, picture, texels));
    const bytes = crops.length * CROP_RECORD_BYTES;
    this.#gpu.device.queue.writeBuffer(this.#cascade.faces, 0, this.#records.buffer, 0, bytes);
  }

  #count(faces: number, dispatches: number, bytes: number): void {
    this.#counters.frames++;
    this.#counters.submits++;
    this.#counters.faces += faces;
    this.#counters.dispatches += dispatches;
    this.#counters.bytesRead += bytes;
  }

  #facesOf(data: ArrayBuffer, crops: readonly Crop[]): Face[] {
    const floats = this.#cascade.outputBytes / 4;
    return crops.map((crop, i) => this.#faceOf(new Float32Array(data, i * floats * 4, floats), crop));
  }

  #faceOf(output: Float32Array<ArrayBuffer>, crop: Crop): Face {
    const { parameters: layout } = this.#weights.network;
    const parameters = output.slice(0, layout.count);
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
    this.#gpu.assertAlive();
    const { count } = this.#weights.network.parameters;
    if (face.parameters.length !== count) {
      throw new InputError(`The face has ${face.parameters.length} parameters; this aligner's model has ${count}.`);
    }
    if (this.#inspector === undefined) {
      this.#inspector = Inspector.create(this.#gpu, this.#weights, this.#cascade.model);
      // A failure is not kept: the next call tries again.
      this.#inspector.catch(() => {
        this.#inspector = undefined;
      });
    }
    return this.#inspector;
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
    throw new InputError(`iterations is ${wanted}; the weights have ${all.iterations.length}.`);
  }
  return { ...all, iterations: all.iterations.slice(0, wanted) };
}
