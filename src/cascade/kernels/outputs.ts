/** What a frame returns of each face, in one buffer. See outputs.wgsl. */
import type { StepNames } from '../../engine/kernels/common.js';
import type { Kernel, KernelDeclaration } from '../../engine/pipelines.js';
import type { PlanBuilder } from '../../engine/plan.js';
import { preprocess } from '../../engine/preprocess.js';
import { UniformStruct } from '../../engine/uniform.js';
import { type FaceModel, trianglesAround } from '../../mmm/model.js';
import source from '../../shaders/outputs.wgsl?raw';
import { keyLayout, LIBRARY, WORKGROUP_SIZE } from './common.js';

const PARAMS = new UniformStruct({
  vertices: 'u32',
  size: 'u32',
  id_bits: 'u32',
  depth_shift: 'u32',
  stride: 'u32',
  landmarks: 'u32',
  ring: 'u32',
});

const kernel: Kernel = {
  name: 'outputs',
  code: preprocess(source, { files: LIBRARY }),
  bindings: {
    parameters: 'read',
    vertices: 'read',
    keys: 'read',
    triangles: 'read',
    landmarks: 'read',
    output: 'read-write',
  },
};

/** Marks the end of a landmark's list of triangles. */
const NONE = 0xffffffff;

/** Landmarks as outputs.wgsl reads them: [L, 1 + ring], the vertex, then the triangles round it, then NONE. */
export interface LandmarkTable {
  readonly count: number;
  readonly ring: number;
  readonly data: Uint32Array<ArrayBuffer>;
}

export function packLandmarks(model: FaceModel): LandmarkTable {
  const { landmarks } = model;
  const rings = trianglesAround(model, landmarks);
  const ring = Math.max(...rings.map(({ length }) => length));
  const data = new Uint32Array(landmarks.length * (1 + ring)).fill(NONE);
  for (const [i, triangles] of rings.entries()) data.set([landmarks[i]!, ...triangles], i * (1 + ring));
  return { count: landmarks.length, ring, data };
}

/** Bytes of one face's outputs: its parameters and a vec4 a landmark. */
export function faceBytes(parameterCount: number, landmarks: number): number {
  return parameterCount * 4 + landmarks * 16;
}

/** Adds the gathering of parameters and landmarks into `output` [N, stride + L] vec4 to a plan. */
export function recordOutputs(
  builder: PlanBuilder,
  names: StepNames,
  spec: {
    readonly vertexCount: number;
    readonly triangleCount: number;
    readonly size: number;
    readonly parameterCount: number;
    readonly table: LandmarkTable;
  },
  args: {
    readonly parameters: GPUBuffer;
    readonly vertices: GPUBuffer;
    readonly keys: GPUBuffer;
    readonly triangles: GPUBuffer;
    readonly landmarks: GPUBuffer;
    readonly output: GPUBuffer;
  },
): void {
  const { idBits, depthShift } = keyLayout(spec.triangleCount, spec.size);
  const stride = spec.parameterCount / 4;
  builder.add({
    ...names,
    kernel,
    bindings: {
      parameters: { buffer: args.parameters },
      vertices: { buffer: args.vertices },
      keys: { buffer: args.keys },
      triangles: { buffer: args.triangles },
      landmarks: { buffer: args.landmarks },
      output: { buffer: args.output },
    },
    params: PARAMS.pack({
      vertices: spec.vertexCount,
      size: spec.size,
      id_bits: idBits,
      depth_shift: depthShift,
      stride,
      landmarks: spec.table.count,
      ring: spec.table.ring,
    }),
    workgroups: [Math.ceil((stride + spec.table.count) / WORKGROUP_SIZE), 1, 1],
    batchAxis: 1,
  });
}

export const declarations: readonly KernelDeclaration[] = [
  { shader: 'outputs.wgsl', kernels: [kernel], params: PARAMS },
];
