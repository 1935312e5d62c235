/** Enlarging by whole factors: every pixel becomes a block of pixels. See resizeNearest.wgsl. */

import source from '../../shaders/resizeNearest.wgsl?raw';
import { ShapeError } from '../errors.js';
import type { LayerKind } from '../network/layer.js';
import type { InputField, LayerFields } from '../network/reader.js';
import type { Kernel, KernelDeclaration } from '../pipelines.js';
import type { PlanBuilder } from '../plan.js';
import { preprocess } from '../preprocess.js';
import { list } from '../show.js';
import {
  assertFeatureShape,
  assertTensorShape,
  blocksOf,
  type FeatureShape,
  itemBlocks,
  type Tensor,
  tensorBinding,
} from '../tensor.js';
import { UniformStruct } from '../uniform.js';
import { assertSameBatch, type StepNames, WORKGROUP_SIZE } from './common.js';

/** Enlarging by whole factors. */
export interface ResizeNearestSpec {
  /** Shape of one input item. */
  readonly input: FeatureShape;
  /** Pixels of the result for one of the input, whole numbers >= 1. */
  readonly scale: readonly [vertical: number, horizontal: number];
}

const PARAMS = new UniformStruct({
  input_width: 'u32',
  blocks: 'u32',
  output_width: 'u32',
  output_height: 'u32',
  input_pixels: 'u32',
  scale_x: 'u32',
  scale_y: 'u32',
});

const kernel: Kernel = {
  name: 'resizeNearest',
  code: preprocess(source),
  bindings: { input: 'read', output: 'read-write' },
};

/** Shape of one enlarged item. @throws ShapeError where a factor is no whole number >= 1. */
export function resizeNearestOutputShape({ input, scale }: ResizeNearestSpec): FeatureShape {
  assertFeatureShape(input, 'Input of resizeNearest');
  if (!scale.every((factor) => Number.isSafeInteger(factor) && factor >= 1)) {
    throw new ShapeError(`resizeNearest by ${list(scale, 'x')}; wanted whole numbers >= 1.`);
  }
  return { height: input.height * scale[0], width: input.width * scale[1], channels: input.channels };
}

/** Adds the enlarging to a plan. @throws ShapeError where the tensors do not have the shapes that `spec` gives. */
export function recordResizeNearest(
  builder: PlanBuilder,
  names: StepNames,
  spec: ResizeNearestSpec,
  { input, output }: { readonly input: Tensor; readonly output: Tensor },
): void {
  assertTensorShape(input, spec.input, 'Input of resizeNearest');
  assertTensorShape(output, resizeNearestOutputShape(spec), 'Output of resizeNearest');
  assertSameBatch([input, output]);
  builder.add({
    ...names,
    kernel,
    bindings: { input: tensorBinding(input), output: tensorBinding(output) },
    params: PARAMS.pack({
      input_width: spec.input.width,
      blocks: blocksOf(spec.input.channels),
      output_width: output.shape.width,
      output_height: output.shape.height,
      input_pixels: spec.input.height * spec.input.width,
      scale_x: spec.scale[1],
      scale_y: spec.scale[0],
    }),
    workgroups: [Math.ceil(itemBlocks(output.shape) / WORKGROUP_SIZE), 1, 1],
    batchAxis: 1,
  });
}

/** Every pixel becomes so many equal ones, a whole number an axis. */
export interface ResizeNearestLayer extends LayerFields<'resizeNearest'>, InputField {
  /** Pixels for each one, vertical and horizontal. */
  readonly scale: readonly [vertical: number, horizontal: number];
}

export const resizeNearestKind: LayerKind<'resizeNearest', ResizeNearestSpec, ResizeNearestLayer> = {
  op: 'resizeNearest',
  names: ['resizeNearest'],
  read(layer) {
    const { name, shape } = layer.input();
    return { inputs: [name], spec: { input: shape, scale: layer.pair('scale', 1) } };
  },
  shape: resizeNearestOutputShape,
  stage: () => 'resize',
  record(builder, names, spec, { inputs: [input], output }) {
    recordResizeNearest(builder, names, spec, { input, output });
  },
};

export const declarations: readonly KernelDeclaration[] = [
  { shader: 'resizeNearest.wgsl', kernels: [kernel], params: PARAMS },
];
