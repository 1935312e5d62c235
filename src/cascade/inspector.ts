/**
 * Looks at one face after the fact: its vertices, its PNCC and its depth, from its parameters alone. Off the frame's path, with buffers of its own.
 */
import type { Gpu } from '../engine/device.js';
import { type Plan, PlanBuilder } from '../engine/plan.js';
import { readBuffer } from '../engine/readback.js';
import { createTensor, type Tensor } from '../engine/tensor.js';
import { createGeometry, type ModelBuffers, meshSpec, recordGeometry } from './cascade.js';
import { type Geometry, type KeyLayout, keyLayout, SUBPIXEL } from './kernels/common.js';
import { recordResolve } from './kernels/resolve.js';
import type { CascadeWeights } from './weights.js';

/** A face as the rasteriser sees it, in the crop. */
export interface FaceRendering {
  /** S. */
  readonly size: number;
  /** Projected normalised coordinate code [S,S,3] in [0,1]; 0 where there is no face. */
  readonly pncc: Float32Array<ArrayBuffer>;
  /** Depth [S,S] in crop pixels, larger is nearer, flat per triangle; NaN where there is no face. */
  readonly depth: Float32Array<ArrayBuffer>;
}

export class Inspector {
  readonly #gpu: Gpu;
  readonly #plan: Plan;
  readonly #parameters: Tensor;
  readonly #geometry: Geometry;
  readonly #stem: Tensor;
  readonly #size: number;
  readonly #keys: KeyLayout;

  /** What it makes belongs to `gpu` and is freed with it. */
  static async create(gpu: Gpu, { model, network }: CascadeWeights, buffers: ModelBuffers): Promise<Inspector> {
    const { cropSize: size, parameters: layout } = network;
    const { value, accepted } = gpu.watch('The buffers of the inspector could not be made', () => {
      const spec = meshSpec(model, size);
      const parameters = createTensor(gpu, 'inspector.parameters', { height: 1, width: 1, channels: layout.count });
      const geometry = createGeometry(gpu, 'inspector', spec, 1, false);
      const stem = createTensor(gpu, 'inspector.stem', { height: size, width: size, channels: 8 });
      const image = createTensor(gpu, 'inspector.image', { height: size, width: size, channels: 3 });
      const builder = new PlanBuilder(gpu, 'inspector');
      recordGeometry(builder, '', spec, layout, { parameters: parameters.buffer, model: buffers, geometry });
      const { triangles, codes } = buffers;
      recordResolve(builder, { label: 'resolve', stage: 'resolve' }, spec, { geometry, triangles, codes, image, stem });
      return { builder, parameters, geometry, stem };
    });
    await accepted;
    const { builder, parameters, geometry, stem } = value;
    const keys = keyLayout(model.triangleCount, size);
    return new Inspector(gpu, await builder.build(), parameters, geometry, stem, size, keys);
  }

  private constructor(
    gpu: Gpu,
    plan: Plan,
    parameters: Tensor,
    geometry: Geometry,
    stem: Tensor,
    size: number,
    keys: KeyLayout,
  ) {
    this.#gpu = gpu;
    this.#plan = plan;
    this.#parameters = parameters;
    this.#geometry = geometry;
    this.#stem = stem;
    this.#size = size;
    this.#keys = keys;
  }

  /** Vertices [V,3] in crop pixels. */
  async vertices(parameters: Float32Array<ArrayBuffer>): Promise<Float32Array<ArrayBuffer>> {
    // No await between running and reading: the copy is submitted before anyone else can run the plan.
    const accepted = this.#run(parameters);
    const [data] = await Promise.all([readBuffer(this.#gpu, this.#geometry.vertices), accepted]);
    const packed = new Float32Array(data);
    const vertices = new Float32Array((packed.length / 4) * 3);
    for (let v = 0; v * 4 < packed.length; v++) vertices.set(packed.subarray(v * 4, v * 4 + 3), v * 3);
    return vertices;
  }

  async render(parameters: Float32Array<ArrayBuffer>): Promise<FaceRendering> {
    const accepted = this.#run(parameters);
    const [stem, keys] = await Promise.all([
      readBuffer(this.#gpu, this.#stem.buffer),
      readBuffer(this.#gpu, this.#geometry.visibility),
      accepted,
    ]);
    const channels = new Float32Array(stem);
    const pixels = this.#size * this.#size;
    const pncc = new Float32Array(pixels * 3);
    for (let pixel = 0; pixel < pixels; pixel++) pncc.set(channels.subarray(pixel * 8 + 3, pixel * 8 + 6), pixel * 3);
    const { idBits, depthShift } = this.#keys;
    const depth = Float32Array.from(new Uint32Array(keys), (key) =>
      key === 0 ? Number.NaN : ((key >>> idBits) << depthShift) / (3 * SUBPIXEL) - this.#size,
    );
    return { size: this.#size, pncc, depth };
  }

  /** @returns what `Gpu.watch` says of it */
  #run(parameters: Float32Array<ArrayBuffer>): Promise<void> {
    const { device } = this.#gpu;
    const { accepted } = this.#gpu.watch('Drawing the face was refused', () => {
      device.queue.writeBuffer(this.#parameters.buffer, 0, parameters);
      const encoder = device.createCommandEncoder({ label: 'inspector' });
      const pass = encoder.beginComputePass({ label: 'inspector' });
      this.#plan.encode(pass);
      pass.end();
      device.queue.submit([encoder.finish()]);
    });
    return accepted;
  }
}
