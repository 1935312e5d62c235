/** The frames of a call: their starts on the GPU, a submit and a readback each, faces. */
import type { CascadeWeights } from '../cascade/weights.js';
import { Sequence } from '../engine/plan.js';
import type { StageTime } from '../engine/profiler.js';
import type { Frame, PictureSize } from '../pictures/frame.js';
import { CROP_RECORD_BYTES, cropOfRecord, cropRecord, writeCropRecord } from '../pictures/kernels/crop.js';
import type { Counters } from './counters.js';
import type { DeviceState } from './device-state.js';
import { type Face, FaceReader, type Start } from './face.js';
import { FrameLayout, type FramePart } from './frame-layout.js';
import { type FaceWith, type OutputContext, type OutputName, parseOutputs } from './outputs.js';
import { encodeSteps } from './renderings.js';
import { keptCrops, planOf, type Run } from './run.js';

/** Frames on their way. */
export interface SubmittedFrames<Name extends OutputName> {
  /** Face i belongs to start i. Nobody need await it: an unheard rejection is not reported. */
  readonly faces: Promise<FaceWith<Name>[]>;
}

export class Frames {
  readonly #weights: CascadeWeights;
  readonly #maxFaces: number;
  readonly #counters: Counters;
  readonly #reader: FaceReader;
  /** Crop records of one frame, reused. */
  readonly #records: DataView<ArrayBuffer>;
  /** What the faces of one frame start from, reused. */
  readonly #parameters: Float32Array<ArrayBuffer>;

  /** @param maxFaces faces of a frame */
  constructor(weights: CascadeWeights, maxFaces: number, counters: Counters) {
    const { model, network, blendshapes } = weights;
    const { parameters, recrop } = network;
    this.#weights = weights;
    this.#maxFaces = maxFaces;
    this.#counters = counters;
    this.#reader = new FaceReader(model, parameters, { margin: recrop?.margin, blendshapes });
    this.#records = new DataView(new ArrayBuffer(maxFaces * CROP_RECORD_BYTES));
    this.#parameters = new Float32Array(maxFaces * parameters.count);
  }

  /** As `FaceReader.start`. */
  startFrom(face: Face, picture: PictureSize, iteration: number): Start | undefined {
    return this.#reader.start(face, picture, iteration);
  }

