/** What the cascade's kernels share. */
import shapeLib from '../../shaders/lib/shape.wgsl?raw';
import triangleLib from '../../shaders/lib/triangle.wgsl?raw';

/** Files that kernels include. */
export const LIBRARY = { 'lib/triangle.wgsl': triangleLib } as const;

/** What kernels include that decode the morphable model. */
export const SHAPE_LIBRARY = { 'lib/shape.wgsl': shapeLib } as const;

export const WORKGROUP_SIZE = 64;

/** Vertices and keys of every face of the batch, or of one face that serves all. */
export interface Geometry {
  /** [N,V] vec4 in crop pixels; N is 1 where shared. */
  readonly vertices: GPUBuffer;
  /** [N,S,S] u32 keys. */
  readonly keys: GPUBuffer;
  readonly shared: boolean;
}

/** How a key is split: `depth << idBits | (2^idBits - 1 - triangle)`. */
export interface KeyLayout {
  readonly idBits: number;
  /** The flat depth is shifted right by this to leave room for the id. */
  readonly depthShift: number;
}

/** Steps of the rasteriser's grid in a pixel. */
export const SUBPIXEL = 256;

/** The key layout for a mesh of `triangles` in a crop of `size` pixels. */
export function keyLayout(triangles: number, size: number): KeyLayout {
  const idBits = bitLength(triangles);
  return { idBits, depthShift: Math.max(0, bitLength(6 * SUBPIXEL * size - 1) - (32 - idBits)) };
}

function bitLength(value: number): number {
  return 32 - Math.clz32(value);
}
