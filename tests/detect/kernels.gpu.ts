/** The detector's own convolutions against float64. */

import { fitsDepthwiseStrips, recordDepthwiseStrips } from '../../src/detect/kernels/depthwiseStrips.js';
import { fitsPointwise, recordPointwise } from '../../src/detect/kernels/pointwise.js';
import { fitsStem, recordStem } from '../../src/detect/kernels/stem.js';
import type { Gpu } from '../../src/engine/device.js';
import { type Activation, packBiasSlope } from '../../src/engine/kernels/common.js';
import {
  type Conv2dSpec,
  packConv2dBiasSlope,
  packConv2dWeights,
  planConv2d,
} from '../../src/engine/kernels/conv2d.js';
import { depthwiseConv2dOutputShape, packDepthwiseConv2dWeights } from '../../src/engine/kernels/depthwiseConv2d.js';
import type { LayerWeights } from '../../src/engine/network/layer.js';
import { expectThat, randomFloats } from '../browser/numbers.js';
import { gpuSuite } from '../browser/suite.js';
import { expectTensor, poisonedTensor, randomBatch, runSteps, uploadBinding, uploadTensor } from '../engine/tensors.js';
import * as reference from '../reference/layers.js';

const names = { label: 'step', stage: 'stage' } as const;

type Size = readonly [height: number, width: number, channels: number];

function shapeOf([height, width, channels]: Size) {
  return { height, width, channels };
}

function layerWeights(gpu: Gpu, weight: Float32Array, bias: Float32Array): LayerWeights {
  const bindings = { weight: uploadBinding(gpu, 'weights', weight), bias: uploadBinding(gpu, 'bias', bias) };
  return { binding: (part) => bindings[part === 'weight' ? part : 'bias'], areHalves: () => false };
}

/** Rounding of a dot product in f32: a few ulps of the sum of |terms|, all at most 1 here. */
function dotTolerance(terms: number): { readonly atol: number; readonly rtol: number } {
  return { atol: 1e-6 * Math.sqrt(terms), rtol: 2e-6 };
}

async function checkConv2d(gpu: Gpu, seed: number, spec: Conv2dSpec, batch: number, record: typeof recordStem) {
  const { kernel, inChannels, outChannels } = spec;
  const terms = kernel[0] * kernel[1] * inChannels;
  const values = randomBatch(seed, batch, spec.input);
  const weights = randomFloats(seed + 100, outChannels * terms);
  const bias = randomFloats(seed + 200, outChannels);
  const output = poisonedTensor(gpu, 'output', planConv2d(spec).output, batch);
  const tensors = {
    inputs: [uploadTensor(gpu, 'input', values)] as const,
    output,
    weights: layerWeights(gpu, packConv2dWeights(spec, weights), packConv2dBiasSlope(spec, bias)),
  };
  await runSteps(gpu, (builder) => record(builder, names, spec, tensors), batch);
  await expectTensor(gpu, output, reference.conv2d(values, spec, { ...spec, weights, bias }), dotTolerance(terms));
}

export const pointwise = gpuSuite('pointwise', (test) => {
  // Runs and tiles are 64 pixels.
  const sizes: readonly (readonly [input: Size, out: number, batch: number])[] = [
    [[1, 1, 16], 16, 1],
    [[5, 13, 16], 16, 3],
    [[9, 15, 16], 64, 2],
    [[3, 43, 64], 16, 2],
    [[5, 13, 64], 64, 3],
    [[8, 16, 64], 64, 1],
  ];
  const cases = sizes.flatMap((size) => (['quads', 'tiles'] as const).map((variant) => [...size, variant] as const));
  for (const [seed, [input, out, batch, variant]] of cases.entries()) {
    test(`${input.join('x')} to ${out}, batch ${batch}, ${variant}`, async ({ gpu }) => {
      const window = { kernel: [1, 1], stride: [1, 1], padding: [0, 0, 0, 0] } as const;
      const channels = { inChannels: input[2], outChannels: out };
      const spec = { ...window, ...channels, input: shapeOf(input), activation: 'none', pool: false } as const;
      expectThat(fitsPointwise(spec), 'does not fit');
      const record: typeof recordStem = (...args) => recordPointwise(...args, variant);
      await checkConv2d(gpu, seed, spec, batch, record);
    });
  }
});

export const stem = gpuSuite('stem', (test) => {
  const cases: readonly (readonly [input: Size, out: number, batch: number])[] = [
    [[1, 1, 3], 16, 1],
    [[7, 9, 3], 16, 3],
    [[8, 5, 3], 48, 2],
    [[2, 12, 3], 32, 1],
  ];
  for (const [seed, [input, out, batch]] of cases.entries()) {
    test(`${input.join('x')} to ${out}, batch ${batch}`, async ({ gpu }) => {
      const window = { kernel: [3, 3], stride: [2, 2], padding: [1, 1, 1, 1] } as const;
      const channels = { inChannels: 3, outChannels: out };
      const spec = { ...window, ...channels, input: shapeOf(input), activation: 'relu', pool: false } as const;
      expectThat(fitsStem(spec), 'does not fit');
      await checkConv2d(gpu, seed, spec, batch, recordStem);
    });
  }
});

export const depthwiseStrips = gpuSuite('depthwiseStrips', (test) => {
  const cases: readonly (readonly [input: Size, activation: Activation, pool: boolean, batch: number])[] = [
    [[2, 4, 1], 'none', false, 1],
    [[2, 4, 6], 'relu', true, 2],
    [[6, 8, 13], 'relu', false, 3],
    [[4, 12, 70], 'none', true, 2],
    [[10, 20, 16], 'relu', true, 1],
    [[12, 4, 5], 'none', false, 2],
  ];
  for (const [seed, [input, activation, pool, batch]] of cases.entries()) {
    test(`${input.join('x')}, ${activation}${pool ? ', pool' : ''}, batch ${batch}`, async ({ gpu }) => {
      const window = { kernel: [3, 3], stride: [1, 1], padding: [1, 1, 1, 1] } as const;
      const spec = { ...window, input: shapeOf(input), activation, pool };
      expectThat(fitsDepthwiseStrips(spec), 'does not fit');
      const values = randomBatch(seed, batch, spec.input);
      const weights = randomFloats(seed + 100, 9 * input[2]);
      const bias = randomFloats(seed + 200, input[2]);
      const output = poisonedTensor(gpu, 'output', depthwiseConv2dOutputShape(spec), batch);
      const tensors = {
        inputs: [uploadTensor(gpu, 'input', values)] as const,
        output,
        weights: layerWeights(gpu, packDepthwiseConv2dWeights(spec, weights), packBiasSlope(bias, undefined, input[2])),
      };
      await runSteps(gpu, (builder) => recordDepthwiseStrips(builder, names, spec, tensors), batch);
      let expected = reference.depthwiseConv2d(values, window, { weights, bias, activation });
      if (pool) {
        expected = reference.pool(expected, { kernel: [2, 2], stride: [2, 2], padding: [0, 0, 0, 0] }, 'max');
      }
      await expectTensor(gpu, output, expected, dotTolerance(9));
    });
  }
});
