/** What several kernels share: activations, window arithmetic, per-channel vectors. */

import activationLib from '../../shaders/lib/activation.wgsl?raw';
import halvesLib from '../../shaders/lib/halves.wgsl?raw';
import tilesLib from '../../shaders/lib/tiles.wgsl?raw';
import { ShapeError } from '../errors.js';
import { list } from '../show.js';
import { assertFeatureShape, blocksOf, type FeatureShape, formatShape, type Tensor } from '../tensor.js';

/** Activations of a layer; the order is that of ACTIVATION in lib/activation.wgsl. */
export const ACTIVATIONS = [
  'none',
  'relu',
  'prelu',
  'sigmoid',
  'tanh',
  'silu',
  'relu6',
  'hardSigmoid',
  'hardSwish',
] as const;
/** What is done to each value at the end of a layer. */
export type Activation = (typeof ACTIVATIONS)[number];

/** Files that kernels include. */
export const LIBRARY = { 'lib/activation.wgsl': activationLib } as const;

/** What kernels include that compute tiles of several rows. */
export const TILES_LIBRARY = { ...LIBRARY, 'lib/halves.wgsl': halvesLib, 'lib/tiles.wgsl': tilesLib } as const;

/** Invocations of a workgroup in every kernel of the engine. */
export const WORKGROUP_SIZE = 64;

/** The override constant that selects `activation`. */
export function activationConstant(activation: Activation): { readonly ACTIVATION: number } {
  return { ACTIVATION: ACTIVATIONS.indexOf(activation) };
}

/** Bindings of the kernels that multiply by weights. */
export const WEIGHTED_BINDINGS = { input: 'read', weights: 'read', bias_slope: 'read', output: 'read-write' } as const;

/** The tensors that a layer may have in a weights file, after its name: `conv1.weight`. */
export type LayerPart = 'weight' | 'bias' | 'slope';

/** Takes a layer's tensor from wherever weights are. @throws WeightsError where it is missing or has another shape. */
export type TensorSource = (part: LayerPart, shape: readonly number[]) => Float32Array<ArrayBuffer>;

/** The slopes of a layer, where its activation has any. */
export function slopeFrom(
  source: TensorSource,
  activation: Activation,
  channels: number,
): Float32Array<ArrayBuffer> | undefined {
  return activation === 'prelu' ? source('slope', [channels]) : undefined;
}

/** Slopes on their own, in padded blocks of four; none where `activation` has none. */
export function packSlope(
  source: TensorSource,
  activation: Activation,
  channels: number,
): readonly { readonly part: 'slope'; readonly values: Float32Array }[] {
  const slope = slopeFrom(source, activation, channels);
  if (slope === undefined) return [];
  const values = new Float32Array(blocksOf(channels) * 4);
  values.set(slope);
  return [{ part: 'slope', values }];
}

/** Where a step appears in plans: `label` names it, `stage` groups it for timing. */
export interface StepNames {
  /** Names the step. */
  readonly label: string;
  /** Names what is timed together with it. */
  readonly stage: string;
}

/** A window that slides over a picture. */
export interface Window {
  /** Size, pixels. */
  readonly kernel: readonly [height: number, width: number];
  /** Steps between two positions, pixels. */
  readonly stride: readonly [vertical: number, horizontal: number];
  /** Pixels of zeros round the picture. */
  readonly padding: readonly [top: number, left: number, bottom: number, right: number];
}

/**
 * Positions of a window: `floor((size + padding - kernel) / stride) + 1` on each axis.
 * @throws ShapeError where a number is no whole number in range, or the window does not fit.
 */
export function slideWindow(
  input: FeatureShape,
  { kernel, stride, padding }: Window,
  what: string,
): { height: number; width: number } {
  assertFeatureShape(input, `Input of ${what}`);
  for (const size of [...kernel, ...stride]) {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new ShapeError(
        `${what} has kernel ${list(kernel, 'x')} and stride ${list(stride, 'x')}; wanted whole numbers >= 1.`,
      );
    }
  }
  const [top, left, bottom, right] = padding;
  for (const size of padding) {
    if (!Number.isSafeInteger(size) || size < 0) {
      throw new ShapeError(`${what} has padding [${list(padding)}]; wanted whole numbers >= 0.`);
    }
  }
  const height = Math.floor((input.height + top + bottom - kernel[0]) / stride[0]) + 1;
  const width = Math.floor((input.width + left + right - kernel[1]) / stride[1]) + 1;
  if (height < 1 || width < 1) {
    throw new ShapeError(
      `${what}: a kernel of ${list(kernel, 'x')} does not fit an input of ${formatShape(input)} with padding [${list(padding)}].`,
    );
  }
  return { height, width };
}

/** @throws ShapeError unless all tensors have room for the same batch. */
export function assertSameBatch(tensors: readonly Tensor[]): void {
  const [first, ...others] = tensors;
  for (const other of others) {
    if (other.batch !== first?.batch) {
      throw new ShapeError(
        `'${other.label}' has room for a batch of ${other.batch}, '${first?.label}' for ${first?.batch}; wanted equal.`,
      );
    }
  }
}

/**
 * Biases, then PReLU slopes (0 where the layer has none), each in blocks of four padded with 0.
 * @throws ShapeError where a vector has not `channels` values.
 */
export function packBiasSlope(
  bias: Float32Array,
  slope: Float32Array | undefined,
  channels: number,
): Float32Array<ArrayBuffer> {
  const blocks = blocksOf(channels);
  for (const [name, values] of [['bias', bias] as const, ['slope', slope ?? bias] as const]) {
    if (values.length !== channels)
      throw new ShapeError(`The ${name} has ${values.length} values; wanted ${channels}.`);
  }
  const packed = new Float32Array(2 * blocks * 4);
  packed.set(bias);
  if (slope !== undefined) packed.set(slope, blocks * 4);
  return packed;
}

/**
 * The slope binding of a kernel that has one for PReLU only.
 * @throws ShapeError where `slope` is missing for `prelu`, or given for another activation.
 */
export function assertSlope(
  what: string,
  activation: Activation,
  slope: GPUBufferBinding | undefined,
): { readonly slope?: GPUBufferBinding } {
  if ((activation === 'prelu') !== (slope !== undefined)) {
    const found = slope === undefined ? 'no slope' : 'a slope';
    throw new ShapeError(`${what} with activation '${activation}' was given ${found}; 'prelu' wants one, others none.`);
  }
  return slope === undefined ? {} : { slope };
}
