/** What convolutions share that read rows of vectors: lib/rows.wgsl. */
import rowsLib from '../../shaders/lib/rows.wgsl?raw';
import { preprocess } from '../preprocess.js';
import { blocksOf, type FeatureShape } from '../tensor.js';
import { UniformStruct } from '../uniform.js';
import { TILES_LIBRARY, type Window } from './common.js';

export const PARAMS = new UniformStruct({
  input_width: 'i32',
  input_height: 'i32',
  input_blocks: 'i32',
  output_width: 'u32',
  output_height: 'u32',
  output_blocks: 'u32',
  output_channels: 'u32',
  kernel_width: 'i32',
  kernel_height: 'i32',
  stride_x: 'i32',
  stride_y: 'i32',
  pad_left: 'i32',
  pad_top: 'i32',
  tiles_x: 'u32',
  tiles: 'u32',
});

/** Expands a shader whose weights are never halves. */
export function preprocessRows(source: string, flags: Readonly<Record<string, boolean>>): string {
  const files = { ...TILES_LIBRARY, 'lib/rows.wgsl': rowsLib };
  return preprocess(source, { files, flags: { HALVES: false, SOFTWARE: false, ...flags } });
}

/** @param tiles of a row, and all of an item */
export function rowsParams(
  { input, kernel, stride, padding }: Window & { readonly input: FeatureShape },
  output: FeatureShape,
  tiles: { readonly x: number; readonly count: number },
): ArrayBufferView {
  return PARAMS.pack({
    input_width: input.width,
    input_height: input.height,
    input_blocks: blocksOf(input.channels),
    output_width: output.width,
    output_height: output.height,
    output_blocks: blocksOf(output.channels),
    output_channels: output.channels,
    kernel_width: kernel[1],
    kernel_height: kernel[0],
    stride_x: stride[1],
    stride_y: stride[0],
    pad_left: padding[1],
    pad_top: padding[0],
    tiles_x: tiles.x,
    tiles: tiles.count,
  });
}
