/** The network's heaviest 3x3 convolution: our kernel against the plainest one. */
import type { NetworkDescription } from '../src/cascade/weights.js';
import type { Gpu } from '../src/engine/device.js';
import {
  type Conv2dSpec,
  conv2dMacs,
  packConv2dBiasSlope,
  packConv2dWeights,
  planConv2d,
  recordConv2d,
} from '../src/engine/kernels/conv2d.js';
import { packHalves } from '../src/engine/kernels/halves.js';
import type { DType } from '../src/engine/network.js';
import { type Plan, PlanBuilder } from '../src/engine/plan.js';
import { readBuffer } from '../src/engine/readback.js';
import { requireFloats, type SafeTensors } from '../src/engine/safetensors.js';
import { createTensor, packTensor, unpackTensor } from '../src/engine/tensor.js';
import { UniformStruct } from '../src/engine/uniform.js';
import shader from './naiveConv2d.wgsl?raw';
import { sampleOne } from './raster.js';
import { seededIndex } from './statistics.js';
import { type Check, maxAbsDifference, type Strategy } from './strategies.js';
import { GpuTimer, timedPass } from './timing.js';

export interface ConvolutionCase {
  readonly layer: string;
  readonly spec: Conv2dSpec;
  readonly weights: Float32Array;
  readonly bias: Float32Array;
  /** [H,W,I] in [0, 1). */
  readonly input: Float32Array<ArrayBuffer>;
  /** [H,W,O], summed in float64. */
  readonly output: Float32Array;
}

/** The layer with the most multiplications among those of stride 1 that keep the size, without its pool. */
export function heaviestConvolution(network: NetworkDescription, weights: SafeTensors): ConvolutionCase {
  const candidates = network.graph.nodes.flatMap((node) => {
    if (node.op !== 'conv2d' || node.spec.activation !== 'relu') return [];
    const { kernel, stride, padding } = node.spec;
    const keepsSize = stride.every((step) => step === 1) && padding.every((size) => size === (kernel[0] - 1) / 2);
    return keepsSize && kernel[0] === kernel[1] ? [{ layer: node.name, spec: { ...node.spec, pool: false } }] : [];
  });
  const [heaviest] = candidates.sort((a, b) => conv2dMacs(b.spec) - conv2dMacs(a.spec));
  if (heaviest === undefined) throw new Error('the network has no convolution of stride 1');
  const { layer, spec } = heaviest;
  const { outChannels, kernel, inChannels, input } = spec;
  const index = seededIndex(1);
  const values = Float32Array.from(
    { length: input.height * input.width * inChannels },
    () => index(1 << 20) / (1 << 20),
  );
  const part = {
    layer,
    spec,
    weights: requireFloats(weights, `${layer}.weight`, [outChannels, ...kernel, inChannels]),
    bias: requireFloats(weights, `${layer}.bias`, [outChannels]),
    input: values,
  };
  return { ...part, output: convolve(part) };
}

function convolve({ spec, weights, bias, input }: Omit<ConvolutionCase, 'layer' | 'output'>): Float32Array {
  const { input: shape, inChannels, outChannels, kernel } = spec;
  const { height, width } = shape;
  const [side] = kernel;
  const reach = (side - 1) / 2;
  const output = new Float32Array(height * width * outChannels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let o = 0; o < outChannels; o++) {
        let sum = bias[o] ?? 0;
        for (let v = Math.max(0, reach - y); v < Math.min(side, height + reach - y); v++) {
          for (let u = Math.max(0, reach - x); u < Math.min(side, width + reach - x); u++) {
            const tap = ((o * side + v) * side + u) * inChannels;
            const pixel = ((y + v - reach) * width + x + u - reach) * inChannels;
            for (let i = 0; i < inChannels; i++) sum += (weights[tap + i] ?? 0) * (input[pixel + i] ?? 0);
          }
        }
        output[(y * width + x) * outChannels + o] = Math.max(0, sum);
      }
    }
  }
  return output;
}

const BINDINGS = { input: 'read', weights: 'read', bias: 'read', output: 'read-write' } as const;

const PARAMS = new UniformStruct({
  height: 'i32',
  width: 'i32',
  input_channels: 'i32',
  output_channels: 'i32',
  kernel: 'i32',
});

interface Prepared {
  /** How the kernel's weights are held. */
  readonly dtype: DType;
  readonly timer: GpuTimer;
  read(): Promise<Float32Array>;
}

