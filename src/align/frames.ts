/** One frame: its starts on the GPU, one submit, one readback, faces. */
import type { CascadeWeights } from '../cascade/weights.js';
import type { Frame } from '../pictures/frame.js';
import { CROP_RECORD_BYTES, cropRecord, writeCropRecord } from '../pictures/kernels/crop.js';
import type { DeviceState } from './device-state.js';
import { FaceReader } from './face.js';
import { FrameLayout } from './frame-layout.js';
import { type FaceWith, type OutputName, parseOutputs } from './outputs.js';
import { encodeSteps } from './renderings.js';
import { type Run, type Start, sequenceOf } from './starts.js';

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
    const { parameters } = weights.network;
    this.#weights = weights;
    this.#reader = new FaceReader(weights.model, parameters);
    this.#records = new DataView(new ArrayBuffer(maxFaces * CROP_RECORD_BYTES));
    this.#parameters = new Float32Array(maxFaces * parameters.count);
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
    const layoutOf = (faces: number) => FrameLayout.of(cascade, path, faces, more);
    const layout = layoutOf(starts.length);
    // Room for as many faces as may come, so that the next frame finds it made.
    const staging = await state.stagingFor(layoutOf(cascade.maxFaces).bytes);
    const slot = await staging.takeWhenFree();
    try {
      const sequence = sequenceOf(cascade, run);
      const steps = renderings?.steps(run.wanted, frame.texture) ?? [];
      const { bytes } = layout;
      const { accepted } = gpu.watch('The frame was refused', () => {
        this.write(state, frame, starts, run);
        const encoder = gpu.device.createCommandEncoder({ label: 'frame' });
        const pass = encoder.beginComputePass({ label: 'frame' });
        cascade.encode(pass, frame.texture, sequence, starts.length);
        encodeSteps(gpu, pass, steps, starts.length);
        pass.end();
        layout.copy(encoder, slot);
        gpu.device.queue.submit([encoder.finish()]);
      });
      // A refused frame leaves an earlier one's bytes in the staging buffer: read them only to give the buffer back.
      const faces = Promise.all([slot.read(bytes), accepted]).then(([data]) =>
        starts.map(({ crop, path: known }, i) => {
          const output = new Float32Array(layout.view(data, 'output', i));
          const own = Array.from({ length: path }, (_, k) => new Float32Array(layout.view(data, `p${k + 1}`, i)));
          const last = output.slice(0, this.#weights.network.parameters.count);
          const face = this.#reader.read(output, crop, known ?? [...own, last]);
          // Without renderings nothing else was asked for.
          if (renderings === undefined) return face as FaceWith<Name>;
          return {
            ...face,
            ...parseOutputs(outputs, (source) => layout.view(data, source, i), crop, renderings.context),
          };
        }),
      );
      faces.catch(() => {});
      return { faces, dispatches: 1 + sequence.steps.length + steps.length, bytes };
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
