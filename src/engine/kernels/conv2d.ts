/**
 * 2D convolution with fused bias, activation and 2x2 max pooling: conv2d.wgsl computes any window, conv2dWindows.wgsl
 * and conv2dQuads.wgsl those of at most three strides a side, with fewer loads. Their headers give arithmetic and
 * layouts.
 */

import source from '../../shaders/conv2d.wgsl?raw';
import { ShapeError } from '../errors.js';
import type { LayerKind, VariantDevice } from '../network/layer.js';
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
import { CONV2D_VARIANTS, type Conv2dSpec, type Conv2dVariant } from './conv2dSpec.js';
import {
  fitsSplit,
  fitsWindows,
  packWindowsWeights,
  windowsInvocations,
  windowsKernel,
  windowsParams,
  windowsWorkgroups,
} from './conv2dWindows.js';
import { isHalving } from './pool.js';

export type { Conv2dSpec, Conv2dVariant } from './conv2dSpec.js';

/** Invocations for one item below which a wide GPU has idle parts. */
const FEW_INVOCATIONS = 8192;

/**
 * The variants worth measuring for `spec` on a device, at most two. `general` and, where it is among them, `windows`
 * run on every device.
 */
export function conv2dVariants(
  spec: Window & Pick<Conv2dSpec, 'inChannels'>,
  { adapter, features }: VariantDevice,
): readonly Conv2dVariant[] {
  if (!fitsWindows(spec)) return ['general'];
  if (adapter.isSoftware) return features.has('subgroups') ? ['windows', 'quads'] : ['windows'];
  return fitsSplit(spec) ? ['windows', 'split'] : ['windows'];
}

/**
 * The variant that the shape and the kind of adapter make the likeliest to be fast. A GPU wants many invocations, also
 * for one small picture; a software adapter wants few, as long as those of `quads`, which do twice the work in the same
 * time, do not do it on padding.
 */
export function chooseConv2dVariant(spec: Conv2dSpec, device: VariantDevice): Conv2dVariant {
  const [first = 'general', second] = conv2dVariants(spec, device);
  if (second === undefined || second === 'general') return first;
  const { output } = planConv2d(spec);
  const invocations = windowsInvocations(spec, output, 'windows');
  const takesSecond =
    second === 'quads' ? windowsInvocations(spec, output, second) < invocations : invocations < FEW_INVOCATIONS;
  return takesSecond ? second : first;
}

function variantOf(spec: Conv2dSpec): Conv2dVariant {
  const fits = fitsWindows(spec);
  const { variant = fits ? 'windows' : 'general' } = spec;
  if (variant !== 'general' && !(fits && (variant !== 'split' || fitsSplit(spec)))) {
    throw new ShapeError(
      `conv2d '${variant}' cannot compute kernel ${list(spec.kernel, 'x')}, stride ${list(spec.stride, 'x')} on ${spec.inChannels} channels.`,
    );
  }
  return variant;
}

/**
 * Of the general variant: pixels of the tile that one invocation computes before pooling, and the blocks of output
 * channels it computes for them.
 */
const TILE = { width: 4, height: 2, blocks: 2 } as const;

const PARAMS = new UniformStruct({
  input_width: 'i32',
  input_height: 'i32',
  input_blocks: 'u32',
  output_width: 'u32',
  output_height: 'u32',
  output_blocks: 'u32',
  output_channels: 'u32',
  kernel_width: 'u32',
  kernel_height: 'u32',
  stride_x: 'u32',
  stride_y: 'u32',
  pad_left: 'i32',
  pad_top: 'i32',
  tiles_x: 'u32',
  tiles: 'u32',
  groups: 'u32',
});

const code = preprocess(source, { files: LIBRARY });

function generalKernel(activation: Activation, pool: boolean): Kernel {
  return {
    name: 'conv2d',
    code,
    constants: { ...activationConstant(activation), POOL: Number(pool) },
    bindings: WEIGHTED_BINDINGS,
  };
}

/** How a convolution is cut into invocations. */
export interface Conv2dPlan {
  /** The kernel that computes it. */
  readonly variant: Conv2dVariant;
  /** Shape of one output item. */
  readonly output: FeatureShape;
  /** For one item; the second axis is the batch. */
  readonly workgroups: readonly [number, number, number];
}

/** Multiplications of one item. */
export function conv2dMacs(spec: Conv2dSpec): number {
  const { height, width } = slideWindow(spec.input, spec, 'conv2d');
  return height * width * spec.outChannels * spec.kernel[0] * spec.kernel[1] * spec.inChannels;
}

