/** What the public classes have in common: a device, and coming back on another one where it is lost. */
import type { Gpu } from '../engine/device.js';
import { DeviceLostError, InputError } from '../engine/errors.js';
import { expectOptions } from '../engine/expect.js';

/** What lives and dies with a device. */
export interface OnDevice {
  readonly gpu: Gpu;
  /** Twice does nothing. */
  destroy(): void;
}

/** Owner of what works on a device, and can be made anew on another one. */
export abstract class Revivable<S extends OnDevice> {
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
  protected constructor(
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

  /** Whether its device lives or not. */
  protected get state(): S {
    return this.#state;
  }

  /** The same. @throws DeviceLostError where the device is lost. */
  protected get alive(): S {
    this.#state.gpu.assertAlive();
    return this.#state;
  }

  /** The device in use: the caller's, or one of its own. Another one after `recover`. */
  get device(): GPUDevice {
    return this.#state.gpu.device;
  }

  /** Resolves, never rejects, once the device in use is lost. A new promise after `recover`. */
  get lost(): Promise<DeviceLostError> {
    return this.#state.gpu.lost;
  }

  /**
   * Brings this back after its device was lost: a new device, the same weights, the same results. Does nothing while
   * the device lives. Calls that were lost stay lost; faces from before stay good. Where a detector is on an aligner's
   * device: `await aligner.recover()`, then `await detector.recover({ device: aligner.device })`. Calls that overlap
   * are one.
   * @param options.device the new device, where the old one was the caller's
   * @throws InputError where the caller's device was lost and there is no new one; DeviceLostError after `destroy`, or
   * where the new device is lost too; otherwise as `create`. It stays lost then, and `recover` may be called again.
   */
  recover(options: { readonly device?: GPUDevice } = {}): Promise<void> {
    this.#recovery ??= this.#recover(options).finally(() => {
      this.#recovery = undefined;
    });
    return this.#recovery;
  }

  /** Frees everything made here. Calls in flight reject with DeviceLostError. Calling it twice does nothing. */
  destroy(): void {
    this.#destroyed = true;
    this.#state.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  async #recover(options: { readonly device?: GPUDevice }): Promise<void> {
    expectOptions(options, { device: 1 }, 'The options of recover');
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
