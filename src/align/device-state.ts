/**
 * What lives and dies with one device: the cascade's buffers and plans, the frame texture, the staging ring and, once
 * asked for, the inspector.
 */

import { Cascade } from '../cascade/cascade.js';
import type { CascadeWeights } from '../cascade/weights.js';
import { Gpu } from '../engine/device.js';
import { halvesWork } from '../engine/halves-test.js';
import type { DType } from '../engine/network.js';
import { StagingRing } from '../engine/readback.js';
import { FrameTexture } from '../pictures/frame.js';
import { warmUp } from '../pictures/warm-up.js';
import { FrameEncoder } from './encode.js';
import { FrameLayout } from './frame-layout.js';
import { Inspector } from './inspector.js';
import { type AlignerOptions, DEFAULT_MAX_FACES, DEFAULT_TEXTURE_SIZE } from './options.js';
import { Renderings } from './renderings.js';
import { findTuning, type Tuning, variantsOf } from './tuning.js';

export class DeviceState {
  readonly gpu: Gpu;
  readonly cascade: Cascade;
  readonly frame: FrameTexture;
  readonly staging: StagingRing;
  readonly encoder: FrameEncoder;
  readonly tuning: Tuning;
  readonly dtype: DType;
  /** Staging for frames that return more than landmarks: as large as the largest so far. */
  #larger: StagingRing | undefined;
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
    const gpu = await Gpu.create({ device, powerPreference });
    try {
      const tuning = await findTuning(gpu, weights.network.graph, options);
      const dtype = options.dtype !== 'f32' && hasHalves(weights) && (await halvesWork(gpu)) ? 'f16' : 'f32';
      const cascade = await Cascade.create(gpu, weights, { maxFaces, variants: variantsOf(tuning), dtype });
      const { value, accepted } = gpu.watch('The staging buffers could not be made', () => ({
        staging: new StagingRing(gpu, 'staging', FrameLayout.largest(cascade).bytes),
        encoder: new FrameEncoder(gpu, cascade),
      }));
      await accepted;
      await warmUp(gpu, signal, ({ texture }) => runOnce(gpu, cascade, texture));
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
    const { model, geometry, crops, stem, maxFaces } = cascade;
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

  /**
   * Staging buffers for frames of up to `maxFaces` faces that return `bytes` in all. Those for more than landmarks are
   * made when first asked for, and again for more than ever before; only in a turn, so that nobody waits for a slot of
   * those that are given up.
   */
  async stagingFor(bytes: number): Promise<StagingRing> {
    if (bytes <= this.staging.bytes) return this.staging;
    const old = this.#larger;
    if (old !== undefined && bytes <= old.bytes) return old;
    const { value: ring, accepted } = this.gpu.watch('The staging buffers could not be made', () => {
      return new StagingRing(this.gpu, 'staging.outputs', bytes);
    });
    try {
      await accepted;
    } catch (error) {
      ring.destroy();
      throw error;
    }
    this.#larger = ring;
    if (old !== undefined) freeWhenRead(old);
    return ring;
  }

  destroy(): void {
    this.frame.destroy();
    this.gpu.destroy();
  }
}

/** A whole frame whose result nobody reads. */
async function runOnce(gpu: Gpu, cascade: Cascade, texture: GPUTexture): Promise<void> {
  const { queue } = gpu.device;
  const { accepted } = gpu.watch('The first frame was refused', () => {
    const encoder = gpu.device.createCommandEncoder({ label: 'warm-up' });
    const pass = encoder.beginComputePass({ label: 'warm-up' });
    cascade.encode(pass, texture, cascade.plan(cascade.iterations), 1);
    pass.end();
    queue.submit([encoder.finish()]);
  });
  await Promise.all([accepted, gpu.until(queue.onSubmittedWorkDone())]);
}

/** Frees a ring that nobody will ask for slots any more, once those in flight are read. */
async function freeWhenRead(ring: StagingRing): Promise<void> {
  for (let slot = 0; slot < ring.frames; slot++) await ring.takeWhenFree();
  ring.destroy();
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
