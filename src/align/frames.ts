/** One frame: its starts on the GPU, one submit, one readback, faces. */
import type { CascadeWeights } from '../cascade/weights.js';
import type { Frame, PictureSize } from '../pictures/frame.js';
import { CROP_RECORD_BYTES, cropOfRecord, cropRecord, writeCropRecord } from '../pictures/kernels/crop.js';
import type { DeviceState } from './device-state.js';
import { type Face, FaceReader, type Start } from './face.js';
import { FrameLayout, type FramePart } from './frame-layout.js';
import { type FaceWith, type OutputName, parseOutputs } from './outputs.js';
import { encodeSteps } from './renderings.js';
import { keptCrops, planOf, type Run } from './starts.js';

/** A frame on its way. */
export interface SubmittedFrame<Name extends OutputName> {
  /** Face i belongs to start i. Nobody need await it: an unheard rejection is not reported. */
  readonly faces: Promise<FaceWith<Name>[]>;
  readonly dispatches: number;
  /** Bytes copied to the staging buffer. */
  readonly bytes: number;
}

export class Frames {
  readonly #weights: CascadeWeights;
  readonly #reader: FaceReader;
  /** Crop records of one frame, reused. */
  readonly #records: DataView<ArrayBuffer>;
  /** What the faces of one frame start from, reused. */
  readonly #parameters: Float32Array<ArrayBuffer>;

  /** @param maxFaces faces of a frame */
  constructor(weights: CascadeWeights, maxFaces: number) {
    const { parameters, recrop } = weights.network;
    this.#weights = weights;
    this.#reader = new FaceReader(weights.model, parameters, recrop?.margin);
    this.#records = new DataView(new ArrayBuffer(maxFaces * CROP_RECORD_BYTES));
    this.#parameters = new Float32Array(maxFaces * parameters.count);
  }

  /** As `FaceReader.start`. */
  startFrom(face: Face, picture: PictureSize, iteration: number): Start | undefined {
    return this.#reader.start(face, picture, iteration);
  }

  /** Submits one frame as soon as a staging buffer is free. Only in a turn. */
  async submit<Name extends OutputName>(
    state: DeviceState,
    frame: Frame,
    starts: readonly Start[],
    run: Run<Name>,
  ): Promise<SubmittedFrame<Name>> {
    const { gpu, cascade } = state;
    const { outputs } = run.wanted;
    const renderings = outputs.length > 0 ? await state.renderings() : undefined;
    // The steps that led to the faces, where they are new.
    const path = run.from === 'mean' ? run.iterations - 1 : 0;
    const more = renderings?.parts(outputs);
    const crops = keptCrops(cascade, run);
    const layoutOf = (faces: number) => FrameLayout.of(cascade, { path, crops }, faces, more);
    const layout = layoutOf(starts.length);
    // Room for as many faces as may come, so that the next frame finds it made.
    const staging = await state.stagingFor(layoutOf(cascade.maxFaces).bytes);
    const slot = await staging.takeWhenFree();
    try {
      const plan = planOf(cascade, run);
      const steps = renderings?.steps(run.wanted, frame.texture) ?? [];
      const { bytes } = layout;
      const { accepted } = gpu.watch('The frame was refused', () => {
        this.write(state, frame, starts, run);
        const encoder = gpu.device.createCommandEncoder({ label: 'frame' });
        const pass = encoder.beginComputePass({ label: 'frame' });
        cascade.encode(pass, frame.texture, plan, starts.length);
        encodeSteps(gpu, pass, steps, starts.length);
        pass.end();
        layout.copy(encoder, slot);
        gpu.device.queue.submit([encoder.finish()]);
      });
      // A refused frame leaves an earlier one's bytes in the staging buffer: read them only to give the buffer back.
      const faces = Promise.all([slot.read(bytes), accepted]).then(([data]) =>
        starts.map(({ crop: start, path: known }, i) => {
          const floats = (name: FramePart['name']) => new Float32Array(layout.view(data, name, i));
          const cropOf = (k: number | undefined) =>
            k === undefined
              ? start
              : cropOfRecord(floats(`crop${k}`), frame.picture, frame.texels, this.#weights.network.cropSize);
          const crop = cropOf(crops.at(-1));
          const steps = Array.from({ length: path }, (_, k) => {
            return { parameters: floats(`p${k + 1}`), crop: cropOf(crops[k]) };
          });
          const face = this.#reader.read(floats('output'), crop, known === undefined ? { steps } : { known });
          // Without renderings nothing else was asked for.
          if (renderings === undefined) return face as FaceWith<Name>;
          return {
            ...face,
            ...parseOutputs(outputs, (source) => layout.view(data, source, i), crop, renderings.context),
          };
        }),
      );
      faces.catch(() => {});
      return { faces, dispatches: plan.dispatches + steps.length, bytes };
    } catch (error) {
      slot.release();
      throw error;
    }
  }

  /** Tells the GPU where to look and, in a frame that refines, what to start from. */
  write({ gpu, cascade }: DeviceState, { texels, picture }: Frame, starts: readonly Start[], run: Run): void {
    const { count } = this.#weights.network.parameters;
    for (const [face, { crop, parameters }] of starts.entries()) {
      writeCropRecord(this.#records, face, cropRecord(crop, picture, texels));
      if (parameters !== undefined) this.#parameters.set(parameters, face * count);
    }
    const { queue } = gpu.device;
    queue.writeBuffer(cascade.faces, 0, this.#records.buffer, 0, starts.length * CROP_RECORD_BYTES);
    if (run.from === 'faces') {
      const first = cascade.step(cascade.iterations - run.iterations);
      queue.writeBuffer(first, 0, this.#parameters, 0, starts.length * count);
    }
  }
}
