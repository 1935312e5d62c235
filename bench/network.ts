/** Net^0 on one input: what all strategies of the group `network` compute, and our own. */
import type { NetworkDescription } from '../src/cascade/weights.js';
import type { Gpu } from '../src/engine/device.js';
import {
  type DType,
  NetworkWeights,
  NetworkWorkspace,
  type PackedWeights,
  packNetworkWeights,
  recordNetwork,
} from '../src/engine/network.js';
import { type Plan, PlanBuilder } from '../src/engine/plan.js';
import { StagingRing } from '../src/engine/readback.js';
import { parseSafetensors, requireTensor, type SafeTensors } from '../src/engine/safetensors.js';
import { createTensor, type Tensor, tensorBytes, unpackTensor } from '../src/engine/tensor.js';
import { type Check, maxAbsDifference, type Strategy } from './strategies.js';

/** Inputs and expected output of Net^0, from tests/fixtures/network.safetensors. */
export interface NetworkCase {
  readonly network: NetworkDescription;
  /** Iteration 0's weights. */
  readonly weights: SafeTensors;
  /** [S,S,8]. */
  readonly stem: Float32Array<ArrayBuffer>;
  /** [rows, columns, channels]. */
  readonly paf: Float32Array<ArrayBuffer>;
  /** [count]. */
  readonly update: Float32Array<ArrayBuffer>;
}

export function readNetworkCase(file: ArrayBuffer, network: NetworkDescription, weights: SafeTensors): NetworkCase {
  const { cropSize, pac, parameters } = network;
  const fixture = parseSafetensors(file);
  const floats = (name: string, shape: readonly number[]) => requireTensor(fixture, name, 'F32', shape).data.slice();
  return {
    network,
    weights,
    stem: floats('stem', [1, cropSize, cropSize, 8]),
    paf: floats('paf', [1, pac.rows, pac.columns, pac.outChannels]),
    update: floats('update', [1, parameters.count]),
  };
}

/** [H,W,C] to [C,H,W]. */
export function toChannelsFirst(values: Float32Array, channels: number): Float32Array<ArrayBuffer> {
  const pixels = values.length / channels;
  return Float32Array.from(
    { length: values.length },
    (_, i) => values[(i % pixels) * channels + Math.floor(i / pixels)] ?? 0,
  );
}

/**
 * A result is right where no value is further off than this fraction of the largest value: f32 sums in any order stay
 * far below it.
 */
const TOLERANCE = 1e-3;

export function checkUpdate(actual: ArrayLike<number>, { update }: NetworkCase): Check {
  const largest = update.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const maxAbsError = maxAbsDifference(actual, update);
  return { maxAbsError, ok: maxAbsError <= TOLERANCE * largest };
}

/** Net^0 on our engine, on buffers of its own. */
export class NetworkRun {
  readonly plan: Plan;
  readonly weights: PackedWeights;
  readonly #gpu: Gpu;
  readonly #case: NetworkCase;
  readonly #stem: Tensor;
  readonly #paf: Tensor;
  readonly #output: Tensor;
  readonly #staging: StagingRing;

  static async create(gpu: Gpu, networkCase: NetworkCase, dtype: DType): Promise<NetworkRun> {
    const { graph } = networkCase.network;
    const tensorOf = (name: 'stem' | 'paf') => {
      const shape = graph.inputs.get(name);
      if (shape === undefined) throw new Error(`the network has no input '${name}'`);
      return createTensor(gpu, name, shape);
    };
    const [stem, paf] = [tensorOf('stem'), tensorOf('paf')];
    const output = createTensor(gpu, 'update', graph.output.shape);
    const weights = packNetworkWeights(graph, networkCase.weights, 'ohwi', dtype);
    const builder = new PlanBuilder(gpu, 'network');
    recordNetwork(builder, {
      graph,
      weights: new NetworkWeights(gpu, 'weights', weights),
      workspace: new NetworkWorkspace(gpu, 'workspace', graph),
      inputs: { stem, paf },
      output,
    });
    return new NetworkRun(gpu, networkCase, await builder.build(), weights, stem, paf, output);
  }

  private constructor(
    gpu: Gpu,
    networkCase: NetworkCase,
    plan: Plan,
    weights: PackedWeights,
    stem: Tensor,
    paf: Tensor,
    output: Tensor,
  ) {
    this.#gpu = gpu;
    this.#case = networkCase;
    this.plan = plan;
    this.weights = weights;
    this.#stem = stem;
    this.#paf = paf;
    this.#output = output;
    this.#staging = new StagingRing(gpu, 'update', tensorBytes(output.shape));
  }

  /** Uploads the inputs, runs the network, reads the update [count] back. */
  async run(): Promise<Float32Array> {
    const { device } = this.#gpu;
    device.queue.writeBuffer(this.#stem.buffer, 0, this.#case.stem);
    device.queue.writeBuffer(this.#paf.buffer, 0, this.#case.paf);
    const encoder = device.createCommandEncoder({ label: 'network' });
    const pass = encoder.beginComputePass({ label: 'network' });
    this.plan.encode(pass);
    pass.end();
    const slot = this.#staging.take();
    slot.copyFrom(encoder, this.#output.buffer, 0, this.#staging.bytes);
    device.queue.submit([encoder.finish()]);
    return unpackTensor(new Float32Array(await slot.read()), this.#output.shape.channels);
  }
}

export const OURS = 'fullpose (WebGPU)';

/** Our strategy. */
export class FullposeNetwork implements Strategy {
  readonly name = OURS;
  readonly group = 'network';
  readonly #gpu: Gpu;
  readonly #case: NetworkCase;
  readonly #dtype: DType;
  #network: NetworkRun | undefined;

  constructor(gpu: Gpu, networkCase: NetworkCase, dtype: DType) {
    this.#gpu = gpu;
    this.#case = networkCase;
    this.#dtype = dtype;
  }

  async prepare(): Promise<void> {
    this.#network = await NetworkRun.create(this.#gpu, this.#case, this.#dtype);
  }

  async check(): Promise<Check> {
    return checkUpdate(await this.#run(), this.#case);
  }

  async run(): Promise<number> {
    const start = performance.now();
    await this.#run();
    return performance.now() - start;
  }

  #run(): Promise<Float32Array> {
    if (this.#network === undefined) throw new Error(`${this.name} was not prepared`);
    return this.#network.run();
  }
}
