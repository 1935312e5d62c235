/** What an aligner works with: the cascade's weights on a device. */
import { Revivable } from '../calls/revivable.js';
import type { CascadeWeights } from '../cascade/weights.js';
import type { DType } from '../engine/network.js';
import type { BlendshapeReadout } from '../mmm/blendshapes.js';
import type { FaceModel } from '../mmm/model.js';
import type { ParameterLayout } from '../mmm/parameters.js';
import { DeviceState } from './device-state.js';
import type { OutputBytes } from './encode.js';
import type { AlignerOptions } from './options.js';
import type { Tuning } from './tuning.js';

/** Says what was prepared, and prepares it anew on another device. */
export abstract class PreparedCascade extends Revivable<DeviceState> {
  /** Mean, bases, triangles, texture coordinates: what the mesh writers need. */
  readonly model: FaceModel;
  readonly #weights: CascadeWeights;

  /** @param state what was made of the weights and options */
  protected constructor(weights: CascadeWeights, options: AlignerOptions, state: DeviceState) {
    // What is over by now, or is given anew: an aborted signal must not end a recovery.
    const { weights: _, device, signal, tuning: __, ...kept } = options;
    super('aligner', state, device === undefined, ({ tuning }, next) =>
      DeviceState.create(weights, { ...kept, tuning, ...(next !== undefined && { device: next }) }),
    );
    this.#weights = weights;
    this.model = weights.model;
  }

  /** Faces that travel together. */
  get maxFaces(): number {
    return this.state.cascade.maxFaces;
  }

  /** Iterations there are weights for. */
  get iterations(): number {
    return this.state.cascade.iterations;
  }

  /** Side S of the crop that the network sees. */
  get cropSize(): number {
    return this.#weights.network.cropSize;
  }

  /** Where each part of a face's parameters sits. */
  get layout(): ParameterLayout {
    return this.#weights.network.parameters;
  }

  /** How a face's `blendshapes` follow from its `expression`: for weights that were smoothed by other means. */
  get blendshapes(): BlendshapeReadout {
    return this.#weights.blendshapes;
  }

  /** How the network's weights are held on the GPU: `f16` where all that are halves may be. */
  get dtype(): DType {
    return this.state.dtype;
  }

  /** Which variants of the kernels are in use. Plain JSON, for the option `tuning` of another aligner. */
  get tuning(): Tuning {
    return this.state.tuning;
  }

  /** Room that one face takes in each buffer that `encode` fills, in bytes. */
  get outputBytes(): OutputBytes {
    return this.state.encoder.bytes;
  }
}
