/**
 * A frame in an encoder of the caller's (docs/gpu.md): a texture and boxes or crop records in, buffers of the caller's
 * out. Nothing is submitted and nothing is read back here.
 */

import type { Cascade } from '../cascade/cascade.js';
import { keyBytes, vertexBytes } from '../cascade/mesh.js';
import type { Gpu } from '../engine/device.js';
import { InputError } from '../engine/errors.js';
import { expectObject, expectOptions, expectWhole, refuse } from '../engine/expect.js';
import { show } from '../engine/show.js';
import { cropsOf, type FaceBox } from '../pictures/boxes.js';
import { pictureOfTexture } from '../pictures/frame.js';
import { CROP_RECORD_BYTES, cropRecord, writeCropRecord } from '../pictures/kernels/crop.js';

/** Crop records that the caller's GPU work makes (docs/gpu.md), 40 bytes each. */
export interface CropBuffer {
  /** Usage COPY_SRC. */
  readonly buffer: GPUBuffer;
  /** Bytes, a multiple of 4 (default 0). */
  readonly offset?: number;
  /** Faces, 1 to `maxFaces`. */
  readonly count: number;
}

/** Where the faces are: boxes in the texture's pixels, or records of their crops. */
export type EncodeInput = {
  /** As `align` takes textures: of the aligner's device, usage TEXTURE_BINDING. */
  readonly texture: GPUTexture;
  /** Iterations of the cascade (default: all). */
  readonly iterations?: number;
} & ({ readonly boxes: readonly FaceBox[] } | { readonly crops: CropBuffer });

/** Names of both kinds of input. */
type InputNames = Partial<Record<'texture' | 'iterations' | 'boxes' | 'crops', unknown>>;

/** A range of a buffer of the caller's, usage COPY_DST. */
export interface OutputRange {
  /** Of the device in use, usage COPY_DST, with room for all faces from `offset` on. */
  readonly buffer: GPUBuffer;
  /** Bytes, a multiple of 4 (default 0). */
  readonly offset?: number;
}

/** Buffers to be filled, each with face after face. `aligner.outputBytes` says how much room a face takes in each. */
export interface EncodeOutput {
  /** Parameters, landmarks with their visibility. */
  readonly faces?: OutputRange;
  /** [V] vec4f: x, y, z in crop pixels, 0. */
  readonly vertices?: OutputRange;
  /** [S,S] u32: keys, which hold depth and triangle. */
  readonly keys?: OutputRange;
  /** The crop records that were used last: what takes crop pixels to the texture's. */
  readonly crops?: OutputRange;
}

/** Bytes of one face in each buffer of an EncodeOutput. */
export type OutputBytes = Readonly<Record<keyof EncodeOutput, number>>;

/** What `encode` can copy: where it lies in the cascade, face after face. */
interface EncodedPart {
  readonly name: keyof EncodeOutput;
  readonly buffer: GPUBuffer;
  /** Of one face. */
  readonly bytes: number;
}

/** One row for every member of `EncodeOutput`. */
function encodedParts({ output, faceBytes, geometry, crops, model }: Cascade): readonly EncodedPart[] {
  const { spec } = model.whole;
  return [
    { name: 'faces', buffer: output, bytes: faceBytes },
    { name: 'vertices', buffer: geometry.vertices, bytes: vertexBytes(spec) },
    { name: 'keys', buffer: geometry.keys, bytes: keyBytes(spec) },
    { name: 'crops', buffer: crops, bytes: CROP_RECORD_BYTES },
  ];
}

/** Frames with boxes that may be encoded before the first of them is submitted. */
const UNSUBMITTED = 8;

/** Records frames into encoders of the caller's. */
export class FrameEncoder {
  readonly #gpu: Gpu;
  readonly #cascade: Cascade;
  /**
   * Crop records of the last frames that came with boxes, a slot each: the queue writes them before it runs any of
   * these frames.
   */
  readonly #slots: GPUBuffer;
  readonly #records: DataView<ArrayBuffer>;
  readonly #parts: readonly EncodedPart[];
  readonly bytes: OutputBytes;
  #slot = 0;

  constructor(gpu: Gpu, cascade: Cascade) {
    this.#gpu = gpu;
    this.#cascade = cascade;
    this.#records = new DataView(new ArrayBuffer(cascade.maxFaces * CROP_RECORD_BYTES));
    this.#slots = gpu.createBuffer(
      'encode.crops',
      UNSUBMITTED * this.#records.byteLength,
      GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    );
    this.#parts = encodedParts(cascade);
    this.bytes = Object.fromEntries(this.#parts.map(({ name, bytes }) => [name, bytes])) as OutputBytes;
  }

