/**
 * A step that reads the frame texture, which is another one whenever a larger picture comes, or a texture of the
 * caller's.
 */
import type { Gpu } from '../engine/device.js';
import { ShapeError } from '../engine/errors.js';
import { bindingEntries, PlanBuilder, type PreparedStep, Sequence, type Step } from '../engine/plan.js';

export class FrameStep {
  readonly #gpu: Gpu;
  readonly #prepared: PreparedStep;
  readonly #step: Step;
  readonly #sequences = new WeakMap<GPUTexture, Sequence>();

  /**
   * Compiles the step.
   * @param describe the step that reads `frame`, which it binds by that name
   * @throws as `PlanBuilder.build`.
   */
  static async create(gpu: Gpu, describe: (frame: GPUTextureView) => Step): Promise<FrameStep> {
    // Stands in until there is a frame.
    const stand = gpu.device.createTexture({
      label: 'no frame',
      size: [1, 1],
      format: 'rgba8unorm',
      usage: GPUTextureUsage.TEXTURE_BINDING,
    });
    try {
      const step = describe(stand.createView());
      const plan = await new PlanBuilder(gpu, step.label).add(step).build();
      const [prepared] = plan.steps;
      if (prepared === undefined) throw new ShapeError(`The plan of '${step.label}' has no step.`);
      return new FrameStep(gpu, prepared, step);
    } finally {
      stand.destroy();
    }
  }

  private constructor(gpu: Gpu, prepared: PreparedStep, step: Step) {
    this.#gpu = gpu;
    this.#prepared = prepared;
    this.#step = step;
  }

  /** The step for `texture`: one view and one bind group, made once for each texture. */
  on(texture: GPUTexture): Sequence {
    let sequence = this.#sequences.get(texture);
    if (sequence === undefined) {
      const { label, pipeline } = this.#prepared;
      const layout = pipeline.getBindGroupLayout(0);
      const { kernel, bindings: given } = this.#step;
      const entries = bindingEntries({ kernel, bindings: { ...given, frame: texture.createView() } });
      const bindings = this.#gpu.device.createBindGroup({ label, layout, entries });
      sequence = new Sequence(this.#gpu, label, [{ ...this.#prepared, bindings }]);
      this.#sequences.set(texture, sequence);
    }
    return sequence;
  }
}
