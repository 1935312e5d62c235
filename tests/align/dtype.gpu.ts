import { FaceAligner } from '../../src/align/aligner.js';
import { Gpu } from '../../src/engine/device.js';
import { InputError } from '../../src/engine/errors.js';
import { halvesWork } from '../../src/engine/halves-test.js';
import type { DType } from '../../src/engine/network.js';
import type { FaceBox } from '../../src/pictures/boxes.js';
import { expectEqual, expectError, expectThat } from '../browser/numbers.js';
import { addressOf, gpuSuite } from '../browser/suite.js';
import { wavyPicture } from '../cascade/pictures.js';
import { shippedWeights } from '../cascade/shipped-weights.js';
import { smallWeightBuffers } from '../cascade/small-weights.js';

const BOX: FaceBox = { x0: 20, y0: 18, x1: 90, y1: 88, kind: 'landmarks' };

const load = async (path: string): Promise<ArrayBuffer> => (await fetch(addressOf(path))).arrayBuffer();

/**
 * Runs `action` on a device whose kernels get zeros for halves, as from a driver that compiles what it cannot do. It
 * has compiled none before.
 */
async function withZeroHalves<T>(action: (gpu: Gpu) => Promise<T>): Promise<T> {
  const gpu = await Gpu.create();
  const { device } = gpu;
  const create = device.createShaderModule;
  device.createShaderModule = function (descriptor) {
    const code = descriptor.code.replace(
      'fn widen(',
      'fn widen(halves: vec2u) -> vec4f { return vec4f(); }\nfn unused(',
    );
    return create.call(this, { ...descriptor, code });
  };
  try {
    return await action(gpu);
  } finally {
    gpu.destroy();
  }
}

export const dtype = gpuSuite('dtype', (test) => {
  test('halves pass their test here, and leave nothing behind', async ({ gpu }) => {
    const before = gpu.memory;
    expectEqual(await halvesWork(gpu), true);
    expectEqual(gpu.memory, before, 'memory');
  });

  test('a driver that gives zeros for halves fails it', async () => {
    expectEqual(await withZeroHalves(halvesWork), false);
  });

  test('weights that are halves give the same landmarks, bit for bit, in half the memory', async ({ gpu }) => {
    const weights = await shippedWeights(load);
    const run = async ({ device }: Gpu, wanted?: DType) => {
      const options = { weights, device, maxFaces: 1, iterations: 1 };
      const aligner = await FaceAligner.create({ ...options, ...(wanted !== undefined && { dtype: wanted }) });
      const [face] = await aligner.align(wavyPicture(110, 100), [BOX]);
      const result = { dtype: aligner.dtype, landmarks: [...(face?.landmarks ?? [])] };
      aligner.destroy();
      return result;
    };
    const halves = await run(gpu);
    const floats = await run(gpu, 'f32');
    const refused = await withZeroHalves((other) => run(other, 'f16'));
    expectEqual([halves.dtype, floats.dtype, refused.dtype], ['f16', 'f32', 'f32']);
    expectThat(floats.landmarks.length === 204 && floats.landmarks.every(Number.isFinite), 'no landmarks');
    expectEqual(halves.landmarks, floats.landmarks, 'in halves');
    expectEqual(refused.landmarks, floats.landmarks, 'by a driver that gives zeros');
  });

  test('weights in 32 bits stay so, and other types are refused', async ({ gpu }) => {
    const options = { weights: smallWeightBuffers(), device: gpu.device };
    const aligner = await FaceAligner.create({ ...options, dtype: 'f16' });
    expectEqual(aligner.dtype, 'f32');
    aligner.destroy();
    await expectError(
      () => FaceAligner.create({ ...options, dtype: JSON.parse('"f64"') }),
      InputError,
      /dtype is "f64"; wanted f16 or f32/,
    );
  });
});
