import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { convertOnnx } from '../../convert/convert.js';
import { onnxModel } from '../../scripts/onnx.js';
import { WeightsError } from '../../src/engine/errors.js';
import { parseSafetensors, requireFloats } from '../../src/engine/safetensors.js';
import { parseDescription } from '../../src/networks/index.js';
import { batchOf } from '../reference/layers.js';
import { runNetwork } from '../reference/network.js';

/** Made by tests/fixtures/networks/make.py, with what ONNX Runtime makes of an input. */
const tiny = readFileSync('tests/fixtures/networks/tiny.onnx');
const numbers: Record<'input' | 'cells' | 'shares', readonly number[]> = JSON.parse(
  readFileSync('tests/fixtures/networks/tiny.json', 'utf8'),
);

/** The files, as they are read back. */
function read(files: ReadonlyMap<string, Uint8Array>) {
  const bytes = (name: string) => files.get(name) ?? new Uint8Array();
  const json = (name: string) => JSON.parse(new TextDecoder().decode(bytes(name)));
  const weights = parseSafetensors(Uint8Array.from(bytes('network.safetensors')).buffer);
  return { description: json('network.json'), manifest: json('manifest.json'), weights };
}

describe('a converted model', () => {
  const { description, manifest, weights } = read(convertOnnx(tiny, { origin: 'tiny.onnx' }));

  it("computes what ONNX Runtime does, its outputs by the model's names", () => {
    const tensors = Object.fromEntries(
      [...weights.tensors].map(([name, { shape }]) => [name, Float32Array.from(requireFloats(weights, name, shape))]),
    );
    const input = batchOf(1, description.inputs.input, numbers.input);
    const results = runNetwork(description.layers, tensors, { input });
    expect(description.outputs).toEqual(['cells', 'shares']);
    for (const name of ['cells', 'shares'] as const) {
      const found = [...(results.get(name)?.values ?? [])];
      expect(found).toHaveLength(numbers[name].length);
      const largest = Math.max(...found.map((value, index) => Math.abs(value - (numbers[name][index] ?? 0))));
      expect(largest, name).toBeLessThan(2e-6);
    }
  });

  it('has normalisations, activations and padding in the layers that they belong to', () => {
    expect(
      description.layers.map(({ op, activation }: Record<string, string>) => [op, activation].join(' ').trim()),
    ).toEqual([
      'depthwiseConv2d none',
      'conv2d relu6',
      'depthwiseConv2d silu',
      'globalAveragePool',
      'conv2d hardSigmoid',
      'multiply none',
      'add prelu',
      'maxPool',
      'resizeNearest',
      'resizeBilinear',
      'concat',
      'conv2d prelu',
      'averagePool',
      'fullyConnected tanh',
      'fullyConnected none',
      'softmax',
    ]);
  });

  it('says its layout, and is what its manifest says', () => {
    expect(weights.metadata.get('layout')).toBe('ohwi');
    expect(Object.keys(manifest.files)).toEqual(['network.json', 'network.safetensors']);
    expect(parseDescription(description).graph.output.shape).toEqual({ height: 1, width: 1, channels: 5 });
  });
});

it("reads the benchmark's network, of two inputs", () => {
  const { description } = read(convertOnnx(readFileSync('bench/models/net0.onnx')));
  const { layers } = JSON.parse(readFileSync('weights/network.json', 'utf8'));
  const sizes = (list: readonly { readonly outChannels?: number; readonly outFeatures?: number }[]) =>
    list.flatMap(({ outChannels, outFeatures }) => outChannels ?? outFeatures ?? []);
  expect(Object.keys(description.inputs)).toHaveLength(2);
  expect(sizes(description.layers)).toEqual(sizes(layers));
});

/** A model of one node on [1, 4, 6, 5], whose further inputs are constants. */
function model(
  op: string,
  attributes: readonly object[] = [],
  constants: Readonly<Record<string, readonly number[]>> = {},
) {
  const dim = [1, 4, 6, 5].map((dimValue) => ({ dimValue }));
  const initializer = Object.entries(constants).map(([name, dims]) => {
    const count = dims.reduce((product, size) => product * size, 1);
    return { name, dims, dataType: 1, floatData: Array.from({ length: count }, () => 1) };
  });
  const graph = {
    node: [{ name: 'it', opType: op, input: ['x', ...Object.keys(constants)], output: ['y'], attribute: attributes }],
    initializer,
    input: [{ name: 'x', type: { tensorType: { shape: { dim } } } }],
    output: [{ name: 'y' }],
  };
  return onnxModel.encode(onnxModel.fromObject({ graph, opsetImport: [{ domain: '', version: 17 }] })).finish();
}

