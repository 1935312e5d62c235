import type { Gpu } from '../../src/engine/device.js';
import { recordActivation } from '../../src/engine/kernels/activation.js';
import { recordAdd } from '../../src/engine/kernels/add.js';
import { ACTIVATIONS, type Activation, packBiasSlope, type Window } from '../../src/engine/kernels/common.js';
import { concatOutputShape, recordConcat } from '../../src/engine/kernels/concat.js';
import {
  type Conv2dVariant,
  packConv2dBiasSlope,
  packConv2dWeights,
  planConv2d,
  recordConv2d,
} from '../../src/engine/kernels/conv2d.js';
import { fitsSplit, fitsWindows } from '../../src/engine/kernels/conv2dWindows.js';
import {
  depthwiseConv2dOutputShape,
  packDepthwiseConv2dWeights,
  recordDepthwiseConv2d,
} from '../../src/engine/kernels/depthwiseConv2d.js';
import { recordFill } from '../../src/engine/kernels/fill.js';
import {
  fullyConnectedOutputShape,
  packFullyConnectedWeights,
  recordFullyConnected,
} from '../../src/engine/kernels/fullyConnected.js';
import { packHalves } from '../../src/engine/kernels/halves.js';
import { poolOutputShape, recordPool } from '../../src/engine/kernels/pool.js';
import { recordResizeNearest, resizeNearestOutputShape } from '../../src/engine/kernels/resizeNearest.js';
import { readBuffer } from '../../src/engine/readback.js';
import { blocksOf, type FeatureShape } from '../../src/engine/tensor.js';
import { expectEqual, expectThat, POISON, poison, randomFloats } from '../browser/numbers.js';
import { gpuSuite } from '../browser/suite.js';
import * as reference from '../reference/layers.js';
import { expectTensor, poisonedTensor, randomBatch, runSteps, uploadBinding, uploadTensor } from './tensors.js';

const names = { label: 'step', stage: 'stage' } as const;

interface Conv2dCase {
  readonly input: readonly [height: number, width: number, channels: number];
  readonly out: number;
  readonly kernel: readonly [number, number];
  readonly stride?: readonly [number, number];
  readonly padding?: Window['padding'];
  readonly activation?: Activation;
  readonly pool?: boolean;
  readonly batch?: number;
  /** Channels of the weights, where fewer than the input's. */
  readonly inChannels?: number;
}

const conv2dCases: readonly Conv2dCase[] = [
  { input: [1, 1, 1], out: 1, kernel: [1, 1] },
  { input: [7, 5, 13], out: 6, kernel: [1, 1], activation: 'relu', batch: 3 },
  { input: [7, 5, 13], out: 13, kernel: [3, 3], padding: [1, 1, 1, 1], activation: 'prelu', batch: 3 },
  { input: [5, 9, 4], out: 8, kernel: [3, 3] },
  { input: [9, 6, 3], out: 5, kernel: [2, 3], stride: [1, 2], padding: [1, 0, 0, 2], activation: 'sigmoid' },
  {
    input: [11, 13, 8],
    inChannels: 6,
    out: 10,
    kernel: [5, 5],
    stride: [2, 2],
    padding: [2, 2, 2, 2],
    activation: 'relu',
  },
  { input: [8, 10, 5], out: 20, kernel: [7, 7], stride: [3, 2], padding: [3, 3, 3, 3], batch: 2 },
  { input: [4, 4, 2], out: 3, kernel: [3, 3], padding: [5, 5, 5, 5], activation: 'sigmoid' },
  { input: [6, 7, 3], out: 4, kernel: [6, 7], batch: 2 },
  { input: [8, 8, 7], out: 9, kernel: [3, 3], padding: [1, 1, 1, 1], activation: 'relu', pool: true, batch: 2 },
  { input: [7, 11, 4], out: 17, kernel: [3, 3], padding: [1, 1, 1, 1], activation: 'prelu', pool: true },
  {
    input: [13, 9, 6],
    out: 5,
    kernel: [5, 3],
    stride: [2, 1],
    padding: [2, 0, 1, 1],
    activation: 'sigmoid',
    pool: true,
    batch: 3,
  },
  { input: [2, 2, 1], out: 1, kernel: [1, 1], pool: true },
  { input: [5, 9, 18], out: 13, kernel: [3, 3], padding: [1, 1, 1, 1], activation: 'prelu', batch: 2 },
  {
    input: [9, 10, 17],
    out: 70,
    kernel: [5, 5],
    stride: [2, 2],
    padding: [2, 2, 2, 2],
    activation: 'relu',
    pool: true,
  },
  { input: [24, 20, 32], out: 48, kernel: [3, 3], padding: [1, 1, 1, 1], activation: 'relu', pool: true },
  {
    input: [10, 12, 6],
    out: 7,
    kernel: [5, 5],
    stride: [2, 2],
    padding: [1, 2, 2, 1],
    activation: 'prelu',
    pool: true,
  },
  { input: [9, 14, 3], out: 6, kernel: [3, 6], stride: [1, 2], padding: [1, 3, 0, 0], activation: 'sigmoid', batch: 2 },
];

