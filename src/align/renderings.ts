/**
 * What a face's geometry can be turned into beside its landmarks: dense vertices, depth, PNCC, texture. Steps that run after a geometry was
 * drawn, and the reading of what they leave.
 */

import { type Geometry, type KeyLayout, keyLayout, SUBPIXEL } from '../cascade/kernels/common.js';
import { STEM_CHANNELS } from '../cascade/kernels/crop.js';
import { recordResolve } from '../cascade/kernels/resolve.js';
import { packUvMap, type TextureBuffers, textureStep } from '../cascade/kernels/texture.js';
import type { Mesh, MeshSpec } from '../cascade/mesh.js';
import type { Gpu } from '../engine/device.js';
import { refuse } from '../engine/expect.js';
import { Plan, PlanBuilder, type PreparedStep } from '../engine/plan.js';
import type { StagingSlot } from '../engine/readback.js';
import { type Tensor, tensorBytes } from '../engine/tensor.js';
import { toPicturePixels } from '../mmm/decode.js';
import type { FaceModel } from '../mmm/model.js';
import { symmetricVertices } from '../mmm/symmetry.js';
import { uvMap } from '../mmm/uv.js';
import { type Crop, cropToPicture } from '../pictures/crop.js';
import type { PixelData } from '../pictures/frame.js';
import { FrameStep } from '../pictures/frame-step.js';

/** What `align` can return of a face beside its landmarks. */
export interface FaceOutputs {
  /** Dense vertices [V,3] in picture pixels. */
  readonly vertices: Float32Array<ArrayBuffer>;
  /** Depth [S,S] in the crop, crop pixels, larger is nearer, flat per triangle; NaN where there is no face. */
  readonly depth: Float32Array<ArrayBuffer>;
  /** Projected normalised coordinate code [S,S,3] in [0,1], in the crop; 0 where there is no face. */
  readonly pncc: Float32Array<ArrayBuffer>;
  /**
   * The picture unwrapped over the model's texture coordinates, row 0 at v = 1. Alpha says how well the surface is seen there: 0 hidden or
   * off the face, 255 facing the viewer. What is hidden has the colour of whatever hides it.
   */
  readonly texture: FaceTexture;
}

export type OutputName = keyof FaceOutputs;

/** RGBA bytes, as `new ImageData(data, width, height)` takes them. */
export interface FaceTexture extends PixelData {
  readonly data: Uint8ClampedArray<ArrayBuffer>;
}

export const OUTPUT_NAMES = ['vertices', 'depth', 'pncc', 'texture'] as const satisfies readonly OutputName[];

/** What a frame is asked for beside the landmarks. */
export interface Wanted<Name extends OutputName = OutputName> {
  readonly outputs: readonly Name[];
  /** Whether the texture's hidden side is filled from the other one. */
  readonly mirror: boolean;
}

/** Where the renderings of a batch come from and may go. */
export interface RenderingArgs {
  /** The whole mesh, which `geometry` was drawn from. */
  readonly mesh: Mesh;
  readonly geometry: Geometry;
  /** Crop records, one a face. */
  readonly crops: GPUBuffer;
  /** [N,S,S,8]; its PNCC is overwritten where PNCC is asked for. */
  readonly stem: Tensor;
  readonly maxFaces: number;
  /** Side of the texture in texels. */
  readonly textureSize: number;
}

/** Records prepared steps for `faces` faces into `pass`. */
export function encodeSteps(
  gpu: Gpu,
  pass: GPUComputePassEncoder,
  steps: readonly PreparedStep[],
  faces: number,
): void {
  if (steps.length > 0) new Plan(gpu, 'renderings', steps, undefined).encode(pass, faces);
}

/** A texture is at most this wide: beyond, one dispatch cannot reach all texels. */
const MAX_TEXTURE_SIZE = 2048;

/** @throws InputError */
export function checkTextureSize(size: unknown): void {
  if (typeof size !== 'number' || !Number.isInteger(size) || size < 16 || size > MAX_TEXTURE_SIZE) {
    refuse('textureSize', size, `a whole number from 16 to ${MAX_TEXTURE_SIZE}`);
  }
}

export class Renderings {
  readonly #spec: MeshSpec;
  readonly #keys: KeyLayout;
  readonly #textureSize: number;
  readonly #resolve: readonly PreparedStep[];
  readonly #texture: { readonly plain: FrameStep; readonly mirrored: FrameStep };
  readonly #buffers: Readonly<Record<OutputName, GPUBuffer>>;

