/**
 * What lives and dies with one device: the cascade's buffers and plans, the frame texture, the staging ring and, once asked for, the inspector.
 */
import { Gpu } from '../engine/device.js';
import { StagingRing } from '../engine/readback.js';
import { FrameTexture } from '../host/frame.js';
import { Cascade } from './cascade.js';
import { Inspector } from './inspector.js';
import { type AlignerOptions, DEFAULT_MAX_FACES } from './options.js';
import type { CascadeWeights } from './weights.js';

export class DeviceState {
  readonly gpu: Gpu;
  readonly cascade: Cascade;
  readonly frame: FrameTexture;
  readonly staging: StagingRing;
  readonly #weights: CascadeWeights;
  #inspector: Promise<Inspector> | undefined;

  /** @throws as `FaceAligner.create`, save for the weights. */
  static async create(
    weights: CascadeWeights,
    { device, powerPreference, maxFaces = DEFAULT_MAX_FACES, signal }: Omit<AlignerOptions, 'weights'>,
  ): Promise<DeviceState> {
    const gpu = await Gpu.create({
      label: 'fullpose',
      ...(device !== undefined && { device }),
      ...(powerPreference !== undefined && { powerPreference }),
    });
    try {
      const cascade = await Cascade.create(gpu, weights, { maxFaces });
      const { value: staging, accepted } = gpu.watch('The staging buffers could not be made', () => {
        return new StagingRing(gpu, 'staging', cascade.maxFaces * cascade.outputBytes);
      });
      await accepted;
      signal?.throwIfAborted();
      return new DeviceState(gpu, weights, cascade, staging);
    } catch (error) {
      gpu.destroy();
      throw error;
    }
  }

  private constructor(gpu: Gpu, weights: CascadeWeights, cascade: Cascade, staging: StagingRing) {
    this.gpu = gpu;
    this.cascade = cascade;
    this.frame = new FrameTexture(gpu);
    this.staging = staging;
    this.#weights = weights;
  }

  /** Made when first asked for. */
  inspector(): Promise<Inspector> {
    if (this.#inspector === undefined) {
      this.#inspector = Inspector.create(this.gpu, this.#weights, this.cascade.model);
      // A failure is not kept: the next call tries again.
      this.#inspector.catch(() => {
        this.#inspector = undefined;
      });
    }
    return this.#inspector;
  }

  destroy(): void {
    this.frame.destroy();
    this.gpu.destroy();
  }
}
