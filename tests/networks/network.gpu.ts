import { encodeSafetensors, floats } from '../../scripts/safetensors-writer.js';
import { InputError, parseSafetensors, WeightsError } from '../../src/engine/index.js';
import { Network, type NetworkDescription } from '../../src/networks/index.js';
import { expectClose, expectEqual, expectError, randomFloats } from '../browser/numbers.js';
import { gpuSuite } from '../browser/suite.js';
import * as reference from '../reference/layers.js';
import { runNetwork } from '../reference/network.js';

/** A first layer whose weights have one shape in either layout, and a fully connected one behind several pixels. */
const DESCRIPTION = {
  inputs: { picture: { height: 6, width: 8, channels: 3 } },
  outputs: ['small'],
  picture: { order: 'bgr', white: 255, mean: [100, 110, 120], std: [50, 60, 70], fit: 'cover' },
  layers: [
    {
      name: 'conv',
      op: 'conv2d',
      input: 'picture',
      kernel: [3, 3],
      stride: [2, 2],
      padding: [1, 1],
      inChannels: 3,
      outChannels: 5,
      activation: 'hardSwish',
    },
    { name: 'large', op: 'resizeBilinear', input: 'conv', size: [5, 7], coordinates: 'halfPixel' },
    { name: 'mean', op: 'globalAveragePool', input: 'large' },
    { name: 'gated', op: 'multiply', inputs: ['conv', 'mean'], activation: 'silu' },
    { name: 'small', op: 'maxPool', input: 'gated', kernel: [1, 2], stride: [1, 2], padding: [0, 0] },
    { name: 'scores', op: 'fullyConnected', input: 'small', inFeatures: 30, outFeatures: 4, activation: 'none' },
    { name: 'shares', op: 'softmax', input: 'scores' },
  ],
} as const satisfies NetworkDescription;

const WEIGHTS = {
  'conv.weight': randomFloats(1, 5 * 9 * 3),
  'conv.bias': randomFloats(2, 5),
  'scores.weight': randomFloats(3, 4 * 30),
  'scores.bias': randomFloats(4, 4),
};

/** The same numbers in either layout. */
function weightsFile(layout: 'ohwi' | 'oihw', metadata: Readonly<Record<string, string>> = {}): ArrayBuffer {
  const move = (values: Float32Array<ArrayBuffer>, pixels: number, channels: number) =>
    layout === 'ohwi'
      ? values
      : values.map((_, index) => {
          const [output, rest] = [Math.floor(index / (pixels * channels)), index % (pixels * channels)];
          const [channel, pixel] = [Math.floor(rest / pixels), rest % pixels];
          return values[(output * pixels + pixel) * channels + channel] ?? 0;
        });
  return encodeSafetensors(
    {
      'conv.weight': floats([5, 3, 3, 3], move(WEIGHTS['conv.weight'], 9, 3)),
      'conv.bias': floats([5], WEIGHTS['conv.bias']),
      'scores.weight': floats([4, 30], move(WEIGHTS['scores.weight'], 6, 5)),
      'scores.bias': floats([4], WEIGHTS['scores.bias']),
    },
    metadata,
  );
}

function expected(values: Float32Array): Map<string, reference.Batch> {
  return runNetwork(DESCRIPTION.layers, WEIGHTS, {
    picture: reference.batchOf(1, DESCRIPTION.inputs.picture, values),
  });
}

export const network = gpuSuite('Network', (test) => {
  test('gives all outputs, of weights in either layout, and takes none whose layout is not known', async ({ gpu }) => {
    const { device } = gpu;
    const values = randomFloats(5, 6 * 8 * 3);
    const wanted = expected(values);
    for (const layout of ['ohwi', 'oihw'] as const) {
      const made = await Network.create(DESCRIPTION, weightsFile(layout), { device, layout });
      expectEqual([...made.outputs.keys()], ['small', 'shares']);
      const [results, again] = await Promise.all([made.runAll(values), made.run(values)]);
      made.destroy();
      for (const [name, result] of results) {
        expectClose(result, wanted.get(name)?.values ?? [], { atol: 2e-6, rtol: 2e-5, label: `${layout} ${name}` });
      }
      expectEqual([...again], [...(results.get('shares') ?? [])]);
    }
    const stated = await Network.create(DESCRIPTION, weightsFile('oihw', { layout: 'oihw' }), { device });
    expectClose(await stated.run(values), wanted.get('shares')?.values ?? [], {
      atol: 2e-6,
      rtol: 2e-5,
      label: 'stated',
    });
    stated.destroy();
    await expectError(
      () => Network.create(DESCRIPTION, parseSafetensors(weightsFile('oihw')), { device }),
      WeightsError,
      /'conv.weight' \[5,3,3,3\] is as good in either layout; wanted the option layout/,
    );
  });

  test('turns a picture into its input: order, range and the middle of what is too long', async ({ gpu }) => {
    const made = await Network.create(DESCRIPTION, weightsFile('ohwi'), { device: gpu.device, layout: 'ohwi' });
    // As high as the input, two pixels too wide on each side.
    const [width, height] = [12, 6];
    const data = Uint8ClampedArray.from({ length: width * height * 4 }, (_, index) => (index * 37) % 256);
    const { mean, std } = DESCRIPTION.picture;
    const values = Float32Array.from({ length: 6 * 8 * 3 }, (_, index) => {
      const [pixel, channel] = [Math.floor(index / 3), index % 3];
      const [y, x] = [Math.floor(pixel / 8), (pixel % 8) + 2];
      const colour = data[(y * width + x) * 4 + 2 - channel] ?? 0;
      return (colour - (mean[channel] ?? 0)) / (std[channel] ?? 1);
    });
    const results = await made.runAll({ width, height, data });
    for (const [name, wanted] of expected(values)) {
      const result = results.get(name);
      if (result !== undefined) expectClose(result, wanted.values, { atol: 2e-5, rtol: 2e-4, label: name });
    }
    expectEqual(results.size, 2);
    made.destroy();
  });

  test('refuses what is no input', async ({ gpu }) => {
    const made = await Network.create(DESCRIPTION, weightsFile('ohwi'), { device: gpu.device, layout: 'ohwi' });
    await expectError(
      () => made.run(new Float32Array(143)),
      InputError,
      /values of 'picture' .*wanted 144 finite numbers/,
    );
    await expectError(
      () => made.run('photo.jpg' as never),
      InputError,
      /'picture' is "photo.jpg"; wanted a Float32Array of 6 x 8 x 3/,
    );
    made.destroy();
  });
});
