/** The adapter's arithmetic peak, as far as a kernel of nothing but multiply-adds reaches it. See peak.wgsl. */
import type { Gpu } from '../src/engine/device.js';
import type { Kernel } from '../src/engine/pipelines.js';
import { type Plan, PlanBuilder } from '../src/engine/plan.js';
import { preprocess } from '../src/engine/preprocess.js';
import { UniformStruct } from '../src/engine/uniform.js';
import source from './peak.wgsl?raw';
import { type Timed, timedPass } from './timing.js';

const PARAMS = new UniformStruct({ steps: 'u32', factor: 'f32', offset: 'f32' });

const INVOCATIONS = 1 << 15;
const WORKGROUP_SIZE = 64;

/** Multiply-adds of vec4 that one invocation makes, whatever the number of chains. */
const VECTORS = 1 << 9;

/** Floating point operations of one dispatch: a multiply-add is two. */
export const PEAK_FLOP = INVOCATIONS * VECTORS * 4 * 2;

const CHAINS = [1, 2, 4, 8] as const;

export interface PeakForm {
  /** As "4 chains of vec4". */
  readonly name: string;
  readonly kernel: Kernel;
  readonly steps: number;
}

/** Every form of the kernel that is tried; the fastest counts. */
export const peakForms: readonly PeakForm[] = CHAINS.flatMap((chains) =>
  [false, true].map((fused) => ({
    name: `${chains} ${chains === 1 ? 'chain' : 'chains'} of vec4, ${fused ? 'fma()' : 'a * b + c'}`,
    kernel: {
      name: 'peak',
      code: preprocess(source, { flags: { TWO: chains >= 2, FOUR: chains >= 4, EIGHT: chains >= 8, FUSED: fused } }),
      bindings: { output: 'read-write' },
    },
    steps: VECTORS / chains / 4,
  })),
);

/** Compiles all forms. */
export async function createPeakForms(gpu: Gpu): Promise<readonly Timed[]> {
  const output = gpu.createBuffer('peak', INVOCATIONS * 4, GPUBufferUsage.STORAGE);
  const plans: Plan[] = await Promise.all(
    peakForms.map(({ name, kernel, steps }) =>
      new PlanBuilder(gpu, name)
        .add({
          label: name,
          stage: 'peak',
          kernel,
          bindings: { output: { buffer: output } },
          params: PARAMS.pack({ steps, factor: 0.999, offset: 0.25 }),
          workgroups: [INVOCATIONS / WORKGROUP_SIZE, 1, 1],
        })
        .build(),
    ),
  );
  return plans.map((plan) => timedPass(plan.label, (pass) => plan.encode(pass)));
}
