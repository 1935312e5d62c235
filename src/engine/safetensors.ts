/**
 * Reader for safetensors files (https://github.com/huggingface/safetensors): a u64 little-endian header length, a JSON
 * header, then the tensors' bytes without holes or overlaps. Nothing in the file is trusted: every length and offset is
 * checked before use.
 */
import { WeightsError } from './errors.js';
import { expectList, refuse } from './expect.js';
import { list, reason, show } from './show.js';

interface DTypeArrays {
  readonly F32: Float32Array<ArrayBuffer>;
  /** Raw halves; `toFloat32` decodes them. */
  readonly F16: Uint16Array<ArrayBuffer>;
  readonly I8: Int8Array<ArrayBuffer>;
  readonly U8: Uint8Array<ArrayBuffer>;
  readonly I16: Int16Array<ArrayBuffer>;
  readonly U16: Uint16Array<ArrayBuffer>;
  readonly I32: Int32Array<ArrayBuffer>;
  readonly U32: Uint32Array<ArrayBuffer>;
}

/** Types of values that can be read. */
export type SafeDType = keyof DTypeArrays;

/** A tensor whose type is known. */
export interface SafeTensorOf<D extends SafeDType> {
  /** Type of the values. */
  readonly dtype: D;
  /** Sizes, the outermost axis first. */
  readonly shape: readonly number[];
  /** Row-major. A view of the file where its alignment allows, else a copy. */
  readonly data: DTypeArrays[D];
}

/** A tensor of a file. */
export type SafeTensor = { [D in SafeDType]: SafeTensorOf<D> }[SafeDType];

/** A file, read. */
export interface SafeTensors {
  /** What the header says beside the tensors. */
  readonly metadata: ReadonlyMap<string, string>;
  /** By name. */
  readonly tensors: ReadonlyMap<string, SafeTensor>;
}

const BYTES = { F32: 4, F16: 2, I8: 1, U8: 1, I16: 2, U16: 2, I32: 4, U32: 4 } as const satisfies Record<
  SafeDType,
  number
>;
const LENGTH_BYTES = 8;
/** Bound of the reference implementation; a longer header is damage or an attack. */
const MAX_HEADER_BYTES = 100_000_000;

/** @throws WeightsError, naming what is wrong, for anything but a complete and consistent file. */
export function parseSafetensors(file: ArrayBuffer): SafeTensors {
  if (Object.prototype.toString.call(file) !== '[object ArrayBuffer]') {
    throw new WeightsError(`A safetensors file is ${show(file)}; wanted an ArrayBuffer.`);
  }
  if (file.byteLength < LENGTH_BYTES) {
    throw new WeightsError(`A safetensors file has at least ${LENGTH_BYTES} bytes; found ${file.byteLength}.`);
  }
  const headerBytes = new DataView(file).getBigUint64(0, true);
  if (headerBytes > BigInt(Math.min(MAX_HEADER_BYTES, file.byteLength - LENGTH_BYTES))) {
    throw new WeightsError(
      `The header claims ${headerBytes} bytes; the file has ${file.byteLength - LENGTH_BYTES} after it.`,
    );
  }
  const dataStart = LENGTH_BYTES + Number(headerBytes);
  const header = parseHeader(new Uint8Array(file, LENGTH_BYTES, Number(headerBytes)));

  const metadata = new Map<string, string>();
  const tensors = new Map<string, SafeTensor>();
  const ranges: { name: string; begin: number; end: number }[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') {
      for (const [key, value] of Object.entries(asRecord(entry, '__metadata__'))) {
        if (typeof value !== 'string') throw new WeightsError(`Metadata '${key}' is ${typeof value}; wanted a string.`);
        metadata.set(key, value);
      }
      continue;
    }
    const { dtype, shape, begin, end } = parseEntry(name, entry, file.byteLength - dataStart);
    ranges.push({ name, begin, end });
    tensors.set(name, makeTensor(dtype, shape, file, dataStart + begin, end - begin));
  }

  ranges.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let expected = 0;
  for (const { name, begin, end } of ranges) {
    if (begin !== expected) {
      const what = begin < expected ? 'overlaps the tensor before it' : 'leaves a hole before it';
      throw new WeightsError(`Tensor '${name}' ${what}: it starts at byte ${begin}, wanted ${expected}.`);
    }
    expected = end;
  }
  if (expected !== file.byteLength - dataStart) {
    throw new WeightsError(
      `The tensors end at byte ${expected} of the data; the file has ${file.byteLength - dataStart}.`,
    );
  }
  return { metadata, tensors };
}

/**
 * The tensor `name`, checked.
 * @param shape wanted shape; `undefined` where any size will do on that axis
 * @throws WeightsError where it is missing or has another type or shape.
 */
export function requireTensor<D extends SafeDType>(
  file: SafeTensors,
  name: string,
  dtype: D,
  shape: readonly (number | undefined)[],
): SafeTensorOf<D> {
  if (!isSafeDType(dtype)) refuse('dtype', dtype, list(Object.keys(BYTES)));
  const tensor = lookUp(file, name, shape);
  if (!hasDType(tensor, dtype)) throw new WeightsError(`Tensor '${name}' is ${list([tensor.dtype])}; wanted ${dtype}.`);
  return tensor;
}

/**
 * The values of tensor `name`, stored as F32 or F16, as floats.
 * @throws WeightsError as `requireTensor`, and for a value that is not finite.
 */
