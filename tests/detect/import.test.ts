import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { detectorFiles } from '../../scripts/detector-files.js';
import { readTflite } from '../../scripts/tflite.js';
import { parseDetectorWeights } from '../../src/detect/weights.js';
import { ShapeError, WeightsError } from '../../src/engine/errors.js';
import { packNetworkWeights } from '../../src/engine/network.js';

const model = readFileSync('node_modules/@mediapipe/face_detection/face_detection_short_range.tflite');

/** Converts, and reads the result as the detector does. */
function convert(bytes: Uint8Array) {
  const files = detectorFiles(bytes);
  const network = new TextDecoder().decode(files.get('face_detector.json'));
  const weights = Uint8Array.from(files.get('face_detector.safetensors') ?? []).buffer;
  return parseDetectorWeights({ network, weights });
}

describe('the default detector', () => {
  it('is what the pinned package holds, to the byte', () => {
    const files = detectorFiles(model);
    expect([...files.keys()].sort()).toEqual(['detector.json', 'face_detector.json', 'face_detector.safetensors']);
    for (const [name, bytes] of files)
      expect(Buffer.from(bytes).equals(readFileSync(`weights/${name}`)), name).toBe(true);
  });

  it('has 896 anchors of 16 and 8 pixels, and weights for every layer', () => {
    const { inputSize, inputRange, heads, graph, file } = convert(model);
    expect([inputSize, ...inputRange]).toEqual([128, -1, 1]);
    expect(heads.map(({ shape }) => [shape.height, shape.width, shape.channels])).toEqual([
      [16, 16, 2],
      [8, 8, 6],
    ]);
    const ops = new Map<string, number>();
    for (const { op } of graph.nodes) ops.set(op, (ops.get(op) ?? 0) + 1);
    expect(Object.fromEntries(ops)).toEqual({ conv2d: 21, depthwiseConv2d: 16, add: 16, pool: 3 });
    expect(graph.macs).toBeGreaterThan(2e7);
    expect(packNetworkWeights(graph, file).data.byteLength).toBeGreaterThan(200_000);
  });
});

describe('readTflite', () => {
  it('reads all operators and the f16 constants', () => {
    const { operators, tensors, inputs, outputs } = readTflite(model);
    expect(operators).toHaveLength(164);
    expect(tensors).toHaveLength(250);
    expect([inputs, outputs]).toEqual([[0], [175, 174]]);
    expect(tensors[1]).toMatchObject({ name: 'conv2d/Kernel', shape: [24, 5, 5, 3], type: 'F16' });
    expect(operators[2]).toMatchObject({ op: 'conv2d', stride: [2, 2], padding: 'same', activation: 'none' });
  });

  it.each<readonly [what: string, bytes: Uint8Array, message: RegExp]>([
    ['an empty file', new Uint8Array(0), /file of 0 are read; it is damaged/],
    ['another file', readFileSync('assets/astronaut.png'), /identifier is ".*"; wanted "TFL3"/],
    ['a file cut short', model.subarray(0, 100_000), /are read; it is damaged/],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => readTflite(bytes)).toThrow(WeightsError);
    expect(() => readTflite(bytes)).toThrow(message);
  });

  it('gives typed errors only for damaged files', () => {
    // The tables lie behind the weights and before them; both ends of the file are worth damaging.
    const place = fc.oneof(
      fc.nat(model.length - 1),
      fc.nat(2_000),
      fc.nat(30_000).map((back) => model.length - 1 - back),
    );
    let refused = 0;
    fc.assert(
      fc.property(
        fc.array(fc.record({ at: place, value: fc.nat(255) }), { minLength: 1, maxLength: 8 }),
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
      { numRuns: 300, seed: 128 },
    );
    expect(refused).toBeGreaterThan(100);
  });
});
