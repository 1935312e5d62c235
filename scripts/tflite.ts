/**
 * Reads TensorFlow Lite models as far as the face detector needs: one subgraph of float operators, weights as f32, or as f16 behind DEQUANTIZE.
 *
 * A .tflite file is a FlatBuffer (https://flatbuffers.dev/internals): a table starts with the distance back to its vtable, which says where in
 * the table each field lies; strings, vectors and tables within are distances forward. Nothing is trusted: every read is checked against the
 * file's length.
 */
import { WeightsError } from '../src/engine/errors.js';
import { show } from '../src/engine/show.js';

export interface TfliteTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: 'F32' | 'F16' | 'I32';
  /** The constant's bytes in the file; absent where an operator computes it. */
  readonly data?: Uint8Array;
}

/** Values of the schema's Padding enum. */
export type TflitePadding = 'same' | 'valid';

interface Sliding {
  readonly padding: TflitePadding;
  readonly stride: readonly [vertical: number, horizontal: number];
}

/** One operator; `inputs` and `outputs` are indices of tensors. */
export type TfliteOperator = { readonly inputs: readonly number[]; readonly outputs: readonly number[] } & (
  | ({ readonly op: 'conv2d' | 'depthwiseConv2d'; readonly activation: 'none' | 'relu' } & Sliding)
  | ({ readonly op: 'maxPool'; readonly kernel: readonly [height: number, width: number] } & Sliding)
  | { readonly op: 'add'; readonly activation: 'none' | 'relu' }
  | { readonly op: 'concatenation'; readonly axis: number }
  | { readonly op: 'dequantize' | 'relu' | 'pad' | 'reshape' }
);

export interface TfliteModel {
  readonly tensors: readonly TfliteTensor[];
  /** In order of execution. */
  readonly operators: readonly TfliteOperator[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}

/** BuiltinOperator of the schema, as far as it is read. */
const OPERATORS = new Map<number, TfliteOperator['op']>([
  [0, 'add'],
  [2, 'concatenation'],
  [3, 'conv2d'],
  [4, 'depthwiseConv2d'],
  [6, 'dequantize'],
  [17, 'maxPool'],
  [19, 'relu'],
  [22, 'reshape'],
  [34, 'pad'],
]);

/** TensorType of the schema, as far as it is read. */
const TYPES = new Map<number, TfliteTensor['type']>([
  [0, 'F32'],
  [1, 'F16'],
  [2, 'I32'],
]);

const BYTES = { F32: 4, F16: 2, I32: 4 } as const;

/**
 * Parses a model.
 * @throws WeightsError for a file that is damaged, or that holds what is not read here.
 */
export function readTflite(bytes: Uint8Array): TfliteModel {
  const buffer = new FlatBuffer(bytes);
  const model = buffer.root('TFL3');
  const subgraphs = model.tables(2, 'subgraphs');
  const [subgraph] = subgraphs;
  if (subgraph === undefined || subgraphs.length > 1) {
    throw new WeightsError(`The model has ${subgraphs.length} subgraphs; wanted one.`);
  }
  // The operator's code moved from a byte to an integer when the byte was full; the larger of the two counts.
  const codes = model.tables(1, 'operator codes').map((code) => Math.max(code.byte(0), code.int(3)));
  const buffers = model.tables(4, 'buffers').map((table) => table.bytes(0));
  const tensors = subgraph.tables(0, 'tensors').map((table) => readTensor(table, buffers));
  const index = (at: number, what: string): number => {
    if (tensors[at] === undefined) throw new WeightsError(`${what} is tensor ${at}; there are ${tensors.length}.`);
    return at;
  };
  const operators = subgraph.tables(3, 'operators').map((table, at): TfliteOperator => {
    const code = codes[table.int(0)];
    const op = code === undefined ? undefined : OPERATORS.get(code);
    if (op === undefined) {
      throw new WeightsError(`Operator ${at} has code ${code}; wanted one of ${[...OPERATORS.keys()].join(', ')}.`);
    }
    const inputs = table.ints(1).map((input) => index(input, `An input of operator ${at} (${op})`));
    const outputs = table.ints(2).map((output) => index(output, `An output of operator ${at} (${op})`));
    return readOperator(table, at, op, { inputs, outputs });
  });
  return {
    tensors,
    operators,
    inputs: subgraph.ints(1).map((input) => index(input, 'An input of the model')),
    outputs: subgraph.ints(2).map((output) => index(output, 'An output of the model')),
  };
}

function readTensor(table: Table, buffers: readonly Uint8Array[]): TfliteTensor {
  const name = table.text(3);
  const code = table.byte(1);
  const type = TYPES.get(code);
  if (type === undefined)
    throw new WeightsError(`Tensor '${name}' has type ${code}; wanted 0 (F32), 1 (F16) or 2 (I32).`);
  const shape = table.ints(0);
  const data = buffers[table.int(2)];
  if (data === undefined) throw new WeightsError(`Tensor '${name}' is in a buffer that does not exist.`);
  if (data.length === 0) return { name, shape, type };
  const wanted = shape.reduce((product, size) => product * size, BYTES[type]);
  if (data.length !== wanted) {
    throw new WeightsError(
      `Tensor '${name}' [${shape.join(', ')}] ${type} has ${data.length} bytes; wanted ${wanted}.`,
    );
  }
  return { name, shape, type, data };
}

function readOperator(
  table: Table,
  at: number,
  op: TfliteOperator['op'],
  ends: Pick<TfliteOperator, 'inputs' | 'outputs'>,
): TfliteOperator {
  const what = `Operator ${at} (${op})`;
  if (op === 'dequantize' || op === 'relu' || op === 'pad' || op === 'reshape') return { ...ends, op };
  const options = table.table(4);
  if (options === undefined) throw new WeightsError(`${what} has no options.`);
  if (op === 'concatenation') return { ...ends, op, axis: options.int(0) };
  if (op === 'add') return { ...ends, op, activation: activationOf(options.byte(0), what) };
  const sliding: Sliding = { padding: paddingOf(options.byte(0), what), stride: [options.int(2), options.int(1)] };
  if (op === 'maxPool') return { ...ends, op, ...sliding, kernel: [options.int(4), options.int(3)] };
  const [activation, dilation] = op === 'conv2d' ? [3, 4] : [4, 5];
  const dilations = [options.int(dilation, 1), options.int(dilation + 1, 1)];
  if (dilations.some((size) => size !== 1)) {
    throw new WeightsError(`${what} has dilation ${dilations.join(' x ')}; wanted 1 x 1.`);
  }
  if (op === 'depthwiseConv2d' && options.int(3) !== 1) {
    throw new WeightsError(`${what} has depth multiplier ${options.int(3)}; wanted 1.`);
  }
  return { ...ends, op, ...sliding, activation: activationOf(options.byte(activation), what) };
}

function paddingOf(code: number, what: string): TflitePadding {
  if (code === 0) return 'same';
  if (code === 1) return 'valid';
  throw new WeightsError(`${what} has padding ${code}; wanted 0 (same) or 1 (valid).`);
}

function activationOf(code: number, what: string): 'none' | 'relu' {
  if (code === 0) return 'none';
  if (code === 1) return 'relu';
  throw new WeightsError(`${what} has fused activation ${code}; wanted 0 (none) or 1 (ReLU).`);
}

/** The file, whose every read is checked. */
class FlatBuffer {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  root(identifier: string): Table {
    const found = new TextDecoder('latin1').decode(this.slice(4, 4));
    if (found !== identifier)
      throw new WeightsError(`The file's identifier is ${show(found)}; wanted ${show(identifier)}.`);
    return new Table(this, this.follow(0));
  }

