/** The kernels of networks in general against the float64 loops; those that faces use, too, are in tests/engine. */

import { recordPool } from '../../src/engine/kernels/pool.js';
import { LayerReader } from '../../src/engine/network/reader.js';
import { globalAveragePoolKind } from '../../src/networks/kernels/globalAveragePool.js';
import { recordMultiply } from '../../src/networks/kernels/multiply.js';
import { recordResizeBilinear } from '../../src/networks/kernels/resizeBilinear.js';
import { recordSoftmax } from '../../src/networks/kernels/softmax.js';
import { gpuSuite } from '../browser/suite.js';
import { expectTensor, poisonedTensor, randomBatch, runSteps, uploadTensor } from '../engine/tensors.js';
import * as reference from '../reference/layers.js';

const names = { label: 'step', stage: 'step' };

const shapeOf = ([height, width, channels]: readonly [number, number, number]) => ({ height, width, channels });

/** As the GPU is given them. */
function rounded(batch: reference.Batch): reference.Batch {
  return { ...batch, values: batch.values.map(Math.fround) };
}

const softmaxCases = [
  { input: [1, 1, 1] },
  { input: [1, 1, 1000], scale: 1 },
  { input: [5, 7, 13], batch: 3, scale: 90 },
  { input: [3, 30, 4], batch: 2, scale: 5 },
] as const;

export const softmax = gpuSuite('softmax', (test) => {
  for (const [index, { input, ...rest }] of softmaxCases.entries()) {
    const { batch, scale } = { batch: 1, scale: 1, ...rest };
    test(`${input.join('x')}, up to ${scale}, batch ${batch}`, async ({ gpu }) => {
      const random = randomBatch(index, batch, shapeOf(input));
      const values = rounded({ ...random, values: random.values.map((value) => scale * value) });
      const output = poisonedTensor(gpu, 'output', shapeOf(input), batch);
      const args = { input: uploadTensor(gpu, 'input', values), output };
      await runSteps(gpu, (builder) => recordSoftmax(builder, names, args), batch);
      await expectTensor(gpu, output, reference.softmax(values), { rtol: 2e-5, atol: 1e-30 });
    });
  }
});

const resizeCases = [
  { input: [1, 1, 1], size: [1, 1], coordinates: 'halfPixel' },
  { input: [3, 5, 7], size: [6, 10], coordinates: 'halfPixel', batch: 3 },
  { input: [9, 4, 13], size: [5, 11], coordinates: 'halfPixel' },
  { input: [4, 6, 5], size: [7, 1], coordinates: 'alignCorners', batch: 2 },
  { input: [1, 3, 4], size: [4, 9], coordinates: 'alignCorners' },
  { input: [5, 2, 8], size: [3, 8], coordinates: 'asymmetric', batch: 2 },
] as const;

export const resizeBilinear = gpuSuite('resizeBilinear', (test) => {
  for (const [index, { input, size, coordinates, ...rest }] of resizeCases.entries()) {
    const batch = 'batch' in rest ? rest.batch : 1;
    test(`${input.join('x')} to ${size.join('x')}, ${coordinates}, batch ${batch}`, async ({ gpu }) => {
      const values = rounded(randomBatch(index, batch, shapeOf(input)));
      const spec = { input: shapeOf(input), size, coordinates };
      const [height, width] = size;
      const output = poisonedTensor(gpu, 'output', { height, width, channels: input[2] }, batch);
      const args = { input: uploadTensor(gpu, 'input', values), output };
      await runSteps(gpu, (builder) => recordResizeBilinear(builder, names, spec, args), batch);
      await expectTensor(gpu, output, reference.resizeBilinear(values, size, coordinates), { atol: 3e-6 });
    });
  }
});

const multiplyCases = [
  { left: [1, 1, 1], right: [1, 1, 1], activation: 'none' },
  { left: [5, 7, 13], right: [1, 1, 13], activation: 'none', batch: 3 },
  { left: [4, 3, 8], right: [4, 3, 8], activation: 'hardSwish', batch: 2 },
  { left: [9, 9, 6], right: [1, 1, 6], activation: 'sigmoid' },
] as const;

export const multiply = gpuSuite('multiply', (test) => {
  for (const [index, { left, right, activation, ...rest }] of multiplyCases.entries()) {
    const batch = 'batch' in rest ? rest.batch : 1;
    test(`${left.join('x')} by ${right.join('x')}, ${activation}, batch ${batch}`, async ({ gpu }) => {
      const values = rounded(randomBatch(index, batch, shapeOf(left)));
      const gate = rounded(randomBatch(index + 50, batch, shapeOf(right)));
      const output = poisonedTensor(gpu, 'output', shapeOf(left), batch);
      const args = { left: uploadTensor(gpu, 'left', values), right: uploadTensor(gpu, 'right', gate), output };
      await runSteps(gpu, (builder) => recordMultiply(builder, names, activation, args), batch);
      await expectTensor(gpu, output, reference.multiply(values, gate, activation), { rtol: 1e-5, atol: 1e-7 });
    });
  }
});

export const globalAveragePool = gpuSuite('globalAveragePool', (test) => {
  for (const [index, input] of (
    [
      [1, 1, 1],
      [7, 5, 13],
      [16, 9, 8],
    ] as const
  ).entries()) {
    test(`${input.join('x')}, batch 2`, async ({ gpu }) => {
      const shape = shapeOf(input);
      const values = rounded(randomBatch(index, 2, shape));
      const layer = { name: 'mean', op: 'globalAveragePool', input: 'x' } as const;
      const { spec } = globalAveragePoolKind.read(new LayerReader(layer, 0, new Map([['x', shape]])));
      const output = poisonedTensor(gpu, 'output', globalAveragePoolKind.shape(spec), 2);
      const args = { input: uploadTensor(gpu, 'input', values), output };
      await runSteps(gpu, (builder) => recordPool(builder, names, spec, args), 2);
      const kernel = [shape.height, shape.width] as const;
      const window = { kernel, stride: [1, 1], padding: [0, 0, 0, 0] } as const;
      await expectTensor(gpu, output, reference.pool(values, window, 'average'), { atol: 2e-6 });
    });
  }
});
