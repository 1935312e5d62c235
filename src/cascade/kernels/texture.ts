/** Unwraps the picture over the model's texture coordinates. See texture.wgsl. */
import type { StepNames } from '../../engine/kernels/common.js';
import type { Kernel, KernelDeclaration } from '../../engine/pipelines.js';
import type { Step } from '../../engine/plan.js';
import { preprocess } from '../../engine/preprocess.js';
import { UniformStruct } from '../../engine/uniform.js';
import { NO_TRIANGLE, type UvMap } from '../../mmm/uv.js';
import { PICTURE_LIBRARY } from '../../pictures/kernels/crop.js';
import source from '../../shaders/texture.wgsl?raw';
import { keyLayout, LIBRARY, WORKGROUP_SIZE } from './common.js';

const PARAMS = new UniformStruct({
  vertices: 'u32',
  crop_size: 'u32',
  id_bits: 'u32',
  depth_shift: 'u32',
  size: 'u32',
  mirror: 'u32',
});

const kernel: Kernel = {
  name: 'texture',
  code: preprocess(source, { files: { ...LIBRARY, ...PICTURE_LIBRARY } }),
  bindings: {
    frame: 'texture',
    crops: 'read',
    vertices: 'read',
    keys: 'read',
    triangles: 'read',
    texels: 'read',
    partners: 'read',
    output: 'read-write',
  },
};

/** The map as [size,size] vec2u: triangle, and the weights of its second and third vertex as unorm16, x | y << 16. */
export function packUvMap({ triangles, weights }: UvMap): Uint32Array<ArrayBuffer> {
  const packed = new Uint32Array(triangles.length * 2);
  for (let texel = 0; texel < triangles.length; texel++) {
    packed[texel * 2] = triangles[texel]!;
    if (triangles[texel] === NO_TRIANGLE) continue;
    const second = Math.round(weights[texel * 3 + 1]! * 65535);
    // Rounding must not take the first vertex's weight below 0.
    const third = Math.min(65535 - second, Math.round(weights[texel * 3 + 2]! * 65535));
    packed[texel * 2 + 1] = (second | (third << 16)) >>> 0;
  }
  return packed;
}

export interface TextureBuffers {
  readonly crops: GPUBuffer;
  /** [N,V] vec4. */
  readonly vertices: GPUBuffer;
  /** [N,S,S]. */
  readonly keys: GPUBuffer;
  readonly triangles: GPUBuffer;
  /** `packUvMap`. */
  readonly texels: GPUBuffer;
  /** `symmetricVertices`. */
  readonly partners: GPUBuffer;
  /** [N,size,size] rgba8. */
  readonly output: GPUBuffer;
}

/** The step that unwraps `frame`. */
export function textureStep(
  names: StepNames,
  spec: { readonly vertexCount: number; readonly triangleCount: number; readonly size: number },
  { size, mirror }: { readonly size: number; readonly mirror: boolean },
  frame: GPUTextureView,
  buffers: TextureBuffers,
): Step {
  const { crops, vertices, keys, triangles, texels, partners, output } = buffers;
  const { idBits, depthShift } = keyLayout(spec.triangleCount, spec.size);
  return {
    ...names,
    kernel,
    bindings: {
      frame,
      crops: { buffer: crops },
      vertices: { buffer: vertices },
      keys: { buffer: keys },
      triangles: { buffer: triangles },
      texels: { buffer: texels },
      partners: { buffer: partners },
      output: { buffer: output },
    },
    params: PARAMS.pack({
      vertices: spec.vertexCount,
      crop_size: spec.size,
      id_bits: idBits,
      depth_shift: depthShift,
      size,
      mirror: mirror ? 1 : 0,
    }),
    workgroups: [Math.ceil((size * size) / WORKGROUP_SIZE), 1, 1],
    batchAxis: 1,
  };
}

export const declarations: readonly KernelDeclaration[] = [
  { shader: 'texture.wgsl', kernels: [kernel], params: PARAMS },
];
