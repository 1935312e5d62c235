/** Fills a range of a buffer with one 32-bit word, inside a compute pass. See fill.wgsl. */
import source from '../../shaders/fill.wgsl?raw';
import { ShapeError } from '../errors.js';
import type { Kernel, KernelDeclaration } from '../pipelines.js';
import type { PlanBuilder } from '../plan.js';
import { preprocess } from '../preprocess.js';
import { BLOCK_BYTES } from '../tensor.js';
import { UniformStruct } from '../uniform.js';
import { type StepNames, WORKGROUP_SIZE } from './common.js';

const PARAMS = new UniformStruct({ count: 'u32', value: 'u32' });

const kernel: Kernel = { name: 'fill', code: preprocess(source), bindings: { output: 'read-write' } };

/**
 * Adds a fill to a plan.
 * @param target range to fill: `itemBytes` (a multiple of 16) for each item of the batch, from `offset`
 * @param word bits of the value; 0 clears
 * @throws ShapeError where `itemBytes` is no positive multiple of 16.
 */
export function recordFill(
  builder: PlanBuilder,
  names: StepNames,
  target: { readonly buffer: GPUBuffer; readonly offset?: number; readonly itemBytes: number },
  word = 0,
): void {
  const count = target.itemBytes / BLOCK_BYTES;
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new ShapeError(`fill of ${target.itemBytes} bytes an item; wanted a positive multiple of ${BLOCK_BYTES}.`);
  }
  builder.add({
    ...names,
    kernel,
    bindings: { output: { buffer: target.buffer, offset: target.offset ?? 0 } },
    params: PARAMS.pack({ count, value: word }),
    workgroups: [Math.ceil(count / WORKGROUP_SIZE), 1, 1],
    batchAxis: 1,
  });
}

export const declarations: readonly KernelDeclaration[] = [{ shader: 'fill.wgsl', kernels: [kernel], params: PARAMS }];
