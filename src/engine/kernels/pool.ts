/** Max and average pooling. See pool.wgsl for the arithmetic. */

import source from '../../shaders/pool.wgsl?raw';
import { ShapeError } from '../errors.js';
import type { LayerKind } from '../network/layer.js';
import type { InputField, LayerFields, WindowFields } from '../network/reader.js';
import type { Kernel, KernelDeclaration } from '../pipelines.js';
import type { PlanBuilder } from '../plan.js';
import { preprocess } from '../preprocess.js';
import { list } from '../show.js';
import { assertTensorShape, blocksOf, type FeatureShape, itemBlocks, type Tensor, tensorBinding } from '../tensor.js';
import { UniformStruct } from '../uniform.js';
import { assertSameBatch, type StepNames, slideWindow, type Window, WORKGROUP_SIZE } from './common.js';

/** Max or average pooling. */
export interface PoolSpec extends Window {
  /** `max` ignores what is outside the picture, `average` counts it as zeros. */
  readonly mode: 'max' | 'average';
  /** Shape of one input item. */
  readonly input: FeatureShape;
}

const PARAMS = new UniformStruct({
  input_width: 'i32',
  input_height: 'i32',
  blocks: 'u32',
  output_width: 'u32',
  output_height: 'u32',
  kernel_width: 'i32',
  kernel_height: 'i32',
  stride_x: 'i32',
  stride_y: 'i32',
  pad_left: 'i32',
  pad_top: 'i32',
});

const code = preprocess(source);

function poolKernel(mode: PoolSpec['mode']): Kernel {
  return {
    name: 'pool',
    code,
    constants: { AVERAGE: Number(mode === 'average') },
    bindings: { input: 'read', output: 'read-write' },
  };
}

/** Shape of one pooled item. @throws ShapeError where the window does not fit, or padding would leave one empty. */
export function poolOutputShape(spec: PoolSpec): FeatureShape {
  const { kernel, padding, mode, input } = spec;
  const [top, left, bottom, right] = padding;
  if (Math.max(top, bottom) >= kernel[0] || Math.max(left, right) >= kernel[1]) {
    throw new ShapeError(
      `${mode} pool has padding [${list(padding)}]; wanted less than its kernel ${list(kernel, 'x')}.`,
    );
  }
  return { ...slideWindow(input, spec, `${mode} pool`), channels: input.channels };
}

/** Adds the pooling to a plan. @throws ShapeError where the tensors do not have the shapes that `spec` gives. */
export function recordPool(
  builder: PlanBuilder,
  names: StepNames,
  spec: PoolSpec,
  { input, output }: { readonly input: Tensor; readonly output: Tensor },
): void {
  assertTensorShape(input, spec.input, `Input of ${spec.mode} pool`);
  assertTensorShape(output, poolOutputShape(spec), `Output of ${spec.mode} pool`);
  assertSameBatch([input, output]);
  builder.add({
    ...names,
    kernel: poolKernel(spec.mode),
    bindings: { input: tensorBinding(input), output: tensorBinding(output) },
    params: PARAMS.pack({
      input_width: input.shape.width,
      input_height: input.shape.height,
      blocks: blocksOf(input.shape.channels),
      output_width: output.shape.width,
      output_height: output.shape.height,
      kernel_width: spec.kernel[1],
      kernel_height: spec.kernel[0],
      stride_x: spec.stride[1],
      stride_y: spec.stride[0],
      pad_left: spec.padding[1],
      pad_top: spec.padding[0],
    }),
    workgroups: [Math.ceil(itemBlocks(output.shape) / WORKGROUP_SIZE), 1, 1],
    batchAxis: 1,
  });
}

/** Whether a layer is the max pool that a convolution's kernel can do: 2x2, stride 2, no padding. */
export function isHalving({ op, spec }: { readonly op: string; readonly spec: unknown }): boolean {
  if (op !== poolKind.op) return false;
  const { mode, kernel, stride, padding } = spec as PoolSpec;
  return mode === 'max' && [...kernel, ...stride].every((size) => size === 2) && padding.every((size) => size === 0);
}

/** `maxPool` ignores the padding, `averagePool` counts it as zeros; it is less than the kernel. */
export interface PoolLayer extends LayerFields<'maxPool' | 'averagePool'>, InputField, WindowFields {}

export const poolKind: LayerKind<'pool', PoolSpec, PoolLayer> = {
  op: 'pool',
  names: ['maxPool', 'averagePool'],
  read(layer) {
    const mode = layer.oneOf('op', ['maxPool', 'averagePool']) === 'maxPool' ? 'max' : 'average';
    const { name, shape } = layer.input();
    return { inputs: [name], spec: { input: shape, ...layer.window(), mode } };
  },
  shape: poolOutputShape,
  stage: ({ mode }) => `${mode} pool`,
  record: (builder, names, spec, { inputs: [input], output }) => recordPool(builder, names, spec, { input, output }),
};

export const declarations: readonly KernelDeclaration[] = [
  { shader: 'pool.wgsl', kernels: [poolKernel('max'), poolKernel('average')], params: PARAMS },
];
