/**
 * Tensors on the GPU: NHWC, f32, channels in blocks of four, `[N, H, W, ceil(C/4)] vec4<f32>`. The last block's unused
 * channels are 0, always: kernels rely on it for what they read and keep it for what they write.
 */
import type { Gpu } from './device.js';
import { ShapeError } from './errors.js';
import { expectNumbers, expectObject } from './expect.js';
import { show } from './show.js';

/** Shape of one item of a batch. A vector is `1 x 1 x channels`. */
export interface FeatureShape {
  /** Rows. */
  readonly height: number;
  /** Columns. */
  readonly width: number;
  /** Values of a pixel; memory has them in blocks of four. */
  readonly channels: number;
}

/** A range of a buffer seen as `[batch, height, width, channels]`. */
export interface Tensor {
  /** Names it in messages. */
  readonly label: string;
  /** Usage STORAGE. */
  readonly buffer: GPUBuffer;
  /** Byte offset, a multiple of 256. */
  readonly offset: number;
  /** Of one item. */
  readonly shape: FeatureShape;
  /** Items there is room for. */
  readonly batch: number;
}

/** Bytes of one vec4<f32>. */
export const BLOCK_BYTES = 16;

/** Blocks of four that hold `channels` channels. */
export function blocksOf(channels: number): number {
  return Math.ceil(channels / 4);
}

/** vec4s of one item. */
export function itemBlocks({ height, width, channels }: FeatureShape): number {
  return height * width * blocksOf(channels);
}

/** Bytes of `batch` items. @throws ShapeError */
export function tensorBytes(shape: FeatureShape, batch = 1): number {
  assertFeatureShape(shape, 'A tensor');
  if (!Number.isSafeInteger(batch) || batch < 0)
    throw new ShapeError(`A batch is ${show(batch)}; wanted a whole number.`);
  return batch * itemBlocks(shape) * BLOCK_BYTES;
}

/** NaN, too: who looks for it wants to see it. */
function isNumber(value: unknown): boolean {
  return typeof value === 'number';
}

export function formatShape({ height, width, channels }: FeatureShape): string {
  return `[${[height, width, channels].map(show).join(', ')}]`;
}

/** The binding that covers exactly this tensor. */
export function tensorBinding({ buffer, offset, shape, batch }: Tensor): GPUBufferBinding {
  return { buffer, offset, size: tensorBytes(shape, batch) };
}

/** A tensor in a zeroed buffer of its own, owned by `gpu`. */
export function createTensor(gpu: Gpu, label: string, shape: FeatureShape, batch = 1): Tensor {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  return { label, buffer: gpu.createBuffer(label, tensorBytes(shape, batch), usage), offset: 0, shape, batch };
}

/** @throws ShapeError where `tensor` has not exactly the shape `wanted`. */
export function assertTensorShape(tensor: Tensor, wanted: FeatureShape, role: string): void {
  const { height, width, channels } = tensor.shape;
  if (height !== wanted.height || width !== wanted.width || channels !== wanted.channels) {
    throw new ShapeError(
      `${role} '${tensor.label}' has shape ${formatShape(tensor.shape)}; wanted ${formatShape(wanted)}.`,
    );
  }
}

/** @throws ShapeError where a size of `shape` is not a whole number >= 1. */
export function assertFeatureShape(shape: FeatureShape, role: string): void {
  expectObject(shape, `The shape of ${role}`);
  for (const size of [shape.height, shape.width, shape.channels]) {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new ShapeError(`${role} has shape ${formatShape(shape)}; wanted whole numbers >= 1.`);
    }
  }
}

/**
 * Dense `[N, H, W, C]` values to the GPU's layout, padding channels 0.
 * @throws ShapeError where the count is not a multiple of one item; InputError for what are no numbers.
 */
export function packTensor(values: ArrayLike<number>, shape: FeatureShape): Float32Array<ArrayBuffer> {
  assertFeatureShape(shape, 'A tensor');
  expectNumbers('values', values, undefined, isNumber);
  const { height, width, channels } = shape;
  const pixels = values.length / channels;
  if (values.length === 0 || pixels % (height * width) !== 0) {
    throw new ShapeError(
      `${values.length} values are no whole number of items of shape ${formatShape({ height, width, channels })}.`,
    );
  }
  const stride = blocksOf(channels) * 4;
  const packed = new Float32Array(pixels * stride);
  for (let pixel = 0; pixel < pixels; pixel++) {
    for (let channel = 0; channel < channels; channel++) {
      packed[pixel * stride + channel] = values[pixel * channels + channel] ?? 0;
    }
  }
  return packed;
}

/**
 * The GPU's layout to dense `[N, H, W, C]` values.
 * @throws ShapeError where `packed` is no whole number of pixels of so many channels.
 */
export function unpackTensor(packed: ArrayLike<number>, channels: number): Float32Array<ArrayBuffer> {
  expectNumbers('packed', packed, undefined, isNumber);
  const stride = Number.isSafeInteger(channels) && channels > 0 ? blocksOf(channels) * 4 : 0;
  const pixels = packed.length / stride;
  if (!Number.isSafeInteger(pixels)) {
    throw new ShapeError(`${packed.length} values are no whole number of pixels of ${show(channels)} channels.`);
  }
  const values = new Float32Array(pixels * channels);
  for (let pixel = 0; pixel < pixels; pixel++) {
    for (let channel = 0; channel < channels; channel++) {
      values[pixel * channels + channel] = packed[pixel * stride + channel] ?? 0;
    }
  }
  return values;
}
