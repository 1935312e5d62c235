/** Where a network's intermediate results live. */

import { type ArenaStep, planArena } from '../arena.js';
import type { Gpu } from '../device.js';
import { ShapeError } from '../errors.js';
import { list } from '../show.js';
import { type Tensor, tensorBytes } from '../tensor.js';
import type { NetworkGraph } from './graph.js';
import type { LayerNode } from './layer.js';

/**
 * Memory of a network's intermediate results for a batch. Networks of one graph that run one after the other share it.
 */
export class NetworkWorkspace {
  /** Items there is room for. */
  readonly batch: number;
  readonly #gpu: Gpu;
  readonly #banks: readonly GPUBuffer[];
  readonly #tensors = new Map<string, Tensor>();

  constructor(gpu: Gpu, label: string, graph: NetworkGraph<LayerNode>, batch = 1) {
    this.#gpu = gpu;
    this.batch = batch;
    const { sizes, steps } = arenaSteps(graph, batch);
    const arena = planArena(sizes, steps);
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    this.#banks = arena.banks.map((bytes, bank) => gpu.createBuffer(`${label}.bank${bank}`, bytes, usage));
    for (const { output, shape } of graph.nodes) {
      const placement = arena.placements.get(output);
      const buffer = placement === undefined ? undefined : this.#banks[placement.bank];
      if (placement === undefined || buffer === undefined) continue;
      this.#tensors.set(output, { label: output, buffer, offset: placement.offset, shape, batch });
    }
  }

  /** Bytes on the GPU. */
  get bytes(): number {
    return this.#banks.reduce((sum, { size }) => sum + size, 0);
  }

  /**
   * The result of a layer; it holds that layer's values only until its memory is used again.
   * @throws ShapeError for a layer that is fused into another, is an output of the network, or does not exist.
   */
  tensor(name: string): Tensor {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) {
      throw new ShapeError(`The workspace has no '${name}'; it has ${list(this.#tensors.keys())}.`);
    }
    return tensor;
  }

  /** Frees the memory. Plans that bind it must not run any more. */
  destroy(): void {
    for (const bank of this.#banks) this.#gpu.destroyBuffer(bank);
  }
}

/** What the arena has to place: every result but the outputs, which belong to the caller. */
function arenaSteps(graph: NetworkGraph<LayerNode>, batch: number): { sizes: Map<string, number>; steps: ArenaStep[] } {
  const sizes = new Map<string, number>();
  for (const { output, shape } of graph.nodes) {
    if (!graph.outputs.has(output)) sizes.set(output, tensorBytes(shape, batch));
  }
  const inArena = (name: string): boolean => sizes.has(name);
  const steps = graph.nodes.map(({ inputs, output }) => ({
    reads: inputs.filter(inArena),
    writes: [output].filter(inArena),
  }));
  return { sizes, steps };
}
