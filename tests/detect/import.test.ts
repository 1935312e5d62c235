import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { detectorFiles } from '../../scripts/detector-files.js';
import { onnxModel, readOnnx } from '../../scripts/onnx.js';
import { parseDetectorWeights } from '../../src/detect/weights.js';
import { ShapeError, WeightsError } from '../../src/engine/errors.js';
import { parseNetwork } from '../../src/engine/network.js';
import { parseSafetensors, requireFloats } from '../../src/engine/safetensors.js';
import { type Batch, batchOf } from '../reference/layers.js';
import { type ReferenceLayer, runNetwork } from '../reference/network.js';

const modelPath = '../shared/data/yunet/yunet_n_dynamic.onnx';

interface SmallNode {
  readonly opType: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute?: readonly object[];
}

const ints = (name: string, values: readonly number[]) => ({ name, type: 7, ints: values });
const word = (name: string, value: string) => ({ name, type: 3, s: new TextEncoder().encode(value) });

/** A model of the same operators as YuNet, with a few channels: weights count up, so that a wrong order shows. */
function smallModel(change: (nodes: SmallNode[]) => SmallNode[] = (nodes) => nodes): Uint8Array {
  const initializer: object[] = [];
  const constant = (name: string, dims: readonly number[]) => {
    const count = dims.reduce((product, size) => product * size, 1);
    const values = Float32Array.from({ length: count }, (_, i) => Math.sin(1 + i + 7 * initializer.length));
    initializer.push({ name, dims, dataType: 1, rawData: new Uint8Array(values.buffer) });
  };
  const nodes: SmallNode[] = [];
  const conv = (from: string, to: string, name: string, dims: readonly number[], stride: number, groups: number) => {
    constant(`${name}.weight`, dims);
    constant(`${name}.bias`, [dims[0] ?? 0]);
    const [, , size = 1] = dims;
    const pad = (size - 1) / 2;
    nodes.push({
      opType: 'Conv',
      input: [from, `${name}.weight`, `${name}.bias`],
      output: [to],
      attribute: [
        { name: 'group', type: 2, i: groups },
        ints('dilations', [1, 1]),
        ints('strides', [stride, stride]),
        ints('pads', [pad, pad, pad, pad]),
      ],
    });
  };
  conv('input', 'c8', 'stem', [3, 3, 3, 3], 8, 1);
  nodes.push({ opType: 'Relu', input: ['c8'], output: ['f8'] });
  for (const [from, to] of [
    ['f8', 'f16'],
    ['f16', 'f32'],
  ] as const) {
    const attribute = [ints('kernel_shape', [2, 2]), ints('strides', [2, 2]), ints('pads', [0, 0, 0, 0])];
    nodes.push({ opType: 'MaxPool', input: [from], output: [to], attribute });
  }
  initializer.push({ name: 'scales', dims: [4], dataType: 1, floatData: [1, 1, 2, 2] });
  const modes = [
    word('mode', 'nearest'),
    word('coordinate_transformation_mode', 'asymmetric'),
    word('nearest_mode', 'floor'),
  ];
  nodes.push({ opType: 'Resize', input: ['f32', '', 'scales'], output: ['up'], attribute: modes });
  nodes.push({ opType: 'Add', input: ['f16', 'up'], output: ['n16'] });
  for (const [stride, features] of [
    [8, 'f8'],
    [16, 'n16'],
    [32, 'f32'],
  ] as const) {
    for (const [branch, channels] of [
      ['cls', 1],
      ['obj', 1],
      ['bbox', 4],
      ['kps', 10],
    ] as const) {
      const name = `${branch}${stride}`;
      conv(features, `${name}.a`, `${name}.conv1`, [channels, 3, 1, 1], 1, 1);
      conv(`${name}.a`, `${name}.b`, `${name}.conv2`, [channels, 1, 3, 3], 1, channels);
      nodes.push({ opType: 'Transpose', input: [`${name}.b`], output: [`${branch}_${stride}`] });
    }
  }
  const graph = { node: change(nodes), initializer, input: [{ name: 'input' }], output: [] };
  return onnxModel.encode(onnxModel.fromObject({ graph })).finish();
}

