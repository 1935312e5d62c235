/**
 * Getting results off the GPU. `StagingRing` holds a few mappable buffers, so that a frame's copy is recorded in the
 * frame's own encoder and mapped later, while the next frames are already running. `readBuffer` is the slow, simple way
 * for tests and debugging.
 */

import type { Gpu } from './device.js';
import { FullposeError, InputError, ShapeError } from './errors.js';
import { reason } from './show.js';

/** One mappable buffer of a ring: take it, record copies into it, submit, then `read` (or `release` it unread). */
export interface StagingSlot {
  /**
   * Records a copy of `bytes` bytes from `source` at `sourceOffset` to `at` in the slot. All are multiples of 4.
   * @throws ShapeError where the range does not fit the slot or is not aligned.
   */
  copyFrom(encoder: GPUCommandEncoder, source: GPUBuffer, sourceOffset: number, bytes: number, at?: number): void;
  /**
   * Waits for the submitted copies, returns the slot's first `bytes` bytes (default: all) and gives the slot back.
   * @throws DeviceLostError, or FullposeError `readback-failed` where mapping fails: never silently zeros.
   */
  read(bytes?: number): Promise<ArrayBuffer>;
  /** Gives the slot back without reading it. */
  release(): void;
}

/** Mappable buffers of one size that are taken in turn. */
export class StagingRing {
  /** Of one slot. */
  readonly bytes: number;
  /** Number of slots. */
  readonly frames: number;
  readonly #gpu: Gpu;
  readonly #label: string;
  readonly #slots: Slot[] = [];
  readonly #waiting: ((slot: Slot) => void)[] = [];

  /**
   * @param bytes size of one slot
   * @param frames number of slots: how many frames can be in flight
   */
  constructor(gpu: Gpu, label: string, bytes: number, frames = 3) {
    this.#gpu = gpu;
    this.#label = label;
    this.bytes = bytes;
    this.frames = frames;
    for (let index = 0; index < frames; index++) {
      const buffer = gpu.createBuffer(`${label}.${index}`, bytes, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
      this.#slots.push(new Slot(gpu, buffer, bytes, (slot) => this.#waiting.shift()?.(slot.take())));
    }
  }

  /** Slots that `tryTake` could hand out now. */
  get free(): number {
    return this.#slots.filter((slot) => !slot.taken).length;
  }

  /** A free slot at once. @throws InputError where every slot is in flight. */
  take(): StagingSlot {
    const slot = this.#slots.find((candidate) => !candidate.taken);
    if (slot === undefined) {
      throw new InputError(
        `All ${this.#slots.length} slots of '${this.#label}' are in flight; read or release one, or wait with takeWhenFree().`,
      );
    }
    return slot.take();
  }

  /** A free slot, once there is one; waiters are served in order. */
  takeWhenFree(): Promise<StagingSlot> {
    return this.free > 0 ? Promise.resolve(this.take()) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Frees the buffers. Reads that wait for one reject. */
  destroy(): void {
    for (const slot of this.#slots) this.#gpu.destroyBuffer(slot.buffer);
  }
}

class Slot implements StagingSlot {
  readonly buffer: GPUBuffer;
  readonly #gpu: Gpu;
  readonly #bytes: number;
  readonly #onFree: (slot: Slot) => void;
  taken = false;

  constructor(gpu: Gpu, buffer: GPUBuffer, bytes: number, onFree: (slot: Slot) => void) {
    this.#gpu = gpu;
    this.buffer = buffer;
    this.#bytes = bytes;
    this.#onFree = onFree;
  }

  take(): this {
    this.taken = true;
    return this;
  }

  copyFrom(encoder: GPUCommandEncoder, source: GPUBuffer, sourceOffset: number, bytes: number, at = 0): void {
    if (at < 0 || at + bytes > this.#bytes || (at | bytes | sourceOffset) % 4 !== 0) {
      throw new ShapeError(
        `Copy of ${bytes} bytes from ${sourceOffset} to ${at} in staging buffer '${this.buffer.label}' of ${this.#bytes}; ` +
          'wanted multiples of 4 inside it.',
      );
    }
    encoder.copyBufferToBuffer(source, sourceOffset, this.buffer, at, bytes);
  }

  async read(bytes = this.#bytes): Promise<ArrayBuffer> {
    try {
      return await mapAndCopy(this.#gpu, this.buffer, bytes);
    } finally {
      this.release();
    }
  }

  release(): void {
    if (!this.taken) return;
    this.taken = false;
    this.#onFree(this);
  }
}

/**
 * Copies `bytes` bytes of `buffer` (usage COPY_SRC) to the CPU, waiting for all submitted work.
 * @throws DeviceLostError or FullposeError `readback-failed`.
 */
export async function readBuffer(
  gpu: Gpu,
  buffer: GPUBuffer,
  offset = 0,
  bytes = buffer.size - offset,
): Promise<ArrayBuffer> {
  const read = (): GPUBuffer => {
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    const staging = gpu.createBuffer(`${buffer.label}.readback`, bytes, usage);
    const encoder = gpu.device.createCommandEncoder({ label: staging.label });
    encoder.copyBufferToBuffer(buffer, offset, staging, 0, bytes);
    gpu.device.queue.submit([encoder.finish()]);
    return staging;
  };
  const { value: staging, accepted } = gpu.watch(`Reading back '${buffer.label}' failed`, read, 'readback-failed');
  try {
    await accepted;
    return await mapAndCopy(gpu, staging, bytes);
  } finally {
    gpu.destroyBuffer(staging);
  }
}

async function mapAndCopy(gpu: Gpu, buffer: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
  gpu.assertAlive();
  try {
    await gpu.until(buffer.mapAsync(GPUMapMode.READ, 0, buffer.size));
  } catch (cause) {
    throw await gpu.lossOr(
      new FullposeError('readback-failed', `Mapping '${buffer.label}' failed: ${reason(cause)}`, { cause }),
    );
  }
  const copy = buffer.getMappedRange().slice(0, bytes);
  buffer.unmap();
  // Browsers resolve maps of a lost device with zeros; a result is a result only while the device lives.
  gpu.assertAlive();
  return copy;
}
