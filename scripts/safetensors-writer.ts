/** A minimal safetensors writer. */
import type { SafeDType } from '../src/engine/safetensors.js';

const BYTES = { F32: 4, F16: 2, I8: 1, U8: 1, I16: 2, U16: 2, I32: 4, U32: 4 } as const satisfies Record<
  SafeDType,
  number
>;

export interface TensorToWrite {
  readonly dtype: SafeDType;
  readonly shape: readonly number[];
  /** Bytes of the tensor, or else `seed`: bytes seed, seed + 1, .... */
  readonly bytes?: Uint8Array;
  readonly seed?: number;
}

export function encodeSafetensors(
  tensors: Readonly<Record<string, TensorToWrite>>,
  metadata: Readonly<Record<string, string>> = {},
): ArrayBuffer {
  const header: [string, unknown][] = [['__metadata__', metadata]];
  const parts: Uint8Array[] = [];
  let end = 0;
  for (const [name, { dtype, shape, bytes, seed = 0 }] of Object.entries(tensors)) {
    const length = shape.reduce((product, size) => product * size, BYTES[dtype]);
    const data = bytes ?? Uint8Array.from({ length }, (_, index) => (seed + index) & 0xff);
    if (data.length !== length) throw new Error(`${name}: ${data.length} bytes; its shape wants ${length}`);
    header.push([name, { dtype, shape, data_offsets: [end, end + length] }]);
    parts.push(data);
    end += length;
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const padded = Math.ceil(text.length / 8) * 8;
  const file = new Uint8Array(8 + padded + end).fill(0x20);
  new DataView(file.buffer).setBigUint64(0, BigInt(padded), true);
  file.set(text, 8);
  let at = 8 + padded;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file.buffer;
}

/** A dense F32 tensor. */
export function floats(shape: readonly number[], values: Float32Array): TensorToWrite {
  return { dtype: 'F32', shape, bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
}
