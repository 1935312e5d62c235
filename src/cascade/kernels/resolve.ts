/** Keys to the PNCC in the first stream's input. See resolve.wgsl. */
import type { StepNames } from '../../engine/kernels/common.js';
import type { Kernel, KernelDeclaration } from '../../engine/pipelines.js';
import type { PlanBuilder } from '../../engine/plan.js';
import { preprocess } from '../../engine/preprocess.js';
import { type Tensor, tensorBinding } from '../../engine/tensor.js';
import { UniformStruct } from '../../engine/uniform.js';
import source from '../../shaders/resolve.wgsl?raw';
import { type Geometry, keyLayout, LIBRARY, WORKGROUP_SIZE } from './common.js';

const PARAMS = new UniformStruct({ vertices: 'u32', size: 'u32', id_bits: 'u32' });

/** Pixels, one below the other, that one invocation computes. */
const ROWS = 4;

const kernel: Kernel = {
  name: 'resolve',
  code: preprocess(source, { files: LIBRARY }),
  bindings: { keys: 'read', vertices: 'read', triangles: 'read', codes: 'read', stem: 'read-write' },
};

/** Normalised coordinate codes [V,3] as [V] vec2u: x | y << 16, z. */
export function packCodes(codes: Uint16Array): Uint32Array<ArrayBuffer> {
  const vertexCount = codes.length / 3;
  const packed = new Uint32Array(vertexCount * 2);
  for (let v = 0; v < vertexCount; v++) {
    packed[v * 2] = (codes[v * 3]! | (codes[v * 3 + 1]! << 16)) >>> 0;
    packed[v * 2 + 1] = codes[v * 3 + 2]!;
  }
  return packed;
}

/** Adds the resolve of `geometry`, a face's each, into channels 3 to 5 of `stem` [N,S,S,8] to a plan. */
export function recordResolve(
  builder: PlanBuilder,
  names: StepNames,
  spec: { readonly vertexCount: number; readonly triangleCount: number; readonly size: number },
  args: {
    readonly geometry: Geometry;
    readonly triangles: GPUBuffer;
    readonly codes: GPUBuffer;
    readonly stem: Tensor;
  },
): void {
  const { geometry, triangles, codes, stem } = args;
  builder.add({
    ...names,
    kernel,
    bindings: {
      keys: { buffer: geometry.keys },
      vertices: { buffer: geometry.vertices },
      triangles: { buffer: triangles },
      codes: { buffer: codes },
      stem: tensorBinding(stem),
    },
    params: PARAMS.pack({
      vertices: spec.vertexCount,
      size: spec.size,
      id_bits: keyLayout(spec.triangleCount, spec.size).idBits,
    }),
    workgroups: [Math.ceil((spec.size * Math.ceil(spec.size / ROWS)) / WORKGROUP_SIZE), 1, 1],
    batchAxis: 1,
  });
}

export const declarations: readonly KernelDeclaration[] = [
  { shader: 'resolve.wgsl', kernels: [kernel], params: PARAMS },
];
