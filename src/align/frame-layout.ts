/**
 * The bytes that a frame returns: one place for their size, the copies into a staging buffer, and where a face's are in
 * it.
 */
import type { Cascade } from '../cascade/cascade.js';
import { ShapeError } from '../engine/errors.js';
import type { StagingSlot } from '../engine/readback.js';
import { list } from '../engine/show.js';
import { CROP_RECORD_BYTES } from '../pictures/kernels/crop.js';
import type { OutputSource } from './outputs.js';
import { keptCrops } from './run.js';

/** A part for every face of `buffer`, under a name of its own in the frame. */
export interface FramePart {
  readonly name: 'output' | `p${number}` | `crop${number}` | OutputSource;
  readonly buffer: GPUBuffer;
  /** Where the first face's is in the buffer; 0 without it. */
  readonly offset?: number;
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
   * What a frame of the cascade returns: the output of its faces, then p^1 to p^`path`, the crops of some iterations,
   * then more.
   * @param steps.path steps before the output that return, too
   * @param steps.crops iterations whose crops do
   * @param more the sources of further outputs
   */
  static of(
    cascade: Cascade,
    { path, crops }: { readonly path: number; readonly crops: readonly number[] },
    faces: number,
    more: readonly FramePart[] = [],
  ): FrameLayout {
    const steps = Array.from({ length: path }, (_, i): FramePart => {
      return { name: `p${i + 1}`, buffer: cascade.parametersAfter(i + 1), bytes: cascade.parameterBytes };
    });
    const output: FramePart = { name: 'output', buffer: cascade.output, bytes: cascade.faceBytes };
    const records = crops.map((k): FramePart => {
      return { name: `crop${k}`, buffer: cascade.crops, offset: cascade.cropsAt(k), bytes: CROP_RECORD_BYTES };
    });
    return new FrameLayout([output, ...steps, ...records, ...more], faces);
  }

  /** What a full frame returns at most, without further outputs: of all iterations, from the mean face. */
  static largest(cascade: Cascade): FrameLayout {
    const { iterations, maxFaces } = cascade;
    const crops = keptCrops(cascade, { iterations, from: 'mean' });
    return FrameLayout.of(cascade, { path: iterations - 1, crops }, maxFaces);
  }

  /** Of all faces. */
  get bytes(): number {
    return this.#faces * this.#parts.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Records the copies of all parts into `slot`. */
  copy(encoder: GPUCommandEncoder, slot: StagingSlot): void {
    let at = 0;
    for (const { buffer, offset = 0, bytes } of this.#parts) {
      slot.copyFrom(encoder, buffer, offset, this.#faces * bytes, at);
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
    throw new ShapeError(`The frame has no '${name}'; it has ${list(this.#parts.map((part) => part.name))}.`);
  }
}
