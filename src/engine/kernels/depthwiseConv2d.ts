/**
 * 2D convolution of each channel by itself, with fused bias and activation. See depthwiseConv2d.wgsl for the arithmetic
 * and layouts.
 */
import source from '../../shaders/depthwiseConv2d.wgsl?raw';
import { ShapeError } from '../errors.js';
import type { LayerKind } from '../network/layer.js';
import type { ActivationField, InputField, LayerFields, WindowFields } from '../network/reader.js';
import type { Kernel, KernelDeclaration } from '../pipelines.js';
import type { PlanBuilder } from '../plan.js';
import { preprocess } from '../preprocess.js';
import { list } from '../show.js';
import { assertTensorShape, blocksOf, type FeatureShape, type Tensor, tensorBinding } from '../tensor.js';
import { UniformStruct } from '../uniform.js';
import {
  ACTIVATIONS,
  type Activation,
  activationConstant,
  assertSameBatch,
  LIBRARY,
  packBiasSlope,
  type StepNames,
  slideWindow,
  slopeFrom,
  WEIGHTED_BINDINGS,
  type Window,
  WORKGROUP_SIZE,
} from './common.js';

/** A 2D convolution of each channel by itself. */
export interface DepthwiseConv2dSpec extends Window {
  /** Shape of one input item. */
  readonly input: FeatureShape;
  /** At the end. */
  readonly activation: Activation;
}

/** Pixels of a row that one invocation computes. */
const TILE = 4;

const PARAMS = new UniformStruct({
  input_width: 'i32',
  input_height: 'i32',
  blocks: 'u32',
  channels: 'u32',
  output_width: 'u32',
  output_height: 'u32',
  kernel_width: 'u32',
  kernel_height: 'u32',
  stride_x: 'u32',
  stride_y: 'u32',
  pad_left: 'i32',
  pad_top: 'i32',
  tiles_x: 'u32',
});

const code = preprocess(source, { files: LIBRARY });

function depthwiseConv2dKernel(activation: Activation): Kernel {
  return {
    name: 'depthwiseConv2d',
    code,
    constants: activationConstant(activation),
    bindings: WEIGHTED_BINDINGS,
  };
}

/** Shape of one item of the result. @throws ShapeError where the window does not fit. */
export function depthwiseConv2dOutputShape(spec: DepthwiseConv2dSpec): FeatureShape {
  return { ...slideWindow(spec.input, spec, 'depthwiseConv2d'), channels: spec.input.channels };
}

/** Multiplications of one item. */
export function depthwiseConv2dMacs(spec: DepthwiseConv2dSpec): number {
  const { height, width, channels } = depthwiseConv2dOutputShape(spec);
  return height * width * channels * spec.kernel[0] * spec.kernel[1];
}

/**
 * Weights `[kh, kw, channels]` in the kernel's layout: blocks of four channels, zeros for channels that do not exist.
 * @throws ShapeError where the count of weights is wrong.
 */
export function packDepthwiseConv2dWeights(
  { input: { channels }, kernel }: DepthwiseConv2dSpec,
  weights: Float32Array,
): Float32Array<ArrayBuffer> {
  const taps = kernel[0] * kernel[1];
  if (weights.length !== taps * channels) {
    throw new ShapeError(
      `depthwiseConv2d has ${weights.length} weights; wanted [${list(kernel)}, ${channels}] = ${taps * channels}.`,
    );
  }
  const stride = blocksOf(channels) * 4;
  const packed = new Float32Array(taps * stride);
  for (let tap = 0; tap < taps; tap++) {
    packed.set(weights.subarray(tap * channels, (tap + 1) * channels), tap * stride);
  }
  return packed;
}

/**
 * Adds the convolution to a plan.
 * @param args weights in the layout of the packer, biasSlope in that of `packBiasSlope`
 * @throws ShapeError where the tensors do not have the shapes that `spec` gives.
 */
export function recordDepthwiseConv2d(
  builder: PlanBuilder,
  names: StepNames,
  spec: DepthwiseConv2dSpec,
  args: {
    readonly input: Tensor;
    readonly output: Tensor;
    readonly weights: GPUBufferBinding;
    readonly biasSlope: GPUBufferBinding;
  },
): void {
  const { input, output, weights, biasSlope } = args;
  assertTensorShape(input, spec.input, 'Input of depthwiseConv2d');
  assertTensorShape(output, depthwiseConv2dOutputShape(spec), 'Output of depthwiseConv2d');
  assertSameBatch([input, output]);
  const { height, width, channels } = output.shape;
  const tilesX = Math.ceil(width / TILE);
  builder.add({
    ...names,
    kernel: depthwiseConv2dKernel(spec.activation),
    bindings: { input: tensorBinding(input), weights, bias_slope: biasSlope, output: tensorBinding(output) },
    params: PARAMS.pack({
      input_width: input.shape.width,
      input_height: input.shape.height,
      blocks: blocksOf(channels),
      channels,
      output_width: width,
      output_height: height,
      kernel_width: spec.kernel[1],
      kernel_height: spec.kernel[0],
      stride_x: spec.stride[1],
      stride_y: spec.stride[0],
      pad_left: spec.padding[1],
      pad_top: spec.padding[0],
      tiles_x: tilesX,
    }),
    workgroups: [Math.ceil((tilesX * height * blocksOf(channels)) / WORKGROUP_SIZE), 1, 1],
    batchAxis: 1,
  });
}

/** Each channel by itself, of weights [height, width, channels] and biases [channels]. */
export interface DepthwiseConv2dLayer
  extends LayerFields<'depthwiseConv2d'>,
    InputField,
    ActivationField,
    WindowFields {}

export const depthwiseConv2dKind: LayerKind<'depthwiseConv2d', DepthwiseConv2dSpec, DepthwiseConv2dLayer> = {
  op: 'depthwiseConv2d',
  names: ['depthwiseConv2d'],
  read(layer) {
    const { name, shape } = layer.input();
    return { inputs: [name], spec: { input: shape, ...layer.window(), activation: layer.activation() } };
  },
  shape: depthwiseConv2dOutputShape,
  stage: () => 'depthwise conv',
  macs: depthwiseConv2dMacs,
  pack(spec, source) {
    const { channels } = spec.input;
    const weights = source('weight', [...spec.kernel, channels]);
    const slope = slopeFrom(source, spec.activation, channels);
    return [
      { part: 'weight', values: packDepthwiseConv2dWeights(spec, weights) },
      { part: 'bias', values: packBiasSlope(source('bias', [channels]), slope, channels) },
    ];
  },
  record(builder, names, spec, { inputs: [input], output, weights }) {
    const [matrix, biasSlope] = [weights.binding('weight'), weights.binding('bias')];
    recordDepthwiseConv2d(builder, names, spec, { input, output, weights: matrix, biasSlope });
  },
};

export const declarations: readonly KernelDeclaration[] = [
  { shader: 'depthwiseConv2d.wgsl', kernels: ACTIVATIONS.map(depthwiseConv2dKernel), params: PARAMS },
];