/** Converts, and reads the result as the detector does. */
function convert(bytes: Uint8Array) {
  const files = detectorFiles(bytes);
  const network = new TextDecoder().decode(files.get('face_detector.json'));
  const weights = Uint8Array.from(files.get('face_detector.safetensors') ?? []).buffer;
  return parseDetectorWeights({ network, weights });
}

describe('the default detector', () => {
  it.runIf(existsSync(modelPath))('is what the original holds, to the byte', () => {
    const files = detectorFiles(readFileSync(modelPath));
    expect([...files.keys()].sort()).toEqual(['detector.json', 'face_detector.json', 'face_detector.safetensors']);
    for (const [name, bytes] of files)
      expect(Buffer.from(bytes).equals(readFileSync(`weights/${name}`)), name).toBe(true);
  });

  it('has a cell every 8, 16 and 32 pixels, and weights for every layer', () => {
    const { inputSize, inputRange, views } = parseDetectorWeights({
      network: readFileSync('weights/face_detector.json', 'utf8'),
      weights: Uint8Array.from(readFileSync('weights/face_detector.safetensors')).buffer,
    });
    expect([inputSize, ...inputRange]).toEqual([256, 0, 255]);
    const grids = views.map(({ height, width, heads }) => [
      [height, width],
      ...heads.map(({ shape }) => [shape.height, shape.width]),
    ]);
    expect(grids).toEqual([
      [[256, 256], [32, 32], [16, 16], [8, 8]], // biome-ignore format: a view a line
      [
        [192, 256],
        [24, 32],
        [12, 16],
        [6, 8],
      ],
      [
        [256, 192],
        [32, 24],
        [16, 12],
        [8, 6],
      ],
    ]);
    const [{ graph, heads }] = views;
    expect(heads.map(({ shape }) => shape.channels)).toEqual([16, 16, 16]);
    const ops = new Map<string, number>();
    for (const { op } of graph.nodes) ops.set(op, (ops.get(op) ?? 0) + 1);
    // Two of the four pools run in the convolution before them; two have other readers, too.
    expect(Object.fromEntries(ops)).toEqual({ conv2d: 21, depthwiseConv2d: 20, pool: 2, resizeNearest: 2, add: 2 });
    // Less than half of what an alignment multiplies: 3 x 67.5 million.
    expect(graph.macs).toBeLessThan((3 * 67.5e6) / 2);
  });
});

