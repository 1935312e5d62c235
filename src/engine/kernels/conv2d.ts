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
import { CONV2D_VARIANTS, type Conv2dSpec, type Conv2dVariant, type WindowsVariant } from './conv2dSpec.js';
import {
  fitsSplit,
  fitsWindows,
  packWindowsWeights,
  WINDOWS,
  windowsInvocations,
  windowsKernel,
  windowsParams,
} from './conv2dWindows.js';
import { isHalving } from './pool.js';
import { PARAMS, preprocessRows, rowsParams } from './rows.js';

export type { Conv2dSpec, Conv2dVariant } from './conv2dSpec.js';

/** Invocations for one item below which a wide GPU has idle parts. */
const FEW_INVOCATIONS = 8192;

/** How much longer an invocation of `wide` takes than one of `general`, for four times the work. */
const WIDE_COST = 2;

/**
 * The variants worth measuring for `spec` on a device, at most two. `general` and, where it is among them, `windows`
 * run on every device.
 */
export function conv2dVariants(
  spec: Window & Pick<Conv2dSpec, 'inChannels'>,
  { adapter, features }: VariantDevice,
): readonly Conv2dVariant[] {
  const inQuads = adapter.isSoftware && features.has('subgroups');
  if (!fitsWindows(spec)) return inQuads ? ['general', 'wide'] : ['general'];
  if (adapter.isSoftware) return inQuads ? ['windows', 'quads'] : ['windows'];
  return fitsSplit(spec) ? ['windows', 'split'] : ['windows'];
}

/**
 * The variant that the shape and the kind of adapter make the likeliest to be fast. A GPU wants many invocations, also
 * for one small picture; a software adapter wants few, as long as those of `quads` and `wide`, which do more work than
 * they take longer, do not do it on padding.
 */
export function chooseConv2dVariant(spec: Conv2dSpec, device: VariantDevice): Conv2dVariant {
  const [first = 'general', second] = conv2dVariants(spec, device);
  if (second === undefined || second === 'general') return first;
  const { output } = planConv2d(spec);
  const count = (variant: Conv2dVariant) => invocationsOf(spec, output, variant);
  const takesSecond =
    second === 'split'
      ? count(first) < FEW_INVOCATIONS
      : (second === 'wide' ? WIDE_COST : 1) * count(second) < count(first);
  return takesSecond ? second : first;
}

/** Of the kernel for any window (conv2d.wgsl). */
type AnyVariant = Exclude<Conv2dVariant, WindowsVariant>;

function isWindowsVariant(variant: Conv2dVariant): variant is WindowsVariant {
  return variant !== 'general' && variant !== 'wide';
}

function variantOf(spec: Conv2dSpec): Conv2dVariant {
  const fits = fitsWindows(spec);
  const { variant = fits ? 'windows' : 'general' } = spec;
  if (isWindowsVariant(variant) && !(fits && (variant !== 'split' || fitsSplit(spec)))) {
    throw new ShapeError(
      `conv2d '${variant}' cannot compute kernel ${list(spec.kernel, 'x')}, stride ${list(spec.stride, 'x')} on ${spec.inChannels} channels.`,
    );
  }
  return variant;
}

/**
 * Pixels of the tile that one invocation computes before pooling, and the blocks of output channels it computes for
 * them; tiles whose invocations share weights, and the invocations of a workgroup.
 */
const TILE_WIDTH = 4;
const TILES = {
  general: { height: 2, blocks: 2, sharing: 1, workgroup: WORKGROUP_SIZE },
  wide: { height: 4, blocks: 4, sharing: 4, workgroup: 16 },
} as const;

/** Output blocks whose weights lie side by side. */
const PAIR = 2;

const code = {
  general: preprocessRows(source, { QUADS: false }),
  wide: preprocessRows(source, { QUADS: true }),
} as const;

function anyKernel(activation: Activation, pool: boolean, variant: AnyVariant): Kernel {
  return {
    name: `conv2d.${variant}`,
    code: code[variant],
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
  const { workgroup } = isWindowsVariant(variant) ? WINDOWS[variant] : TILES[variant];
  return { variant, output, workgroups: [Math.ceil(invocationsOf(spec, output, variant) / workgroup), 1, 1] };
}

/** Invocations for one item. */
function invocationsOf(spec: Conv2dSpec, output: FeatureShape, variant: Conv2dVariant): number {
  if (isWindowsVariant(variant)) return windowsInvocations(spec, output, variant);
  return tilesOf(spec, output, variant).count * Math.ceil(blocksOf(spec.outChannels) / TILES[variant].blocks);
}

/** Tiles of a row, and of an item, with those that fill the last invocations that share. */
function tilesOf({ pool }: Conv2dSpec, output: FeatureShape, variant: AnyVariant): { x: number; count: number } {
  const { height, sharing } = TILES[variant];
  const scale = pool ? 2 : 1;
  const x = Math.ceil((output.width * scale) / TILE_WIDTH);
  const count = x * Math.ceil((output.height * scale) / height);
  return { x, count: Math.ceil(count / sharing) * sharing };
}

function pairsOf({ outChannels }: Conv2dSpec): number {
  return Math.ceil(blocksOf(outChannels) / PAIR);
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
  return isWindowsVariant(variantOf(spec)) ? packWindowsWeights(spec, weights) : packGeneralWeights(spec, weights);
}

/** A 4x4 matrix (column = input channel) per input and output block, the output blocks of a pair side by side. */
function packGeneralWeights(spec: Conv2dSpec, weights: Float32Array): Float32Array<ArrayBuffer> {
  const { inChannels, outChannels, kernel } = spec;
  const taps = kernel[0] * kernel[1];
  const inBlocks = blocksOf(inChannels);
  const packed = new Float32Array(pairsOf(spec) * taps * inBlocks * PAIR * 16);
  for (let output = 0; output < outChannels; output++) {
    const block = Math.floor(output / 4);
    const pair = Math.floor(block / PAIR);
    for (let tap = 0; tap < taps; tap++) {
      for (let input = 0; input < inChannels; input++) {
        const matrix = ((pair * taps + tap) * inBlocks + Math.floor(input / 4)) * PAIR + (block % PAIR);
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
  return packBiasSlope(bias, slope, spec.outChannels);
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
  if (halves && !isWindowsVariant(variant)) {
    throw new ShapeError(`conv2d '${variant}' was given halves; wanted weights in f32.`);
  }
  const { kernel, params } = isWindowsVariant(variant)
    ? { kernel: windowsKernel(activation, pool, variant, halves), params: windowsParams(spec, plan.output, variant) }
    : {
        kernel: anyKernel(activation, pool, variant),
        params: rowsParams(spec, plan.output, tilesOf(spec, plan.output, variant)),
      };
  builder.add({
    ...names,
    kernel,
    bindings: { input: tensorBinding(input), weights, bias_slope: biasSlope, output: tensorBinding(output) },
    params,
    workgroups: plan.workgroups,
    batchAxis: 1,
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
    const halves = isWindowsVariant(variantOf(spec));
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
    kernels: ACTIVATIONS.flatMap((activation) =>
      [false, true].flatMap((pool) => [anyKernel(activation, pool, 'general'), anyKernel(activation, pool, 'wide')]),
    ),
    params: PARAMS,
  },
];
