/** A network's weights: taken from a file, packed for the kernels, on the GPU. */

import type { Gpu } from '../device.js';
import { WeightsError } from '../errors.js';
import { refuse } from '../expect.js';
import type { TensorSource } from '../kernels/common.js';
import { packHalves } from '../kernels/halves.js';
import { requireFloats, type SafeTensors } from '../safetensors.js';
import { list } from '../show.js';
import type { NetworkGraph } from './graph.js';
import type { LayerNode, LayerWeights } from './layer.js';

/** How weights may be held on the GPU. Arithmetic is f32. */
export const DTYPES: readonly string[] & readonly ['f16', 'f32'] = ['f16', 'f32'];
/** How weights are held on the GPU: in 16 bits or in 32. */
export type DType = (typeof DTYPES)[number];

/** A network's weights in the kernels' layouts, in one block. */
export interface PackedWeights {
  /** All tensors, one after the other. */
  readonly data: Uint8Array<ArrayBuffer>;
  /**
   * Each tensor (`<layer>.weight`, `<layer>.bias`, `<layer>.slope`): its bytes, starting at a multiple of 256, and
   * whether they are halves.
   */
  readonly slices: ReadonlyMap<string, WeightSlice>;
}

interface WeightSlice {
  readonly offset: number;
  readonly bytes: number;
  readonly halves: boolean;
}

/**
 * Takes the tensors that `graph` needs from a weights file and packs them. `bias` holds biases and slopes where a
 * kernel wants both.
 * @param layout of the file's weights: `ohwi`, convolutions [out, height, width, in], of one channel each [height,
 * width, channels], fully connected ones [out, height * width * channels]. PyTorch's are in another order, which no
 * shape tells of 3x3 windows of three channels: `toOhwi` of `fullpose/networks` puts them into this one.
 * @param dtype `f16`: weights whose kernel takes halves become halves where that changes none of them, as of any file
 * in 16 bits; see `halvesWork`
 * @throws WeightsError where one is missing or has another shape or type; InputError for another layout.
 */
export function packNetworkWeights(
  graph: NetworkGraph<LayerNode>,
  file: SafeTensors,
  layout: 'ohwi',
  dtype: DType = 'f32',
): PackedWeights {
  if (!Array.isArray(graph?.nodes)) refuse('The graph', graph, 'what parseNetwork gives');
  if (layout !== 'ohwi') refuse('The layout', layout, "'ohwi', which toOhwi of fullpose/networks makes of others");
  const parts = graph.nodes.flatMap((node: LayerNode) => {
    const source: TensorSource = (part, shape) => requireFloats(file, `${node.name}.${part}`, shape);
    return (
      node.kind.pack?.(node.spec, source).map((tensor) => ({ ...tensor, name: `${node.name}.${tensor.part}` })) ?? []
    );
  });
  const slices = new Map<string, WeightSlice>();
  const stored: { readonly offset: number; readonly array: ArrayBufferView }[] = [];
  let end = 0;
  for (const { name, values, halves } of parts) {
    const packed = halves === true && dtype === 'f16' ? packHalves(values) : undefined;
    const array = packed ?? values;
    const offset = alignUp(end);
    slices.set(name, { offset, bytes: array.byteLength, halves: packed !== undefined });
    stored.push({ offset, array });
    end = offset + array.byteLength;
  }
  const data = new Uint8Array(end);
  for (const { offset, array } of stored) {
    data.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), offset);
  }
  return { data, slices };
}

/** WebGPU's largest possible minStorageBufferOffsetAlignment. */
function alignUp(bytes: number): number {
  return Math.ceil(bytes / 256) * 256;
}

/** One set of weights on the GPU, in one buffer, uploaded when made. */
export class NetworkWeights {
  readonly #gpu: Gpu;
  readonly #buffer: GPUBuffer;
  readonly #slices: PackedWeights['slices'];

  constructor(gpu: Gpu, label: string, { data, slices }: PackedWeights) {
    this.#gpu = gpu;
    this.#buffer = gpu.uploadBuffer(label, data);
    this.#slices = slices;
  }

  /** Bytes on the GPU. */
  get bytes(): number {
    return this.#buffer.size;
  }

  /** @throws WeightsError where these weights were packed for another network. */
  binding(name: string): GPUBufferBinding {
    const { offset, bytes } = this.#slice(name);
    return { buffer: this.#buffer, offset, size: bytes };
  }

  /** The weights of one layer. */
  of(layer: string): LayerWeights {
    return {
      binding: (part) => this.binding(`${layer}.${part}`),
      areHalves: (part) => this.areHalves(`${layer}.${part}`),
    };
  }

  /** Whether a tensor is stored in halves. @throws as `binding` */
  areHalves(name: string): boolean {
    return this.#slice(name).halves;
  }

  #slice(name: string): WeightSlice {
    const slice = this.#slices.get(name);
    if (slice === undefined) {
      throw new WeightsError(`'${this.#buffer.label}' has no '${name}'; it has ${list(this.#slices.keys())}.`);
    }
    return slice;
  }

  /** Frees the buffer. Plans that bind it must not run any more. */
  destroy(): void {
    this.#gpu.destroyBuffer(this.#buffer);
  }
}
