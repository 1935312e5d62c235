/**
 * Every failure the library reports on purpose. One base class carries a machine-readable `code`; the subclasses are
 * the few kinds a caller treats differently. A message says what was found and what was wanted.
 */

/** Stable identifiers for `FullposeError.code`. */
export type ErrorCode =
  | 'webgpu-unavailable'
  | 'limit-exceeded'
  | 'bad-weights'
  | 'bad-shape'
  | 'kernel-compile'
  | 'device-lost'
  | 'bad-input'
  | 'out-of-memory'
  | 'busy'
  | 'gpu-error'
  | 'readback-failed';

/** Base of every error thrown by this library. */
export class FullposeError extends Error {
  /** Which kind of failure it is, for programs. */
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** There is no `navigator.gpu`, no adapter, or the adapter gave no device. */
export class WebGPUUnavailableError extends FullposeError {
  constructor(message: string, options?: ErrorOptions) {
    super('webgpu-unavailable', message, options);
  }
}

/** A size or count is beyond what the device was granted. */
export class LimitError extends FullposeError {
  /** Name of the limit, as WebGPU has it, or of the feature. */
  readonly limit: string;
  /** What was needed. */
  readonly wanted: number;
  /** What the device has. */
  readonly granted: number;

  constructor(what: string, limit: string, wanted: number, granted: number) {
    super('limit-exceeded', `${what} needs ${limit} >= ${wanted}, but this device grants ${granted}.`);
    this.limit = limit;
    this.wanted = wanted;
    this.granted = granted;
  }
}

/** A weights file or network description is damaged, incomplete, or of another format. */
export class WeightsError extends FullposeError {
  constructor(message: string, options?: ErrorOptions) {
    super('bad-weights', message, options);
  }
}

/** Tensor shapes, buffer sizes or bindings do not fit together. */
export class ShapeError extends FullposeError {
  constructor(message: string) {
    super('bad-shape', message);
  }
}

/** A WGSL kernel did not compile. Holds every compiler message and the source it speaks of. */
export class KernelCompileError extends FullposeError {
  /** The kernel's name. */
  readonly kernel: string;
  /** What the compiler said, a message each. */
  readonly messages: readonly string[];
  /** The WGSL that it was given. */
  readonly source: string;

  constructor(kernel: string, messages: readonly string[], source: string, options?: ErrorOptions) {
    const numbered = source.split('\n').map((line, index) => `${`${index + 1}`.padStart(4)} | ${line}`);
    super(
      'kernel-compile',
      `Kernel '${kernel}' did not compile:\n${messages.join('\n')}\n--- source ---\n${numbered.join('\n')}`,
      options,
    );
    this.kernel = kernel;
    this.messages = messages;
    this.source = source;
  }
}

/** The GPU device is gone: driver reset, page teardown, or `destroy()`. */
export class DeviceLostError extends FullposeError {
  /** `destroyed` where somebody asked for it, otherwise `unknown`. */
  readonly reason: GPUDeviceLostReason;

  constructor(reason: GPUDeviceLostReason, message: string) {
    super('device-lost', `The GPU device was lost (${reason}): ${message || 'the browser gave no reason'}.`);
    this.reason = reason;
  }
}

/** A caller passed something that the library cannot use. */
export class InputError extends FullposeError {
  constructor(message: string, options?: ErrorOptions) {
    super('bad-input', message, options);
  }
}

/** The GPU has not the memory that was asked for. */
export class OutOfMemoryError extends FullposeError {
  constructor(failure: string, reason: string, options?: ErrorOptions) {
    super('out-of-memory', `${failure}: it needs more GPU memory than there is (${reason}).`, options);
  }
}
