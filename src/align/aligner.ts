/**
 * `FaceAligner`: pictures and boxes in, faces out. The one class that a caller needs.
 */
import { Turns } from '../calls/turns.js';
import type { CascadeWeights } from '../cascade/weights.js';
import { expectList, expectOptions, expectWhole } from '../engine/expect.js';
import type { StageTime } from '../engine/profiler.js';
import { loadBesideAdapter } from '../files/beside-adapter.js';
import type { FaceBox } from '../pictures/boxes.js';
import { type PictureSource, UploadedPicture } from '../pictures/frame.js';
import { type AlignerCounters, Counters } from './counters.js';
import { DeviceState } from './device-state.js';
import type { EncodeInput, EncodeOutput } from './encode.js';
import type { Face } from './face.js';
import { Frames } from './frames.js';
import type { FaceRendering } from './inspector.js';
import {
  ALIGN_NAMES,
  type AlignBoxesOptions,
  type AlignerOptions,
  type AlignOptions,
  checkConfidence,
  checkOptions,
  checkOutputs,
  loadWeights,
} from './options.js';
import type { FaceOutputs, FaceTexture, FaceWith, OutputName } from './outputs.js';
import { PreparedCascade } from './prepared.js';
import { runFromFaces, runFromMean } from './run.js';
import { checkFace, checkStart, startsAt } from './starts.js';
import { sureFaces } from './sure.js';

/**
 * Takes a picture and its boxes to faces, on a GPU of its own or the caller's. Make one with `create`, free it with
 * `destroy`.
 */
export class FaceAligner extends PreparedCascade {
  /** Uploads and submits take turns; only readbacks overlap. */
  readonly #turns: Turns;
  readonly #frames: Frames;
  readonly #counters = new Counters();

  /**
   * Loads weights, finds a GPU and prepares everything; `align` then compiles and allocates nothing.
   * @throws WebGPUUnavailableError, LimitError, OutOfMemoryError, DeviceLostError, WeightsError, KernelCompileError,
   * InputError; the reason of `signal` where it aborts.
   */
  static async create(options: AlignerOptions = {}): Promise<FaceAligner> {
    checkOptions(options);
    const weights = await loadBesideAdapter(options, loadWeights);
    return new FaceAligner(weights, options, await DeviceState.create(weights, options));
  }

  private constructor(weights: CascadeWeights, options: AlignerOptions, state: DeviceState) {
    super(weights, options, state);
    this.#turns = new Turns(options.maxPending);
    this.#frames = new Frames(weights, this.maxFaces, this.#counters);
  }

  /** What this aligner has done so far: frames, faces, submits, dispatches, bytes read. */
  get counters(): AlignerCounters {
    return this.#counters.sums;
  }

  /**
   * Puts a picture on the GPU once for several calls: of this aligner, and of whatever else takes pictures on its
   * device, as a `FaceDetector`.
   *
   * ```ts
   * const picture = await aligner.upload(photo);
   * const faces = await aligner.align(picture, await detector.detect(picture));
   * picture.destroy();
   * ```
   * @param into one that no unfinished call of others reads; it is filled anew and returned where it is of the device
   * in use
   * @throws InputError for a source that cannot be used; DeviceLostError; FullposeError `busy`; OutOfMemoryError. What
   * the GPU refuses, the calls that are given the picture throw.
   */
  async upload(source: PictureSource, into?: UploadedPicture): Promise<UploadedPicture> {
    const turn = this.#turns.enter();
    try {
      return await UploadedPicture.of(this.alive.gpu, source, turn, into);
    } finally {
      turn.leave();
    }
  }

  /**
   * Aligns the faces in `boxes`; result i belongs to box i, unless `minConfidence` leaves some out. Up to `maxFaces`
   * boxes are one submit and one readback. Calls may overlap; they are served in order. Do not change the source before
   * the promise resolves.
   * @throws InputError for a source, box or option that cannot be used; DeviceLostError, after which `recover` helps;
   * FullposeError `busy` where `maxPending` calls are unfinished, `gpu-error` where the GPU refused the frame or gave
   * no face; OutOfMemoryError.
   */
  async align<Name extends OutputName = never>(
    source: PictureSource,
    boxes: readonly FaceBox[],
    options: AlignBoxesOptions<Name> = {},
  ): Promise<FaceWith<Name>[]> {
    const turn = this.#turns.enter();
    try {
      expectOptions(options, { ...ALIGN_NAMES, minConfidence: 1 });
      const run = runFromMean(options, this.iterations);
      const { minConfidence } = options;
      checkConfidence(minConfidence);
      expectList('The boxes', boxes);
      const state = this.alive;
      const frame = await state.frame.fill(source, turn);
      const starts = startsAt(boxes, frame.picture, this.cropSize);
      const { faces } = await this.#frames.submit(state, frame, starts, run);
      turn.end();
      return minConfidence === undefined ? await faces : sureFaces(await faces, minConfidence);
    } finally {
      turn.leave();
    }
  }

