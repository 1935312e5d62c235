/** 3x3 convolution of stride 2 of three channels, for GPUs in software that have subgroups. See stem.wgsl. */
import type { StepNames } from '../../engine/kernels/common.js';
import type { Conv2dSpec } from '../../engine/kernels/conv2d.js';
import type { LayerTensors } from '../../engine/network/layer.js';
import type { Kernel, KernelDeclaration } from '../../engine/pipelines.js';
import type { PlanBuilder } from '../../engine/plan.js';
import { preprocess } from '../../engine/preprocess.js';
import { assertTensorShape, blocksOf, tensorBinding } from '../../engine/tensor.js';
import { UniformStruct } from '../../engine/uniform.js';
import source from '../../shaders/stem.wgsl?raw';

const PARAMS = new UniformStruct({
  input_width: 'i32',
  input_height: 'i32',
  output_width: 'i32',
  output_height: 'i32',
  output_blocks: 'u32',
});

const kernel: Kernel = {
  name: 'stem',
  code: preprocess(source),
  bindings: { input: 'read', weights: 'read', bias_slope: 'read', output: 'read-write' },
};

/** Channels that a quad makes. */
const QUAD = 16;

/** Whether it computes a layer. */
export function fitsStem(spec: Conv2dSpec): boolean {
  return (
    spec.kernel.every((size) => size === 3) &&
    spec.stride.every((size) => size === 2) &&
    spec.padding.every((size) => size === 1) &&
    spec.inChannels === 3 &&
    spec.outChannels % QUAD === 0 &&
    spec.activation === 'relu' &&
    !spec.pool
  );
}

/**
 * Adds a layer that fits to a plan.
 * @throws ShapeError where the tensors do not have the shapes that `spec` gives.
 */
export function recordStem(
  builder: PlanBuilder,
  names: StepNames,
  spec: Conv2dSpec,
  { inputs: [input], output, weights }: LayerTensors,
): void {
  const { height, width } = spec.input;
  const shape = { height: Math.ceil(height / 2), width: Math.ceil(width / 2), channels: spec.outChannels };
  assertTensorShape(input, spec.input, 'Input of stem');
  assertTensorShape(output, shape, 'Output of stem');
  builder.add({
    ...names,
    kernel,
    bindings: {
      input: tensorBinding(input),
      weights: weights.binding('weight'),
      bias_slope: weights.binding('bias'),
      output: tensorBinding(output),
    },
    params: PARAMS.pack({
      input_width: width,
      input_height: height,
      output_width: shape.width,
      output_height: shape.height,
      output_blocks: blocksOf(shape.channels),
    }),
    workgroups: [shape.height, 1, shape.channels / QUAD],
    batchAxis: 1,
  });
}

export const declarations: readonly KernelDeclaration[] = [{ shader: 'stem.wgsl', kernels: [kernel], params: PARAMS }];
