/** A small network with every operator, two streams and a residual, for tests. */

import { encodeSafetensors, floats } from '../../scripts/safetensors-writer.js';
import { randomFloats } from '../browser/numbers.js';
import { type ReferenceLayer, type ReferenceWeights, weightShapes } from '../reference/network.js';

export const tinyInputs = {
  stem: { height: 13, width: 12, channels: 8 },
  paf: { height: 8, width: 9, channels: 5 },
} as const;

export const tinyLayers: readonly ReferenceLayer[] = [
  {
    name: 'a.conv1',
    op: 'conv2d',
    input: 'stem',
    kernel: [5, 5],
    stride: [2, 2],
    padding: [2, 2],
    inChannels: 6,
    outChannels: 10,
    activation: 'relu',
  },
  { name: 'a.pool1', op: 'maxPool', input: 'a.conv1', kernel: [2, 2], stride: [2, 2], padding: [0, 0] },
  {
    name: 'a.conv2',
    op: 'conv2d',
    input: 'a.pool1',
    kernel: [3, 3],
    stride: [1, 1],
    padding: [1, 1],
    inChannels: 10,
    outChannels: 10,
    activation: 'prelu',
  },
  { name: 'a.residual', op: 'add', inputs: ['a.conv2', 'a.pool1'], activation: 'relu' },
  { name: 'a.average', op: 'averagePool', input: 'a.residual', kernel: [3, 3], stride: [1, 1], padding: [0, 0] },
  { name: 'b.pool1', op: 'maxPool', input: 'paf', kernel: [3, 3], stride: [2, 2], padding: [1, 1] },
  {
    name: 'b.conv2',
    op: 'conv2d',
    input: 'b.pool1',
    kernel: [1, 3],
    stride: [1, 1],
    padding: [0, 1],
    inChannels: 5,
    outChannels: 7,
    activation: 'none',
  },
  { name: 'b.fc', op: 'fullyConnected', input: 'b.conv2', inFeatures: 140, outFeatures: 9, activation: 'sigmoid' },
  { name: 'concat', op: 'concat', inputs: ['a.average', 'b.fc'] },
  { name: 'out', op: 'fullyConnected', input: 'concat', inFeatures: 19, outFeatures: 6, activation: 'none' },
];

/** Seeded weights, of a size that keeps values near 1. */
export function tinyWeights(seed: number): ReferenceWeights {
  const weights: Record<string, Float32Array<ArrayBuffer>> = {};
  for (const [index, [name, shape]] of Object.entries(weightShapes(tinyLayers)).entries()) {
    const count = shape.reduce((product, size) => product * size, 1);
    const scale = name.endsWith('.weight') ? Math.sqrt(3 / (count / (shape[0] ?? 1))) : 0.5;
    weights[name] = randomFloats(seed * 1000 + index, count, -scale, scale);
  }
  return weights;
}

/** The weights as a file, with a tensor that the network does not want. */
export function tinyFile(weights: ReferenceWeights): ArrayBuffer {
  const shapes = weightShapes(tinyLayers);
  const tensors = Object.entries(weights).map(([name, values]) => [name, floats(shapes[name] ?? [], values)] as const);
  return encodeSafetensors({ ...Object.fromEntries(tensors), initial: floats([1], new Float32Array(1)) });
}

/**
 * A small network of the depthwise kind: padding on one side only, a residual that gains channels, a convolution beside
 * its pool, an activation of its own, enlarging, two outputs.
 */
export const depthwiseLayers: readonly ReferenceLayer[] = [
  { name: 'bent', op: 'activation', input: 'stem', activation: 'prelu' },
  { name: 'larger', op: 'resizeNearest', input: 'bent', scale: [2, 3] },
  { name: 'smaller', op: 'averagePool', input: 'larger', kernel: [2, 3], stride: [2, 3], padding: [0, 0] },
  {
    name: 'first',
    op: 'conv2d',
    input: 'smaller',
    kernel: [3, 3],
    stride: [2, 2],
    padding: [0, 1, 1, 1],
    inChannels: 8,
    outChannels: 5,
    activation: 'relu',
  },
  {
    name: 'depthwise',
    op: 'depthwiseConv2d',
    input: 'first',
    kernel: [3, 3],
    stride: [1, 1],
    padding: [1, 1],
    activation: 'prelu',
  },
  {
    name: 'pointwise',
    op: 'conv2d',
    input: 'depthwise',
    kernel: [1, 1],
    stride: [1, 1],
    padding: [0, 0],
    inChannels: 5,
    outChannels: 9,
    activation: 'none',
  },
  { name: 'wider', op: 'add', inputs: ['first', 'pointwise'], activation: 'relu', padChannels: true },
  {
    name: 'head',
    op: 'conv2d',
    input: 'wider',
    kernel: [1, 1],
    stride: [1, 1],
    padding: [0, 0],
    inChannels: 9,
    outChannels: 6,
    activation: 'none',
  },
  { name: 'pooled', op: 'maxPool', input: 'head', kernel: [2, 2], stride: [2, 2], padding: [0, 0] },
];

/** Seeded weights of `depthwiseLayers`. */
export function depthwiseWeights(seed: number): ReferenceWeights {
  const shapes = weightShapes(depthwiseLayers, { depthwise: 5, bent: 8 });
  return Object.fromEntries(
    Object.entries(shapes).map(([name, shape], index) => [
      name,
      randomFloats(
        seed * 1000 + index,
        shape.reduce((product, size) => product * size, 1),
        -0.5,
        0.5,
      ),
    ]),
  );
}

export function depthwiseFile(weights: ReferenceWeights): ArrayBuffer {
  const shapes = weightShapes(depthwiseLayers, { depthwise: 5, bent: 8 });
  return encodeSafetensors(
    Object.fromEntries(Object.entries(weights).map(([name, values]) => [name, floats(shapes[name] ?? [], values)])),
  );
}