  /**
   * @returns faces and dispatches that were recorded
   * @throws InputError
   */
  encode(
    encoder: GPUCommandEncoder,
    input: EncodeInput,
    output: EncodeOutput,
  ): { readonly faces: number; readonly dispatches: number } {
    if (Object.prototype.toString.call(encoder) !== '[object GPUCommandEncoder]') {
      refuse('The encoder', encoder, 'a GPUCommandEncoder');
    }
    expectOptions<InputNames>(input, { texture: 1, iterations: 1, boxes: 1, crops: 1 }, 'The input');
    expectOptions(output, this.bytes, 'The output');
    const cascade = this.#cascade;
    const { texture, iterations = cascade.iterations } = input;
    const plan = cascade.plan(iterations);
    const picture = pictureOfTexture(texture);
    const crops = 'crops' in input ? this.#checkCrops(input.crops) : undefined;
    const boxes = 'boxes' in input ? cropsOf(input.boxes, picture, cascade.network.cropSize) : [];
    const faces = crops?.count ?? boxes.length;
    this.#checkCount(faces);
    const targets = this.#parts.flatMap(({ name, buffer: source, bytes }) => {
      const range = output[name];
      return range === undefined ? [] : [{ source, ...this.#checkRange(name, range, faces * bytes) }];
    });

    const recordBytes = faces * CROP_RECORD_BYTES;
    if (crops === undefined) {
      const at = this.#slot * this.#records.byteLength;
      this.#slot = (this.#slot + 1) % UNSUBMITTED;
      for (const [i, crop] of boxes.entries()) writeCropRecord(this.#records, i, cropRecord(crop, picture, picture));
      this.#gpu.device.queue.writeBuffer(this.#slots, at, this.#records.buffer, 0, recordBytes);
      encoder.copyBufferToBuffer(this.#slots, at, cascade.crops, 0, recordBytes);
    } else {
      encoder.copyBufferToBuffer(crops.buffer, crops.offset ?? 0, cascade.crops, 0, recordBytes);
    }
    const pass = encoder.beginComputePass({ label: 'fullpose' });
    cascade.encode(pass, texture, plan, faces);
    pass.end();
    for (const { source, buffer, offset, size } of targets) {
      encoder.copyBufferToBuffer(source, 0, buffer, offset, size);
    }
    return { faces, dispatches: plan.dispatches };
  }

  #checkCount(faces: number): void {
    expectWhole("The frame's face count", faces, 1, this.#cascade.maxFaces);
  }

  #checkCrops(crops: CropBuffer): CropBuffer {
    expectObject(crops, 'crops');
    const { buffer, offset = 0, count } = crops;
    this.#checkCount(count);
    checkBuffer('crops', buffer, offset, count * CROP_RECORD_BYTES, ['COPY_SRC', GPUBufferUsage.COPY_SRC]);
    return crops;
  }

  #checkRange(name: string, range: OutputRange, size: number) {
    expectObject(range, `output.${name}`);
    const { buffer, offset = 0 } = range;
    checkBuffer(`output.${name}`, buffer, offset, size, ['COPY_DST', GPUBufferUsage.COPY_DST]);
    return { buffer, offset, size };
  }
}

/** @throws InputError where the range cannot be copied from or to. */
function checkBuffer(
  what: string,
  buffer: GPUBuffer,
  offset: number,
  bytes: number,
  [usageName, usage]: readonly [string, number],
): void {
  if (Object.prototype.toString.call(buffer) !== '[object GPUBuffer]') {
    throw new InputError(`${what} has the buffer ${show(buffer)}; wanted a GPUBuffer.`);
  }
  if ((buffer.usage & usage) === 0) {
    throw new InputError(`${what} has a buffer of usage ${buffer.usage}; wanted ${usageName} among it.`);
  }
  if (!Number.isInteger(offset) || offset < 0 || offset % 4 !== 0 || !(offset + bytes <= buffer.size)) {
    throw new InputError(
      `${what} is ${show(bytes)} bytes from ${show(offset)} of a buffer of ${buffer.size}; wanted a multiple of 4 that leaves them room.`,
    );
  }
}
