/**
 * Reads ONNX models as far as the face detector needs: operators with whole numbers and words for attributes, constants
 * in f32.
 */
import protobuf from 'protobufjs';
import { WeightsError } from '../src/engine/errors.js';

export interface OnnxTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** One operator; `inputs` and `outputs` are names of tensors. */
export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** The attributes that are a whole number or a list of them. */
  readonly numbers: ReadonlyMap<string, readonly number[]>;
  /** The attributes that are words. */
  readonly words: ReadonlyMap<string, string>;
}

export interface OnnxModel {
  /** In order of execution. */
  readonly nodes: readonly OnnxNode[];
  /** The f32 constants, by name. */
  readonly constants: ReadonlyMap<string, OnnxTensor>;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** The fields of https://github.com/onnx/onnx/blob/v1.17.0/onnx/onnx.proto that are read. */
const schema = protobuf.Root.fromJSON({
  nested: {
    Model: { fields: { graph: { type: 'Graph', id: 7 } } },
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
        opType: { type: 'string', id: 4 },
        attribute: { rule: 'repeated', type: 'Attribute', id: 5 },
      },
    },
    Attribute: {
      fields: {
        name: { type: 'string', id: 1 },
        i: { type: 'int64', id: 3 },
        s: { type: 'bytes', id: 4 },
        ints: { rule: 'repeated', type: 'int64', id: 8, options: { packed: false } },
        type: { type: 'int32', id: 20 },
      },
    },
    Tensor: {
      fields: {
        dims: { rule: 'repeated', type: 'int64', id: 1, options: { packed: false } },
        dataType: { type: 'int32', id: 2 },
        floatData: { rule: 'repeated', type: 'float', id: 4, options: { packed: true } },
        name: { type: 'string', id: 8 },
        rawData: { type: 'bytes', id: 9 },
      },
    },
    Value: { fields: { name: { type: 'string', id: 1 } } },
  },
});

/** How the messages look once decoded: every field is there. */
interface Graph {
  readonly node: readonly {
    readonly input: readonly string[];
    readonly output: readonly string[];
    readonly opType: string;
    readonly attribute: readonly {
      readonly name: string;
      readonly i: number;
      readonly s: Uint8Array;
      readonly ints: readonly number[];
      readonly type: number;
    }[];
  }[];
  readonly initializer: readonly {
    readonly dims: readonly number[];
    readonly dataType: number;
    readonly floatData: readonly number[];
    readonly name: string;
    readonly rawData: Uint8Array;
  }[];
  readonly input: readonly { readonly name: string }[];
  readonly output: readonly { readonly name: string }[];
}

/** AttributeProto.AttributeType and TensorProto.DataType. */
const [INT, STRING, INTS] = [2, 3, 7] as const;
const FLOAT = 1;

/** The message type of ONNX files, for tests that write some. */
export const onnxModel = schema.lookupType('Model');

/** @throws WeightsError for a file that is damaged. */
export function readOnnx(file: Uint8Array): OnnxModel {
  const { node, initializer, input, output } = decode(file);
  const constants = new Map<string, OnnxTensor>();
  for (const { dims, dataType, floatData, name, rawData } of initializer) {
    if (dataType !== FLOAT) continue;
    const count = dims.reduce((product, size) => product * size, 1);
    const values = rawData.length > 0 ? floatsOf(rawData) : Float32Array.from(floatData);
    if (values.length !== count) {
      throw new WeightsError(`'${name}' [${dims.join(', ')}] has ${values.length} values; wanted ${count}.`);
    }
    constants.set(name, { name, shape: dims, values });
  }
  const nodes = node.map(({ opType, input: inputs, output: outputs, attribute }): OnnxNode => {
    const numbers = attribute.flatMap(({ name, type, i, ints }): [string, readonly number[]][] =>
      type === INT ? [[name, [i]]] : type === INTS ? [[name, ints]] : [],
    );
    const words = attribute.flatMap(({ name, type, s }): [string, string][] =>
      type === STRING ? [[name, new TextDecoder().decode(s)]] : [],
    );
    return { op: opType, inputs, outputs, numbers: new Map(numbers), words: new Map(words) };
  });
  return { nodes, constants, inputs: input.map(({ name }) => name), outputs: output.map(({ name }) => name) };
}

function decode(file: Uint8Array): Graph {
  try {
    const message = onnxModel.toObject(onnxModel.decode(file), { longs: Number, defaults: true, arrays: true });
    if (typeof message.graph !== 'object' || message.graph === null) throw new Error('it has no graph');
    return message.graph;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new WeightsError(`A file of ${file.length} bytes is no ONNX model: ${why}.`, { cause });
  }
}

/** Little-endian, wherever in a buffer they start. */
function floatsOf(bytes: Uint8Array): Float32Array {
  return new Float32Array(Uint8Array.from(bytes).buffer, 0, Math.floor(bytes.length / 4));
}