function conv2dName({ input, out, kernel, stride = [1, 1], padding = [0, 0, 0, 0], ...rest }: Conv2dCase): string {
  const options = [rest.activation ?? 'none', rest.pool ? 'pool' : '', rest.batch ? `batch ${rest.batch}` : ''];
  const window = `${kernel.join('x')} stride ${stride.join('x')} padding ${padding.join(',')}`;
  return `${input.join('x')} to ${out}, ${window}, ${options.filter((option) => option !== '').join(', ')}`;
}

/** Floats that are halves, every eighth of them subnormal, which is to say tiny. */
function randomHalves(seed: number, count: number): Float32Array<ArrayBuffer> {
  return randomFloats(seed, count).map((value, index) => Math.round(value * 1024) / (index % 8 === 0 ? 2 ** 24 : 1024));
}

function uploadWeights(gpu: Gpu, packed: Float32Array, halves: boolean): GPUBufferBinding {
  if (!halves) return uploadBinding(gpu, 'weights', packed);
  const stored = packHalves(packed);
  expectThat(stored !== undefined, 'the weights are no halves');
  return { buffer: gpu.uploadBuffer('weights', stored) };
}

/** Rounding of a dot product in f32: a few ulps of the sum of |terms|, all at most 1 here. */
function dotTolerance(terms: number): { readonly atol: number; readonly rtol: number } {
  return { atol: 1e-6 * Math.sqrt(terms), rtol: 2e-6 };
}

export const conv2d = gpuSuite('conv2d', (test) => {
  const cases = conv2dCases.flatMap((testCase, index) => {
    const shape = { stride: [1, 1], padding: [0, 0, 0, 0], inChannels: testCase.input[2], ...testCase } as const;
    const general = { testCase, index, variant: 'general', halves: false } as const;
    if (!fitsWindows(shape)) return [general, { ...general, variant: 'wide' } as const];
    const variants: readonly Conv2dVariant[] = ['windows', 'quads', ...(fitsSplit(shape) ? (['split'] as const) : [])];
    return [
      general,
      ...variants.flatMap((variant) => [false, true].map((halves) => ({ testCase, index, variant, halves }))),
    ];
  });
  for (const { testCase, index, variant, halves } of cases) {
    test(`${conv2dName(testCase)}, ${variant}${halves ? ' of halves' : ''}`, async ({ gpu }) => {
      const { input, out, kernel, stride = [1, 1], padding = [0, 0, 0, 0] } = testCase;
      const { activation = 'none', pool = false, batch = 1, inChannels = input[2] } = testCase;
      const shape: FeatureShape = { height: input[0], width: input[1], channels: input[2] };
      const window = { kernel, stride, padding };
      const spec = { ...window, input: shape, inChannels, outChannels: out, activation, pool, variant };
      const terms = kernel[0] * kernel[1] * inChannels;
      const values = randomBatch(index, batch, shape);
      const weights = (halves ? randomHalves : randomFloats)(index + 100, out * terms);
      const bias = randomFloats(index + 200, out);
      const slope = randomFloats(index + 300, out);

      const source = uploadTensor(gpu, 'input', values);
      const output = poisonedTensor(gpu, 'output', planConv2d(spec).output, batch);
      const args = {
        input: source,
        output,
        weights: uploadWeights(gpu, packConv2dWeights(spec, weights), halves),
        biasSlope: uploadBinding(gpu, 'bias', packConv2dBiasSlope(spec, bias, slope)),
        halves,
      };
      await runSteps(gpu, (builder) => recordConv2d(builder, names, spec, args), batch);

      const layer = { outChannels: out, inChannels, weights, bias, slope, activation };
      let expected = reference.conv2d(values, window, layer);
      if (pool) {
        expected = reference.pool(expected, { kernel: [2, 2], stride: [2, 2], padding: [0, 0, 0, 0] }, 'max');
      }
      await expectTensor(gpu, output, expected, dotTolerance(terms));
    });
  }

  test('writes only the items of the batch that is encoded', async ({ gpu }) => {
    const shape = { height: 5, width: 6, channels: 3 };
    const window = { kernel: [3, 3], stride: [1, 1], padding: [1, 1, 1, 1] } as const;
    const spec = { ...window, input: shape, inChannels: 3, outChannels: 4, activation: 'none', pool: false } as const;
    const values = randomBatch(1, 3, shape);
    const weights = randomFloats(2, 4 * 9 * 3);
    const bias = randomFloats(3, 4);
    const output = poisonedTensor(gpu, 'output', planConv2d(spec).output, 3);
    const args = {
      input: uploadTensor(gpu, 'input', values),
      output,
      weights: uploadBinding(gpu, 'weights', packConv2dWeights(spec, weights)),
      biasSlope: uploadBinding(gpu, 'bias', packConv2dBiasSlope(spec, bias)),
    };
    await runSteps(gpu, (builder) => recordConv2d(builder, names, spec, args), 2);
    const firstTwo = reference.batchOf(2, shape, values.values.slice(0, 2 * 5 * 6 * 3));
    const expected = reference.conv2d(firstTwo, window, { ...spec, weights, bias });
    await expectTensor(gpu, output, expected, dotTolerance(27));
  });
});