describe('what cannot be converted', () => {
  const ints = (name: string, values: readonly number[]) => ({ name, ints: values, type: 7 });
  const int = (name: string, value: number) => ({ name, i: value, type: 2 });
  const word = (name: string, value: string) => ({ name, s: new TextEncoder().encode(value), type: 3 });
  it.each<readonly [what: string, onnx: Uint8Array, message: RegExp]>([
    [
      'an unknown operator',
      model('LSTM'),
      /^Node 'it' \(LSTM\) is of an operator .* wanted Add, AveragePool, .*Upsample\.$/,
    ],
    [
      'a dilated convolution',
      model('Conv', [ints('dilations', [2, 2])], { w: [2, 4, 3, 3] }),
      /^Node 'it' \(Conv\) has dilations 2, 2; wanted 1, 1\.$/,
    ],
    [
      'groups of several channels',
      model('Conv', [int('group', 2)], { w: [2, 2, 1, 1] }),
      /^Node 'it' \(Conv\) has 2 groups of 2 channels to 2; wanted one group/,
    ],
    [
      'a window that does not fit',
      model('Conv', [], { w: [2, 4, 9, 9] }),
      /\(Conv\) cannot be computed: .*kernel of 9x9 does not fit/,
    ],
    [
      'channels that do not fit',
      model('Conv', [], { w: [2, 9, 1, 1] }),
      /\(Conv\) cannot be computed: .*conv2d takes 9 channels/,
    ],
    [
      'pictures where vectors are wanted',
      model('Gemm', [], { w: [120, 3] }),
      /\(Gemm\) reads \[1, 4, 6, 5\]; wanted \[1, 120\]: flattened/,
    ],
    [
      'padding that does not count',
      model('AveragePool', [ints('kernel_shape', [3, 3]), ints('pads', [1, 1, 1, 1])]),
      /count_include_pad 0/,
    ],
    ['softmax along the width', model('Softmax'), /\(Softmax\) is along axis -1; wanted the channels/],
    [
      'a constant for every pixel',
      model('Add', [], { c: [6, 5] }),
      /\(Add\) has a constant \[6, 5\]; wanted one number for every channel/,
    ],
    ['joined heights', model('Concat', [int('axis', 2)]), /\(Concat\) joins along axis 2/],
    [
      'reflected padding',
      model('Pad', [ints('pads', [0, 0, 1, 1, 0, 0, 1, 1]), word('mode', 'reflect')]),
      /\(reflect\); wanted zeros/,
    ],
    ['another order', model('Transpose', [ints('perm', [3, 2, 1, 0])]), /moves \[1, 4, 6, 5\] to \[3, 2, 1, 0\]/],
    ['what is no model', new Uint8Array([7, 7, 7]), /^A file of 3 bytes is no ONNX model/],
  ])('%s', (_, onnx, message) => {
    expect(() => convertOnnx(onnx)).toThrow(WeightsError);
    expect(() => convertOnnx(onnx)).toThrow(message);
  });

  it('a size that the model leaves open and nobody gives', () => {
    const open = onnxModel.toObject(onnxModel.decode(model('Relu')));
    open.graph.input[0].type.tensorType.shape.dim = [{}, { dimValue: 3 }, {}, {}];
    const onnx = onnxModel.encode(onnxModel.fromObject(open)).finish();
    expect(() => convertOnnx(onnx)).toThrow(/'x' is \[\?, 3, \?, \?\]; wanted .* the option size/);
    const { description } = read(convertOnnx(onnx, { size: [5, 7], picture: { order: 'bgr' } }));
    expect(description.inputs).toEqual({ x: { height: 5, width: 7, channels: 3 } });
    expect(description.picture).toEqual({ order: 'bgr' });
  });
});
