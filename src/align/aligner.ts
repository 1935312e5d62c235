/**
 * `FaceAligner`: pictures and boxes in, faces out. The one class that a caller needs.
 */

import { Revivable } from '../calls/revivable.js';
import { Turns } from '../calls/turns.js';
import type { Cascade, CascadePlan } from '../cascade/cascade.js';
import type { CascadeWeights } from '../cascade/weights.js';
import type { Gpu } from '../engine/device.js';
import { type DeviceLostError, InputError } from '../engine/errors.js';
import { expectNumbers, expectObject, refuse } from '../engine/expect.js';
import type { DType } from '../engine/network.js';
import { Plan } from '../engine/plan.js';
import type { StageTime } from '../engine/profiler.js';
import type { FaceModel } from '../mmm/model.js';
import type { ParameterLayout } from '../mmm/parameters.js';
import { cropsOf, type FaceBox } from '../pictures/boxes.js';
import { checkCrop } from '../pictures/crop.js';
import { type Frame, type PictureSource, type PreparedPicture, UploadedPicture } from '../pictures/frame.js';
import { CROP_RECORD_BYTES, cropOfRecord, cropRecord, writeCropRecord } from '../pictures/kernels/crop.js';
import { DeviceState } from './device-state.js';
import type { EncodeInput, EncodeOutput, OutputBytes } from './encode.js';
import { type Face, FaceReader, type Start } from './face.js';
import type { FaceRendering, Inspector } from './inspector.js';
import { type AlignerOptions, type AlignOptions, checkOptions, checkOutputs, loadWeights } from './options.js';
import { encodeSteps, type FaceOutputs, type FaceTexture, type OutputName, type Wanted } from './renderings.js';
import type { Tuning } from './tuning.js';

/** What the aligner has done so far. */
export interface AlignerCounters {
  readonly frames: number;
  readonly faces: number;
  readonly submits: number;
  readonly dispatches: number;
  /** Bytes copied to the staging buffers. */
  readonly bytesRead: number;
}

/** A face with the outputs that were asked for. */
export type FaceWith<Name extends OutputName> = Face & Pick<FaceOutputs, Name>;

export class FaceAligner {
  /** Mean, bases, triangles, texture coordinates: what the mesh writers need. */
  readonly model: FaceModel;
  readonly #weights: CascadeWeights;
  readonly #reader: FaceReader;
  readonly #device: Revivable<DeviceState>;
  /** Uploads and submits take turns; only readbacks overlap. */
  readonly #turns: Turns;
  /** Crop records of one frame, reused. */
  readonly #records: DataView<ArrayBuffer>;
  /** What the faces of one frame start from, reused. */
  readonly #parameters: Float32Array<ArrayBuffer>;
  readonly #counters = { frames: 0, faces: 0, submits: 0, dispatches: 0, bytesRead: 0 };

  /**
   * Loads weights, finds a GPU and prepares everything; `align` then compiles and allocates nothing.
   * @throws WebGPUUnavailableError, LimitError, OutOfMemoryError, DeviceLostError, WeightsError, KernelCompileError, InputError; the reason of
   * `signal` where it aborts.
   */
  static async create(options: AlignerOptions = {}): Promise<FaceAligner> {
    checkOptions(options);
    const weights = await loadWeights(options);
    options.signal?.throwIfAborted();
    return new FaceAligner(weights, options, await DeviceState.create(weights, options));
  }