  /** What it makes belongs to `gpu` and is freed with it. */
  static async create(gpu: Gpu, model: FaceModel, args: RenderingArgs): Promise<Renderings> {
    const { geometry, crops, stem, textureSize: size, maxFaces } = args;
    const { spec, triangles, codes } = args.mesh;
    const { value, accepted } = gpu.watch('The buffers of the renderings could not be made', () => {
      const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC;
      const buffers: TextureBuffers = {
        crops,
        vertices: geometry.vertices,
        visibility: geometry.visibility,
        triangles,
        texels: gpu.uploadBuffer('texture.texels', packUvMap(uvMap(model, size))),
        partners: gpu.uploadBuffer('texture.partners', symmetricVertices(model)),
        output: gpu.createBuffer('texture.output', maxFaces * size * size * 4, usage),
      };
      const resolve = new PlanBuilder(gpu, 'renderings.resolve');
      recordResolve(resolve, { label: 'pncc', stage: 'pncc' }, spec, { geometry, triangles, codes, stem });
      return { buffers, resolve };
    });
    await accepted;
    const { buffers, resolve } = value;
    const unwrap = (mirror: boolean) => {
      const names = { label: mirror ? 'texture, mirrored' : 'texture', stage: 'texture' };
      return FrameStep.create(gpu, (frame) => textureStep(names, spec, { size, mirror }, frame, buffers));
    };
    const [{ steps }, plain, mirrored] = await Promise.all([resolve.build(), unwrap(false), unwrap(true)]);
    const sources = {
      vertices: geometry.vertices,
      depth: geometry.visibility,
      pncc: stem.buffer,
      texture: buffers.output,
    };
    return new Renderings(spec, size, steps, { plain, mirrored }, sources);
  }

  private constructor(
    spec: MeshSpec,
    textureSize: number,
    resolve: readonly PreparedStep[],
    texture: { readonly plain: FrameStep; readonly mirrored: FrameStep },
    buffers: Readonly<Record<OutputName, GPUBuffer>>,
  ) {
    this.#spec = spec;
    this.#keys = keyLayout(spec.triangleCount, spec.size);
    this.#textureSize = textureSize;
    this.#resolve = resolve;
    this.#texture = texture;
    this.#buffers = buffers;
  }

  /** The steps to run once the geometry is drawn. A texture is taken from `frame`. */
  steps({ outputs, mirror }: Wanted, frame: GPUTexture | undefined): readonly PreparedStep[] {
    const steps: PreparedStep[] = [];
    if (outputs.includes('pncc')) steps.push(...this.#resolve);
    if (outputs.includes('texture') && frame !== undefined) {
      steps.push(...(mirror ? this.#texture.mirrored : this.#texture.plain).plan(frame).steps);
    }
    return steps;
  }

  /** Bytes of one face's outputs in a staging buffer. */
  bytes(outputs: readonly OutputName[]): number {
    return outputs.reduce((sum, name) => sum + this.#bytesOf(name), 0);
  }

  /** Records the copies of the first `faces` faces' outputs to `at` in `slot`. */
  copy(encoder: GPUCommandEncoder, slot: StagingSlot, outputs: readonly OutputName[], faces: number, at: number): void {
    let to = at;
    for (const name of outputs) {
      const bytes = faces * this.#bytesOf(name);
      slot.copyFrom(encoder, this.#buffers[name], 0, bytes, to);
      to += bytes;
    }
  }

  /** Face `index` of the `faces` that `copy` put at `at`. */
  read<Name extends OutputName>(
    data: ArrayBuffer,
    outputs: readonly Name[],
    {
      faces,
      at,
      index,
      crop,
    }: { readonly faces: number; readonly at: number; readonly index: number; readonly crop: Crop },
  ): Pick<FaceOutputs, Name> {
    let from = at;
    const read: { -readonly [Key in OutputName]?: FaceOutputs[Key] } = {};
    const parse = <Key extends OutputName>(name: Key): void => {
      const bytes = this.#bytesOf(name);
      read[name] = this.#parse[name](data.slice(from + index * bytes, from + (index + 1) * bytes), crop);
      from += faces * bytes;
    };
    for (const name of outputs) parse(name);
    return read as Pick<FaceOutputs, Name>;
  }

  #bytesOf(name: OutputName): number {
    const { vertexCount, size } = this.#spec;
    switch (name) {
      case 'vertices':
        return vertexCount * 16;
      case 'depth':
        return size * size * 4;
      case 'pncc':
        return tensorBytes({ height: size, width: size, channels: STEM_CHANNELS });
      case 'texture':
        return this.#textureSize * this.#textureSize * 4;
    }
  }

  readonly #parse: { readonly [Name in OutputName]: (data: ArrayBuffer, crop: Crop) => FaceOutputs[Name] } = {
    vertices: (data, crop) => {
      const packed = new Float32Array(data);
      const vertices = new Float32Array((packed.length / 4) * 3);
      for (let v = 0; v * 4 < packed.length; v++) vertices.set(packed.subarray(v * 4, v * 4 + 3), v * 3);
      return toPicturePixels(vertices, cropToPicture(crop));
    },
    depth: (data) => {
      const { idBits, depthShift } = this.#keys;
      return Float32Array.from(new Uint32Array(data), (key) =>
        key === 0 ? Number.NaN : ((key >>> idBits) << depthShift) / (3 * SUBPIXEL) - this.#spec.size,
      );
    },
    pncc: (data) => {
      const channels = new Float32Array(data);
      const pixels = channels.length / STEM_CHANNELS;
      const pncc = new Float32Array(pixels * 3);
      for (let pixel = 0; pixel < pixels; pixel++)
        pncc.set(channels.subarray(pixel * STEM_CHANNELS + 3, pixel * STEM_CHANNELS + 6), pixel * 3);
      return pncc;
    },
    texture: (data) => ({
      width: this.#textureSize,
      height: this.#textureSize,
      data: new Uint8ClampedArray(data),
    }),
  };
}