export function requireFloats(
  file: SafeTensors,
  name: string,
  shape: readonly (number | undefined)[],
): Float32Array<ArrayBuffer> {
  const tensor = lookUp(file, name, shape);
  if (tensor.dtype !== 'F32' && tensor.dtype !== 'F16') {
    throw new WeightsError(`Tensor '${name}' is ${list([tensor.dtype])}; wanted F32 or F16.`);
  }
  const values = tensor.dtype === 'F32' ? tensor.data : decodeHalves(tensor.data);
  expectFinite(name, values);
  return values;
}

/** @throws WeightsError where a value of tensor `name` is NaN or infinite. */
export function expectFinite(name: string, values: Float32Array): void {
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at >= 0) throw new WeightsError(`Tensor '${name}' holds ${values[at]} at ${at}; wanted finite numbers.`);
}

/** IEEE 754 binary16 to binary32, exactly. */
export function decodeHalves(halves: Uint16Array): Float32Array<ArrayBuffer> {
  const floats = new Float32Array(halves.length);
  for (let index = 0; index < halves.length; index++) floats[index] = decodeHalf(halves[index] ?? 0);
  return floats;
}

function decodeHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 0x1f) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1024 + mantissa) * 2 ** (exponent - 25);
}

function lookUp(file: SafeTensors, name: string, shape: readonly (number | undefined)[]): SafeTensor {
  if (!(file?.tensors instanceof Map)) refuse('The file', file, 'what parseSafetensors gives');
  if (typeof name !== 'string') refuse('name', name, 'text');
  expectList('shape', shape);
  const tensor: SafeTensor | undefined = file.tensors.get(name);
  const wanted = `[${shape.map((size) => (size === undefined ? 'any' : show(size))).join(', ')}]`;
  if (tensor === undefined) {
    throw new WeightsError(
      `Tensor '${name}' ${wanted} is missing; the file has ${list(file.tensors.keys()).slice(0, 200)}.`,
    );
  }
  if (!Array.isArray(tensor?.shape)) refuse(`Tensor '${name}'`, tensor, 'what parseSafetensors gives');
  const fits =
    tensor.shape.length === shape.length &&
    shape.every((size, axis) => (size ?? tensor.shape[axis]) === tensor.shape[axis]);
  if (!fits) throw new WeightsError(`Tensor '${name}' has shape ${show(tensor.shape)}; wanted ${wanted}.`);
  return tensor;
}

function hasDType<D extends SafeDType>(
  tensor: SafeTensor,
  dtype: D,
): tensor is Extract<SafeTensor, { dtype: D }> & SafeTensorOf<D> {
  return tensor.dtype === dtype;
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new WeightsError(`The safetensors header is not JSON: ${reason(cause)}`, { cause });
  }
  return asRecord(header, 'The safetensors header');
}

function asRecord(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new WeightsError(`${what} is ${show(value)}; wanted an object.`);
  }
  return { ...value };
}

function parseEntry(
  name: string,
  entry: unknown,
  dataBytes: number,
): { readonly dtype: SafeDType; readonly shape: readonly number[]; readonly begin: number; readonly end: number } {
  const { dtype, shape, data_offsets: offsets } = asRecord(entry, `Tensor '${name}'`);
  if (!isSafeDType(dtype)) {
    throw new WeightsError(`Tensor '${name}' has dtype ${show(dtype)}; known are ${list(Object.keys(BYTES))}.`);
  }
  if (!isSizes(shape)) {
    throw new WeightsError(`Tensor '${name}' has shape ${show(shape)}; wanted a list of whole numbers >= 0.`);
  }
  const [begin, end] = isSizes(offsets) && offsets.length === 2 ? offsets : [];
  if (begin === undefined || end === undefined || begin > end || end > dataBytes) {
    throw new WeightsError(
      `Tensor '${name}' has data_offsets ${show(offsets)}; wanted begin <= end <= ${dataBytes}, the bytes of data.`,
    );
  }
  // A product that overflows 2^53 is rounded, but still far beyond any file.
  const bytes = shape.reduce((product, size) => product * size, BYTES[dtype]);
  if (bytes !== end - begin) {
    throw new WeightsError(
      `Tensor '${name}' of ${dtype} ${show(shape)} needs ${bytes} bytes; data_offsets give ${end - begin}.`,
    );
  }
  return { dtype, shape, begin, end };
}

function isSafeDType(value: unknown): value is SafeDType {
  return typeof value === 'string' && Object.hasOwn(BYTES, value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function makeTensor(
  dtype: SafeDType,
  shape: readonly number[],
  file: ArrayBuffer,
  start: number,
  bytes: number,
): SafeTensor {
  const aligned = start % BYTES[dtype] === 0;
  const buffer = aligned ? file : file.slice(start, start + bytes);
  const offset = aligned ? start : 0;
  const length = bytes / BYTES[dtype];
  switch (dtype) {
    case 'F32':
      return { dtype, shape, data: new Float32Array(buffer, offset, length) };
    case 'F16':
      return { dtype, shape, data: new Uint16Array(buffer, offset, length) };
    case 'I8':
      return { dtype, shape, data: new Int8Array(buffer, offset, length) };
    case 'U8':
      return { dtype, shape, data: new Uint8Array(buffer, offset, length) };
    case 'I16':
      return { dtype, shape, data: new Int16Array(buffer, offset, length) };
    case 'U16':
      return { dtype, shape, data: new Uint16Array(buffer, offset, length) };
    case 'I32':
      return { dtype, shape, data: new Int32Array(buffer, offset, length) };
    case 'U32':
      return { dtype, shape, data: new Uint32Array(buffer, offset, length) };
  }
}