describe('detectorFiles', () => {
  it('keeps what every operator computes, channels reversed and branches joined', () => {
    const bytes = smallModel();
    const files = detectorFiles(bytes);
    const { layers }: { layers: ReferenceLayer[] } = JSON.parse(
      new TextDecoder().decode(files.get('face_detector.json')),
    );
    const file = parseSafetensors(Uint8Array.from(files.get('face_detector.safetensors') ?? []).buffer);
    const values = Object.fromEntries(
      [...file.tensors.keys()].map((name) => [name, requireFloats(file, name, file.tensors.get(name)?.shape ?? [])]),
    );
    const size = 64;
    const rgb = Float64Array.from({ length: size * size * 3 }, (_, i) => Math.cos(i));
    const shape = { height: size, width: size, channels: 3 };
    const results = runNetwork(layers, values, { picture: batchOf(1, shape, rgb) });
    expect(parseNetwork(layers, { picture: shape }, ['head8', 'head16']).outputs.size).toBe(3);

    // The same by the model's own weights [out, in, kh, kw] on a picture of blue, green, red.
    const { constants } = readOnnx(bytes);
    const weight = (name: string) => constants.get(`${name}.weight`)?.values ?? new Float32Array();
    const bias = (name: string) => constants.get(`${name}.bias`)?.values ?? new Float32Array();
    const stem = new Float64Array(8 * 8 * 3);
    for (let y = 0; y < 8; y++)
      for (let x = 0; x < 8; x++)
        for (let o = 0; o < 3; o++) {
          let sum = bias('stem')[o] ?? 0;
          for (let c = 0; c < 3; c++)
            for (let ky = 0; ky < 3; ky++)
              for (let kx = 0; kx < 3; kx++) {
                const [py, px] = [8 * y + ky - 1, 8 * x + kx - 1];
                if (py < 0 || px < 0) continue;
                sum +=
                  (weight('stem')[((o * 3 + c) * 3 + ky) * 3 + kx] ?? 0) * (rgb[(py * size + px) * 3 + 2 - c] ?? 0);
              }
          stem[(y * 8 + x) * 3 + o] = Math.max(0, sum);
        }
    const head = results.get('head8');
    const channels = [
      ['bbox', 4],
      ['kps', 10],
      ['cls', 1],
      ['obj', 1],
    ] as const;
    const [y, x] = [3, 4];
    const wanted = channels.flatMap(([branch, count]) =>
      Array.from({ length: count }, (_, o) => {
        let sum = bias(`${branch}8.conv2`)[o] ?? 0;
        for (let ky = 0; ky < 3; ky++)
          for (let kx = 0; kx < 3; kx++) {
            let mixed = bias(`${branch}8.conv1`)[o] ?? 0;
            for (let c = 0; c < 3; c++)
              mixed +=
                (weight(`${branch}8.conv1`)[o * 3 + c] ?? 0) * (stem[((y + ky - 1) * 8 + x + kx - 1) * 3 + c] ?? 0);
            sum += (weight(`${branch}8.conv2`)[(o * 3 + ky) * 3 + kx] ?? 0) * mixed;
          }
        return sum;
      }),
    );
    const found = [...(head?.values.subarray((y * 8 + x) * 16, (y * 8 + x + 1) * 16) ?? [])];
    for (const [index, value] of wanted.entries()) expect(found[index], `channel ${index}`).toBeCloseTo(value, 4);
    const shapes = (name: string) => {
      const { height, width, channels: count } = results.get(name) as Batch;
      return [height, width, count];
    };
    expect([shapes('head16'), shapes('head32')]).toEqual([
      [4, 4, 16],
      [2, 2, 16],
    ]);
  });

  it.each<readonly [what: string, bytes: () => Uint8Array, message: RegExp]>([
    ['an empty file', () => new Uint8Array(0), /file of 0 bytes is no ONNX model: it has no graph/],
    ['another file', () => readFileSync('assets/astronaut.png'), /is no ONNX model/],
    ['a file cut short', () => smallModel().subarray(0, 900), /is no ONNX model/],
    [
      'another operator',
      () => smallModel((nodes) => nodes.map((node) => (node.opType === 'Relu' ? { ...node, opType: 'Elu' } : node))),
      /operator Elu, which the converter does not know/,
    ],
    [
      'another resize',
      () => smallModel((nodes) => nodes.map((node) => (node.opType === 'Resize' ? { ...node, attribute: [] } : node))),
      /wanted the nearest pixel, asymmetric, floor/,
    ],
    [
      'a missing branch',
      () => smallModel((nodes) => nodes.filter(({ output }) => output[0] !== 'kps_16')),
      /'kps_16' is made by no operator/,
    ],
    [
      'a convolution without strides',
      () => smallModel((nodes) => nodes.map((node) => (node.opType === 'Conv' ? { ...node, attribute: [] } : node))),
      /A Conv has group \[\]; wanted 1 whole numbers/,
    ],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => convert(bytes())).toThrow(WeightsError);
    expect(() => convert(bytes())).toThrow(message);
  });

  it('gives typed errors only for damaged files', () => {
    const model = smallModel();
    let refused = 0;
    fc.assert(
      fc.property(
        fc.array(fc.record({ at: fc.nat(model.length - 1), value: fc.nat(255) }), { minLength: 1, maxLength: 8 }),
        fc.option(fc.nat(model.length)),
        (changes, end) => {
          const bytes = Uint8Array.from(model.subarray(0, end ?? model.length));
          for (const { at, value } of changes) if (at < bytes.length) bytes[at] = value;
          try {
            convert(bytes);
          } catch (error) {
            refused++;
            if (!(error instanceof WeightsError || error instanceof ShapeError)) throw error;
          }
        },
      ),
      { numRuns: 200, seed: 128 },
    );
    expect(refused).toBeGreaterThan(50);
  });
});