async function prepare(gpu: Gpu, dtype: DType, plan: Plan, read: () => Promise<Float32Array>): Promise<Prepared> {
  const timer = await GpuTimer.create(gpu, [timedPass('convolution', (pass) => plan.encode(pass))]);
  return { dtype, timer, read };
}

async function prepareOurs(gpu: Gpu, { spec, weights, bias, input }: ConvolutionCase, dtype: DType): Promise<Prepared> {
  const source = createTensor(gpu, 'convolution.input', spec.input);
  const output = createTensor(gpu, 'convolution.output', { ...spec.input, channels: spec.outChannels });
  gpu.device.queue.writeBuffer(source.buffer, 0, packTensor(input, spec.input));
  const packed = packConv2dWeights(spec, weights);
  // As packNetworkWeights decides it.
  const halves = dtype === 'f16' && planConv2d(spec).variant !== 'general' ? packHalves(packed) : undefined;
  const builder = new PlanBuilder(gpu, 'convolution');
  recordConv2d(builder, { label: 'convolution', stage: 'convolution' }, spec, {
    input: source,
    output,
    weights: { buffer: gpu.uploadBuffer('convolution.weights', halves ?? packed) },
    biasSlope: { buffer: gpu.uploadBuffer('convolution.bias', packConv2dBiasSlope(spec, bias)) },
    halves: halves !== undefined,
  });
  return prepare(gpu, halves === undefined ? 'f32' : 'f16', await builder.build(), async () =>
    unpackTensor(new Float32Array(await readBuffer(gpu, output.buffer)), spec.outChannels),
  );
}

async function prepareNaive(gpu: Gpu, { spec, weights, bias, input }: ConvolutionCase): Promise<Prepared> {
  const { height, width } = spec.input;
  const count = height * width * spec.outChannels;
  const output = gpu.createBuffer('naive.output', count * 4, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
  const plan = await new PlanBuilder(gpu, 'naive')
    .add({
      label: 'naive',
      stage: 'naive',
      kernel: { name: 'naiveConv2d', code: shader, bindings: BINDINGS },
      bindings: {
        input: { buffer: gpu.uploadBuffer('naive', input) },
        weights: { buffer: gpu.uploadBuffer('naive', weights) },
        bias: { buffer: gpu.uploadBuffer('naive', bias) },
        output: { buffer: output },
      },
      params: PARAMS.pack({
        height,
        width,
        input_channels: spec.inChannels,
        output_channels: spec.outChannels,
        kernel: spec.kernel[0],
      }),
      workgroups: [Math.ceil(count / 64), 1, 1],
    })
    .build();
  return prepare(gpu, 'f32', plan, async () => new Float32Array(await readBuffer(gpu, output)));
}

/** One of the two kernels on the case. */
export class Convolution implements Strategy {
  readonly name: string;
  readonly group = 'convolution';
  readonly #gpu: Gpu;
  readonly #case: ConvolutionCase;
  readonly #kernel: DType | 'naive';
  #prepared: Prepared | undefined;

  /** @param kernel how ours holds its weights, or the plain one, which holds floats */
  constructor(gpu: Gpu, convolutionCase: ConvolutionCase, kernel: DType | 'naive') {
    this.#gpu = gpu;
    this.#case = convolutionCase;
    this.#kernel = kernel;
    this.name = kernel === 'naive' ? 'naive convolution' : 'tiled convolution (ours)';
  }

  async prepare(): Promise<void> {
    const kernel = this.#kernel;
    this.#prepared = await (kernel === 'naive'
      ? prepareNaive(this.#gpu, this.#case)
      : prepareOurs(this.#gpu, this.#case, kernel));
  }

  async check(): Promise<Check> {
    await this.run();
    const actual = (await this.#prepared?.read()) ?? [];
    const held = this.#prepared?.dtype ?? 'f32';
    const { output, layer, spec } = this.#case;
    const largest = output.reduce((most, value) => Math.max(most, value), 0);
    const maxAbsError = maxAbsDifference(actual, output);
    return {
      maxAbsError,
      ok: maxAbsError <= 1e-4 * largest,
      note: `${layer}: ${(conv2dMacs(spec) / 1e6).toFixed(1)} M multiply-adds, weights in ${held}, against float64`,
    };
  }

  run(): Promise<number> {
    return sampleOne(this.#prepared?.timer, this.name);
  }
}