interface DepthwiseCase extends Window {
  readonly input: readonly [height: number, width: number, channels: number];
  readonly activation: Activation;
  readonly pool?: boolean;
  readonly batch?: number;
}

const depthwiseCases: readonly DepthwiseCase[] = [
  { input: [1, 1, 1], kernel: [1, 1], stride: [1, 1], padding: [0, 0, 0, 0], activation: 'none' },
  { input: [7, 5, 13], kernel: [3, 3], stride: [1, 1], padding: [1, 1, 1, 1], activation: 'relu', batch: 3 },
  { input: [8, 10, 24], kernel: [3, 3], stride: [2, 2], padding: [0, 0, 1, 1], activation: 'none', batch: 2 },
  { input: [9, 6, 5], kernel: [2, 5], stride: [1, 3], padding: [1, 0, 0, 4], activation: 'sigmoid', batch: 2 },
  { input: [5, 17, 6], kernel: [5, 3], stride: [3, 1], padding: [4, 2, 2, 0], activation: 'prelu' },
  { input: [6, 7, 3], kernel: [6, 7], stride: [1, 1], padding: [0, 0, 0, 0], activation: 'prelu', batch: 2 },
  { input: [4, 4, 2], kernel: [3, 3], stride: [1, 1], padding: [5, 4, 0, 3], activation: 'sigmoid' },
  {
    input: [9, 11, 5],
    kernel: [3, 3],
    stride: [1, 1],
    padding: [0, 0, 0, 0],
    activation: 'prelu',
    pool: true,
    batch: 2,
  },
  { input: [16, 8, 18], kernel: [3, 3], stride: [1, 1], padding: [1, 1, 1, 1], activation: 'relu', pool: true },
  { input: [17, 5, 9], kernel: [3, 3], stride: [1, 1], padding: [1, 0, 1, 2], activation: 'sigmoid', batch: 2 },
  { input: [9, 12, 6], kernel: [3, 2], stride: [2, 1], padding: [1, 0, 2, 1], activation: 'sigmoid', pool: true },
];

