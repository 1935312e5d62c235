/**
 * The end of an iteration whose network turns heads upright: p^{k+1}, and the crop of the next iteration. See
 * recrop.wgsl.
 */
import type { StepNames } from '../../engine/kernels/common.js';
import type { Kernel, KernelDeclaration } from '../../engine/pipelines.js';
import type { PlanBuilder } from '../../engine/plan.js';
import { preprocess } from '../../engine/preprocess.js';
import { blocksOf, type Tensor, tensorBinding } from '../../engine/tensor.js';
import { UniformStruct } from '../../engine/uniform.js';
import { CROP_LIBRARY, MAX_TAPS } from '../../pictures/kernels/crop.js';
import source from '../../shaders/recrop.wgsl?raw';
import { SHAPE_LIBRARY } from './common.js';
import type { LandmarkBuffers } from './decode.js';

const PARAMS = new UniformStruct({
  stride: 'u32',
  size: 'u32',
  landmarks: 'u32',
  blocks: 'u32',
  margin: 'f32',
  spacing: 'f32',
  most_taps: 'u32',
  faces: 'u32',
  slot: 'u32',
});

const [last, followed] = [false, true].map(
  (FOLLOWED): Kernel => ({
    name: FOLLOWED ? 'recrop' : 'turn',
    code: preprocess(source, { files: { ...SHAPE_LIBRARY, ...CROP_LIBRARY }, flags: { FOLLOWED } }),
    bindings: {
      before: 'read',
      update: 'read',
      after: 'read-write',
      ...(FOLLOWED && { crops: 'read-write', mean: 'read', basis: 'read', scale: 'read' }),
    },
  }),
) as [Kernel, Kernel];

/** What the next crop is made by. */
export interface RecropArgs {
  /** Slots of `faces` crop records: the first is read and written, slot `slot` keeps what was written. */
  readonly crops: GPUBuffer;
  readonly faces: number;
  readonly slot: number;
  readonly points: LandmarkBuffers;
  /** S. */
  readonly size: number;
  /** Side of the crop over the longer side of the landmarks' box. */
  readonly margin: number;
}

/**
 * Adds the end of an iteration to a plan: `after` = `before` + `update`, turned as the update says.
 * @param recrop where another iteration follows: `after` is then in the crop that it is given
 */
export function recordTurn(
  builder: PlanBuilder,
  names: StepNames,
  args: { readonly before: Tensor; readonly update: Tensor; readonly after: Tensor },
  recrop?: RecropArgs,
): void {
  const { before, update, after } = args;
  builder.add({
    ...names,
    kernel: recrop === undefined ? last : followed,
    bindings: {
      before: tensorBinding(before),
      update: tensorBinding(update),
      after: tensorBinding(after),
      ...(recrop !== undefined && {
        crops: { buffer: recrop.crops },
        mean: { buffer: recrop.points.mean },
        basis: { buffer: recrop.points.basis },
        scale: { buffer: recrop.points.scale },
      }),
    },
    params: PARAMS.pack({
      stride: blocksOf(after.shape.channels),
      size: recrop?.size ?? 0,
      landmarks: recrop?.points.count ?? 0,
      blocks: blocksOf(recrop?.points.count ?? 0),
      margin: recrop?.margin ?? 0,
      spacing: 1,
      most_taps: MAX_TAPS,
      faces: recrop?.faces ?? 0,
      slot: recrop?.slot ?? 0,
    }),
    workgroups: [1, 1, 1],
    batchAxis: 0,
  });
}

export const declarations: readonly KernelDeclaration[] = [
  { shader: 'recrop.wgsl', kernels: [last, followed], params: PARAMS },
];
