/**
 * `Gpu`: one GPUDevice, owned or borrowed, with what the rest of the engine asks of it: granted features and limits,
 * the pipeline cache, buffers that are counted, and loss and stray errors turned into typed ones.
 */

import {
  DeviceLostError,
  type ErrorCode,
  FullposeError,
  LimitError,
  OutOfMemoryError,
  WebGPUUnavailableError,
} from './errors.js';
import { expectOptions, refuse } from './expect.js';
import { Nudge } from './nudge.js';
import { PipelineCache } from './pipelines.js';
import { reason } from './show.js';

/** What is known about the adapter behind a device. Strings are empty where the browser hides them. */
export interface AdapterSummary {
  /** Who made the GPU, as `nvidia`. */
  readonly vendor: string;
  /** Family of the GPU, as `ampere`. */
  readonly architecture: string;
  /** The GPU's name, where the browser tells it. */
  readonly description: string;
  /** True where the GPU is a software adapter (SwiftShader, llvmpipe, WARP): correct, and slow. */
  readonly isSoftware: boolean;
}

/** Options of `Gpu.create`. */
export interface GpuOptions {
  /** A device of the caller's. It is never destroyed here; buffers made on it by this `Gpu` are. */
  readonly device?: GPUDevice | undefined;
  /** Which of several GPUs is asked for (default: the browser's choice). Of no effect with `device`. */
  readonly powerPreference?: GPUPowerPreference | undefined;
  /** Names the device in the browser's messages (default `fullpose`). */
  readonly label?: string;
}

/** Live GPU memory made through one `Gpu`. */
export interface GpuMemory {
  /** Buffers that are not destroyed. */
  readonly buffers: number;
  /** Their sizes in all. */
  readonly bytes: number;
}

const USEFUL_FEATURES: readonly GPUFeatureName[] = ['timestamp-query', 'subgroups'];

/** Limits worth raising. Everything in the engine also runs on the defaults. */
const USEFUL_LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxTextureDimension2D',
] as const satisfies readonly (keyof GPUSupportedLimits)[];

const SOFTWARE_ADAPTER = /swiftshader|llvmpipe|lavapipe|microsoft basic render|warp|software/i;

/** How long a failed call waits to learn whether the device was lost. Firefox tells it from its timer of 100 ms. */
const LOSS_NOTICE_MS = 300;

type ErrorListener = (error: FullposeError) => void;

/** What `Gpu.watch` returns. */
export interface Watched<T> {
  readonly value: T;
  /**
   * Settles when the GPU process has looked at the calls. Nobody need await it: an unheard rejection is not reported.
   */
  readonly accepted: Promise<void>;
}

/** WebGPU itself. @throws WebGPUUnavailableError where there is none. */
export function webGPU(): GPU {
  const api = typeof navigator === 'undefined' ? undefined : navigator.gpu;
  if (api !== undefined) return api;
  throw new WebGPUUnavailableError(
    'No WebGPU here (navigator.gpu is missing). Wanted: a browser with WebGPU, in a secure context (https or localhost).',
  );
}

/**
 * The browser's adapter. It costs nothing to ask again: a device takes an adapter of its own.
 * @throws WebGPUUnavailableError where there is no WebGPU or no adapter; InputError for another preference.
 */
export async function findAdapter(powerPreference?: GPUPowerPreference): Promise<GPUAdapter> {
  const api = webGPU();
  if (powerPreference !== undefined && powerPreference !== 'low-power' && powerPreference !== 'high-performance') {
    refuse('powerPreference', powerPreference, "'low-power', 'high-performance' or nothing");
  }
  const adapter = await api.requestAdapter(powerPreference === undefined ? {} : { powerPreference });
  if (adapter === null) {
    throw new WebGPUUnavailableError('The browser has WebGPU but found no adapter (no GPU, or it is blocked).');
  }
  return adapter;
}

/** One GPU device with what is made on it. Make one with `create`, free it with `destroy`. */
export class Gpu {
  /** WebGPU's own. */
  readonly device: GPUDevice;
  /** Features that the device was granted. */
  readonly features: ReadonlySet<string>;
  /** Limits that the device was granted. */
  readonly limits: GPUSupportedLimits;
  /** What is known of the GPU. */
  readonly adapter: AdapterSummary;
  /** Of the device: shared with every other `Gpu` on it. */
  readonly pipelines: PipelineCache;
  /** Resolves, never rejects, once the device is lost; also after `destroy()` of an owned device. */
  readonly lost: Promise<DeviceLostError>;

  readonly #ownsDevice: boolean;
  readonly #nudge: Nudge;
  readonly #buffers = new Map<GPUBuffer, number>();
  readonly #listeners = new Set<ErrorListener>();
  #bytes = 0;
  #destroyed = false;
  #lostError: DeviceLostError | undefined;