  /** Submits as many frames as the starts take, each as soon as a staging buffer is free. Only in a turn. */
  async submit<Name extends OutputName>(
    state: DeviceState,
    frame: Frame,
    starts: readonly Start[],
    run: Run<Name>,
  ): Promise<SubmittedFrames<Name>> {
    const submitted: SubmittedFrames<Name>[] = [];
    for (let first = 0; first < starts.length; first += this.#maxFaces) {
      const some = starts.slice(first, first + this.#maxFaces);
      submitted.push(await this.#submitOne(state, frame, some, run));
    }
    const faces = frame.accepted
      .then(() => Promise.all(submitted.map((one) => one.faces)))
      .then((batches) => batches.flat());
    faces.catch(() => {});
    return { faces };
  }

  /** GPU time per stage of one frame. Only in a turn. */
  profile(state: DeviceState, frame: Frame, starts: readonly Start[], run: Run): Promise<StageTime[]> {
    this.#write(state, frame, starts, run);
    const { gpu, cascade } = state;
    const steps = cascade.steps(frame.texture, planOf(cascade, run));
    return new Sequence(gpu, 'profiled frame', steps).profile(starts.length);
  }

  async #submitOne<Name extends OutputName>(
    state: DeviceState,
    frame: Frame,
    starts: readonly Start[],
    run: Run<Name>,
  ): Promise<SubmittedFrames<Name>> {
    const { gpu, cascade } = state;
    const { outputs } = run.wanted;
    const renderings = outputs.length > 0 ? await state.renderings() : undefined;
    const layoutOf = (faces: number) => FrameLayout.of(cascade, stepsOf(state, run), faces, renderings?.parts(outputs));
    const layout = layoutOf(starts.length);
    // Room for as many faces as may come, so that the next frame finds it made.
    const staging = await state.stagingFor(layoutOf(cascade.maxFaces).bytes);
    const slot = await staging.takeWhenFree();
    try {
      const plan = planOf(cascade, run);
      const steps = renderings?.steps(run.wanted, frame.texture) ?? [];
      const { accepted } = gpu.watch('The frame was refused', () => {
        this.#write(state, frame, starts, run);
        const encoder = gpu.device.createCommandEncoder({ label: 'frame' });
        const pass = encoder.beginComputePass({ label: 'frame' });
        cascade.encode(pass, frame.texture, plan, starts.length);
        encodeSteps(gpu, pass, steps, starts.length);
        pass.end();
        layout.copy(encoder, slot);
        gpu.device.queue.submit([encoder.finish()]);
      });
      const dispatches = plan.dispatches + steps.length;
      this.#counters.addFrame({ faces: starts.length, dispatches, submits: 1, bytesRead: layout.bytes });
      // A refused frame leaves an earlier one's bytes in the staging buffer: read them only to give the buffer back.
      const faces = Promise.all([slot.read(layout.bytes), accepted]).then(([data]) =>
        starts.map((start, i) => {
          const part = (name: FramePart['name']) => layout.view(data, name, i);
          return this.#read(state, frame, start, run, part, renderings?.context);
        }),
      );
      faces.catch(() => {});
      return { faces };
    } catch (error) {
      slot.release();
      throw error;
    }
  }

  /**
   * One face from its parts of what the frame returned.
   * @param context what outputs are made of; undefined where none was asked for
   */
  #read<Name extends OutputName>(
    state: DeviceState,
    { picture, texels }: Frame,
    start: Start,
    run: Run<Name>,
    part: (name: FramePart['name']) => ArrayBuffer,
    context: OutputContext | undefined,
  ): FaceWith<Name> {
    const { path, crops } = stepsOf(state, run);
    const floats = (name: FramePart['name']) => new Float32Array(part(name));
    const cropOf = (k: number | undefined) => {
      if (k === undefined) return start.crop;
      return cropOfRecord(floats(`crop${k}`), picture, texels, this.#weights.network.cropSize);
    };
    const crop = cropOf(crops.at(-1));
    const steps = Array.from({ length: path }, (_, k) => {
      return { parameters: floats(`p${k + 1}`), crop: cropOf(crops[k]) };
    });
    const way = start.path === undefined ? { steps } : { known: start.path };
    const face = this.#reader.read(floats('output'), crop, way);
    if (context === undefined) return face as FaceWith<Name>;
    return { ...face, ...parseOutputs(run.wanted.outputs, part, crop, context) };
  }

  /** Tells the GPU where to look and, in a frame that refines, what to start from. */
  #write({ gpu, cascade }: DeviceState, { texels, picture }: Frame, starts: readonly Start[], run: Run): void {
    const { count } = this.#weights.network.parameters;
    for (const [face, { crop, parameters }] of starts.entries()) {
      writeCropRecord(this.#records, face, cropRecord(crop, picture, texels));
      if (parameters !== undefined) this.#parameters.set(parameters, face * count);
    }
    const { queue } = gpu.device;
    queue.writeBuffer(cascade.crops, 0, this.#records.buffer, 0, starts.length * CROP_RECORD_BYTES);
    if (run.from === 'faces') {
      const first = cascade.parametersAfter(cascade.iterations - run.iterations);
      queue.writeBuffer(first, 0, this.#parameters, 0, starts.length * count);
    }
  }
}

/** The steps of a run that its frames return: those that led to the faces, where they are new. */
function stepsOf({ cascade }: DeviceState, run: Run): { readonly path: number; readonly crops: readonly number[] } {
  return { path: run.from === 'mean' ? run.iterations - 1 : 0, crops: keptCrops(cascade, run) };
}
