/** 3x3 convolution of each channel by itself, for GPUs in software. See depthwiseStrips.wgsl. */
import type { StepNames } from '../../engine/kernels/common.js';
import type { DepthwiseConv2dSpec } from '../../engine/kernels/depthwiseConv2d.js';
import type { LayerTensors } from '../../engine/network/layer.js';
import type { Kernel, KernelDeclaration } from '../../engine/pipelines.js';
import type { PlanBuilder } from '../../engine/plan.js';
import { preprocess } from '../../engine/preprocess.js';
import { assertTensorShape, blocksOf, tensorBinding } from '../../engine/tensor.js';
import { UniformStruct } from '../../engine/uniform.js';
import source from '../../shaders/depthwiseStrips.wgsl?raw';

const PARAMS = new UniformStruct({ width: 'i32', height: 'i32', blocks: 'i32' });

const STRIP_WIDTH = 4;
const WORKGROUP_SIZE = 16;

const code = preprocess(source);

function depthwiseStripsKernel(relu: boolean, pool: boolean): Kernel {
  return {
    name: 'depthwiseStrips',
    code,
    constants: { RELU: Number(relu), POOL: Number(pool) },
    bindings: { input: 'read', weights: 'read', bias_slope: 'read', output: 'read-write' },
  };
}

/** Whether it computes a layer. */
export function fitsDepthwiseStrips({ input, kernel, stride, padding, activation }: DepthwiseConv2dSpec): boolean {
  return (
    kernel.every((size) => size === 3) &&
    [...stride, ...padding].every((size) => size === 1) &&
    input.width % STRIP_WIDTH === 0 &&
    input.height % 2 === 0 &&
    (activation === 'none' || activation === 'relu')
  );
}

/**
 * Adds a layer that fits to a plan.
 * @throws ShapeError where the tensors do not have the shapes that `spec` gives.
 */
export function recordDepthwiseStrips(
  builder: PlanBuilder,
  names: StepNames,
  spec: DepthwiseConv2dSpec,
  { inputs: [input], output, weights }: LayerTensors,
): void {
  assertTensorShape(input, spec.input, 'Input of depthwiseStrips');
  const { width, height, channels } = spec.input;
  const scale = spec.pool ? 2 : 1;
  const shape = { width: width / scale, height: height / scale, channels };
  assertTensorShape(output, shape, 'Output of depthwiseStrips');
  const blocks = blocksOf(channels);
  builder.add({
    ...names,
    kernel: depthwiseStripsKernel(spec.activation === 'relu', spec.pool),
    bindings: {
      input: tensorBinding(input),
      weights: weights.binding('weight'),
      bias_slope: weights.binding('bias'),
      output: tensorBinding(output),
    },
    params: PARAMS.pack({ width, height, blocks }),
    workgroups: [Math.ceil(((width / STRIP_WIDTH) * blocks) / WORKGROUP_SIZE), 1, 1],
    batchAxis: 1,
  });
}

export const declarations: readonly KernelDeclaration[] = [
  {
    shader: 'depthwiseStrips.wgsl',
    kernels: [false, true].flatMap((relu) => [depthwiseStripsKernel(relu, false), depthwiseStripsKernel(relu, true)]),
    params: PARAMS,
  },
];