  /**
   * Finds an adapter and makes a device with the features and limits that help, or wraps `options.device`.
   * @throws WebGPUUnavailableError where there is no WebGPU, no adapter or no device; InputError where `device` is
   * none.
   */
  static async create(options: GpuOptions = {}): Promise<Gpu> {
    expectOptions(options, { device: 1, powerPreference: 1, label: 1 });
    const { device: given } = options;
    if (given !== undefined) {
      if (!isDevice(given)) refuse('device', given, 'a GPUDevice');
      return new Gpu(given, summarise(given.adapterInfo), false);
    }
    const adapter = await findAdapter(options.powerPreference);
    const requiredLimits: Record<string, number> = {};
    for (const name of USEFUL_LIMITS) requiredLimits[name] = adapter.limits[name];
    let device: GPUDevice;
    try {
      device = await adapter.requestDevice({
        label: options.label ?? 'fullpose',
        requiredFeatures: USEFUL_FEATURES.filter((name) => adapter.features.has(name)),
        requiredLimits,
      });
    } catch (cause) {
      throw new WebGPUUnavailableError(`The adapter gave no device: ${reason(cause)}`, {
        cause,
      });
    }
    return new Gpu(device, summarise(adapter.info), true);
  }

  private constructor(device: GPUDevice, adapter: AdapterSummary, ownsDevice: boolean) {
    this.device = device;
    this.features = device.features;
    this.limits = device.limits;
    this.adapter = adapter;
    this.#ownsDevice = ownsDevice;
    this.pipelines = PipelineCache.of(device);
    this.#nudge = new Nudge(device.queue);
    this.lost = device.lost.then((info) => {
      this.#lostError = new DeviceLostError(info.reason, info.message);
      return this.#lostError;
    });
    device.addEventListener('uncapturederror', this.#onUncapturedError);
  }

  /** Buffers alive now that were made through this `Gpu`. */
  get memory(): GpuMemory {
    return { buffers: this.#buffers.size, bytes: this.#bytes };
  }

  /** @throws DeviceLostError once the device is lost or this `Gpu` destroyed. */
  assertAlive(): void {
    const error = this.#lossError();
    if (error !== undefined) throw error;
  }

  /**
   * Runs `action`, which makes GPU calls and waits for nothing, and reports what the GPU makes of them: WebGPU itself
   * answers a refused call with an invalid object, and a copy that never happened with the bytes that were there
   * before.
   *
   * `accepted` rejects with OutOfMemoryError, FullposeError of `code`, or DeviceLostError.
   * @param failure begins the messages: "Plan 'frame' could not be prepared"
   * @throws OutOfMemoryError where a call refuses at once for want of memory; what `action` throws.
   */
  watch<T>(failure: string, action: () => T, code: ErrorCode = 'gpu-error'): Watched<T> {
    this.assertAlive();
    const { device } = this;
    device.pushErrorScope('out-of-memory');
    device.pushErrorScope('validation');
    const scopes: Promise<GPUError | null>[] = [];
    let value: T;
    try {
      value = action();
    } catch (cause) {
      // Chromium reports a mapped buffer for which it has no memory this way.
      if (cause instanceof RangeError) throw new OutOfMemoryError(failure, cause.message, { cause });
      throw cause;
    } finally {
      scopes.push(device.popErrorScope(), device.popErrorScope());
      for (const scope of scopes) scope.catch(() => {});
    }
    const accepted = this.#accept(failure, scopes, code);
    accepted.catch(() => {});
    return { value, accepted };
  }

  /**
   * Waits for `done`, which the browser settles once the GPU is done (`mapAsync`, `onSubmittedWorkDone`), in Firefox
   * without its timer.
   */
  until<T>(done: Promise<T>): Promise<T> {
    return this.#nudge.until(done);
  }

  /**
   * `cause`, or the loss of the device where that is what made a call fail. A lost device fails its calls some time
   * before it settles its `lost` promise; this waits for that for a moment.
   */
  async lossOr<E>(cause: E): Promise<E | DeviceLostError> {
    if (this.#lossError() === undefined) {
      await this.until(Promise.race([this.lost, new Promise((resolve) => setTimeout(resolve, LOSS_NOTICE_MS))]));
    }
    return this.#lossError() ?? cause;
  }

  /**
   * Tells `listener` of errors that no error scope caught. The browser still logs them to its console.
   * @returns a function that stops the telling.
   */
  onError(listener: ErrorListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * A zeroed buffer of at least `bytes` bytes, rounded up to a multiple of 4 (WebGPU's copy granularity) and at least
   * 4.
   * @throws LimitError beyond maxBufferSize, or beyond maxStorageBufferBindingSize for a storage buffer.
   */
  createBuffer(label: string, bytes: number, usage: GPUBufferUsageFlags): GPUBuffer {
    return this.#create(label, bytes, usage, false);
  }

  /**
   * A buffer holding `data`, padded with zeros to a multiple of 4 bytes. Default usage: storage, uniform, copy source
   * and target.
   */
  uploadBuffer(
    label: string,
    data: ArrayBufferView,
    usage: GPUBufferUsageFlags = GPUBufferUsage.STORAGE |
      GPUBufferUsage.UNIFORM |
      GPUBufferUsage.COPY_SRC |
      GPUBufferUsage.COPY_DST,
  ): GPUBuffer {
    const buffer = this.#create(label, data.byteLength, usage, true);
    let mapped: ArrayBuffer;
    try {
      mapped = buffer.getMappedRange();
    } catch (cause) {
      if (cause instanceof RangeError) throw cause;
      // Firefox maps no buffer of a device that was lost: the error scope round this call learns of it.
      return buffer;
    }
    new Uint8Array(mapped).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    buffer.unmap();
    return buffer;
  }

  /** Frees a buffer made here before its time. Freeing it twice does nothing. */
  destroyBuffer(buffer: GPUBuffer): void {
    const bytes = this.#buffers.get(buffer);
    if (bytes === undefined) return;
    this.#buffers.delete(buffer);
    this.#bytes -= bytes;
    buffer.destroy();
  }

  /** Frees every buffer made here, and the device if it was made here. Calling it twice does nothing. */
  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    for (const buffer of [...this.#buffers.keys()]) this.destroyBuffer(buffer);
    this.device.removeEventListener('uncapturederror', this.#onUncapturedError);
    this.#listeners.clear();
    if (this.#ownsDevice) this.device.destroy();
  }

  #lossError(): DeviceLostError | undefined {
    if (this.#lostError !== undefined || !this.#destroyed) return this.#lostError;
    return new DeviceLostError('destroyed', 'destroy() was called on its Gpu');
  }

  async #accept(failure: string, scopes: readonly Promise<GPUError | null>[], code: ErrorCode): Promise<void> {
    let errors: readonly (GPUError | null)[];
    try {
      errors = await Promise.all(scopes);
    } catch (cause) {
      throw await this.lossOr(new FullposeError(code, `${failure}: ${reason(cause)}`, { cause }));
    }
    const [invalid, memory] = errors;
    // An object that memory was missing for is invalid afterwards: the want of memory is the cause.
    if (memory) throw new OutOfMemoryError(failure, memory.message, { cause: memory });
    // In Firefox what belongs to a lost device is invalid.
    if (invalid) throw await this.lossOr(new FullposeError(code, `${failure}: ${invalid.message}`, { cause: invalid }));
  }

  #create(label: string, bytes: number, usage: GPUBufferUsageFlags, mappedAtCreation: boolean): GPUBuffer {
    this.assertAlive();
    const size = Math.max(4, Math.ceil(bytes / 4) * 4);
    const { maxBufferSize, maxStorageBufferBindingSize } = this.limits;
    if (size > maxBufferSize) throw new LimitError(`Buffer '${label}'`, 'maxBufferSize', size, maxBufferSize);
    if ((usage & GPUBufferUsage.STORAGE) !== 0 && size > maxStorageBufferBindingSize) {
      throw new LimitError(`Buffer '${label}'`, 'maxStorageBufferBindingSize', size, maxStorageBufferBindingSize);
    }
    const buffer = this.device.createBuffer({ label, size, usage, mappedAtCreation });
    this.#buffers.set(buffer, size);
    this.#bytes += size;
    return buffer;
  }

  readonly #onUncapturedError = (event: GPUUncapturedErrorEvent): void => {
    const error = new FullposeError(
      'gpu-error',
      `The GPU reported an error that nothing caught: ${event.error.message}`,
      {
        cause: event.error,
      },
    );
    for (const listener of this.#listeners) listener(error);
  };
}

/** By the name that the object itself states, and a method: devices of other windows and of Node are devices too. */
function isDevice(value: unknown): value is GPUDevice {
  return typeof value === 'object' && value !== null && 'createComputePipelineAsync' in value && 'lost' in value;
}

/** Of older browsers nothing is known: Chrome tells of adapters since 127, and of devices since 132. */
function summarise({
  vendor = '',
  architecture = '',
  description = '',
  device = '',
  isFallbackAdapter,
}: Partial<GPUAdapterInfo> = {}): AdapterSummary {
  return {
    vendor,
    architecture,
    description,
    isSoftware: isFallbackAdapter || SOFTWARE_ADAPTER.test(`${vendor} ${architecture} ${device} ${description}`),
  };
}
