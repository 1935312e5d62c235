/** Whether a device computes with weights in 16 bits: drivers have been seen that give zeros for them and report nothing. */
import type { Gpu } from './device.js';
import { type Conv2dSpec, packConv2dBiasSlope, packConv2dWeights, planConv2d, recordConv2d } from './kernels/conv2d.js';
import {
  type FullyConnectedSpec,
  fullyConnectedOutputShape,
  packFullyConnectedWeights,
  recordFullyConnected,
} from './kernels/fullyConnected.js';
import { packHalves } from './kernels/halves.js';
import { PlanBuilder } from './plan.js';
import { readBuffer } from './readback.js';
import { createTensor, type FeatureShape, type Tensor, tensorBytes } from './tensor.js';

/** All weights of an output channel are one of these halves, the last a subnormal one. Sums of so few are exact. */
const WEIGHTS = [1, 341 / 1024, -0.5, 5 * 2 ** -24] as const;
const CHANNELS = 16;
const INPUT: FeatureShape = { height: 10, width: 10, channels: CHANNELS };

const CONV: Conv2dSpec = {
  input: INPUT,
  kernel: [3, 3],
  stride: [1, 1],
  padding: [0, 0, 0, 0],
  inChannels: CHANNELS,
  outChannels: CHANNELS,
  activation: 'relu',
  pool: true,
};
const DENSE: FullyConnectedSpec = { input: INPUT, outFeatures: CHANNELS, activation: 'relu' };

/** Runs a small convolution and a small fully connected layer on ones, by the kernels that networks use, and compares every result. */
export async function halvesWork(gpu: Gpu): Promise<boolean> {
  const buffers: GPUBuffer[] = [];
  const upload = (name: string, data: ArrayBufferView): GPUBufferBinding => {
    const buffer = gpu.uploadBuffer(`halves.${name}`, data);
    buffers.push(buffer);
    return { buffer };
  };
  const tensor = (name: string, shape: FeatureShape): Tensor => {
    const made = createTensor(gpu, `halves.${name}`, shape);
    buffers.push(made.buffer);
    return made;
  };
  const weightsOf = (count: number) =>
    Float32Array.from({ length: CHANNELS * count }, (_, i) => weightOf(Math.floor(i / count)));
  const convTerms = 9 * CHANNELS;
  const denseTerms = INPUT.height * INPUT.width * CHANNELS;
  const input = tensor('input', INPUT);
  const conv = tensor('conv', planConv2d(CONV).output);
  const dense = tensor('dense', fullyConnectedOutputShape(DENSE));
  gpu.device.queue.writeBuffer(input.buffer, 0, new Float32Array(tensorBytes(INPUT) / 4).fill(1));
  const zeros = new Float32Array(CHANNELS);
  const common = { input, biasSlope: upload('bias', packConv2dBiasSlope(CONV, zeros)), halves: true };
  const halvesOf = (weights: Float32Array) => packHalves(weights) ?? weights;
  const builder = new PlanBuilder(gpu, 'halves');
  recordConv2d(builder, { label: 'conv', stage: 'conv' }, CONV, {
    ...common,
    output: conv,
    weights: upload('conv.weights', halvesOf(packConv2dWeights(CONV, weightsOf(convTerms)))),
  });
  recordFullyConnected(builder, { label: 'dense', stage: 'dense' }, DENSE, {
    ...common,
    output: dense,
    weights: upload('dense.weights', halvesOf(packFullyConnectedWeights(DENSE, weightsOf(denseTerms)))),
  });
  const plan = await builder.build();
  try {
    const encoder = gpu.device.createCommandEncoder({ label: 'halves' });
    const pass = encoder.beginComputePass({ label: 'halves' });
    plan.encode(pass);
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
    const results = await Promise.all([conv, dense].map(({ buffer }) => readBuffer(gpu, buffer)));
    return results.every((bytes, layer) => {
      const terms = layer === 0 ? convTerms : denseTerms;
      return new Float32Array(bytes).every((value, i) => value === Math.max(0, terms * weightOf(i % CHANNELS)));
    });
  } finally {
    plan.destroy();
    for (const buffer of buffers) gpu.destroyBuffer(buffer);
  }
}

function weightOf(output: number): number {
  return WEIGHTS[output % WEIGHTS.length] ?? 0;
}
