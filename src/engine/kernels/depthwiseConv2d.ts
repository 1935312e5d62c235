/**
 * 2D convolution of each channel by itself, with fused bias, activation and 2x2 max pooling. See depthwiseConv2d.wgsl
 * for the arithmetic and layouts.
 */
import source from '../../shaders/depthwiseConv2d.wgsl?raw';
import { ShapeError } from '../errors.js';
import type { LayerKind } from '../network/layer.js';
import type { ActivationField, InputField, LayerFields, WindowFields } from '../network/reader.js';
import type { Kernel, KernelDeclaration } from '../pipelines.js';
import type { PlanBuilder } from '../plan.js';
import { list } from '../show.js';
import { assertTensorShape, blocksOf, type FeatureShape, type Tensor, tensorBinding } from '../tensor.js';
import {
  ACTIVATIONS,
  type Activation,
  activationConstant,
  assertSameBatch,
  packBiasSlope,
  type StepNames,
  slideWindow,
  slopeFrom,
  WEIGHTED_BINDINGS,
  type Window,
  WORKGROUP_SIZE,
} from './common.js';
import { isHalving } from './pool.js';
import { PARAMS, preprocessRows, rowsParams } from './rows.js';

/** A 2D convolution of each channel by itself. */
export interface DepthwiseConv2dSpec extends Window {
  /** Shape of one input item. */
  readonly input: FeatureShape;
  /** At the end, before the pool. */
  readonly activation: Activation;
  /** Max pool of 2x2, stride 2, no padding, on the result. */
  readonly pool: boolean;
}

/**
 * Pixels of the tile that one invocation computes before pooling. Where windows slide by one they share rows: the more
 * of them the better, for a software adapter, which does not want many invocations.
 */
const TILE_WIDTH = 4;
const TILE_HEIGHT = { general: 2, sliding: 4, tall: 8 } as const;

type Variant = keyof typeof TILE_HEIGHT;

const general = preprocessRows(source, { SLIDING: false });
const sliding = preprocessRows(source, { SLIDING: true });

function depthwiseConv2dKernel(activation: Activation, pool: boolean, variant: Variant): Kernel {
  return {
    name: `depthwiseConv2d.${variant}`,
    code: variant === 'general' ? general : sliding,
    constants: { ...activationConstant(activation), POOL: Number(pool), ROWS: TILE_HEIGHT[variant] },
    bindings: WEIGHTED_BINDINGS,
  };
}

function variantOf({ kernel, stride }: Window, isSoftware: boolean): Variant {
  const slides = kernel.every((size) => size === 3) && stride.every((size) => size === 1);
  return slides ? (isSoftware ? 'tall' : 'sliding') : 'general';
}

/** Shape of one item of the result. @throws ShapeError where the window does not fit. */
export function depthwiseConv2dOutputShape(spec: DepthwiseConv2dSpec): FeatureShape {
  const { height, width } = slideWindow(spec.input, spec, 'depthwiseConv2d');
  const { channels } = spec.input;
  if (!spec.pool) return { height, width, channels };
  return { height: Math.floor(height / 2), width: Math.floor(width / 2), channels };
}

/** Multiplications of one item. */
export function depthwiseConv2dMacs(spec: DepthwiseConv2dSpec): number {
  const { height, width } = slideWindow(spec.input, spec, 'depthwiseConv2d');
  return height * width * spec.input.channels * spec.kernel[0] * spec.kernel[1];
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
  const variant = variantOf(spec, builder.gpu.adapter.isSoftware);
  const scale = spec.pool ? 2 : 1;
  const tilesX = Math.ceil((width * scale) / TILE_WIDTH);
  const tiles = tilesX * Math.ceil((height * scale) / TILE_HEIGHT[variant]);
  builder.add({
    ...names,
    kernel: depthwiseConv2dKernel(spec.activation, spec.pool, variant),
    bindings: { input: tensorBinding(input), weights, bias_slope: biasSlope, output: tensorBinding(output) },
    params: rowsParams(spec, output.shape, { x: tilesX, count: tiles }),
    workgroups: [Math.ceil((tiles * blocksOf(channels)) / WORKGROUP_SIZE), 1, 1],
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
    return { inputs: [name], spec: { input: shape, ...layer.window(), activation: layer.activation(), pool: false } };
  },
  shape: depthwiseConv2dOutputShape,
  stage: () => 'depthwise conv',
  macs: depthwiseConv2dMacs,
  fuse: (spec, next) => (isHalving(next) ? { ...spec, pool: true } : undefined),
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
  {
    shader: 'depthwiseConv2d.wgsl',
    kernels: ACTIVATIONS.flatMap((activation) =>
      [false, true].flatMap((pool) => [
        depthwiseConv2dKernel(activation, pool, 'general'),
        depthwiseConv2dKernel(activation, pool, 'sliding'),
        depthwiseConv2dKernel(activation, pool, 'tall'),
      ]),
    ),
    params: PARAMS,
  },
];
