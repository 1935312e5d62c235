/** Picks the cells of a head whose score reaches a threshold. See candidates.wgsl. */
import type { StepNames } from '../../engine/kernels/common.js';
import type { Kernel, KernelDeclaration } from '../../engine/pipelines.js';
import type { PlanBuilder } from '../../engine/plan.js';
import { preprocess } from '../../engine/preprocess.js';
import { type Tensor, tensorBinding } from '../../engine/tensor.js';
import { UniformStruct } from '../../engine/uniform.js';
import source from '../../shaders/candidates.wgsl?raw';

const PARAMS = new UniformStruct({
  columns: 'u32',
  count: 'u32',
  first: 'u32',
  step: 'f32',
  left: 'f32',
  top: 'f32',
  threshold: 'f32',
});

const kernel: Kernel = {
  name: 'candidates',
  code: preprocess(source),
  bindings: { head: 'read', items: 'read', list: 'read-write' },
};

const WORKGROUP_SIZE = 64;

/** Channels of a head: a box, x and y of five points, and two logits that make the score. */
export const HEAD_CHANNELS = 16;

/** Values of a candidate: the box and the points. */
export const VALUES = 14;

/** Bytes before the list's first candidate, and of one candidate. */
export const LIST_HEADER_BYTES = 16;
export const CANDIDATE_BYTES = 80;

/** A cell that may hold the middle of a face. */
export interface Candidate {
  /** Which item of the frame it was seen in. */
  readonly item: number;
  /** Its number among the cells of all heads. */
  readonly cell: number;
  /** 0 to 1. */
  readonly score: number;
  /** Centre x, centre y, width, height, then x and y of five points: pixels of the item's crop. */
  readonly values: Float32Array<ArrayBuffer>;
}

/** Bytes of a list with room for `count` candidates. */
export function listBytes(count: number): number {
  return LIST_HEADER_BYTES + count * CANDIDATE_BYTES;
}

/**
 * Adds one head's step to a plan: `head` [N,rows,columns,16] to `list`.
 * @param options `inputSize`: side of the region; the head sees the middle of it, `inputWidth` pixels wide. `first`:
 * number of the head's first cell
 */
export function recordCandidates(
  builder: PlanBuilder,
  names: StepNames,
  options: {
    readonly inputSize: number;
    readonly inputWidth: number;
    readonly first: number;
    readonly threshold: number;
  },
  args: { readonly head: Tensor; readonly items: GPUBuffer; readonly list: GPUBuffer },
): void {
  const { head, items, list } = args;
  const { height, width } = head.shape;
  const count = height * width;
  const { inputSize, inputWidth, first, threshold } = options;
  const step = inputWidth / width;
  builder.add({
    ...names,
    kernel,
    bindings: { head: tensorBinding(head), items: { buffer: items }, list: { buffer: list } },
    params: PARAMS.pack({
      columns: width,
      count,
      first,
      step,
      left: (inputSize - width * step) / 2,
      top: (inputSize - height * step) / 2,
      threshold,
    }),
    workgroups: [Math.ceil(count / WORKGROUP_SIZE), 1, 1],
    batchAxis: 1,
  });
}

/** How many candidates a list holds; more than were read where `data` is only its beginning. */
export function countCandidates(data: ArrayBuffer): number {
  return new Uint32Array(data, 0, 1)[0] ?? 0;
}

/** The first `count` candidates of a list, in the order of items and cells. */
export function readCandidates(data: ArrayBuffer, count: number): Candidate[] {
  const words = new Uint32Array(data);
  const floats = new Float32Array(data);
  const candidates = Array.from({ length: count }, (_, index): Candidate => {
    const at = (LIST_HEADER_BYTES + index * CANDIDATE_BYTES) / 4;
    return {
      item: words[at] ?? 0,
      cell: words[at + 1] ?? 0,
      score: floats[at + 2] ?? 0,
      values: floats.slice(at + 4, at + 4 + VALUES),
    };
  });
  // The GPU appends in whatever order its invocations run.
  return candidates.sort((a, b) => a.item - b.item || a.cell - b.cell);
}

export const declarations: readonly KernelDeclaration[] = [
  { shader: 'candidates.wgsl', kernels: [kernel], params: PARAMS },
];
