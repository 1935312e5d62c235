/**
 * Whether a device computes with weights in 16 bits: drivers have been seen that give zeros for them and report
 * nothing.
 */
import type { Gpu } from './device.js';
import { packBiasSlope } from './kernels/common.js';
import {
  type FullyConnectedSpec,
  fullyConnectedOutputShape,
  packFullyConnectedWeights,
  recordFullyConnected,
} from './kernels/fullyConnected.js';
import { packHalves } from './kernels/halves.js';
import { PlanBuilder } from './plan.js';
import { createTensor } from './tensor.js';

/** All weights of an output are one of these halves, the last a subnormal one. Sums of so few are exact. */
const WEIGHTS = [1, 341 / 1024, -0.5, 5 * 2 ** -24] as const;
const FEATURES = 256;
const LAYER: FullyConnectedSpec = {
  input: { height: 1, width: 1, channels: FEATURES },
  outFeatures: WEIGHTS.length,
  activation: 'relu',
};

/**
 * Runs a small fully connected layer on ones, by the kernel that networks use and the function that all kernels widen
 * by, and compares its results.
 */
export async function halvesWork(gpu: Gpu): Promise<boolean> {
  const input = createTensor(gpu, 'halves.input', LAYER.input);
  const output = createTensor(gpu, 'halves.output', fullyConnectedOutputShape(LAYER));
  const values = WEIGHTS.flatMap((weight) => new Array<number>(FEATURES).fill(weight));
  const packed = packFullyConnectedWeights(LAYER, new Float32Array(values));
  const weights = gpu.uploadBuffer('halves.weights', packHalves(packed) ?? packed);
  const bias = gpu.uploadBuffer('halves.bias', packBiasSlope(new Float32Array(4), undefined, WEIGHTS.length));
  gpu.device.queue.writeBuffer(input.buffer, 0, new Float32Array(FEATURES).fill(1));
  const builder = new PlanBuilder(gpu, 'halves');
  const args = { input, output, weights: { buffer: weights }, biasSlope: { buffer: bias }, halves: true };
  recordFullyConnected(builder, { label: 'halves', stage: 'halves' }, LAYER, args);
  const plan = await builder.build();
  const results = await plan.debug([{ after: 'halves', buffer: output.buffer }]);
  plan.destroy();
  for (const buffer of [input.buffer, output.buffer, weights, bias]) gpu.destroyBuffer(buffer);
  const sums = new Float32Array(results.get('halves') ?? []);
  return WEIGHTS.every((weight, i) => sums[i] === Math.max(0, weight * FEATURES));
}
