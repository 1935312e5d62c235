/** What lives and dies with a device, and can be made anew on another one. */
import type { Gpu } from '../engine/device.js';
import { DeviceLostError, InputError } from '../engine/errors.js';
import { expectObject } from '../engine/expect.js';

export interface OnDevice {
  readonly gpu: Gpu;
  /** Twice does nothing. */
  destroy(): void;
}

export class Revivable<S extends OnDevice> {
  readonly #owner: string;
  readonly #ownsDevice: boolean;
  readonly #remake: (last: S, device: GPUDevice | undefined) => Promise<S>;
  #state: S;
  #recovery: Promise<void> | undefined;
  #destroyed = false;

  /**
   * @param owner what messages call it: "aligner"
   * @param remake makes what `last` was, on `device`, or on one of its own
   */
  constructor(
    owner: string,
    state: S,
    ownsDevice: boolean,
    remake: (last: S, device: GPUDevice | undefined) => Promise<S>,
  ) {
    this.#owner = owner;
    this.#state = state;
    this.#ownsDevice = ownsDevice;
    this.#remake = remake;
  }

  get state(): S {
    return this.#state;
  }

  /** See `FaceAligner.recover`. Calls that overlap are one. */
  recover(options: { readonly device?: GPUDevice }): Promise<void> {
    this.#recovery ??= this.#recover(options).finally(() => {
      this.#recovery = undefined;
    });
    return this.#recovery;
  }

  destroy(): void {
    this.#destroyed = true;
    this.#state.destroy();
  }

  async #recover(options: { readonly device?: GPUDevice }): Promise<void> {
    expectObject(options, 'The options of recover');
    const { device } = options;
    const lost = await this.#state.gpu.lossOr(undefined);
    if (this.#destroyed) throw this.#over();
    if (lost === undefined) return;
    if (device === undefined && !this.#ownsDevice) {
      throw new InputError('The device that was lost was yours; wanted a new one: recover({ device }).');
    }
    const state = await this.#remake(this.#state, device);
    this.#state.destroy();
    this.#state = state;
    if (!this.#destroyed) return;
    state.destroy();
    throw this.#over();
  }

  #over(): DeviceLostError {
    return new DeviceLostError('destroyed', `destroy() was called on this ${this.#owner}`);
  }
}
