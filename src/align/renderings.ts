/**
 * What a face's geometry can be turned into beside its landmarks: the passes that run after it was drawn, and the
 * buffers that they fill. outputs.ts says what is read from these.
 */

import type { Geometry } from '../cascade/kernels/common.js';
import { recordResolve } from '../cascade/kernels/resolve.js';
import { packUvMap, type TextureBuffers, textureStep } from '../cascade/kernels/texture.js';
import type { Mesh } from '../cascade/mesh.js';
import type { Gpu } from '../engine/device.js';
import { PlanBuilder, type PreparedStep, Sequence } from '../engine/plan.js';
import type { Tensor } from '../engine/tensor.js';
import type { FaceModel } from '../mmm/model.js';
import { symmetricVertices } from '../mmm/symmetry.js';
import { uvMap } from '../mmm/uv.js';
import { FrameStep } from '../pictures/frame-step.js';
import type { FramePart } from './frame-layout.js';
import {
  OUTPUT_KINDS,
  type OutputContext,
  type OutputName,
  type OutputSource,
  sourceBytes,
  type Wanted,
} from './outputs.js';

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
  if (steps.length > 0) new Sequence(gpu, 'renderings', steps).encode(pass, faces);
}

export class Renderings {
  /** What outputs are parsed with. */
  readonly context: OutputContext;
  readonly #resolve: readonly PreparedStep[];
  readonly #texture: { readonly plain: FrameStep; readonly mirrored: FrameStep };
  readonly #buffers: Readonly<Record<OutputSource, GPUBuffer>>;

  /** What it makes belongs to `gpu` and is freed with it. */
  static async create(gpu: Gpu, model: FaceModel, args: RenderingArgs): Promise<Renderings> {
    const { geometry, crops, stem, textureSize: size, maxFaces } = args;
    const { spec, triangles, codes } = args.mesh;
    const { value, accepted } = gpu.watch('The buffers of the renderings could not be made', () => {
      const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC;
      const buffers: TextureBuffers = {
        crops,
        vertices: geometry.vertices,
        keys: geometry.keys,
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
      keys: geometry.keys,
      stem: stem.buffer,
      texture: buffers.output,
    };
    return new Renderings({ model, spec, textureSize: size }, steps, { plain, mirrored }, sources);
  }

  private constructor(
    context: OutputContext,
    resolve: readonly PreparedStep[],
    texture: { readonly plain: FrameStep; readonly mirrored: FrameStep },
    buffers: Readonly<Record<OutputSource, GPUBuffer>>,
  ) {
    this.context = context;
    this.#resolve = resolve;
    this.#texture = texture;
    this.#buffers = buffers;
  }

  /** The steps to run once the geometry is drawn. A texture is taken from `frame`. */
  steps({ outputs, mirror }: Wanted, frame: GPUTexture | undefined): readonly PreparedStep[] {
    const passes = new Set(outputs.map((name) => OUTPUT_KINDS[name].passes));
    const unwrap = mirror ? this.#texture.mirrored : this.#texture.plain;
    return [
      ...(passes.has('resolve') ? this.#resolve : []),
      ...(passes.has('unwrap') && frame !== undefined ? unwrap.on(frame).steps : []),
    ];
  }

  /** The sources of some outputs, each once, as parts of what a frame returns. */
  parts(outputs: readonly OutputName[]): FramePart[] {
    const sources = new Set(outputs.map((name) => OUTPUT_KINDS[name].source));
    return [...sources].map((name) => ({ name, buffer: this.#buffers[name], bytes: sourceBytes(name, this.context) }));
  }
}
