/** 1x1 convolutions of 16 or 64 channels, for GPUs in software that have subgroups. See pointwise.wgsl. */
import type { StepNames } from '../../engine/kernels/common.js';
import type { Conv2dSpec } from '../../engine/kernels/conv2d.js';
import type { LayerTensors } from '../../engine/network/layer.js';
import type { Kernel, KernelDeclaration } from '../../engine/pipelines.js';
import type { PlanBuilder } from '../../engine/plan.js';
import { preprocess } from '../../engine/preprocess.js';
import { assertTensorShape, blocksOf, tensorBinding } from '../../engine/tensor.js';
import { UniformStruct } from '../../engine/uniform.js';
import source from '../../shaders/pointwise.wgsl?raw';

const PARAMS = new UniformStruct({ pixels: 'u32', run: 'u32', output_blocks: 'u32' });

/** Channels that a kernel takes, and those that a quad makes. */
const FEW = 16;
const MANY = 64;

/** Pixels that share one loading of the weights, so that it is some tenth of their work. */
const RUN = 64;

function pointwiseKernel(isDeep: boolean, isBroad: boolean): Kernel {
  return {
    name: `pointwise${isDeep ? '.deep' : ''}${isBroad ? '.broad' : ''}`,
    code: preprocess(source, { flags: { DEEP: isDeep, BROAD: isBroad } }),
    bindings: { input: 'read', weights: 'read', bias_slope: 'read', output: 'read-write' },
  };
}

/** Whether it computes a layer. */
export function fitsPointwise(spec: Conv2dSpec): boolean {
  const { kernel, stride, padding, inChannels, outChannels, activation, pool } = spec;
  return (
    [...kernel, ...stride].every((size) => size === 1) &&
    padding.every((size) => size === 0) &&
    (inChannels === FEW || inChannels === MANY) &&
    outChannels % FEW === 0 &&
    activation === 'none' &&
    !pool
  );
}

/**
 * Adds a layer that fits to a plan.
 * @throws ShapeError where the tensors do not have the shapes that `spec` gives.
 */
export function recordPointwise(
  builder: PlanBuilder,
  names: StepNames,
  spec: Conv2dSpec,
  { inputs: [input], output, weights }: LayerTensors,
): void {
  const { inChannels, outChannels } = spec;
  assertTensorShape(input, spec.input, 'Input of pointwise');
  assertTensorShape(output, { ...spec.input, channels: outChannels }, 'Output of pointwise');
  const pixels = spec.input.height * spec.input.width;
  const isBroad = outChannels % MANY === 0;
  builder.add({
    ...names,
    kernel: pointwiseKernel(inChannels === MANY, isBroad),
    bindings: {
      input: tensorBinding(input),
      weights: weights.binding('weight'),
      bias_slope: weights.binding('bias'),
      output: tensorBinding(output),
    },
    params: PARAMS.pack({ pixels, run: RUN, output_blocks: blocksOf(outChannels) }),
    workgroups: [Math.ceil(pixels / RUN), 1, outChannels / (isBroad ? MANY : FEW)],
    batchAxis: 1,
  });
}

export const declarations: readonly KernelDeclaration[] = [
  {
    shader: 'pointwise.wgsl',
    kernels: [false, true].flatMap((isDeep) => [pointwiseKernel(isDeep, false), pointwiseKernel(isDeep, true)]),
    params: PARAMS,
  },
];
