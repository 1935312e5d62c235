/**
 * Reads ONNX models: operators with numbers, words and tensors for attributes, constants of floats and of whole
 * numbers.
 */
import protobuf from 'protobufjs/light.js';
import { WeightsError } from '../src/engine/errors.js';
import { decodeHalves } from '../src/engine/safetensors.js';

export interface OnnxTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** One operator; `inputs` and `outputs` are names of tensors. */
export interface OnnxNode {
  /** May be empty. */
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** The attributes that are a whole number or a list of them. */
  readonly numbers: ReadonlyMap<string, readonly number[]>;
  /** The attributes that are a float or a list of them. */
  readonly floats: ReadonlyMap<string, readonly number[]>;
  /** The attributes that are words. */
  readonly words: ReadonlyMap<string, string>;
  /** The attributes that are tensors. */
  readonly tensors: ReadonlyMap<string, OnnxConstant>;
}

/** A tensor of floats, or of whole numbers. */
export type OnnxConstant =
  | OnnxTensor
  | { readonly name: string; readonly shape: readonly number[]; readonly whole: readonly number[] };

export interface OnnxModel {
  /** In order of execution. */
  readonly nodes: readonly OnnxNode[];
  /** The constants of floats, by name. */
  readonly constants: ReadonlyMap<string, OnnxTensor>;
  /** The constants of whole numbers, by name. */
  readonly whole: ReadonlyMap<string, readonly number[]>;
  readonly inputs: readonly string[];
  /** What the model says of its inputs' sizes, by name; undefined for those that it leaves open. */
  readonly inputShapes: ReadonlyMap<string, readonly (number | undefined)[]>;
  readonly outputs: readonly string[];
  /** The version of ONNX's own operators. */
  readonly opset: number;
}

/** The fields of https://github.com/onnx/onnx/blob/v1.17.0/onnx/onnx.proto that are read. */
const schema = protobuf.Root.fromJSON({
  nested: {
    Model: {
      fields: {
        graph: { type: 'Graph', id: 7 },
        opsetImport: { rule: 'repeated', type: 'Opset', id: 8 },
      },
    },
    Opset: { fields: { domain: { type: 'string', id: 1 }, version: { type: 'int64', id: 2 } } },
    Graph: {
      fields: {
        node: { rule: 'repeated', type: 'Node', id: 1 },
        initializer: { rule: 'repeated', type: 'Tensor', id: 5 },
        input: { rule: 'repeated', type: 'Value', id: 11 },
        output: { rule: 'repeated', type: 'Value', id: 12 },
      },
    },
    Node: {
      fields: {
        input: { rule: 'repeated', type: 'string', id: 1 },
        output: { rule: 'repeated', type: 'string', id: 2 },
        name: { type: 'string', id: 3 },
        opType: { type: 'string', id: 4 },
        attribute: { rule: 'repeated', type: 'Attribute', id: 5 },
      },
    },
    Attribute: {
      fields: {
        name: { type: 'string', id: 1 },
        f: { type: 'float', id: 2 },
        i: { type: 'int64', id: 3 },
        s: { type: 'bytes', id: 4 },
        t: { type: 'Tensor', id: 5 },
        floats: { rule: 'repeated', type: 'float', id: 7, options: { packed: false } },
        ints: { rule: 'repeated', type: 'int64', id: 8, options: { packed: false } },
        type: { type: 'int32', id: 20 },
      },
    },
    Tensor: {
      fields: {
        dims: { rule: 'repeated', type: 'int64', id: 1, options: { packed: false } },
        dataType: { type: 'int32', id: 2 },
        floatData: { rule: 'repeated', type: 'float', id: 4, options: { packed: true } },
        int32Data: { rule: 'repeated', type: 'int32', id: 5, options: { packed: true } },
        int64Data: { rule: 'repeated', type: 'int64', id: 7, options: { packed: true } },
        name: { type: 'string', id: 8 },
        rawData: { type: 'bytes', id: 9 },
        dataLocation: { type: 'int32', id: 14 },
      },
    },
    Value: { fields: { name: { type: 'string', id: 1 }, type: { type: 'Type', id: 2 } } },
    Type: { fields: { tensorType: { type: 'TensorType', id: 1 } } },
    TensorType: { fields: { shape: { type: 'Shape', id: 2 } } },
    Shape: { fields: { dim: { rule: 'repeated', type: 'Dimension', id: 1 } } },
    Dimension: { fields: { dimValue: { type: 'int64', id: 1 } } },
  },
});

/** How the messages look once decoded: every field is there, a missing message is null. */
interface Tensor {
  readonly dims: readonly number[];
  readonly dataType: number;
  readonly floatData: readonly number[];
  readonly int32Data: readonly number[];
  readonly int64Data: readonly number[];
  readonly name: string;
  readonly rawData: Uint8Array;
  readonly dataLocation: number;
}

interface Graph {
  readonly node: readonly {
    readonly name: string;
    readonly input: readonly string[];
    readonly output: readonly string[];
    readonly opType: string;
    readonly attribute: readonly {
      readonly name: string;
      readonly f: number;
      readonly i: number;
      readonly s: Uint8Array;
      readonly t: Tensor | null;
      readonly floats: readonly number[];
      readonly ints: readonly number[];
      readonly type: number;
    }[];
  }[];
  readonly initializer: readonly Tensor[];
  readonly input: readonly {
    readonly name: string;
    readonly type: {
      readonly tensorType: { readonly shape: { readonly dim: readonly { readonly dimValue: number }[] } | null } | null;
    } | null;
  }[];
  readonly output: readonly { readonly name: string }[];
}

