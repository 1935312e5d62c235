/**
 * What lives and dies with one device: the cascade's buffers and plans, the frame texture, the staging ring and, once asked for, the inspector.
 */

import { Cascade } from '../cascade/cascade.js';
import type { CascadeWeights } from '../cascade/weights.js';
import { Gpu } from '../engine/device.js';
import { halvesWork } from '../engine/halves-test.js';
import type { DType } from '../engine/network.js';
import { StagingRing } from '../engine/readback.js';
import { FrameTexture } from '../pictures/frame.js';
import { CROP_RECORD_BYTES } from '../pictures/kernels/crop.js';
import { FrameEncoder } from './encode.js';
import { Inspector } from './inspector.js';
import { type AlignerOptions, DEFAULT_MAX_FACES, DEFAULT_TEXTURE_SIZE } from './options.js';
import { Renderings } from './renderings.js';
import { findTuning, type Tuning, variantsOf } from './tuning.js';

/**
 * Bytes that a frame returns of a face at most: the output, the steps p^1 .. p^{K-1} to it, and the crops of these where it follows the face.
 */
function readBytes({ outputBytes, parameterBytes, iterations, followsFace }: Cascade): number {
  return outputBytes + (iterations - 1) * (parameterBytes + (followsFace ? CROP_RECORD_BYTES : 0));
}

export class DeviceState {
  readonly gpu: Gpu;
  readonly cascade: Cascade;
  readonly frame: FrameTexture;
  readonly staging: StagingRing;
  readonly encoder: FrameEncoder;
  readonly tuning: Tuning;
  readonly dtype: DType;
  /** Staging for frames that return more than landmarks, by the bytes of a face that these take. */
  readonly #larger = new Map<number, StagingRing>();
  readonly #inspector: Lazy<Inspector>;
  readonly #renderings: Lazy<Renderings>;

  /** @throws as `FaceAligner.create`, save for the weights. */
  static async create(weights: CascadeWeights, options: Omit<AlignerOptions, 'weights'>): Promise<DeviceState> {
    const {
      device,
      powerPreference,
      maxFaces = DEFAULT_MAX_FACES,
      textureSize = DEFAULT_TEXTURE_SIZE,
      signal,
    } = options;
    const gpu = await Gpu.create({
      label: 'fullpose',
      ...(device !== undefined && { device }),
      ...(powerPreference !== undefined && { powerPreference }),
    });
    try {
      const tuning = await findTuning(gpu, weights.network.graph, options);
      const dtype = options.dtype !== 'f32' && hasHalves(weights) && (await halvesWork(gpu)) ? 'f16' : 'f32';
      const cascade = await Cascade.create(gpu, weights, { maxFaces, variants: variantsOf(tuning), dtype });
      const { value, accepted } = gpu.watch('The staging buffers could not be made', () => ({
        staging: new StagingRing(gpu, 'staging', cascade.maxFaces * readBytes(cascade)),
        encoder: new FrameEncoder(gpu, cascade),
      }));
      await accepted;
      signal?.throwIfAborted();
      return new DeviceState(gpu, weights, cascade, value, { textureSize, tuning, dtype });
    } catch (error) {
      gpu.destroy();
      throw error;
    }
  }

  private constructor(
    gpu: Gpu,
    weights: CascadeWeights,
    cascade: Cascade,
    { staging, encoder }: { readonly staging: StagingRing; readonly encoder: FrameEncoder },
    { textureSize, tuning, dtype }: { readonly textureSize: number; readonly tuning: Tuning; readonly dtype: DType },
  ) {
    this.gpu = gpu;
    this.cascade = cascade;
    this.frame = new FrameTexture(gpu);
    this.staging = staging;
    this.encoder = encoder;
    this.tuning = tuning;
    this.dtype = dtype;
    const { model, geometry, faces: crops, stem, maxFaces } = cascade;
    this.#inspector = new Lazy(() => Inspector.create(gpu, weights, model, textureSize));
    this.#renderings = new Lazy(() =>
      Renderings.create(gpu, weights.model, { mesh: model.whole, geometry, crops, stem, maxFaces, textureSize }),
    );
  }

  /** Looks at one face. */
  inspector(): Promise<Inspector> {
    return this.#inspector.get();
  }

  /** What the cascade's own geometry can be turned into. */
  renderings(): Promise<Renderings> {
    return this.#renderings.get();
  }

  /** Staging buffers for frames that return `more` bytes a face besides the landmarks. Made when first asked for. */
  async stagingFor(more: number): Promise<StagingRing> {
    if (more === 0) return this.staging;
    let ring = this.#larger.get(more);
    if (ring === undefined) {
      const { maxFaces } = this.cascade;
      const { value, accepted } = this.gpu.watch('The staging buffers could not be made', () => {
        return new StagingRing(this.gpu, 'staging.outputs', this.staging.bytes + maxFaces * more);
      });
      this.#larger.set(more, value);
      ring = value;
      await accepted.catch((error: unknown) => {
        this.#larger.delete(more);
        value.destroy();
        throw error;
      });
    }
    return ring;
  }

  destroy(): void {
    this.frame.destroy();
    this.gpu.destroy();
  }
}

/** Something that is made when it is first asked for. A failure is not kept: the next call tries again. */
class Lazy<T> {
  readonly #create: () => Promise<T>;
  #made: Promise<T> | undefined;

  constructor(create: () => Promise<T>) {
    this.#create = create;
  }

  get(): Promise<T> {
    if (this.#made === undefined) {
      this.#made = this.#create();
      this.#made.catch(() => {
        this.#made = undefined;
      });
    }
    return this.#made;
  }
}

/** Whether the network's files have tensors in 16 bits. */
function hasHalves({ iterations }: CascadeWeights): boolean {
  return iterations.some(({ tensors }) => [...tensors.values()].some(({ dtype }) => dtype === 'F16'));
}
