/** Bilinear resize. See resizeBilinear.wgsl. */
import { assertSameBatch, type StepNames, WORKGROUP_SIZE } from '../../engine/kernels/common.js';
import type { LayerKind } from '../../engine/network/layer.js';
import type { InputField, LayerFields } from '../../engine/network/reader.js';
import type { Kernel, KernelDeclaration } from '../../engine/pipelines.js';
import type { PlanBuilder } from '../../engine/plan.js';
import { preprocess } from '../../engine/preprocess.js';
import {
  assertFeatureShape,
  assertTensorShape,
  blocksOf,
  type FeatureShape,
  itemBlocks,
  type Tensor,
  tensorBinding,
} from '../../engine/tensor.js';
import { UniformStruct } from '../../engine/uniform.js';
import source from '../../shaders/resizeBilinear.wgsl?raw';

/**
 * Which pixels of input and result lie over one another: the corners of the pictures (`halfPixel`, what PyTorch and
 * TensorFlow 2 do), the middles of their corner pixels (`alignCorners`), or the middles of their first ones
 * (`asymmetric`, TensorFlow 1).
 */
export type ResizeCoordinates = (typeof COORDINATES)[number];
const COORDINATES = ['halfPixel', 'alignCorners', 'asymmetric'] as const;

export interface ResizeBilinearSpec {
  readonly input: FeatureShape;
  /** Of the result. */
  readonly size: readonly [height: number, width: number];
  readonly coordinates: ResizeCoordinates;
}

const PARAMS = new UniformStruct({
  input_width: 'u32',
  input_height: 'u32',
  blocks: 'u32',
  output_width: 'u32',
  output_height: 'u32',
  step_x: 'f32',
  step_y: 'f32',
  start_x: 'f32',
  start_y: 'f32',
});

const kernel: Kernel = {
  name: 'resizeBilinear',
  code: preprocess(source),
  bindings: { input: 'read', output: 'read-write' },
};

/** Where the first pixel of an axis of the result lies in the input, and the way from one to the next. */
export function resizeAxis(
  input: number,
  output: number,
  coordinates: ResizeCoordinates,
): { start: number; step: number } {
  if (coordinates === 'alignCorners') return { start: 0, step: output > 1 ? (input - 1) / (output - 1) : 0 };
  const step = input / output;
  return { start: coordinates === 'halfPixel' ? step / 2 - 0.5 : 0, step };
}

/** Shape of one resized item. @throws ShapeError where a size is no whole number >= 1. */
export function resizeBilinearOutputShape({ input, size: [height, width] }: ResizeBilinearSpec): FeatureShape {
  assertFeatureShape(input, 'Input of resizeBilinear');
  const output = { height, width, channels: input.channels };
  assertFeatureShape(output, 'Output of resizeBilinear');
  return output;
}

/** Adds the resize to a plan. @throws ShapeError where the tensors do not have the shapes that `spec` gives. */
export function recordResizeBilinear(
  builder: PlanBuilder,
  names: StepNames,
  spec: ResizeBilinearSpec,
  { input, output }: { readonly input: Tensor; readonly output: Tensor },
): void {
  assertTensorShape(input, spec.input, 'Input of resizeBilinear');
  assertTensorShape(output, resizeBilinearOutputShape(spec), 'Output of resizeBilinear');
  assertSameBatch([input, output]);
  const x = resizeAxis(spec.input.width, output.shape.width, spec.coordinates);
  const y = resizeAxis(spec.input.height, output.shape.height, spec.coordinates);
  builder.add({
    ...names,
    kernel,
    bindings: { input: tensorBinding(input), output: tensorBinding(output) },
    params: PARAMS.pack({
      input_width: spec.input.width,
      input_height: spec.input.height,
      blocks: blocksOf(spec.input.channels),
      output_width: output.shape.width,
      output_height: output.shape.height,
      step_x: x.step,
      step_y: y.step,
      start_x: x.start,
      start_y: y.start,
    }),
    workgroups: [Math.ceil(itemBlocks(output.shape) / WORKGROUP_SIZE), 1, 1],
    batchAxis: 1,
  });
}

/** To `size`, without smoothing where that is smaller. */
export interface ResizeBilinearLayer extends LayerFields<'resizeBilinear'>, InputField {
  /** Pixels of the result. */
  readonly size: readonly [height: number, width: number];
  /** Which pixels of both lie over one another. */
  readonly coordinates: ResizeCoordinates;
}

export const resizeBilinearKind: LayerKind<'resizeBilinear', ResizeBilinearSpec, ResizeBilinearLayer> = {
  op: 'resizeBilinear',
  names: ['resizeBilinear'],
  read(layer) {
    const { name, shape } = layer.input();
    const coordinates = layer.oneOf('coordinates', COORDINATES);
    return { inputs: [name], spec: { input: shape, size: layer.pair('size', 1), coordinates } };
  },
  shape: resizeBilinearOutputShape,
  stage: () => 'resize',
  record(builder, names, spec, { inputs: [input], output }) {
    recordResizeBilinear(builder, names, spec, { input, output });
  },
};

export const declarations: readonly KernelDeclaration[] = [
  { shader: 'resizeBilinear.wgsl', kernels: [kernel], params: PARAMS },
];
