/**
 * Tensors for kernel tests. Each sits between two guards of poison in its buffer, and outputs start as poison: what a
 * kernel fails to write, writes too far or leaves in padding channels is seen.
 */
import type { Gpu } from '../../src/engine/device.js';
import { PlanBuilder } from '../../src/engine/plan.js';
import { readBuffer } from '../../src/engine/readback.js';
import {
  blocksOf,
  type FeatureShape,
  packTensor,
  type Tensor,
  tensorBytes,
  unpackTensor,
} from '../../src/engine/tensor.js';
import {
  expectClose,
  expectEqual,
  expectThat,
  POISON,
  poison,
  randomFloats,
  type Tolerance,
} from '../browser/numbers.js';
import { type Batch, batchOf } from '../reference/layers.js';

const GUARD_BYTES = 256;

/** A batch of seeded numbers in [-1, 1). */
export function randomBatch(seed: number, count: number, shape: FeatureShape): Batch {
  return batchOf(count, shape, randomFloats(seed, count * shape.height * shape.width * shape.channels));
}

/** A poisoned tensor between guards. */
export function poisonedTensor(gpu: Gpu, label: string, shape: FeatureShape, batch: number): Tensor {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const buffer = gpu.createBuffer(label, tensorBytes(shape, batch) + 2 * GUARD_BYTES, usage);
  poison(gpu.device, buffer);
  return { label, buffer, offset: GUARD_BYTES, shape, batch };
}

/** `values` on the GPU, between guards. */
export function uploadTensor(gpu: Gpu, label: string, values: Batch): Tensor {
  const shape = { height: values.height, width: values.width, channels: values.channels };
  const tensor = poisonedTensor(gpu, label, shape, values.count);
  gpu.device.queue.writeBuffer(tensor.buffer, tensor.offset, packTensor(values.values, shape));
  return tensor;
}

/** `values` as a whole-buffer binding. */
export function uploadBinding(gpu: Gpu, label: string, values: Float32Array): GPUBufferBinding {
  return { buffer: gpu.uploadBuffer(label, values) };
}

/** Prepares the steps that `record` adds, and runs them in one pass. */
export async function runSteps(gpu: Gpu, record: (builder: PlanBuilder) => void, batch: number): Promise<void> {
  const builder = new PlanBuilder(gpu, 'test');
  record(builder);
  const plan = await builder.build();
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  plan.encode(pass, batch);
  pass.end();
  gpu.device.queue.submit([encoder.finish()]);
}

/**
 * Checks the first `expected.count` items of a tensor, that their padding channels are 0, and that the rest of the
 * buffer (later items and both guards) is still poison.
 */
export async function expectTensor(gpu: Gpu, tensor: Tensor, expected: Batch, tolerance: Tolerance): Promise<void> {
  const { height, width, channels } = tensor.shape;
  const { label } = tensor;
  expectEqual([height, width, channels], [expected.height, expected.width, expected.channels], `shape of ${label}`);
  const words = await readBuffer(gpu, tensor.buffer);
  const bytes = tensorBytes(tensor.shape, expected.count);
  const outside = [...new Uint32Array(words, 0, GUARD_BYTES / 4), ...new Uint32Array(words, GUARD_BYTES + bytes)];
  const overwritten = outside.findIndex((word) => word !== POISON);
  expectThat(overwritten === -1, `${label}: word ${overwritten} outside the items was overwritten`);

  const floats = new Float32Array(words, GUARD_BYTES, bytes / 4);
  expectClose(unpackTensor(floats, channels), expected.values, {
    ...tolerance,
    label,
    shape: [expected.count, height, width, channels],
  });
  const stride = blocksOf(channels) * 4;
  const dirty = floats.findIndex((value, index) => index % stride >= channels && value !== 0);
  expectThat(dirty === -1, `${label}: padding channel at float ${dirty} is ${floats[dirty]}; wanted 0`);
}