/** @throws ShapeError where the sizes do not fit together. */
export function planConv2d(spec: Conv2dSpec): Conv2dPlan {
  const { input, inChannels, outChannels, pool } = spec;
  if (inChannels > input.channels || blocksOf(inChannels) !== blocksOf(input.channels)) {
    throw new ShapeError(
      `conv2d takes ${inChannels} channels, in as many blocks of four; its input has ${input.channels}.`,
    );
  }
  const conv = slideWindow(input, spec, 'conv2d');
  const output = {
    height: pool ? Math.floor(conv.height / 2) : conv.height,
    width: pool ? Math.floor(conv.width / 2) : conv.width,
    channels: outChannels,
  };
  if (output.height < 1 || output.width < 1) {
    throw new ShapeError(`conv2d: a result of ${conv.height}x${conv.width} is too small for a 2x2 pool.`);
  }
  const variant = variantOf(spec);
  const workgroups =
    variant === 'general'
      ? Math.ceil((tilesOf(spec, output).count * groupsOf(spec)) / WORKGROUP_SIZE)
      : windowsWorkgroups(spec, output, variant);
  return { variant, output, workgroups: [workgroups, 1, 1] };
}

/** Tiles of the general variant. */
function tilesOf({ pool }: Conv2dSpec, output: FeatureShape): { readonly x: number; readonly count: number } {
  const tile = pool ? { width: TILE.width / 2, height: TILE.height / 2 } : TILE;
  const x = Math.ceil(output.width / tile.width);
  return { x, count: x * Math.ceil(output.height / tile.height) };
}

/** Groups of `TILE.blocks` output blocks. */
function groupsOf({ outChannels }: Conv2dSpec): number {
  return Math.ceil(blocksOf(outChannels) / TILE.blocks);
}

/**
 * Weights `[outChannels, kh, kw, inChannels]` in the layout of the variant, zeros for channels that do not exist.
 * @throws ShapeError where the count of weights is wrong.
 */
export function packConv2dWeights(spec: Conv2dSpec, weights: Float32Array): Float32Array<ArrayBuffer> {
  const { inChannels, outChannels, kernel } = spec;
  const taps = kernel[0] * kernel[1];
  if (weights.length !== outChannels * taps * inChannels) {
    throw new ShapeError(
      `conv2d has ${weights.length} weights; wanted [${outChannels}, ${list(kernel)}, ${inChannels}] = ${outChannels * taps * inChannels}.`,
    );
  }
  return variantOf(spec) === 'general' ? packGeneralWeights(spec, weights) : packWindowsWeights(spec, weights);
}

/** A 4x4 matrix (column = input channel) per input and output block, the output blocks of a group side by side. */
function packGeneralWeights(spec: Conv2dSpec, weights: Float32Array): Float32Array<ArrayBuffer> {
  const { inChannels, outChannels, kernel } = spec;
  const taps = kernel[0] * kernel[1];
  const inBlocks = blocksOf(inChannels);
  const packed = new Float32Array(groupsOf(spec) * taps * inBlocks * TILE.blocks * 16);
  const groupChannels = TILE.blocks * 4;
  for (let output = 0; output < outChannels; output++) {
    const group = Math.floor(output / groupChannels);
    const blockInGroup = Math.floor((output % groupChannels) / 4);
    for (let tap = 0; tap < taps; tap++) {
      for (let input = 0; input < inChannels; input++) {
        const matrix = ((group * taps + tap) * inBlocks + Math.floor(input / 4)) * TILE.blocks + blockInGroup;
        packed[matrix * 16 + (input % 4) * 4 + (output % 4)] = weights[(output * taps + tap) * inChannels + input] ?? 0;
      }
    }
  }
  return packed;
}

/** Biases and slopes, padded like the weights. */
export function packConv2dBiasSlope(
  spec: Conv2dSpec,
  bias: Float32Array,
  slope?: Float32Array,
): Float32Array<ArrayBuffer> {
  const blocks = variantOf(spec) === 'general' ? groupsOf(spec) * TILE.blocks : blocksOf(spec.outChannels);
  return packBiasSlope(bias, slope, spec.outChannels, blocks);
}

/**
 * Adds the convolution to a plan.
 * @param args weights and biasSlope in the layouts of the two packers; `halves` where the weights went through
 * `packHalves`
 * @throws ShapeError where the tensors do not have the shapes that `spec` gives, or the general variant is given
 * halves.
 */
