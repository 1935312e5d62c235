/** A network's layer list run by the float64 loops, one layer after the other, nothing fused. */
import type { NetworkLayer } from '../../src/networks/index.js';
import * as layers from './layers.js';

/** The layers of descriptions, all of which the reference computes. */
export type ReferenceLayer = NetworkLayer;

/** Values of a tensor of the weights file, by name. */
export type ReferenceWeights = Readonly<Record<string, Float32Array<ArrayBuffer>>>;

/**
 * Every tensor that the list wants from a weights file: name and shape.
 * @param channels of the inputs of depthwise convolutions and activations, by layer
 */
export function weightShapes(
  list: readonly ReferenceLayer[],
  channels: Readonly<Record<string, number>> = {},
): Record<string, readonly number[]> {
  const shapes: Record<string, readonly number[]> = {};
  for (const layer of list) {
    if (layer.op === 'conv2d') {
      shapes[`${layer.name}.weight`] = [layer.outChannels, ...layer.kernel, layer.inChannels];
      shapes[`${layer.name}.bias`] = [layer.outChannels];
      if (layer.activation === 'prelu') shapes[`${layer.name}.slope`] = [layer.outChannels];
    } else if (layer.op === 'depthwiseConv2d') {
      const count = channels[layer.name];
      if (count === undefined) throw new Error(`how many channels has ${layer.name}?`);
      shapes[`${layer.name}.weight`] = [...layer.kernel, count];
      shapes[`${layer.name}.bias`] = [count];
      if (layer.activation === 'prelu') shapes[`${layer.name}.slope`] = [count];
    } else if (layer.op === 'activation' && layer.activation === 'prelu') {
      const count = channels[layer.name];
      if (count === undefined) throw new Error(`how many channels has ${layer.name}?`);
      shapes[`${layer.name}.slope`] = [count];
    } else if (layer.op === 'fullyConnected') {
      shapes[`${layer.name}.weight`] = [layer.outFeatures, layer.inFeatures];
      shapes[`${layer.name}.bias`] = [layer.outFeatures];
      if (layer.activation === 'prelu') shapes[`${layer.name}.slope`] = [layer.outFeatures];
    }
  }
  return shapes;
}

/** Results of all layers, by name. */
export function runNetwork(
  list: readonly ReferenceLayer[],
  weights: ReferenceWeights,
  inputs: Readonly<Record<string, layers.Batch>>,
): Map<string, layers.Batch> {
  const results = new Map(Object.entries(inputs));
  const resultOf = (name: string): layers.Batch => {
    const found = results.get(name);
    if (found === undefined) throw new Error(`no result '${name}'`);
    return found;
  };
  const weightsOf = (name: string) => {
    const [matrix, bias, slope] = ['weight', 'bias', 'slope'].map((part) => weights[`${name}.${part}`]);
    if (matrix === undefined || bias === undefined) throw new Error(`no weights for '${name}'`);
    return { weights: matrix, bias, ...(slope === undefined ? {} : { slope }) };
  };
  for (const layer of list) {
    if (layer.op === 'concat') {
      results.set(layer.name, layers.concat(layer.inputs.map(resultOf)));
    } else if (layer.op === 'add') {
      const [left, right] = layer.inputs;
      results.set(
        layer.name,
        layers.add(resultOf(left), resultOf(right), layer.activation, weights[`${layer.name}.slope`]),
      );
    } else if (layer.op === 'fullyConnected') {
      results.set(layer.name, layers.fullyConnected(resultOf(layer.input), { ...layer, ...weightsOf(layer.name) }));
    } else if (layer.op === 'activation') {
      const slope = weights[`${layer.name}.slope`];
      results.set(layer.name, layers.activation(resultOf(layer.input), layer.activation, slope));
    } else if (layer.op === 'resizeNearest') {
      results.set(layer.name, layers.resizeNearest(resultOf(layer.input), layer.scale));
    } else if (layer.op === 'resizeBilinear') {
      results.set(layer.name, layers.resizeBilinear(resultOf(layer.input), layer.size, layer.coordinates));
    } else if (layer.op === 'softmax') {
      results.set(layer.name, layers.softmax(resultOf(layer.input)));
    } else if (layer.op === 'globalAveragePool') {
      const input = resultOf(layer.input);
      const kernel = [input.height, input.width] as const;
      results.set(layer.name, layers.pool(input, { kernel, stride: [1, 1], padding: [0, 0, 0, 0] }, 'average'));
    } else if (layer.op === 'multiply') {
      const [left, right] = layer.inputs;
      results.set(layer.name, layers.multiply(resultOf(left), resultOf(right), layer.activation));
    } else {
      const [top, left, bottom = top, right = left] = layer.padding;
      const window = { kernel: layer.kernel, stride: layer.stride, padding: [top, left, bottom, right] } as const;
      const input = resultOf(layer.input);
      if (layer.op === 'conv2d') {
        results.set(layer.name, layers.conv2d(input, window, { ...layer, ...weightsOf(layer.name) }));
      } else if (layer.op === 'depthwiseConv2d') {
        results.set(layer.name, layers.depthwiseConv2d(input, window, { ...layer, ...weightsOf(layer.name) }));
      } else {
        results.set(layer.name, layers.pool(input, window, layer.op === 'maxPool' ? 'max' : 'average'));
      }
    }
  }
  return results;
}
