/**
 * What a face can give beside its landmarks: one table, which `align`, `profile` and the inspector read. A new output
 * is a member of `FaceOutputs` and a row of `OUTPUT_KINDS`.
 */

import { keyLayout, SUBPIXEL } from '../cascade/kernels/common.js';
import { PNCC_CHANNEL, STEM_CHANNELS } from '../cascade/kernels/crop.js';
import { keyBytes, type MeshSpec, vertexBytes } from '../cascade/mesh.js';
import { expectWhole } from '../engine/expect.js';
import { tensorBytes } from '../engine/tensor.js';
import { toPicturePixels } from '../mmm/decode.js';
import type { FaceModel } from '../mmm/model.js';
import { vertexNormals } from '../mmm/normals.js';
import { type Crop, cropToPicture } from '../pictures/crop.js';
import type { PixelData } from '../pictures/frame.js';
import type { Face } from './face.js';

/** What `align` can return of a face beside its landmarks. */
export interface FaceOutputs {
  /** Dense vertices [V,3] in picture pixels. */
  readonly vertices: Float32Array<ArrayBuffer>;
  /**
   * Unit normals [V,3] of the dense vertices, out of the face, on the picture's axes: x right, y down, z toward the
   * viewer. For a scene whose y points up, as of three.js, turn the sign of y. Read from what `vertices` is read from:
   * together they cost as much as one.
   */
  readonly normals: Float32Array<ArrayBuffer>;
  /** Depth [S,S] in the crop, crop pixels, larger is nearer, flat per triangle; NaN where there is no face. */
  readonly depth: Float32Array<ArrayBuffer>;
  /** Projected normalised coordinate code [S,S,3] in [0,1], in the crop; 0 where there is no face. */
  readonly pncc: Float32Array<ArrayBuffer>;
  /**
   * The picture unwrapped over the model's texture coordinates, row 0 at v = 1. Alpha says how well the surface is seen
   * there: 0 hidden or off the face, 255 facing the viewer. What is hidden has the colour of whatever hides it.
   */
  readonly texture: FaceTexture;
}

/** Names of what a face can have beside its landmarks. */
export type OutputName = keyof FaceOutputs;

/** A face with the outputs that were asked for. */
export type FaceWith<Name extends OutputName> = Face & Pick<FaceOutputs, Name>;

/** RGBA bytes, as `new ImageData(data, width, height)` takes them. */
export interface FaceTexture extends PixelData {
  /** [height, width, 4], rows from the top, alpha not multiplied in. */
  readonly data: Uint8ClampedArray<ArrayBuffer>;
}

/** What a frame is asked for beside the landmarks. */
export interface Wanted<Name extends OutputName = OutputName> {
  readonly outputs: readonly Name[];
  /** Whether the texture's hidden side is filled from the other one. */
  readonly mirror: boolean;
}

/** A buffer that outputs are read from, with a part for every face of a frame. */
export type OutputSource = 'vertices' | 'keys' | 'stem' | 'texture';

/** What outputs are made of: the whole mesh, in crops of its `spec`. */
export interface OutputContext {
  readonly model: FaceModel;
  readonly spec: MeshSpec;
  /** Side of the texture in texels. */
  readonly textureSize: number;
}

/** Bytes of one face in a source. */
export function sourceBytes(source: OutputSource, { spec, textureSize }: OutputContext): number {
  switch (source) {
    case 'vertices':
      return vertexBytes(spec);
    case 'keys':
      return keyBytes(spec);
    case 'stem':
      return tensorBytes({ height: spec.size, width: spec.size, channels: STEM_CHANNELS });
    case 'texture':
      return textureSize * textureSize * 4;
  }
}

/** One output of a face. */
export interface OutputKind<T> {
  /** Where it is read from. Outputs of one source are one copy. */
  readonly source: OutputSource;
  /** The passes that fill the source once the geometry is drawn; without it, that is enough. */
  readonly passes?: 'resolve' | 'unwrap';
  /** @param data one face's part of the source, a copy of its own */
  parse(data: ArrayBuffer, crop: Crop, context: OutputContext): T;
}

export const OUTPUT_KINDS: { readonly [Name in OutputName]: OutputKind<FaceOutputs[Name]> } = {
  vertices: { source: 'vertices', parse: readVertices },
  normals: {
    source: 'vertices',
    parse: (data, crop, context) => vertexNormals(readVertices(data, crop), context.model.triangles),
  },
  depth: {
    source: 'keys',
    parse(data, _, { spec }) {
      const { idBits, depthShift } = keyLayout(spec.triangleCount, spec.size);
      return Float32Array.from(new Uint32Array(data), (key) =>
        key === 0 ? Number.NaN : ((key >>> idBits) << depthShift) / (3 * SUBPIXEL) - spec.size,
      );
    },
  },
  pncc: {
    source: 'stem',
    passes: 'resolve',
    parse(data) {
      const stem = new Float32Array(data);
      const pncc = new Float32Array((stem.length / STEM_CHANNELS) * 3);
      for (let from = PNCC_CHANNEL, to = 0; from < stem.length; from += STEM_CHANNELS, to += 3) {
        pncc.set(stem.subarray(from, from + 3), to);
      }
      return pncc;
    },
  },
  texture: {
    source: 'texture',
    passes: 'unwrap',
    parse: (data, _, { textureSize }) => ({
      width: textureSize,
      height: textureSize,
      data: new Uint8ClampedArray(data),
    }),
  },
};

export const OUTPUT_NAMES = Object.keys(OUTPUT_KINDS) as readonly OutputName[];

/** [V] vec4 in crop pixels to [V,3] in the picture's. */
function readVertices(data: ArrayBuffer, crop: Crop): Float32Array<ArrayBuffer> {
  const packed = new Float32Array(data);
  const vertices = new Float32Array((packed.length / 4) * 3);
  for (let v = 0; v * 4 < packed.length; v++) vertices.set(packed.subarray(v * 4, v * 4 + 3), v * 3);
  return toPicturePixels(vertices, cropToPicture(crop));
}

/** One face's outputs from its parts of their sources. */
export function parseOutputs<Name extends OutputName>(
  outputs: readonly Name[],
  part: (source: OutputSource) => ArrayBuffer,
  crop: Crop,
  context: OutputContext,
): Pick<FaceOutputs, Name> {
  const parsed = outputs.map((name) => {
    const kind: OutputKind<unknown> = OUTPUT_KINDS[name];
    return [name, kind.parse(part(kind.source), crop, context)];
  });
  return Object.fromEntries(parsed);
}

const MIN_TEXTURE_SIZE = 16;
/** A texture is at most this wide: beyond, one dispatch cannot reach all texels. */
const MAX_TEXTURE_SIZE = 2048;

/** @throws InputError */
export function checkTextureSize(size: number): void {
  expectWhole('textureSize', size, MIN_TEXTURE_SIZE, MAX_TEXTURE_SIZE);
}
