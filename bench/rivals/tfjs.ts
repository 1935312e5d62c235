/**
 * TensorFlow.js on Net^0, built layer by layer from network.json and iteration 0's weights, on its WebGPU and its WASM
 * backend.
 */
import type * as TensorFlow from '@tensorflow/tfjs-core';
import { tfjsWasmBase } from '../../pages/routes.js';
import type { NetworkNode } from '../../src/engine/network.js';
import { requireFloats } from '../../src/engine/safetensors.js';
import { checkUpdate, type NetworkCase } from '../network.js';
import type { Check, Strategy } from '../strategies.js';
import { threads } from './onnxruntime.js';

type Backend = 'webgpu' | 'wasm';

const NAMES = { webgpu: 'TensorFlow.js (WebGPU)', wasm: 'TensorFlow.js (WASM)' } as const;

export const TFJS_WEBGPU = NAMES.webgpu;

interface LayerWeights {
  readonly weight: TensorFlow.Tensor;
  readonly bias: TensorFlow.Tensor1D;
}

export class TensorFlowNetwork implements Strategy {
  readonly name: string;
  readonly group = 'network';
  readonly #backend: Backend;
  readonly #case: NetworkCase;
  readonly #weights = new Map<string, LayerWeights>();
  #tf: typeof TensorFlow | undefined;

  constructor(backend: Backend, networkCase: NetworkCase) {
    this.#backend = backend;
    this.name = NAMES[backend];
    this.#case = networkCase;
  }

  async prepare(): Promise<void> {
    const tf = await import('@tensorflow/tfjs-core');
    if (this.#backend === 'webgpu') {
      await import('@tensorflow/tfjs-backend-webgpu');
    } else {
      const { setThreadsCount, setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
      setWasmPaths(new URL(`..${tfjsWasmBase}`, document.baseURI).href);
      setThreadsCount(threads());
    }
    if (!(await tf.setBackend(this.#backend))) throw new Error(`${this.name}: the backend did not start`);
    this.#tf = tf;
    for (const node of this.#case.network.graph.nodes) this.#upload(tf, node);
  }

  async check(): Promise<Check> {
    return checkUpdate(await this.#run(), this.#case);
  }

  async run(): Promise<number> {
    if (this.#tf?.getBackend() !== this.#backend) await this.#tf?.setBackend(this.#backend);
    const start = performance.now();
    await this.#run();
    return performance.now() - start;
  }

  #upload(tf: typeof TensorFlow, node: NetworkNode): void {
    if (node.op !== 'conv2d' && node.op !== 'fullyConnected') return;
    const { weights } = this.#case;
    const { name, spec } = node;
    const channels = 'outChannels' in spec ? spec.outChannels : spec.outFeatures;
    const bias = tf.tensor1d(requireFloats(weights, `${name}.bias`, [channels]));
    if ('outChannels' in spec) {
      const { kernel, inChannels, input } = spec;
      const file = requireFloats(weights, `${name}.weight`, [channels, ...kernel, inChannels]);
      const filter = tf.tidy(() => {
        const inFirst = tf.transpose(tf.tensor4d(file, [channels, kernel[0], kernel[1], inChannels]), [1, 2, 3, 0]);
        // The stem has two channels of zeros more than the file has weights for.
        return tf.pad(inFirst, [
          [0, 0],
          [0, 0],
          [0, input.channels - inChannels],
          [0, 0],
        ]);
      });
      this.#weights.set(name, { weight: filter, bias });
    } else {
      const { height, width, channels: features } = spec.input;
      const file = requireFloats(weights, `${name}.weight`, [channels, height * width * features]);
      const weight = tf.tidy(() => tf.transpose(tf.tensor2d(file, [channels, height * width * features])));
      this.#weights.set(name, { weight, bias });
    }
  }

  async #run(): Promise<Float32Array> {
    const tf = this.#tf;
    if (tf === undefined) throw new Error(`${this.name} was not prepared`);
    const { network, stem, paf } = this.#case;
    const { graph } = network;
    const output = tf.tidy(() => {
      const results = new Map<string, TensorFlow.Tensor>([
        ['stem', tf.tensor(stem, [1, network.cropSize, network.cropSize, 8])],
        ['paf', tf.tensor(paf, [1, network.pac.rows, network.pac.columns, network.pac.outChannels])],
      ]);
      for (const node of graph.nodes) results.set(node.output, this.#layer(tf, node, results));
      const last = results.get(graph.output.name);
      if (last === undefined) throw new Error('the network has no output');
      return last;
    });
    try {
      return Float32Array.from(await output.data());
    } finally {
      output.dispose();
    }
  }

  #layer(tf: typeof TensorFlow, node: NetworkNode, results: ReadonlyMap<string, TensorFlow.Tensor>): TensorFlow.Tensor {
    const inputs = node.inputs.map((name) => results.get(name)).filter((tensor) => tensor !== undefined);
    const [input] = inputs;
    if (input === undefined) throw new Error(`layer '${node.name}' has no input`);
    if (node.op === 'concat') return tf.concat(inputs, -1);
    if (node.op === 'pool') return pool(tf, input, node.spec);
    const layer = this.#weights.get(node.name);
    if (layer === undefined) throw new Error(`layer '${node.name}' (${node.op}) has no weights`);
    if (node.op === 'fullyConnected') {
      const { activation } = node.spec;
      const { weight, bias } = layer;
      const flat = tf.reshape(input, [1, -1]);
      return tf.fused.matMul({ a: flat, b: weight, bias, activation: activationOf(activation) });
    }
    if (node.op !== 'conv2d') throw new Error(`layer '${node.name}' is a ${node.op}, which this rival has no form of`);
    const { stride, padding, activation, pool: pooled } = node.spec;
    const [top, left, bottom, right] = padding;
    const features = tf.fused.conv2d({
      x: as4d(input),
      filter: as4d(layer.weight),
      strides: [stride[0], stride[1]],
      pad: [
        [0, 0],
        [top, bottom],
        [left, right],
        [0, 0],
      ],
      bias: layer.bias,
      activation: activationOf(activation),
    });
    return pooled ? tf.maxPool(features, 2, 2, 'valid') : features;
  }
}

function activationOf(activation: string): 'linear' | 'relu' {
  if (activation === 'none') return 'linear';
  if (activation === 'relu') return 'relu';
  throw new Error(`activation '${activation}', which this rival has no form of`);
}

function as4d(tensor: TensorFlow.Tensor): TensorFlow.Tensor4D {
  if (!isRank4(tensor)) throw new Error(`a tensor of rank ${tensor.rank}; wanted 4`);
  return tensor;
}

function isRank4(tensor: TensorFlow.Tensor): tensor is TensorFlow.Tensor4D {
  return tensor.rank === 4;
}

function pool(
  tf: typeof TensorFlow,
  input: TensorFlow.Tensor,
  spec: Extract<NetworkNode, { op: 'pool' }>['spec'],
): TensorFlow.Tensor {
  const { mode, kernel, stride, padding } = spec;
  if (mode !== 'max' || padding.some((size) => size > 0))
    throw new Error(`a padded ${mode} pool, which this rival has no form of`);
  return tf.maxPool(as4d(input), [kernel[0], kernel[1]], [stride[0], stride[1]], 'valid');
}
