/**
 * Looks at one face after the fact: its vertices, PNCC, depth and texture, from its parameters alone. Off the frame's
 * path, with buffers of its own.
 */

import { STEM_CHANNELS } from '../cascade/kernels/crop.js';
import { createGeometry, type ModelBuffers, recordGeometry } from '../cascade/mesh.js';
import type { CascadeWeights } from '../cascade/weights.js';
import type { Gpu } from '../engine/device.js';
import { type Plan, PlanBuilder } from '../engine/plan.js';
import { StagingRing } from '../engine/readback.js';
import { createTensor, type Tensor } from '../engine/tensor.js';
import type { Crop } from '../pictures/crop.js';
import type { Frame } from '../pictures/frame.js';
import { CROP_RECORD_BYTES, cropRecord, writeCropRecord } from '../pictures/kernels/crop.js';
import { FrameLayout } from './frame-layout.js';
import { type FaceOutputs, type OutputName, parseOutputs } from './outputs.js';
import { encodeSteps, Renderings } from './renderings.js';

/** A face as the rasteriser sees it, in the crop. */
export interface FaceRendering extends Pick<FaceOutputs, 'pncc' | 'depth'> {
  /** S. */
  readonly size: number;
}

export class Inspector {
  readonly #gpu: Gpu;
  readonly #plan: Plan;
  readonly #parameters: Tensor;
  readonly #crops: GPUBuffer;
  readonly #renderings: Renderings;

  /** What it makes belongs to `gpu` and is freed with it. */
  static async create(gpu: Gpu, weights: CascadeWeights, model: ModelBuffers, textureSize: number): Promise<Inspector> {
    const { cropSize: size, parameters: layout } = weights.network;
    const { value, accepted } = gpu.watch('The buffers of the inspector could not be made', () => {
      const parameters = createTensor(gpu, 'inspector.parameters', { height: 1, width: 1, channels: layout.count });
      const geometry = createGeometry(gpu, 'inspector', model.whole.spec, 1, false);
      const stem = createTensor(gpu, 'inspector.stem', { height: size, width: size, channels: STEM_CHANNELS });
      const crops = gpu.createBuffer(
        'inspector.crop',
        CROP_RECORD_BYTES,
        GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
      );
      const builder = new PlanBuilder(gpu, 'inspector');
      recordGeometry(builder, '', model.whole, layout, { parameters: parameters.buffer, geometry });
      return {
        builder,
        parameters,
        crops,
        args: { mesh: model.whole, geometry, crops, stem, maxFaces: 1, textureSize },
      };
    });
    await accepted;
    const { builder, parameters, crops, args } = value;
    const [plan, renderings] = await Promise.all([builder.build(), Renderings.create(gpu, weights.model, args)]);
    return new Inspector(gpu, plan, parameters, crops, renderings);
  }

  private constructor(gpu: Gpu, plan: Plan, parameters: Tensor, crops: GPUBuffer, renderings: Renderings) {
    this.#gpu = gpu;
    this.#plan = plan;
    this.#parameters = parameters;
    this.#crops = crops;
    this.#renderings = renderings;
  }

  /**
   * The outputs of the face with these parameters in `crop`.
   * @param unwrap what a texture is taken from
   */
  async read<Name extends OutputName>(
    parameters: Float32Array<ArrayBuffer>,
    crop: Crop,
    outputs: readonly Name[],
    unwrap?: { readonly frame: Frame; readonly mirror: boolean },
  ): Promise<Pick<FaceOutputs, Name>> {
    const { device } = this.#gpu;
    const renderings = this.#renderings;
    const layout = new FrameLayout(renderings.parts(outputs), 1);
    const run = () => {
      const staging = new StagingRing(this.#gpu, 'inspector.staging', layout.bytes, 1);
      const slot = staging.take();
      device.queue.writeBuffer(this.#parameters.buffer, 0, parameters);
      if (unwrap !== undefined) {
        const record = new DataView(new ArrayBuffer(CROP_RECORD_BYTES));
        writeCropRecord(record, 0, cropRecord(crop, unwrap.frame.picture, unwrap.frame.texels));
        device.queue.writeBuffer(this.#crops, 0, record.buffer);
      }
      const encoder = device.createCommandEncoder({ label: 'inspector' });
      const pass = encoder.beginComputePass({ label: 'inspector' });
      this.#plan.encode(pass);
      const wanted = { outputs, mirror: unwrap?.mirror ?? false };
      encodeSteps(this.#gpu, pass, renderings.steps(wanted, unwrap?.frame.texture), 1);
      pass.end();
      layout.copy(encoder, slot);
      device.queue.submit([encoder.finish()]);
      return { staging, slot };
    };
    // Written, run and copied without a pause: nobody else can come between.
    const { value, accepted } = this.#gpu.watch('Drawing the face was refused', run);
    try {
      const [data] = await Promise.all([value.slot.read(), accepted]);
      return parseOutputs(outputs, (source) => layout.view(data, source, 0), crop, renderings.context);
    } finally {
      value.staging.destroy();
    }
  }
}