interface Model {
  readonly graph: Graph;
  readonly opsetImport: readonly { readonly domain: string; readonly version: number }[];
}

/** AttributeProto.AttributeType. */
const [FLOAT_ATTRIBUTE, INT, STRING, TENSOR, FLOATS, INTS] = [1, 2, 3, 4, 6, 7] as const;

/** TensorProto.DataType. */
const [FLOAT, INT32, INT64, FLOAT16, DOUBLE] = [1, 6, 7, 10, 11] as const;

/** The message type of ONNX files, for tests that write some. */
export const onnxModel = schema.lookupType('Model');

/** @throws WeightsError for a file that is damaged, or keeps its weights in other files. */
export function readOnnx(file: Uint8Array): OnnxModel {
  const { graph, opsetImport } = decode(file);
  const constants = new Map<string, OnnxTensor>();
  const whole = new Map<string, readonly number[]>();
  for (const initializer of graph.initializer) {
    const constant = constantOf(initializer);
    if (constant === undefined) continue;
    if ('whole' in constant) whole.set(constant.name, constant.whole);
    else constants.set(constant.name, constant);
  }
  const nodes = graph.node.map(({ name, opType, input: inputs, output: outputs, attribute }): OnnxNode => {
    const of = <T>(read: (field: (typeof attribute)[number]) => T | undefined): ReadonlyMap<string, T> =>
      new Map(
        attribute.flatMap((field): [string, T][] => {
          const value = read(field);
          return value === undefined ? [] : [[field.name, value]];
        }),
      );
    return {
      name,
      op: opType,
      inputs,
      outputs,
      numbers: of(({ type, i, ints }) => (type === INT ? [i] : type === INTS ? ints : undefined)),
      floats: of(({ type, f, floats }) => (type === FLOAT_ATTRIBUTE ? [f] : type === FLOATS ? floats : undefined)),
      words: of(({ type, s }) => (type === STRING ? new TextDecoder().decode(s) : undefined)),
      tensors: of(({ type, t }) => (type === TENSOR && t !== null ? constantOf(t) : undefined)),
    };
  });
  const inputShapes = new Map(
    graph.input.map(({ name, type }) => [
      name,
      // 0 is what a size that is left open, or has a name, decodes to.
      (type?.tensorType?.shape?.dim ?? []).map(({ dimValue }) => (dimValue > 0 ? dimValue : undefined)),
    ]),
  );
  return {
    nodes,
    constants,
    whole,
    inputs: graph.input.map(({ name }) => name),
    inputShapes,
    outputs: graph.output.map(({ name }) => name),
    opset: opsetImport.find(({ domain }) => domain === '' || domain === 'ai.onnx')?.version ?? 1,
  };
}

/** Undefined for tensors of other types, which nothing that the engine computes has. */
function constantOf(tensor: Tensor): OnnxConstant | undefined {
  const { dims: shape, dataType, floatData, int32Data, int64Data, name, rawData, dataLocation } = tensor;
  if (dataLocation !== 0) throw new WeightsError(`'${name}' lies in another file; wanted a model of one file.`);
  const count = shape.reduce((product, size) => product * size, 1);
  const check = <T extends ArrayLike<unknown>>(values: T): T => {
    if (values.length === count) return values;
    throw new WeightsError(`'${name}' [${shape.join(', ')}] has ${values.length} values; wanted ${count}.`);
  };
  // Little-endian, wherever in a buffer they start.
  const { buffer } = Uint8Array.from(rawData);
  const isRaw = rawData.length > 0;
  const length = (bytes: number) => Math.floor(rawData.length / bytes);
  switch (dataType) {
    case FLOAT:
      return {
        name,
        shape,
        values: check(isRaw ? new Float32Array(buffer, 0, length(4)) : Float32Array.from(floatData)),
      };
    case DOUBLE:
      return { name, shape, values: check(Float32Array.from(new Float64Array(buffer, 0, length(8)))) };
    case FLOAT16:
      return {
        name,
        shape,
        values: check(decodeHalves(isRaw ? new Uint16Array(buffer, 0, length(2)) : Uint16Array.from(int32Data))),
      };
    case INT64:
      return {
        name,
        shape,
        whole: check(isRaw ? Array.from(new BigInt64Array(buffer, 0, length(8)), Number) : int64Data),
      };
    case INT32:
      return { name, shape, whole: check(isRaw ? [...new Int32Array(buffer, 0, length(4))] : int32Data) };
    default:
      return undefined;
  }
}

function decode(file: Uint8Array): Model {
  try {
    const message = onnxModel.toObject(onnxModel.decode(file), { longs: Number, defaults: true, arrays: true });
    if (typeof message.graph !== 'object' || message.graph === null) throw new Error('it has no graph');
    return message as Model;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new WeightsError(`A file of ${file.length} bytes is no ONNX model: ${why}.`, { cause });
  }
}
