import { unzipSync } from 'fflate';

/** An array read from a .npy file: row-major; strings for unicode dtypes. */
export interface NpyArray<T extends NpyData = NpyData> {
  readonly shape: readonly number[];
  readonly data: T;
}

export type NpyData = Float32Array | Float64Array | Int32Array | Uint8Array | readonly string[];

const magic = '\u0093NUMPY';

/**
 * Reads a .npy file: little-endian f4, f8, i4, bytes, and unicode strings, in C order.
 *
 * @param name for messages.
 * @throws Error that names what was found and wanted.
 */
export function parseNpy(bytes: Uint8Array, name: string): NpyArray {
  const start = String.fromCharCode(...bytes.subarray(0, 6));
  if (start !== magic) throw new Error(`${name}: not a .npy file (starts with ${JSON.stringify(start)})`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const major = view.getUint8(6);
  const [headerStart, headerLength] = major === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  const header = new TextDecoder('latin1').decode(bytes.subarray(headerStart, headerStart + headerLength));
  const descr = /'descr': '([^']+)'/.exec(header)?.[1];
  const order = /'fortran_order': (True|False)/.exec(header)?.[1];
  const dimensions = /'shape': \(([^)]*)\)/.exec(header)?.[1];
  if (descr === undefined || order === undefined || dimensions === undefined) {
    throw new Error(`${name}: cannot read the .npy header ${JSON.stringify(header)}`);
  }
  if (order === 'True') throw new Error(`${name}: Fortran order; wanted C order`);
  const shape = dimensions
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(Number);
  const count = shape.reduce((product, size) => product * size, 1);
  // A copy, so that typed arrays start on a boundary that suits them.
  const payload = bytes.slice(headerStart + headerLength);
  const itemBytes = bytesPerItem(descr, name);
  if (payload.byteLength !== count * itemBytes) {
    throw new Error(
      `${name}: ${payload.byteLength} bytes of data; wanted ${count * itemBytes} for ${descr} [${shape.join(', ')}]`,
    );
  }
  return { shape, data: decode(descr, payload, count, itemBytes) };
}

function bytesPerItem(descr: string, name: string): number {
  const known: Readonly<Record<string, number>> = { '<f4': 4, '<f8': 8, '<i4': 4, '|u1': 1, '|b1': 1 };
  const text = /^<U(\d+)$/.exec(descr);
  const bytes = text === null ? known[descr] : Number(text[1]) * 4;
  if (bytes === undefined) throw new Error(`${name}: dtype ${descr}; wanted <f4, <f8, <i4, |u1, |b1 or <U`);
  return bytes;
}

function decode(descr: string, payload: Uint8Array<ArrayBuffer>, count: number, itemBytes: number): NpyData {
  switch (descr) {
    case '<f4':
      return new Float32Array(payload.buffer);
    case '<f8':
      return new Float64Array(payload.buffer);
    case '<i4':
      return new Int32Array(payload.buffer);
    case '|u1':
    case '|b1':
      return payload;
    default: {
      const codes = new Uint32Array(payload.buffer);
      const length = itemBytes / 4;
      return Array.from({ length: count }, (_, item) => {
        const points = codes.subarray(item * length, (item + 1) * length);
        const end = points.indexOf(0);
        return String.fromCodePoint(...points.subarray(0, end < 0 ? length : end));
      });
    }
  }
}

/** Reads the named arrays of an .npz file; arrays not named are not unpacked. */
export class NpzFile {
  readonly #members: Readonly<Record<string, Uint8Array>>;
  readonly #name: string;

  constructor(bytes: Uint8Array, name: string, members: readonly string[]) {
    const wanted = new Set(members.map((member) => `${member}.npy`));
    this.#members = unzipSync(bytes, { filter: (file) => wanted.has(file.name) });
    this.#name = name;
  }

  /** A float32 array of the given shape; `null` stands for any size. */
  floats(member: string, shape: readonly (number | null)[]): NpyArray<Float32Array> {
    const array = this.#read(member);
    const { data } = array;
    const fits =
      array.shape.length === shape.length && shape.every((size, axis) => size === null || size === array.shape[axis]);
    if (!(data instanceof Float32Array) || !fits) {
      throw new Error(
        `${this.#name}: ${member} is ${data.constructor.name} [${array.shape.join(', ')}]; ` +
          `wanted float32 [${shape.map((size) => size ?? 'any').join(', ')}]`,
      );
    }
    return { shape: array.shape, data };
  }

  /** A one-dimensional array of strings. */
  strings(member: string): readonly string[] {
    const { data, shape } = this.#read(member);
    if (ArrayBuffer.isView(data) || shape.length !== 1) {
      throw new Error(`${this.#name}: ${member} has shape [${shape.join(', ')}]; wanted a list of strings`);
    }
    return data;
  }

  #read(member: string): NpyArray {
    const bytes = this.#members[`${member}.npy`];
    if (bytes === undefined) throw new Error(`${this.#name} has no array "${member}"`);
    return parseNpy(bytes, `${this.#name}: ${member}`);
  }
}
