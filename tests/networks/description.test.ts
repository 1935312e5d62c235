import { describe, expect, it } from 'vitest';
import { encodeSafetensors, floats, type TensorToWrite } from '../../scripts/safetensors-writer.js';
import { InputError, ShapeError, WeightsError } from '../../src/engine/errors.js';
import { parseSafetensors, requireFloats, type SafeTensors } from '../../src/engine/safetensors.js';
import { type NetworkDescription, parseDescription, toOhwi } from '../../src/networks/index.js';
import { fitRecord } from '../../src/networks/picture.js';

const window = { stride: [1, 1], padding: [0, 0], activation: 'none' } as const;

const description: NetworkDescription = {
  inputs: { picture: { height: 5, width: 6, channels: 2 } },
  layers: [
    { name: 'conv', op: 'conv2d', input: 'picture', kernel: [2, 3], inChannels: 2, outChannels: 4, ...window },
    { name: 'depthwise', op: 'depthwiseConv2d', input: 'conv', kernel: [2, 2], ...window },
    { name: 'scores', op: 'fullyConnected', input: 'depthwise', inFeatures: 36, outFeatures: 2, activation: 'none' },
  ],
};
const { graph } = parseDescription(description);

/** Tensors that count from 0, so that a value says where it was. */
function file(shapes: Readonly<Record<string, readonly number[]>>, metadata: Readonly<Record<string, string>> = {}) {
  const tensors = Object.entries(shapes).map(([name, shape]): [string, TensorToWrite] => {
    const count = shape.reduce((product, size) => product * size, 1);
    return [
      name,
      floats(
        shape,
        Float32Array.from({ length: count }, (_, index) => index),
      ),
    ];
  });
  return parseSafetensors(encodeSafetensors(Object.fromEntries(tensors), metadata));
}

const values = (from: SafeTensors, name: string, shape: readonly number[]) => [...requireFloats(from, name, shape)];

describe('toOhwi', () => {
  const pytorch = { 'conv.weight': [4, 2, 2, 3], 'depthwise.weight': [4, 1, 2, 2], 'scores.weight': [2, 36] };

  it("brings PyTorch's weights into the engine's order", () => {
    const converted = toOhwi(graph, file(pytorch), 'oihw');
    expect(converted.metadata.get('layout')).toBe('ohwi');
    // Of the first output: of every pixel of the window both channels, 6 apart in PyTorch's order.
    expect(values(converted, 'conv.weight', [4, 2, 3, 2]).slice(0, 12)).toEqual([0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11]);
    expect(values(converted, 'depthwise.weight', [2, 2, 4]).slice(0, 8)).toEqual([0, 4, 8, 12, 1, 5, 9, 13]);
    // 3 x 3 pixels of 4 channels.
    expect(values(converted, 'scores.weight', [2, 36]).slice(0, 8)).toEqual([0, 9, 18, 27, 1, 10, 19, 28]);
    expect(toOhwi(graph, file(pytorch, { layout: 'oihw' })).tensors).toEqual(converted.tensors);
  });

  it("leaves the engine's own as they are", () => {
    const own = file({ 'conv.weight': [4, 2, 3, 2] });
    for (const given of [toOhwi(graph, own), toOhwi(graph, own, 'ohwi')]) expect(given.tensors).toEqual(own.tensors);
  });

  it.each<readonly [what: string, shapes: Readonly<Record<string, readonly number[]>>, message: RegExp]>([
    ["PyTorch's that nobody calls so", pytorch, /'conv.weight' \[4,2,2,3\] is in PyTorch's layout; wanted the option/],
    [
      'features that could be either',
      { 'scores.weight': [2, 36] },
      /'scores.weight' \[2,36\] is as good in either layout/,
    ],
  ])('refuses %s', (_, shapes, message) => {
    expect(() => toOhwi(graph, file(shapes))).toThrow(WeightsError);
    expect(() => toOhwi(graph, file(shapes))).toThrow(message);
  });

  it('refuses other layouts, and shapes that are not of the one that is said', () => {
    expect(() => toOhwi(graph, file({}, { layout: 'hwio' }))).toThrow(InputError);
    expect(() => toOhwi(graph, file({}, { layout: 'hwio' }))).toThrow('The layout is "hwio"; wanted ohwi or oihw.');
    const own = file({ 'conv.weight': [4, 2, 3, 2] });
    expect(() => toOhwi(graph, own, 'oihw')).toThrow("'conv.weight' has shape [4,2,3,2]; wanted [4,2,2,3] (oihw)");
  });
});

describe('parseDescription', () => {
  it.each<readonly [what: string, changes: object, type: typeof WeightsError | typeof ShapeError, message: RegExp]>([
    ['no inputs', { inputs: {} }, WeightsError, /has no inputs/],
    [
      'an input without a width',
      { inputs: { picture: { height: 5, channels: 2 } } },
      ShapeError,
      /'picture' has shape/,
    ],
    ['outputs that are no names', { outputs: [1] }, WeightsError, /outputs are \[1\]; wanted a list/],
    [
      'an operator that there is not',
      { layers: [{ name: 'x', op: 'lstm' }] },
      WeightsError,
      /op "lstm"; wanted one of .*softmax/,
    ],
    [
      'another order of channels',
      { picture: { order: 'hsv' } },
      WeightsError,
      /picture.order is "hsv"; wanted 'rgb' or 'bgr'/,
    ],
    [
      'a spread of nothing',
      { picture: { std: [1, 0, 1] } },
      WeightsError,
      /picture.std is \[1,0,1\]; wanted numbers other than 0/,
    ],
    ['two means', { picture: { mean: [1, 2] } }, WeightsError, /picture.mean is \[1,2\]; wanted three finite numbers/],
    [
      'another fit',
      { picture: { fit: 'fill' } },
      WeightsError,
      /picture.fit is "fill"; wanted cover, contain, stretch/,
    ],
  ])('refuses %s', (_, changes, type, message) => {
    expect(() => parseDescription({ ...description, ...changes })).toThrow(type);
    expect(() => parseDescription({ ...description, ...changes })).toThrow(message);
  });
});

describe('fitRecord', () => {
  const [picture, input] = [
    { width: 40, height: 20 },
    { width: 10, height: 10 },
  ];

  it.each([
    // Corners of the input in the picture's pixels, whose own corners are 0 and its size.
    ['cover', [10, 0, 30, 20], 2],
    ['contain', [0, -10, 40, 30], 4],
    ['stretch', [0, 0, 40, 20], 4],
  ] as const)('%s', (fit, corners, taps) => {
    const record = fitRecord(picture, input, fit);
    const { originX, originY, rightX, downY } = record;
    const [left, top] = [originX + 0.5 - rightX / 2, originY + 0.5 - downY / 2];
    expect([left, top, left + 10 * rightX, top + 10 * downY]).toEqual(corners);
    expect(record).toMatchObject({ rightY: 0, downX: 0, ...picture, taps });
  });
});
