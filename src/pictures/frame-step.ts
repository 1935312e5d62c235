/** A step that reads the frame texture, which is another one whenever a larger picture comes, or a texture of the caller's. */
import type { Gpu } from '../engine/device.js';
import { ShapeError } from '../engine/errors.js';
import { Plan, PlanBuilder, type PreparedStep, type Step } from '../engine/plan.js';

export class FrameStep {
  readonly #gpu: Gpu;
  readonly #prepared: PreparedStep;
  readonly #rest: readonly GPUBindingResource[];
  readonly #plans = new WeakMap<GPUTexture, Plan>();

  /**
   * Compiles the step.
   * @param describe the step that reads `frame`, its first binding
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
      return new FrameStep(gpu, prepared, step.bindings.slice(1));
    } finally {
      stand.destroy();
    }
  }

  private constructor(gpu: Gpu, prepared: PreparedStep, rest: readonly GPUBindingResource[]) {
    this.#gpu = gpu;
    this.#prepared = prepared;
    this.#rest = rest;
  }

  /** The step for `texture`, as a plan: one view and one bind group, made once for each texture. */
  plan(texture: GPUTexture): Plan {
    let plan = this.#plans.get(texture);
    if (plan === undefined) {
      const { label, pipeline } = this.#prepared;
      const layout = pipeline.getBindGroupLayout(0);
      const entries = [texture.createView(), ...this.#rest].map((resource, binding) => ({ binding, resource }));
      const bindings = this.#gpu.device.createBindGroup({ label, layout, entries });
      plan = new Plan(this.#gpu, label, [{ ...this.#prepared, bindings }], undefined);
      this.#plans.set(texture, plan);
    }
    return plan;
  }
}