  private constructor(weights: CascadeWeights, options: AlignerOptions, state: DeviceState) {
    const { powerPreference, maxFaces, textureSize, tuningStorage, device, dtype } = options;
    this.#weights = weights;
    const kept = {
      ...(powerPreference !== undefined && { powerPreference }),
      ...(maxFaces !== undefined && { maxFaces }),
      ...(textureSize !== undefined && { textureSize }),
      ...(tuningStorage !== undefined && { tuningStorage }),
      ...(dtype !== undefined && { dtype }),
    };
    this.#device = new Revivable('aligner', state, device === undefined, ({ tuning }, next) =>
      DeviceState.create(weights, { ...kept, tuning, ...(next !== undefined && { device: next }) }),
    );
    this.#turns = new Turns(options.maxPending);
    this.#records = new DataView(new ArrayBuffer(state.cascade.maxFaces * CROP_RECORD_BYTES));
    this.#parameters = new Float32Array(state.cascade.maxFaces * weights.network.parameters.count);
    this.model = weights.model;
    const { parameters, recrop } = weights.network;
    this.#reader = new FaceReader(weights.model, parameters, recrop?.margin);
  }

  get #state(): DeviceState {
    return this.#device.state;
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

  /** Where each part of a face's parameters sits. */
  get layout(): ParameterLayout {
    return this.#weights.network.parameters;
  }

  /** How the network's weights are held on the GPU: `f16` where all that are halves may be. */
  get dtype(): DType {
    return this.#state.dtype;
  }

  /** Which variants of the kernels are in use. Plain JSON, for the option `tuning` of another aligner. */
  get tuning(): Tuning {
    return this.#state.tuning;
  }

  get counters(): AlignerCounters {
    return { ...this.#counters };
  }

  /**
   * Puts a picture on the GPU once for several calls: of this aligner, and of whatever else takes pictures on its device, as a `FaceDetector`.
   *
   * ```ts
   * const picture = await aligner.upload(photo);
   * const faces = await aligner.align(picture, await detector.detect(picture));
   * picture.destroy();
   * ```
   * @param into one that no unfinished call of others reads; it is filled anew and returned where it is of the device in use
   * @throws InputError for a source that cannot be used; DeviceLostError; FullposeError `busy`; OutOfMemoryError. What the GPU refuses, the
   * calls that are given the picture throw.
   */
  upload(source: PictureSource, into?: UploadedPicture): Promise<UploadedPicture> {
    return this.#turns.admit(async () => {
      const { gpu } = this.#state;
      gpu.assertAlive();
      if (into !== undefined && !(into instanceof UploadedPicture)) refuse('into', into, "one of upload's pictures");
      const picture = into?.device === gpu.device ? into : new UploadedPicture(gpu);
      return this.#turns.take(
        () => picture.prepare(source),
        async (prepared) => {
          try {
            return await picture.fill(prepared);
          } catch (error) {
            // Nobody else has it.
            if (picture !== into) picture.destroy();
            throw error;
          }
        },
      );
    });
  }

  /**
   * Aligns the faces in `boxes`; result i belongs to box i. Up to `maxFaces` boxes are one submit and one readback. Calls may overlap; they
   * are served in order. Do not change the source before the promise resolves.
   * @throws InputError for a source, box or option that cannot be used; DeviceLostError, after which `recover` helps; FullposeError `busy`
   * where `maxPending` calls are unfinished, `gpu-error` where the GPU refused the frame or gave no face; OutOfMemoryError.
   */
  align<Name extends OutputName = never>(
    source: PictureSource,
    boxes: readonly FaceBox[],
    options: AlignOptions<Name> = {},
  ): Promise<FaceWith<Name>[]> {
    return this.#turns.admit(async () => {
      const run: Run<Name> = { iterations: this.#iterationsOf(options), from: 'mean', wanted: checkOutputs(options) };
      if (!Array.isArray(boxes)) refuse('The boxes', boxes, 'a list');
      return this.#run(source, run, ({ picture }) => cropsOf(boxes, picture, this.cropSize).map((crop) => ({ crop })));
    });
  }

  /**
   * Aligns faces again in a picture that is nearly the same, as the next of a video: each from the pose it has, in the crop that its landmarks
   * give, by the last `iterations` iterations alone. Otherwise as `align`; `FaceTracker` is built on it.
   * @param options.iterations one fewer than `aligner.iterations` by default; all of them forget the pose and keep the crop
   * @returns result i belongs to face i; undefined where that face has left the picture, or is too small or large to be seen.
   * @throws as `align`; InputError for a face of another model.
   */
  refine<Name extends OutputName = never>(
    source: PictureSource,
    faces: readonly Face[],
    options: AlignOptions<Name> = {},
  ): Promise<(FaceWith<Name> | undefined)[]> {
    return this.#turns.admit(async () => {
      expectObject(options, 'The options');
      const iterations = options.iterations ?? Math.max(1, this.iterations - 1);
      const from = iterations === this.iterations ? 'mean' : 'faces';
      const run: Run<Name> = { iterations, from, wanted: checkOutputs(options) };
      if (!Array.isArray(faces)) refuse('The faces', faces, 'a list');
      for (const face of faces) this.#checkFace(face, 'its start');
      const kept: number[] = [];
      const refined = await this.#run(source, run, ({ picture }) =>
        faces.flatMap((face: Face, i) => {
          const start = this.#reader.start(face, picture, this.iterations - iterations);
          if (start !== undefined) kept.push(i);
          return start ?? [];
        }),
      );
      const results = new Array<FaceWith<Name> | undefined>(faces.length).fill(undefined);
      for (const [k, face] of refined.entries()) results[kept[k]!] = face;
      return results;
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
      return (await inspector.read(face.parameters, face.crop, ['vertices'])).vertices;
    });
  }

  /**
   * PNCC and depth of an aligned face, in its crop.
   * @throws InputError for a face of another model; DeviceLostError; FullposeError `busy`.
   */
  render(face: Face): Promise<FaceRendering> {
    return this.#turns.admit(async () => {
      const inspector = await this.#inspect(face);
      return { size: face.crop.size, ...(await inspector.read(face.parameters, face.crop, ['pncc', 'depth'])) };
    });
  }

  /**
   * The picture unwrapped over the model's texture coordinates for a face that was aligned in it.
   * @param options.mirror whether the hidden half is filled from the other one (default false)
   * @throws InputError for a source that cannot be used or a face of another model; DeviceLostError; FullposeError `busy`; OutOfMemoryError.
   */
  texture(source: PictureSource, face: Face, options: Pick<AlignOptions, 'mirror'> = {}): Promise<FaceTexture> {
    return this.#turns.admit(async () => {
      expectObject(options, 'The options');
      const { mirror } = checkOutputs(options);
      const state = this.#state;
      const inspector = await this.#inspect(face);
      const reading = await this.#turns.take(
        () => state.frame.prepare(source),
        async (prepared) => {
          state.gpu.assertAlive();
          const frame = await prepared.upload();
          const read = inspector.read(face.parameters, face.crop, ['texture'], { frame, mirror });
          // Recorded and submitted by now: the next call may have its turn.
          read.catch(() => {});
          return { read, uploaded: frame.accepted };
        },
      );
      await reading.uploaded;
      return (await reading.read).texture;
    });
  }

  /** Room that one face takes in each buffer that `encode` fills, in bytes. */
  get outputBytes(): OutputBytes {
    return this.#state.encoder.bytes;
  }

  /**
   * Records a frame into an encoder of the caller's: crops, cascade, and copies into buffers of the caller's. Nothing is submitted or read
   * back, and nothing of the caller's is destroyed. Layouts are in docs/gpu.md. Up to 8 frames with boxes may be recorded before they are
   * submitted; frames with crop records of the caller's have no such limit. They may be mixed with `align`.
   *
   * ```ts
   * const encoder = aligner.device.createCommandEncoder();
   * aligner.encode(encoder, { texture, boxes }, { faces: { buffer } });
   * device.queue.submit([encoder.finish()]);
   * ```
   * @throws InputError for an input or output that cannot be used; DeviceLostError. What the GPU refuses, as a buffer of another device, is
   * the encoder's error.
   */
  encode(encoder: GPUCommandEncoder, input: EncodeInput, output: EncodeOutput): void {
    const { gpu, encoder: frames } = this.#state;
    gpu.assertAlive();
    if (Object.prototype.toString.call(encoder) !== '[object GPUCommandEncoder]') {
      refuse('The encoder', encoder, 'a GPUCommandEncoder');
    }
    expectObject(input, 'The input');
    expectObject(output, 'The output');
    const { faces, dispatches } = frames.encode(encoder, input, output);
    this.#counters.frames++;
    this.#counters.faces += faces;
    this.#counters.dispatches += dispatches;
  }

  /**
   * GPU time per stage of one frame, in order, with a pass a stage. At most `maxFaces` boxes.
   * @throws LimitError where the device cannot measure (no `timestamp-query`), and as `align`.
   */
  profile(source: PictureSource, boxes: readonly FaceBox[], options: AlignOptions = {}): Promise<StageTime[]> {
    return this.#turns.admit(async () => {
      const run: Run<never> = { iterations: this.#iterationsOf(options), from: 'mean', wanted: NOTHING_ELSE };
      if (!Array.isArray(boxes)) refuse('The boxes', boxes, 'a list');
      if (boxes.length < 1 || boxes.length > this.maxFaces) {
        throw new InputError(`profile was given ${boxes.length} boxes; wanted 1 to ${this.maxFaces}, one frame.`);
      }
      const crops = ({ picture }: PreparedPicture) => cropsOf(boxes, picture, this.cropSize).map((crop) => ({ crop }));
      return this.#inTurn(source, run, crops, async ({ gpu, cascade }, frame, starts) => {
        await frame.accepted;
        this.#writeStarts(gpu, cascade, frame, starts, run);
        const steps = cascade.steps(frame.texture, planOf(cascade, run));
        return new Plan(gpu, 'profiled frame', steps, undefined).profile(starts.length);
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
    return this.#device.recover(options);
  }

  /** Frees everything made here. Calls in flight reject with DeviceLostError. Calling it twice does nothing. */
  destroy(): void {
    this.#device.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  #iterationsOf(options: AlignOptions): number {
    expectObject(options, 'The options');
    return options.iterations ?? this.iterations;
  }

  /** All the faces of one call, as many frames as they take. */
  async #run<Name extends OutputName>(
    source: PictureSource,
    run: Run<Name>,
    starts: (prepared: PreparedPicture) => readonly Start[],
  ): Promise<FaceWith<Name>[]> {
    const submitted = await this.#inTurn(source, run, starts, async (state, frame, all) => {
      const batches: Promise<FaceWith<Name>[]>[] = [];
      for (let first = 0; first < all.length; first += this.maxFaces) {
        batches.push((await this.#submit(state, frame, all.slice(first, first + this.maxFaces), run)).faces);
      }
      return { batches, uploaded: frame.accepted };
    });
    await submitted.uploaded;
    return (await Promise.all(submitted.batches)).flat();
  }

  /** Checks and prepares, then waits for the calls before, uploads the picture and runs `action`. */
  async #inTurn<T>(
    source: PictureSource,
    run: Run,
    starts: (prepared: PreparedPicture) => readonly Start[],
    action: (state: DeviceState, frame: Frame, starts: readonly Start[]) => Promise<T>,
  ): Promise<T> {
    const state = this.#state;
    state.gpu.assertAlive();
    planOf(state.cascade, run);
    return this.#turns.take(
      () => state.frame.prepare(source),
      async (prepared) => {
        const all = starts(prepared);
        state.gpu.assertAlive();
        return action(state, await prepared.upload(), all);
      },
    );
  }

  /** Submits one frame as soon as a staging buffer is free. */
  async #submit<Name extends OutputName>(
    state: DeviceState,
    frame: Frame,
    starts: readonly Start[],
    run: Run<Name>,
  ): Promise<{ readonly faces: Promise<FaceWith<Name>[]> }> {
    const { gpu, cascade } = state;
    const { outputs } = run.wanted;
    const renderings = outputs.length > 0 ? await state.renderings() : undefined;
    const more = renderings?.bytes(outputs) ?? 0;
    const staging = await state.stagingFor(more);
    const slot = await staging.takeWhenFree();
    try {
      const faces = starts.length;
      // The steps that led to the faces, where they are new.
      const path = run.from === 'mean' ? run.iterations - 1 : 0;
      const crops = keptCrops(cascade, run);
      const { outputBytes, parameterBytes } = cascade;
      const small = faces * (outputBytes + path * parameterBytes + crops.length * CROP_RECORD_BYTES);
      const bytes = small + faces * more;
      const plan = planOf(cascade, run);
      const steps = renderings?.steps(run.wanted, frame.texture) ?? [];
      const { accepted } = gpu.watch('The frame was refused', () => {
        this.#writeStarts(gpu, cascade, frame, starts, run);
        const encoder = gpu.device.createCommandEncoder({ label: 'frame' });
        const pass = encoder.beginComputePass({ label: 'frame' });
        cascade.encode(pass, frame.texture, plan, starts.length);
        encodeSteps(gpu, pass, steps, starts.length);
        pass.end();
        slot.copyFrom(encoder, cascade.output, 0, faces * outputBytes);
        for (let k = 1; k <= path; k++) {
          const at = faces * (outputBytes + (k - 1) * parameterBytes);
          slot.copyFrom(encoder, cascade.step(k), 0, faces * parameterBytes, at);
        }
        for (const [i, k] of crops.entries()) {
          const at = faces * (outputBytes + path * parameterBytes + i * CROP_RECORD_BYTES);
          slot.copyFrom(encoder, cascade.faces, cascade.cropsAt(k), faces * CROP_RECORD_BYTES, at);
        }
        renderings?.copy(encoder, slot, outputs, faces, small);
        gpu.device.queue.submit([encoder.finish()]);
      });
      this.#count(starts.length, plan.dispatches + steps.length, bytes);
      // A refused frame leaves an earlier one's bytes in the staging buffer: read them only to give the buffer back.
      const results = Promise.all([slot.read(bytes), accepted]).then(([data]) =>
        this.#facesOf(data, frame, starts, { words: outputBytes / 4, steps: path, crops: crops.length }).map((face, index) => {
          const rendered = renderings?.read(data, outputs, { faces, at: small, index, crop: face.crop });
          // Without renderings nothing else was asked for.
          return { ...face, ...rendered } as FaceWith<Name>;
        }),
      );
      // Whoever waits for the batches sees the failure; until then it is nobody's.
      results.catch(() => {});
      return { faces: results };
    } catch (error) {
      slot.release();
      throw error;
    }
  }

  /** Tells the GPU where to look and, in a frame that refines, what to start from. */
  #writeStarts(
    gpu: Gpu,
    cascade: Cascade,
    { texels, picture }: Frame,
    starts: readonly Start[],
    { from, iterations }: Run,
  ): void {
    const { count } = this.#weights.network.parameters;
    for (const [face, { crop, parameters }] of starts.entries()) {
      writeCropRecord(this.#records, face, cropRecord(crop, picture, texels));
      if (parameters !== undefined) this.#parameters.set(parameters, face * count);
    }
    const { queue } = gpu.device;
    queue.writeBuffer(cascade.faces, 0, this.#records.buffer, 0, starts.length * CROP_RECORD_BYTES);
    if (from === 'faces') {
      queue.writeBuffer(cascade.step(this.iterations - iterations), 0, this.#parameters, 0, starts.length * count);
    }
  }

  #count(faces: number, dispatches: number, bytes: number): void {
    this.#counters.frames++;
    this.#counters.submits++;
    this.#counters.faces += faces;
    this.#counters.dispatches += dispatches;
    this.#counters.bytesRead += bytes;
  }

  /**
   * @param data outputs of all faces, `words` floats each, then p^1 of all, p^2 of all, up to p^{steps}, then the records of as many of the last crops
   */
  #facesOf(
    data: ArrayBuffer,
    { picture, texels }: Frame,
    starts: readonly Start[],
    { words, steps, crops }: { readonly words: number; readonly steps: number; readonly crops: number },
  ): Face[] {
    const { parameters, cropSize } = this.#weights.network;
    const recordWords = CROP_RECORD_BYTES / 4;
    /** Of face i: item k of the lists from `first` on, `length` floats each. */
    const item = (first: number, length: number, k: number, i: number) =>
      new Float32Array(data, 4 * (first + (k * starts.length + i) * length), length);
    return starts.map(({ crop: start, path }, i) => {
      const stepsAt = starts.length * words;
      const cropsAt = stepsAt + starts.length * steps * parameters.count;
      const cropOf = (k: number) =>
        cropOfRecord(item(cropsAt, recordWords, k, i), picture, texels, cropSize);
      const crop = crops === 0 ? start : cropOf(crops - 1);
      const own = Array.from({ length: steps }, (_, k) => ({
        parameters: item(stepsAt, parameters.count, k, i),
        crop: crops === 0 ? start : cropOf(k),
      }));
      return this.#reader.read(item(0, words, 0, i), crop, path === undefined ? { steps: own } : { known: path });
    });
  }

  /** @throws InputError for what is no face of this aligner's model. */
  #checkFace(face: Face, also?: 'its start'): void {
    const { count } = this.#weights.network.parameters;
    const parameters: unknown = face?.parameters;
    if (!(parameters instanceof Float32Array)) refuse('The face', face, "one of align's");
    if (parameters.length !== count) {
      throw new InputError(`The face has ${parameters.length} parameters; this aligner's model has ${count}.`);
    }
    expectNumbers("The face's parameters", parameters);
    checkCrop(face.crop);
    if (also === undefined) return;
    const { landmarks, path }: Record<string, unknown> = { ...face };
    if (!(landmarks instanceof Float32Array)) {
      refuse("The face's landmarks", landmarks, 'those of align');
    }
    const steps: unknown[] = Array.isArray(path) ? path : [];
    if (steps.length === 0 || !steps.every((step) => step instanceof Float32Array && step.length === count)) {
      refuse("The face's path", path, 'the one of align');
    }
  }

  #inspect(face: Face): Promise<Inspector> {
    const state = this.#state;
    state.gpu.assertAlive();
    this.#checkFace(face);
    return state.inspector();
  }
}

/** Which iterations a frame runs: the first ones, from the mean face, or the last ones, from faces that are known. */
interface Run<Name extends OutputName = OutputName> {
  readonly iterations: number;
  readonly from: 'mean' | 'faces';
  readonly wanted: Wanted<Name>;
}

const NOTHING_ELSE: Wanted<never> = { outputs: [], mirror: false };

function planOf(cascade: Cascade, { iterations, from }: Run): CascadePlan {
  return from === 'mean' ? cascade.plan(iterations) : cascade.refinement(iterations);
}

/**
 * The iterations whose crops a frame returns, the one that its end is given in last: those of all steps from the mean face, otherwise the last alone. None where all
 * are those that it was given.
 */
function keptCrops({ followsFace, iterations: all }: Cascade, { iterations, from }: Run): readonly number[] {
  if (!followsFace) return [];
  if (from === 'mean') return Array.from({ length: Math.min(iterations, all - 1) }, (_, k) => k + 1);
  return iterations > 1 ? [all - 1] : [];
}