  slice(at: number, length: number): Uint8Array {
    if (at < 0 || length < 0 || at + length > this.#bytes.length) {
      throw new WeightsError(
        `Bytes ${at} to ${at + length} of a file of ${this.#bytes.length} are read; it is damaged.`,
      );
    }
    return this.#bytes.subarray(at, at + length);
  }

  uint8(at: number): number {
    return this.slice(at, 1)[0] ?? 0;
  }

  uint16(at: number): number {
    this.slice(at, 2);
    return this.#view.getUint16(at, true);
  }

  int32(at: number): number {
    this.slice(at, 4);
    return this.#view.getInt32(at, true);
  }

  /** Where the distance that is stored at `at` leads. */
  follow(at: number): number {
    this.slice(at, 4);
    return at + this.#view.getUint32(at, true);
  }

  /** Start and count of the vector at `at`, whose elements have `size` bytes each. */
  vector(at: number, size: number): { readonly start: number; readonly count: number } {
    this.slice(at, 4);
    const count = this.#view.getUint32(at, true);
    this.slice(at + 4, count * size);
    return { start: at + 4, count };
  }
}

/** One table. Fields that are missing have their defaults, as the format wants it. */
class Table {
  readonly #buffer: FlatBuffer;
  readonly #at: number;
  readonly #vtable: number;
  readonly #vtableBytes: number;

  constructor(buffer: FlatBuffer, at: number) {
    this.#buffer = buffer;
    this.#at = at;
    this.#vtable = at - buffer.int32(at);
    this.#vtableBytes = buffer.uint16(this.#vtable);
  }

  byte(field: number): number {
    const at = this.#field(field);
    return at === undefined ? 0 : this.#buffer.uint8(at);
  }

  int(field: number, missing = 0): number {
    const at = this.#field(field);
    return at === undefined ? missing : this.#buffer.int32(at);
  }

  ints(field: number): number[] {
    const { start, count } = this.#vector(field, 4);
    return Array.from({ length: count }, (_, index) => this.#buffer.int32(start + 4 * index));
  }

  bytes(field: number): Uint8Array {
    const { start, count } = this.#vector(field, 1);
    return this.#buffer.slice(start, count);
  }

  text(field: number): string {
    return new TextDecoder().decode(this.bytes(field));
  }

  table(field: number): Table | undefined {
    const at = this.#field(field);
    return at === undefined ? undefined : new Table(this.#buffer, this.#buffer.follow(at));
  }

  tables(field: number, what: string): Table[] {
    const { start, count } = this.#vector(field, 4);
    if (count === 0) throw new WeightsError(`The model has no ${what}.`);
    return Array.from({ length: count }, (_, index) => new Table(this.#buffer, this.#buffer.follow(start + 4 * index)));
  }

  #vector(field: number, size: number): { readonly start: number; readonly count: number } {
    const at = this.#field(field);
    return at === undefined ? { start: 0, count: 0 } : this.#buffer.vector(this.#buffer.follow(at), size);
  }

  #field(field: number): number | undefined {
    const entry = 4 + 2 * field;
    const distance = entry < this.#vtableBytes ? this.#buffer.uint16(this.#vtable + entry) : 0;
    return distance === 0 ? undefined : this.#at + distance;
  }
}
