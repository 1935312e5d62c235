/** Picks the anchors whose score reaches a threshold. See candidates.wgsl. */
import type { StepNames } from '../../engine/kernels/common.js';
import type { Kernel, KernelDeclaration } from '../../engine/pipelines.js';
import type { PlanBuilder } from '../../engine/plan.js';
import { preprocess } from '../../engine/preprocess.js';
import { blocksOf, type Tensor, tensorBinding } from '../../engine/tensor.js';
import { UniformStruct } from '../../engine/uniform.js';
import source from '../../shaders/candidates.wgsl?raw';

const PARAMS = new UniformStruct({
  columns: 'u32',
  anchors: 'u32',
  count: 'u32',
  score_blocks: 'u32',
  first: 'u32',
  step: 'f32',
  threshold: 'f32',
});

const kernel: Kernel = {
  name: 'candidates',
  code: preprocess(source),
  bindings: { scores: 'read', boxes: 'read', items: 'read', list: 'read-write' },
};

const WORKGROUP_SIZE = 64;

/** Values of an anchor: a box, and x and y of six points. */
export const VALUES = 16;

/** Bytes before the list's first candidate, and of one candidate. */
export const LIST_HEADER_BYTES = 16;
export const CANDIDATE_BYTES = 16 + 4 * VALUES;

/** An anchor that may be a face. */
export interface Candidate {
  /** Which item of the frame it was seen in. */
  readonly item: number;
  readonly anchor: number;
  /** 0 to 1. */
  readonly score: number;
  /** Centre x, centre y, width, height, then x and y of six points: network input pixels, from the left upper border of the item. */
  readonly values: Float32Array<ArrayBuffer>;
}

/** Bytes of a list with room for `count` candidates. */
export function listBytes(count: number): number {
  return LIST_HEADER_BYTES + count * CANDIDATE_BYTES;
}

/** Adds one head's step to a plan: `scores` [N,rows,columns,anchors] and `boxes` [N,rows,columns,anchors*16] to `list`. */
export function recordCandidates(
  builder: PlanBuilder,
  names: StepNames,
  head: { readonly inputSize: number; readonly first: number; readonly threshold: number },
  args: { readonly scores: Tensor; readonly boxes: Tensor; readonly items: GPUBuffer; readonly list: GPUBuffer },
): void {
  const { scores, boxes, items, list } = args;
  const { height, width, channels: anchors } = scores.shape;
  const count = height * width * anchors;
  builder.add({
    ...names,
    kernel,
    bindings: {
      scores: tensorBinding(scores),
      boxes: tensorBinding(boxes),
      items: { buffer: items },
      list: { buffer: list },
    },
    params: PARAMS.pack({
      columns: width,
      anchors,
      count,
      score_blocks: blocksOf(anchors),
      first: head.first,
      step: head.inputSize / width,
      threshold: head.threshold,
    }),
    workgroups: [Math.ceil(count / WORKGROUP_SIZE), 1, 1],
    batchAxis: 1,
  });
}

/** How many candidates a list holds; more than were read where `data` is only its beginning. */
export function countCandidates(data: ArrayBuffer): number {
  return new Uint32Array(data, 0, 1)[0] ?? 0;
}

/** The first `count` candidates of a list, in the order of items and anchors. */
export function readCandidates(data: ArrayBuffer, count: number): Candidate[] {
  const words = new Uint32Array(data);
  const floats = new Float32Array(data);
  const candidates = Array.from({ length: count }, (_, index): Candidate => {
    const at = (LIST_HEADER_BYTES + index * CANDIDATE_BYTES) / 4;
    return {
      item: words[at] ?? 0,
      anchor: words[at + 1] ?? 0,
      score: 1 / (1 + Math.exp(-(floats[at + 2] ?? 0))),
      values: floats.slice(at + 4, at + 4 + VALUES),
    };
  });
  // The GPU appends in whatever order its invocations run.
  return candidates.sort((a, b) => a.item - b.item || a.anchor - b.anchor);
}

export const declarations: readonly KernelDeclaration[] = [
  { shader: 'candidates.wgsl', kernels: [kernel], params: PARAMS },
];
