/** The bytes that a frame returns: one place for their size, the copies into a staging buffer, and where a face's are in it. */
import type { Cascade } from '../cascade/cascade.js';
import { ShapeError } from '../engine/errors.js';
import type { StagingSlot } from '../engine/readback.js';
import type { OutputSource } from './outputs.js';

/** A part for every face of `buffer`, under a name of its own in the frame. */
export interface FramePart {
  readonly name: 'output' | `p${number}` | OutputSource;
  readonly buffer: GPUBuffer;
  /** Of one face. */
  readonly bytes: number;
}

/** Parts one after the other, each with face after face. */
export class FrameLayout {
  readonly #parts: readonly FramePart[];
  readonly #faces: number;

  constructor(parts: readonly FramePart[], faces: number) {
    this.#parts = parts;
    this.#faces = faces;
  }

  /**
   * What a frame of the cascade returns: the output of its faces, then p^1 to p^`path`, then more.
   * @param path steps before the output that return, too
   * @param more the sources of further outputs
   */
  static of(cascade: Cascade, path: number, faces: number, more: readonly FramePart[] = []): FrameLayout {
    const steps = Array.from({ length: path }, (_, i): FramePart => {
      return { name: `p${i + 1}`, buffer: cascade.step(i + 1), bytes: cascade.parameterBytes };
    });
    const output: FramePart = { name: 'output', buffer: cascade.output, bytes: cascade.outputBytes };
    return new FrameLayout([output, ...steps, ...more], faces);
  }

  /** Of all faces. */
  get bytes(): number {
    return this.#faces * this.#parts.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Records the copies of all parts into `slot`. */
  copy(encoder: GPUCommandEncoder, slot: StagingSlot): void {
    let at = 0;
    for (const { buffer, bytes } of this.#parts) {
      slot.copyFrom(encoder, buffer, 0, this.#faces * bytes, at);
      at += this.#faces * bytes;
    }
  }

  /**
   * One face's bytes of a part, copied from what the slot gave.
   * @throws ShapeError for a part that the frame does not have.
   */
  view(data: ArrayBuffer, name: FramePart['name'], face: number): ArrayBuffer {
    let at = 0;
    for (const part of this.#parts) {
      if (part.name === name) return data.slice(at + face * part.bytes, at + (face + 1) * part.bytes);
      at += this.#faces * part.bytes;
    }
    throw new ShapeError(`The frame has no '${name}'; it has ${this.#parts.map((part) => part.name).join(', ')}.`);
  }
}
