/** Vertices to keys. See raster.wgsl. */
import type { StepNames } from '../../engine/kernels/common.js';
import type { Kernel, KernelDeclaration } from '../../engine/pipelines.js';
import type { PlanBuilder } from '../../engine/plan.js';
import { preprocess } from '../../engine/preprocess.js';
import { UniformStruct } from '../../engine/uniform.js';
import source from '../../shaders/raster.wgsl?raw';
import { keyLayout, LIBRARY, WORKGROUP_SIZE } from './common.js';

const PARAMS = new UniformStruct({
  vertices: 'u32',
  triangles: 'u32',
  size: 'u32',
  id_bits: 'u32',
  depth_shift: 'u32',
});

const kernel: Kernel = {
  name: 'raster',
  code: preprocess(source, { files: LIBRARY }),
  bindings: { vertices: 'read', triangles: 'read', keys: 'read-write' },
};

/** Adds the drawing of `triangles` [T,3] at `vertices` [N,V] vec4 into the cleared `keys` [N,S,S] to a plan. */
export function recordRaster(
  builder: PlanBuilder,
  names: StepNames,
  spec: { readonly vertexCount: number; readonly triangleCount: number; readonly size: number },
  args: { readonly vertices: GPUBuffer; readonly triangles: GPUBuffer; readonly keys: GPUBuffer },
): void {
  const { idBits, depthShift } = keyLayout(spec.triangleCount, spec.size);
  builder.add({
    ...names,
    kernel,
    bindings: {
      vertices: { buffer: args.vertices },
      triangles: { buffer: args.triangles },
      keys: { buffer: args.keys },
    },
    params: PARAMS.pack({
      vertices: spec.vertexCount,
      triangles: spec.triangleCount,
      size: spec.size,
      id_bits: idBits,
      depth_shift: depthShift,
    }),
    workgroups: [Math.ceil(spec.triangleCount / WORKGROUP_SIZE), 1, 1],
    batchAxis: 1,
  });
}

export const declarations: readonly KernelDeclaration[] = [
  { shader: 'raster.wgsl', kernels: [kernel], params: PARAMS },
];
