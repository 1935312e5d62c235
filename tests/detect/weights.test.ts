import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseDetectorWeights } from '../../src/detect/weights.js';
import { WeightsError } from '../../src/engine/errors.js';

const text = readFileSync('weights/face_detector.json', 'utf8');
const weights = Uint8Array.from(readFileSync('weights/face_detector.safetensors')).buffer;

const change = (fields: object): string => JSON.stringify({ ...JSON.parse(text), ...fields });

describe('parseDetectorWeights', () => {
  it.each<readonly [what: string, network: string, message: RegExp]>([
    ['no JSON', 'face', /In the detector's network description: The file starts with "face"; wanted JSON/],
    ['another format', change({ format: 'x' }), /format is "x"; wanted "fullpose-detector\/2"/],
    ['an input of no size', change({ inputSize: 0 }), /inputSize is 0; wanted a whole number/],
    ['an absurd input', change({ inputSize: 1e9 }), /inputSize is 1000000000/],
    ['a range of one number', change({ inputRange: [0] }), /inputRange is \[0\]; wanted two numbers/],
    ['a range that is none', change({ inputRange: [0, null] }), /inputRange is \[0,null\]/],
    ['no heads', change({ heads: [] }), /heads is \[\]; wanted a list/],
    ['a head without a name', change({ heads: [{ scores: 'add' }] }), /heads\[0\] is .*; wanted a layer's name/],
    ['a head of no layer', change({ heads: ['nose'] }), /No layer is named 'nose'/],
    [
      'heads that do not fit',
      change({ heads: ['head8', 'head16', 'head32', 'head8.mixed', 'neck.lateral_convs.2.conv1'] }),
      /Layer 'neck.lateral_convs.2.conv1' .* is no head; wanted a grid of square cells and 16 channels/,
    ],
    ['no layers', change({ layers: [] }), /layers are \[\]/],
  ])('refuses %s', (_, network, message) => {
    expect(() => parseDetectorWeights({ network, weights })).toThrow(WeightsError);
    expect(() => parseDetectorWeights({ network, weights })).toThrow(message);
  });

  it('refuses weights of another kind', () => {
    const other = Uint8Array.from(readFileSync('weights/iteration0.safetensors')).buffer;
    expect(() => parseDetectorWeights({ network: text, weights: other })).toThrow(
      /In the detector's weights: Metadata 'format' is "fullpose-iteration\/1"/,
    );
    expect(() => parseDetectorWeights({ network: text, weights: weights.slice(0, 1000) })).toThrow(WeightsError);
  });
});
