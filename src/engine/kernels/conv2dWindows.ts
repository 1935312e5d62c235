/**
 * The variants of conv2d for kernels of at most three strides a side. See conv2dWindows.wgsl for the arithmetic and
 * layouts, and conv2dQuads.wgsl.
 */
import quadsSource from '../../shaders/conv2dQuads.wgsl?raw';
import source from '../../shaders/conv2dWindows.wgsl?raw';
import windowsLib from '../../shaders/lib/windows.wgsl?raw';
import type { Kernel, KernelDeclaration } from '../pipelines.js';
import { preprocess } from '../preprocess.js';
import { blocksOf, type FeatureShape } from '../tensor.js';
import { UniformStruct } from '../uniform.js';
import {
  ACTIVATIONS,
  type Activation,
  activationConstant,
  TILES_LIBRARY,
  WEIGHTED_BINDINGS,
  type Window,
  WORKGROUP_SIZE,
} from './common.js';
import type { Conv2dSpec, WindowsVariant } from './conv2dSpec.js';

/** Pixels of the tile that one invocation computes before pooling, and the invocations of a workgroup. */
const TILE_WIDTH = 4;
export const WINDOWS = {
  windows: { height: 4, workgroup: WORKGROUP_SIZE },
  split: { height: 4, workgroup: WORKGROUP_SIZE },
  quads: { height: 8, workgroup: 16 },
} as const;

/** Taps a side of a phase's kernel. */
const TAPS = 3;

/** Work on zeros that is still worth it: a kernel of 5x5 and stride 2 fills 25 of its phases' 36 taps. */
const MOST_PADDING = 1.5;

const PARAMS = new UniformStruct({
  input_width: 'i32',
  input_height: 'i32',
  input_channels: 'i32',
  input_pixel: 'i32',
  output_width: 'u32',
  output_height: 'u32',
  output_blocks: 'u32',
  output_channels: 'u32',
  stride_x: 'i32',
  stride_y: 'i32',
  pad_left: 'i32',
  pad_top: 'i32',
  tiles_x: 'u32',
  tiles: 'u32',
});

/** Invocations that share a tile where channels are split. */
const SLICES = 4;

/** Input channels below which splitting leaves too little to each. */
const LEAST_SPLIT_CHANNELS = 16;

/** Output blocks that the invocations of a quad compute, one each. */
const QUAD = 4;

const files = { ...TILES_LIBRARY, 'lib/windows.wgsl': windowsLib };

function codeOf(variant: WindowsVariant, halves: boolean): string {
  const flags = { SPLIT: variant === 'split', HALVES: halves, SOFTWARE: variant === 'quads' };
  return preprocess(variant === 'quads' ? quadsSource : source, { files, flags });
}

export function windowsKernel(activation: Activation, pool: boolean, variant: WindowsVariant, halves: boolean): Kernel {
  return {
    name: `conv2d.${variant}${halves ? '.f16' : ''}`,
    code: codeOf(variant, halves),
    constants: { ...activationConstant(activation), POOL: Number(pool) },
    bindings: WEIGHTED_BINDINGS,
  };
}

/** Whether the kernel fits the phases, and fills them well enough. */
export function fitsWindows({ kernel, stride }: Window): boolean {
  const fits = kernel[0] <= TAPS * stride[0] && kernel[1] <= TAPS * stride[1];
  return fits && TAPS * TAPS * stride[0] * stride[1] <= MOST_PADDING * kernel[0] * kernel[1];
}

/** Whether there are channels enough to split. */
export function fitsSplit({ inChannels }: Pick<Conv2dSpec, 'inChannels'>): boolean {
  return inChannels >= LEAST_SPLIT_CHANNELS;
}

function tilesOf(
  { pool }: Conv2dSpec,
  output: FeatureShape,
  variant: WindowsVariant,
): { readonly x: number; readonly y: number } {
  const scale = pool ? 2 : 1;
  return {
    x: Math.ceil((output.width * scale) / TILE_WIDTH),
    y: Math.ceil((output.height * scale) / WINDOWS[variant].height),
  };
}

/** Invocations for one item. */
export function windowsInvocations(spec: Conv2dSpec, output: FeatureShape, variant: WindowsVariant): number {
  const tiles = tilesOf(spec, output, variant);
  const blocks = blocksOf(output.channels);
  if (variant === 'quads') return tiles.x * tiles.y * Math.ceil(blocks / QUAD) * QUAD;
  return tiles.x * tiles.y * blocks * (variant === 'split' ? SLICES : 1);
}

export function windowsParams(spec: Conv2dSpec, output: FeatureShape, variant: WindowsVariant): ArrayBufferView {
  const tiles = tilesOf(spec, output, variant);
  return PARAMS.pack({
    input_width: spec.input.width,
    input_height: spec.input.height,
    input_channels: spec.inChannels,
    input_pixel: blocksOf(spec.input.channels) * 4,
    output_width: output.width,
    output_height: output.height,
    output_blocks: blocksOf(output.channels),
    output_channels: output.channels,
    stride_x: spec.stride[1],
    stride_y: spec.stride[0],
    pad_left: spec.padding[1],
    pad_top: spec.padding[0],
    tiles_x: tiles.x,
    tiles: tiles.x * tiles.y,
  });
}

/**
 * Weights `[outChannels, kh, kw, inChannels]` as `[O4, stride_y, stride_x, inChannels, 3, 3] vec4`, zeros for taps and
 * channels that do not exist.
 */
export function packWindowsWeights(spec: Conv2dSpec, weights: Float32Array): Float32Array<ArrayBuffer> {
  const { inChannels, outChannels, kernel, stride } = spec;
  const packed = new Float32Array(blocksOf(outChannels) * stride[0] * stride[1] * inChannels * TAPS * TAPS * 4);
  let from = 0;
  for (let output = 0; output < outChannels; output++) {
    for (let y = 0; y < kernel[0]; y++) {
      for (let x = 0; x < kernel[1]; x++) {
        const phase = (Math.floor(output / 4) * stride[0] + (y % stride[0])) * stride[1] + (x % stride[1]);
        const tap = Math.floor(y / stride[0]) * TAPS + Math.floor(x / stride[1]);
        for (let input = 0; input < inChannels; input++) {
          const vector = (phase * inChannels + input) * TAPS * TAPS + tap;
          packed[vector * 4 + (output % 4)] = weights[from++]!;
        }
      }
    }
  }
  return packed;
}

function declare(shader: string, variants: readonly WindowsVariant[]): KernelDeclaration {
  const either = [false, true];
  const kernels = variants.flatMap((variant) =>
    ACTIVATIONS.flatMap((activation) =>
      either.flatMap((pool) => either.map((halves) => windowsKernel(activation, pool, variant, halves))),
    ),
  );
  return { shader, kernels, params: PARAMS };
}

export const declarations: readonly KernelDeclaration[] = [
  declare('conv2dWindows.wgsl', ['windows', 'split']),
  declare('conv2dQuads.wgsl', ['quads']),
];