  /**
   * Aligns faces again in a picture that is nearly the same, as the next of a video: each from the pose it has, in the
   * crop that its landmarks give, by the last `iterations` iterations alone. Otherwise as `align`; `FaceTracker` is
   * built on it.
   * @param options.iterations one fewer than `aligner.iterations` by default; all of them forget the pose and keep the
   * crop
   * @returns result i belongs to face i; undefined where that face has left the picture, or is too small or large to be
   * seen.
   * @throws as `align`; InputError for a face of another model.
   */
  async refine<Name extends OutputName = never>(
    source: PictureSource,
    faces: readonly Face[],
    options: AlignOptions<Name> = {},
  ): Promise<(FaceWith<Name> | undefined)[]> {
    const turn = this.#turns.enter();
    try {
      expectOptions(options, ALIGN_NAMES);
      const run = runFromFaces(options, this.iterations);
      expectList('The faces', faces);
      for (const face of faces) checkStart(face, this.layout.count);
      const state = this.alive;
      const frame = await state.frame.fill(source, turn);
      const starts = faces.map((face) => this.#frames.startFrom(face, frame.picture, this.iterations - run.iterations));
      const known = starts.filter((start) => start !== undefined);
      const submitted = await this.#frames.submit(state, frame, known, run);
      turn.end();
      const refined = (await submitted.faces).values();
      return starts.map((start) => (start === undefined ? undefined : refined.next().value));
    } finally {
      turn.leave();
    }
  }

  /**
   * Dense vertices of an aligned face.
   * @returns [V,3] picture pixels
   * @throws InputError for a face of another model; DeviceLostError; FullposeError `busy`.
   */
  async vertices(face: Face): Promise<Float32Array<ArrayBuffer>> {
    return (await this.#drawAgain(face, ['vertices'])).vertices;
  }

  /**
   * PNCC and depth of an aligned face, in its crop.
   * @throws InputError for a face of another model; DeviceLostError; FullposeError `busy`.
   */
  async render(face: Face): Promise<FaceRendering> {
    const maps = await this.#drawAgain(face, ['pncc', 'depth']);
    return { size: face.crop.size, ...maps };
  }

  /**
   * The picture unwrapped over the model's texture coordinates for a face that was aligned in it.
   * @param options.mirror whether the hidden half is filled from the other one (default false)
   * @throws InputError for a source that cannot be used or a face of another model; DeviceLostError; FullposeError
   * `busy`; OutOfMemoryError.
   */
  async texture(source: PictureSource, face: Face, options: Pick<AlignOptions, 'mirror'> = {}): Promise<FaceTexture> {
    expectOptions(options, { mirror: 1 });
    const { mirror } = checkOutputs(options);
    return (await this.#drawAgain(face, ['texture'], { source, mirror })).texture;
  }

  /**
   * Records a frame into an encoder of the caller's: crops, cascade, and copies into buffers of the caller's. Nothing
   * is submitted or read back, and nothing of the caller's is destroyed. Layouts are in docs/gpu.md. Up to 8 frames
   * with boxes may be recorded before they are submitted; frames with crop records of the caller's have no such limit.
   * They may be mixed with `align`.
   *
   * ```ts
   * const encoder = aligner.device.createCommandEncoder();
   * aligner.encode(encoder, { texture, boxes }, { faces: { buffer } });
   * device.queue.submit([encoder.finish()]);
   * ```
   * @throws InputError for an input or output that cannot be used; DeviceLostError. What the GPU refuses, as a buffer
   * of another device, is the encoder's error.
   */
  encode(encoder: GPUCommandEncoder, input: EncodeInput, output: EncodeOutput): void {
    this.#counters.addFrame(this.alive.encoder.encode(encoder, input, output));
  }

  /**
   * GPU time per stage of one frame, in order, with a pass a stage. At most `maxFaces` boxes.
   * @throws LimitError where the device cannot measure (no `timestamp-query`), and as `align`.
   */
  async profile(source: PictureSource, boxes: readonly FaceBox[], options: AlignOptions = {}): Promise<StageTime[]> {
    const turn = this.#turns.enter();
    try {
      expectOptions(options, ALIGN_NAMES);
      const run = runFromMean(options, this.iterations);
      expectList('The boxes', boxes);
      expectWhole("The frame's box count", boxes.length, 1, this.maxFaces);
      const state = this.alive;
      const frame = await state.frame.fill(source, turn);
      const starts = startsAt(boxes, frame.picture, this.cropSize);
      await frame.accepted;
      return await this.#frames.profile(state, frame, starts, run);
    } finally {
      turn.leave();
    }
  }

  /** Outputs of an aligned face, drawn again. Only what is taken from a picture waits for its turn. */
  async #drawAgain<Name extends OutputName>(
    face: Face,
    outputs: readonly Name[],
    unwrap?: { readonly source: PictureSource; readonly mirror: boolean },
  ): Promise<Pick<FaceOutputs, Name>> {
    const turn = this.#turns.enter();
    try {
      checkFace(face, this.layout.count);
      const state = this.alive;
      const inspector = await state.inspector();
      const frame = unwrap && (await state.frame.fill(unwrap.source, turn));
      const read = inspector.read(face.parameters, face.crop, outputs, frame && { frame, mirror: unwrap.mirror });
      // Recorded and submitted by now: the next call may have its turn.
      read.catch(() => {});
      turn.end();
      await frame?.accepted;
      return await read;
    } finally {
      turn.leave();
    }
  }
}