export function recordConv2d(
  builder: PlanBuilder,
  names: StepNames,
  spec: Conv2dSpec,
  args: {
    readonly input: Tensor;
    readonly output: Tensor;
    readonly weights: GPUBufferBinding;
    readonly biasSlope: GPUBufferBinding;
    readonly halves?: boolean;
  },
): void {
  const { input, output, weights, biasSlope, halves = false } = args;
  const plan = planConv2d({ variant: chooseConv2dVariant(spec, builder.gpu), ...spec });
  assertTensorShape(input, spec.input, 'Input of conv2d');
  assertTensorShape(output, plan.output, 'Output of conv2d');
  assertSameBatch([input, output]);
  const { activation, pool } = spec;
  const { variant } = plan;
  const isGeneral = variant === 'general';
  if (isGeneral && halves) throw new ShapeError("conv2d 'general' was given halves; wanted weights in f32.");
  builder.add({
    ...names,
    kernel: isGeneral ? generalKernel(activation, pool) : windowsKernel(activation, pool, variant, halves),
    bindings: { input: tensorBinding(input), weights, bias_slope: biasSlope, output: tensorBinding(output) },
    params: isGeneral ? generalParams(spec, plan.output) : windowsParams(spec, plan.output, variant),
    workgroups: plan.workgroups,
    batchAxis: 1,
  });
}

function generalParams(spec: Conv2dSpec, output: FeatureShape): ArrayBufferView {
  const tiles = tilesOf(spec, output);
  return PARAMS.pack({
    input_width: spec.input.width,
    input_height: spec.input.height,
    input_blocks: blocksOf(spec.input.channels),
    output_width: output.width,
    output_height: output.height,
    output_blocks: blocksOf(output.channels),
    output_channels: output.channels,
    kernel_width: spec.kernel[1],
    kernel_height: spec.kernel[0],
    stride_x: spec.stride[1],
    stride_y: spec.stride[0],
    pad_left: spec.padding[1],
    pad_top: spec.padding[0],
    tiles_x: tiles.x,
    tiles: tiles.count,
    groups: groupsOf(spec),
  });
}

/** A convolution, of weights [outChannels, height, width, inChannels] and biases [outChannels]. */
export interface Conv2dLayer extends LayerFields<'conv2d'>, InputField, ActivationField, WindowFields {
  /** Channels of the input. */
  readonly inChannels: number;
  /** Channels of the result. */
  readonly outChannels: number;
}

export const conv2dKind: LayerKind<'conv2d', Conv2dSpec, Conv2dLayer> = {
  op: 'conv2d',
  names: ['conv2d'],
  read(layer) {
    const { name, shape } = layer.input();
    const spec = {
      input: shape,
      ...layer.window(),
      inChannels: layer.count('inChannels'),
      outChannels: layer.count('outChannels'),
      activation: layer.activation(),
      pool: false,
    };
    return { inputs: [name], spec };
  },
  shape: (spec) => planConv2d(spec).output,
  stage: () => 'conv',
  macs: conv2dMacs,
  variants: {
    worthMeasuring(spec, device) {
      const likeliest = chooseConv2dVariant(spec, device);
      return [likeliest, ...conv2dVariants(spec, device).filter((variant) => variant !== likeliest)];
    },
    choose(spec, name) {
      const variant = CONV2D_VARIANTS.find((known) => known === name);
      if (variant === undefined) {
        throw new ShapeError(`conv2d has no variant '${name}'; it has ${CONV2D_VARIANTS.join(', ')}.`);
      }
      return { ...spec, variant };
    },
  },
  fuse: (spec, next) => (isHalving(next) ? { ...spec, pool: true } : undefined),
  pack(spec, source) {
    const { outChannels, kernel, inChannels, activation } = spec;
    const weights = source('weight', [outChannels, ...kernel, inChannels]);
    const slope = slopeFrom(source, activation, outChannels);
    const halves = variantOf(spec) !== 'general';
    return [
      { part: 'weight', values: packConv2dWeights(spec, weights), halves },
      { part: 'bias', values: packConv2dBiasSlope(spec, source('bias', [outChannels]), slope) },
    ];
  },
  record(builder, names, spec, { inputs: [input], output, weights }) {
    recordConv2d(builder, names, spec, {
      input,
      output,
      weights: weights.binding('weight'),
      biasSlope: weights.binding('bias'),
      halves: weights.areHalves('weight'),
    });
  },
};

export const declarations: readonly KernelDeclaration[] = [
  {
    shader: 'conv2d.wgsl',
    kernels: ACTIVATIONS.flatMap((activation) => [generalKernel(activation, false), generalKernel(activation, true)]),
    params: PARAMS,
  },
];
