/**
 * In which order the numbers of weights lie. The engine takes `ohwi`; PyTorch's files are `oihw`. Most shapes tell the
 * two apart, but not those of 3x3 windows of three channels, as the first layer of a network of pictures has, nor those
 * of a fully connected layer behind features of several pixels.
 */
import { WeightsError } from '../engine/errors.js';
import { refuse } from '../engine/expect.js';
import type { NetworkGraph } from '../engine/network.js';
import type { SafeTensor, SafeTensors } from '../engine/safetensors.js';
import { list, show } from '../engine/show.js';
import type { GraphNode } from './kinds.js';

/**
 * - `ohwi`: convolutions [out, height, width, in], depthwise ones [height, width, channels], fully connected ones
 *   [out, height * width * channels].
 * - `oihw`, PyTorch's: [out, in, height, width], [channels, 1, height, width], [out, channels * height * width].
 */
export type WeightsLayout = (typeof LAYOUTS)[number];
const LAYOUTS = ['ohwi', 'oihw'] as const;

/** One layer's weights in both layouts. */
interface Axes {
  readonly ohwi: readonly number[];
  readonly oihw: readonly number[];
  /** The axes of `oihw`, apart, and the order in which `ohwi` has them. */
  readonly sizes: readonly number[];
  readonly order: readonly number[];
}

/** Undefined for layers without such weights. */
function axesOf(node: GraphNode): Axes | undefined {
  switch (node.op) {
    case 'conv2d': {
      const {
        outChannels,
        inChannels,
        kernel: [height, width],
      } = node.spec;
      const oihw = [outChannels, inChannels, height, width];
      return { ohwi: [outChannels, height, width, inChannels], oihw, sizes: oihw, order: [0, 2, 3, 1] };
    }
    case 'depthwiseConv2d': {
      const {
        input: { channels },
        kernel: [height, width],
      } = node.spec;
      const oihw = [channels, 1, height, width];
      return { ohwi: [height, width, channels], oihw, sizes: oihw, order: [1, 2, 3, 0] };
    }
    case 'fullyConnected': {
      const {
        outFeatures,
        input: { height, width, channels },
      } = node.spec;
      const shape = [outFeatures, height * width * channels];
      return { ohwi: shape, oihw: shape, sizes: [outFeatures, channels, height, width], order: [0, 2, 3, 1] };
    }
    default:
      return undefined;
  }
}

/** Whether nothing moves: axes of one do not count. */
function isSameOrder({ sizes, order }: Axes): boolean {
  const moving = order.filter((axis) => (sizes[axis] ?? 1) > 1);
  return moving.every((axis, index) => index === 0 || axis > (moving[index - 1] ?? 0));
}

/** Dense values of `sizes` with their axes in another order. */
export function permute<T extends Float32Array | Uint16Array>(
  values: T,
  sizes: readonly number[],
  order: readonly number[],
): T {
  const strides = sizes.map((_, axis) => sizes.slice(axis + 1).reduce((product, size) => product * size, 1));
  const result = values.slice() as T;
  const position = order.map(() => 0);
  for (let to = 0; to < result.length; to++) {
    let from = 0;
    for (const [index, axis] of order.entries()) from += (position[index] ?? 0) * (strides[axis] ?? 0);
    result[to] = values[from] ?? 0;
    for (let index = order.length - 1; index >= 0; index--) {
      position[index] = (position[index] ?? 0) + 1;
      if ((position[index] ?? 0) < (sizes[order[index] ?? 0] ?? 1)) break;
      position[index] = 0;
    }
  }
  return result;
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/**
 * The file with the weights of `graph` in the engine's layout, as `packNetworkWeights` takes them.
 * @param layout of `file`; default what its metadata `layout` says
 * @throws WeightsError where neither says it and a tensor is PyTorch's, or could be: nothing is guessed; InputError for
 * another layout.
 */
export function toOhwi(graph: NetworkGraph<GraphNode>, file: SafeTensors, layout?: WeightsLayout): SafeTensors {
  if (!Array.isArray(graph?.nodes)) refuse('The graph', graph, 'that of parseDescription');
  if (!(file?.tensors instanceof Map)) refuse('The weights', file, 'what parseSafetensors gives');
  const stated = layout ?? file.metadata.get('layout');
  if (stated !== undefined && !LAYOUTS.some((known) => known === stated)) {
    refuse('The layout', stated, list(LAYOUTS, ' or '));
  }
  if (stated === 'ohwi') return file;
  const tensors = new Map<string, SafeTensor>(file.tensors);
  for (const node of graph.nodes as readonly GraphNode[]) {
    const name = `${node.name}.weight`;
    const [axes, tensor] = [axesOf(node), file.tensors.get(name)];
    if (axes === undefined || tensor === undefined) continue;
    if (stated === undefined) {
      const [isOhwi, isOihw] = [isSame(tensor.shape, axes.ohwi), isSame(tensor.shape, axes.oihw)];
      if (!isOihw || (isOhwi && isSameOrder(axes))) continue;
      const found = isOhwi ? 'is as good in either layout' : "is in PyTorch's layout";
      throw new WeightsError(
        `Tensor '${name}' ${show(tensor.shape)} ${found}; wanted the option layout: 'oihw' if the weights are PyTorch's, 'ohwi' if not.`,
      );
    }
    if (!isSame(tensor.shape, axes.oihw)) {
      throw new WeightsError(`Tensor '${name}' has shape ${show(tensor.shape)}; wanted ${show(axes.oihw)} (oihw).`);
    }
    const shape = axes.ohwi;
    // Of another type: packing says so.
    if (tensor.dtype === 'F32') {
      tensors.set(name, { dtype: 'F32', shape, data: permute(tensor.data, axes.sizes, axes.order) });
    } else if (tensor.dtype === 'F16') {
      tensors.set(name, { dtype: 'F16', shape, data: permute(tensor.data, axes.sizes, axes.order) });
    }
  }
  return { metadata: new Map([...file.metadata, ['layout', 'ohwi']]), tensors };
}