export const depthwiseConv2d = gpuSuite('depthwiseConv2d', (test) => {
  for (const [index, { input, activation, pool = false, batch = 1, ...window }] of depthwiseCases.entries()) {
    const { kernel, stride, padding } = window;
    const end = `${activation}${pool ? ', pool' : ''}, batch ${batch}`;
    const title = `${input.join('x')} by ${kernel} stride ${stride} padding ${padding}, ${end}`;
    test(title, async ({ gpu }) => {
      const shape = { height: input[0], width: input[1], channels: input[2] };
      const spec = { ...window, input: shape, activation, pool };
      const values = randomBatch(index, batch, shape);
      const taps = kernel[0] * kernel[1];
      const weights = randomFloats(index + 100, taps * shape.channels);
      const bias = randomFloats(index + 200, shape.channels);
      const slope = randomFloats(index + 300, shape.channels);
      const output = poisonedTensor(gpu, 'output', depthwiseConv2dOutputShape(spec), batch);
      const args = {
        input: uploadTensor(gpu, 'input', values),
        output,
        weights: uploadBinding(gpu, 'weights', packDepthwiseConv2dWeights(spec, weights)),
        biasSlope: uploadBinding(gpu, 'bias', packBiasSlope(bias, slope, shape.channels)),
      };
      await runSteps(gpu, (builder) => recordDepthwiseConv2d(builder, names, spec, args), batch);
      let expected = reference.depthwiseConv2d(values, window, { weights, bias, slope, activation });
      if (pool) {
        expected = reference.pool(expected, { kernel: [2, 2], stride: [2, 2], padding: [0, 0, 0, 0] }, 'max');
      }
      await expectTensor(gpu, output, expected, dotTolerance(taps));
    });
  }
});

interface PoolCase extends Window {
  readonly input: readonly [height: number, width: number, channels: number];
  readonly batch?: number;
}

const poolCases: readonly PoolCase[] = [
  { input: [1, 1, 1], kernel: [1, 1], stride: [1, 1], padding: [0, 0, 0, 0] },
  { input: [7, 5, 13], kernel: [2, 2], stride: [2, 2], padding: [0, 0, 0, 0], batch: 3 },
  { input: [7, 5, 4], kernel: [3, 3], stride: [1, 1], padding: [1, 1, 1, 1] },
  { input: [9, 6, 5], kernel: [3, 2], stride: [2, 1], padding: [0, 1, 2, 0], batch: 2 },
  { input: [8, 8, 6], kernel: [8, 8], stride: [1, 1], padding: [0, 0, 0, 0], batch: 2 },
  { input: [5, 7, 3], kernel: [5, 5], stride: [3, 3], padding: [4, 4, 4, 4] },
];

export const pool = gpuSuite('pool', (test) => {
  for (const mode of ['max', 'average'] as const) {
    for (const [index, { input, batch = 1, ...window }] of poolCases.entries()) {
      const { kernel, stride, padding } = window;
      test(`${mode} of ${input.join('x')} by ${kernel} stride ${stride} padding ${padding}, batch ${batch}`, async ({
        gpu,
      }) => {
        const shape = { height: input[0], width: input[1], channels: input[2] };
        // All negative, so that a maximum that started at 0 would show.
        const random = randomBatch(index, batch, shape);
        const values = { ...random, values: random.values.map((value) => value - 2) };
        const spec = { ...window, mode, input: shape };
        const output = poisonedTensor(gpu, 'output', poolOutputShape(spec), batch);
        const args = { input: uploadTensor(gpu, 'input', values), output };
        await runSteps(gpu, (builder) => recordPool(builder, names, spec, args), batch);
        const expected = reference.pool({ ...values, values: values.values.map(Math.fround) }, window, mode);
        await expectTensor(gpu, output, expected, mode === 'max' ? {} : { rtol: 2e-6 });
      });
    }
  }
});

const resizeCases = [
  { input: [1, 1, 1], scale: [1, 1] },
  { input: [3, 5, 7], scale: [2, 2] },
  { input: [5, 2, 13], scale: [3, 1], batch: 3 },
  { input: [1, 9, 4], scale: [1, 5] },
  { input: [8, 8, 64], scale: [2, 2], batch: 2 },
] as const;

export const resizeNearest = gpuSuite('resizeNearest', (test) => {
  for (const [index, { input, scale, ...rest }] of resizeCases.entries()) {
    const batch = 'batch' in rest ? rest.batch : 1;
    test(`${input.join('x')} by ${scale.join('x')}, batch ${batch}`, async ({ gpu }) => {
      const shape = { height: input[0], width: input[1], channels: input[2] };
      const values = randomBatch(index, batch, shape);
      const spec = { input: shape, scale };
      const output = poisonedTensor(gpu, 'output', resizeNearestOutputShape(spec), batch);
      const args = { input: uploadTensor(gpu, 'input', values), output };
      await runSteps(gpu, (builder) => recordResizeNearest(builder, names, spec, args), batch);
      const rounded = { ...values, values: values.values.map(Math.fround) };
      await expectTensor(gpu, output, reference.resizeNearest(rounded, scale), {});
    });
  }
});

