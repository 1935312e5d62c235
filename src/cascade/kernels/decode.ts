/** Parameters to vertices on the GPU. See decode.wgsl. */
import type { Gpu } from '../../engine/device.js';
import { InputError } from '../../engine/errors.js';
import type { StepNames } from '../../engine/kernels/common.js';
import type { Kernel, KernelDeclaration } from '../../engine/pipelines.js';
import type { PlanBuilder } from '../../engine/plan.js';
import { preprocess } from '../../engine/preprocess.js';
import { blocksOf } from '../../engine/tensor.js';
import { UniformStruct } from '../../engine/uniform.js';
import type { QuantisedBasis, ShapeModel } from '../../mmm/model.js';
import { type ParameterLayout, SHAPE_OFFSET } from '../../mmm/parameters.js';
import source from '../../shaders/decode.wgsl?raw';
import { SHAPE_LIBRARY, WORKGROUP_SIZE } from './common.js';

const PARAMS = new UniformStruct({
  vertices: 'u32',
  blocks: 'u32',
  share: 'u32',
  groups: 'u32',
  stride: 'u32',
  size: 'u32',
});

const [hardware, software] = [false, true].map(
  (SOFTWARE): Kernel => ({
    name: 'decode',
    code: preprocess(source, { files: SHAPE_LIBRARY, flags: { SOFTWARE } }),
    bindings: { parameters: 'read', mean: 'read', basis: 'read', scale: 'read', vertices: 'read-write' },
  }),
) as [Kernel, Kernel];

/** Blocks of four vertices that one invocation of a software adapter computes. */
const BLOCKS_EACH = 2;

/** The morphable model's buffers as decode.wgsl reads them. */
export interface DecodeBuffers {
  readonly mean: GPUBuffer;
  readonly basis: GPUBuffer;
  readonly scale: GPUBuffer;
}

/** The landmarks' vertices by themselves. */
export interface LandmarkBuffers extends DecodeBuffers {
  readonly count: number;
}

/** Uploads a shape as the kernels decode it. */
export function uploadShape(gpu: Gpu, label: string, shape: ShapeModel, layout: ParameterLayout): DecodeBuffers {
  return {
    mean: gpu.uploadBuffer(`${label}.mean`, packMean(shape)),
    basis: gpu.uploadBuffer(`${label}.basis`, packBasis(shape, layout)),
    scale: gpu.uploadBuffer(`${label}.scale`, packScale(shape, layout)),
  };
}

/** Groups of four shape coefficients in a parameter vector. */
function groupCount(layout: ParameterLayout): number {
  return (layout.count - SHAPE_OFFSET) / 4;
}

/** The mean face as [3,V4] blocks of four vertices. */
export function packMean(model: ShapeModel): Float32Array<ArrayBuffer> {
  const padded = 4 * blocksOf(model.mean.length / 3);
  const packed = new Float32Array(3 * padded);
  model.mean.forEach((value, i) => {
    packed[(i % 3) * padded + Math.floor(i / 3)] = value;
  });
  return packed;
}

/**
 * Both bases as [groups,3,V4] blocks of four vertices, a word each: the offsets of four coefficients, lowest byte
 * first. The last one is signed, the others are offset by 128.
 * @throws InputError where the layout has not a place for every column of the model.
 */
export function packBasis(model: ShapeModel, layout: ParameterLayout): Int8Array<ArrayBuffer> {
  const vertexCount = model.mean.length / 3;
  const padded = 4 * blocksOf(vertexCount);
  const packed = new Int8Array(groupCount(layout) * 3 * padded * 4);
  for (const [basis, [offset, count], name] of parts(model, layout)) {
    if (basis.count !== count) {
      throw new InputError(`The face model has ${basis.count} ${name} columns; the parameter layout has ${count}.`);
    }
    for (let column = 0; column < count; column++) {
      const coefficient = offset - SHAPE_OFFSET + column;
      const [group, byte] = [Math.floor(coefficient / 4), coefficient % 4];
      for (let v = 0; v < vertexCount; v++) {
        for (let axis = 0; axis < 3; axis++) {
          packed[((group * 3 + axis) * padded + v) * 4 + byte] =
            basis.values[(column * vertexCount + v) * 3 + axis]! + (byte < 3 ? 128 : 0);
        }
      }
    }
  }
  return packed;
}

/**
 * [groups] vec4: the file's scale over 1, 2^8, 2^16 and 2^24, by the place of a coefficient's byte in its word; 0 for
 * padding.
 */
export function packScale(model: ShapeModel, layout: ParameterLayout): Float32Array<ArrayBuffer> {
  const packed = new Float32Array(groupCount(layout) * 4);
  for (const [basis, [offset, count]] of parts(model, layout)) {
    for (let column = 0; column < count; column++) {
      const coefficient = offset - SHAPE_OFFSET + column;
      packed[coefficient] = basis.scale[column]! / 256 ** (coefficient % 4);
    }
  }
  return packed;
}

/**
 * Adds the decoding of `parameters` [N,stride] vec4 into `vertices` [N,V] vec4 to a plan.
 * @param isSoftware the kernel for software adapters; default: where the adapter is one
 */
export function recordDecode(
  builder: PlanBuilder,
  names: StepNames,
  spec: { readonly vertexCount: number; readonly layout: ParameterLayout; readonly size: number },
  args: { readonly parameters: GPUBuffer; readonly model: DecodeBuffers; readonly vertices: GPUBuffer },
  { isSoftware }: Pick<Gpu['adapter'], 'isSoftware'> = builder.gpu.adapter,
): void {
  const { parameters, model, vertices } = args;
  const blocks = blocksOf(spec.vertexCount);
  const share = Math.ceil(blocks / BLOCKS_EACH);
  builder.add({
    ...names,
    kernel: isSoftware ? software : hardware,
    bindings: {
      parameters: { buffer: parameters },
      mean: { buffer: model.mean },
      basis: { buffer: model.basis },
      scale: { buffer: model.scale },
      vertices: { buffer: vertices },
    },
    params: PARAMS.pack({
      vertices: spec.vertexCount,
      blocks,
      share,
      groups: groupCount(spec.layout),
      stride: spec.layout.count / 4,
      size: spec.size,
    }),
    workgroups: [Math.ceil((isSoftware ? share : spec.vertexCount) / WORKGROUP_SIZE), 1, 1],
    batchAxis: 1,
  });
}

function parts(
  model: ShapeModel,
  layout: ParameterLayout,
): readonly [QuantisedBasis, readonly [number, number], string][] {
  return [
    [model.identity, layout.identity, 'identity'],
    [model.expression, layout.expression, 'expression'],
  ];
}

export const declarations: readonly KernelDeclaration[] = [
  { shader: 'decode.wgsl', kernels: [hardware, software], params: PARAMS },
];