const fullyConnectedCases: readonly (readonly [
  height: number,
  width: number,
  channels: number,
  out: number,
  activation: Activation,
  batch: number,
])[] = [
  [1, 1, 1, 1, 'none', 1],
  [1, 1, 13, 7, 'relu', 3],
  [3, 2, 5, 9, 'prelu', 2],
  [1, 1, 288, 104, 'none', 1],
  [4, 4, 20, 33, 'sigmoid', 2],
];

export const fullyConnected = gpuSuite('fullyConnected', (test) => {
  const cases = fullyConnectedCases.flatMap((layer, index) =>
    [false, true].map((halves) => ({ layer, index, halves })),
  );
  for (const { layer, index, halves } of cases) {
    const [height, width, channels, out, activation, batch] = layer;
    const title = `${height}x${width}x${channels} to ${out}, ${activation}, batch ${batch}${halves ? ', halves' : ''}`;
    test(title, async ({ gpu }) => {
      const shape = { height, width, channels };
      const spec = { input: shape, outFeatures: out, activation };
      const features = height * width * channels;
      const values = randomBatch(index, batch, shape);
      const weights = (halves ? randomHalves : randomFloats)(index + 100, out * features);
      const bias = randomFloats(index + 200, out);
      const slope = randomFloats(index + 300, out);
      const output = poisonedTensor(gpu, 'output', fullyConnectedOutputShape(spec), batch);
      const args = {
        input: uploadTensor(gpu, 'input', values),
        output,
        weights: uploadWeights(gpu, packFullyConnectedWeights(spec, weights), halves),
        biasSlope: uploadBinding(gpu, 'bias', packBiasSlope(bias, slope, out)),
        halves,
      };
      await runSteps(gpu, (builder) => recordFullyConnected(builder, names, spec, args), batch);
      const expected = reference.fullyConnected(values, { outFeatures: out, weights, bias, slope, activation });
      await expectTensor(gpu, output, expected, dotTolerance(features));
    });
  }
});

const elementwiseShapes: readonly (readonly [FeatureShape, batch: number])[] = [
  [{ height: 1, width: 1, channels: 1 }, 1],
  [{ height: 7, width: 5, channels: 13 }, 3],
  [{ height: 4, width: 16, channels: 8 }, 2],
];

export const elementwise = gpuSuite('activation and add', (test) => {
  for (const activation of ACTIVATIONS) {
    for (const [index, [shape, batch]] of elementwiseShapes.entries()) {
      const { height, width, channels } = shape;
      const title = `${activation}, ${height}x${width}x${channels}, batch ${batch}`;
      const slopeValues = randomFloats(index + 300, channels);
      const slopeOf = (gpu: Parameters<typeof uploadBinding>[0]) => {
        const padded = new Float32Array(blocksOf(channels) * 4);
        padded.set(slopeValues);
        return activation === 'prelu' ? { slope: uploadBinding(gpu, 'slope', padded) } : {};
      };
      const spread = (seed: number) => {
        const batchValues = randomBatch(seed, batch, shape);
        return { ...batchValues, values: batchValues.values.map((value) => 20 * value) };
      };

      test(`activation: ${title}`, async ({ gpu }) => {
        const values = spread(index);
        const output = poisonedTensor(gpu, 'output', shape, batch);
        const args = { input: uploadTensor(gpu, 'input', values), output, ...slopeOf(gpu) };
        await runSteps(gpu, (builder) => recordActivation(builder, names, activation, args), batch);
        const expected = reference.applyActivation(values, activation, slopeValues);
        // Small ones of tanh are what is left of numbers near 1.
        const atol = activation === 'tanh' ? 3e-7 : 1e-30;
        await expectTensor(gpu, output, expected, { rtol: 1e-5, atol });
      });

      test(`add: ${title}`, async ({ gpu }) => {
        const left = spread(index);
        const right = spread(index + 50);
        const output = poisonedTensor(gpu, 'output', shape, batch);
        const args = {
          left: uploadTensor(gpu, 'left', left),
          right: uploadTensor(gpu, 'right', right),
          output,
          ...slopeOf(gpu),
        };
        await runSteps(gpu, (builder) => recordAdd(builder, names, activation, args), batch);
        const expected = reference.add(left, right, activation, slopeValues);
        await expectTensor(gpu, output, expected, { rtol: 1e-5, atol: 4e-6 });
      });
    }
  }

  for (const [index, [leftChannels, rightChannels, activation]] of (
    [
      [3, 13, 'relu'],
      [13, 4, 'prelu'],
      [8, 9, 'sigmoid'],
    ] as const
  ).entries()) {
    test(`add: ${leftChannels} and ${rightChannels} channels, ${activation}`, async ({ gpu }) => {
      const [size, batch] = [{ height: 5, width: 7 }, 2];
      const left = randomBatch(index, batch, { ...size, channels: leftChannels });
      const right = randomBatch(index + 50, batch, { ...size, channels: rightChannels });
      const channels = Math.max(leftChannels, rightChannels);
      const slope = randomFloats(index + 300, channels);
      const padded = new Float32Array(blocksOf(channels) * 4);
      padded.set(slope);
      const output = poisonedTensor(gpu, 'output', { ...size, channels }, batch);
      const args = {
        left: uploadTensor(gpu, 'left', left),
        right: uploadTensor(gpu, 'right', right),
        output,
        ...(activation === 'prelu' ? { slope: uploadBinding(gpu, 'slope', padded) } : {}),
      };
      await runSteps(gpu, (builder) => recordAdd(builder, names, activation, args), batch);
      await expectTensor(gpu, output, reference.add(left, right, activation, slope), { rtol: 1e-5, atol: 4e-6 });
    });
  }

  test('sigmoid of very large and very small values is 1 and 0', async ({ gpu }) => {
    const shape = { height: 1, width: 1, channels: 4 };
    const values = reference.batchOf(1, shape, [1e4, -1e4, 3e38, -3e38]);
    const output = poisonedTensor(gpu, 'output', shape, 1);
    const args = { input: uploadTensor(gpu, 'input', values), output };
    await runSteps(gpu, (builder) => recordActivation(builder, names, 'sigmoid', args), 1);
    await expectTensor(gpu, output, reference.batchOf(1, shape, [1, 0, 1, 0]), { atol: 1e-30 });
  });
});

const concatCases: readonly {
  readonly channels: readonly number[];
  readonly size: readonly [number, number];
  readonly batch: number;
}[] = [
  { channels: [5], size: [1, 1], batch: 1 },
  { channels: [4, 8], size: [3, 5], batch: 2 },
  { channels: [3, 2, 7], size: [7, 5], batch: 3 },
  { channels: [1, 1, 1, 1, 1, 1], size: [2, 3], batch: 1 },
  { channels: [13, 4, 6], size: [1, 9], batch: 2 },
  { channels: [160, 128], size: [1, 1], batch: 2 },
];

export const concat = gpuSuite('concat', (test) => {
  for (const { channels, size, batch } of concatCases) {
    test(`${channels.join(' + ')} channels of ${size.join('x')}, batch ${batch}`, async ({ gpu }) => {
      const [height, width] = size;
      const inputs = channels.map((count, index) => randomBatch(index, batch, { height, width, channels: count }));
      const tensors = inputs.map((input, index) => uploadTensor(gpu, `input ${index}`, input));
      const output = poisonedTensor(gpu, 'output', concatOutputShape(tensors.map(({ shape }) => shape)), batch);
      await runSteps(gpu, (builder) => recordConcat(builder, names, { inputs: tensors, output }), batch);
      await expectTensor(gpu, output, reference.concat(inputs), {});
    });
  }
});

export const fill = gpuSuite('fill', (test) => {
  for (const [itemBytes, batch] of [
    [16, 1],
    [1040, 1],
    [4096, 3],
    [48, 5],
  ] as const) {
    test(`${batch} items of ${itemBytes} bytes, and nothing beyond`, async ({ gpu }) => {
      const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
      const buffer = gpu.createBuffer('target', 256 + batch * itemBytes + 64, usage);
      poison(gpu.device, buffer);
      const word = 0x3f80_0001;
      await runSteps(gpu, (builder) => recordFill(builder, names, { buffer, offset: 256, itemBytes }, word), batch);
      const words = new Uint32Array(await readBuffer(gpu, buffer));
      const expected = new Uint32Array(words.length).fill(POISON);
      expected.fill(word, 64, 64 + (batch * itemBytes) / 4);
      expectEqual(words, expected);
    });
  }
});
