import { waves } from '../../reliability/pictures.js';
import { FaceAligner } from '../../src/align/aligner.js';
import { Gpu } from '../../src/engine/device.js';
import { DeviceLostError, FullposeError, InputError, OutOfMemoryError } from '../../src/engine/errors.js';
import { expectEqual, expectError, expectThat } from '../browser/numbers.js';
import { gpuSuite } from '../browser/suite.js';
import { smallWeightBuffers } from '../cascade/small-weights.js';

const BOX = { x0: 10, y0: 8, x1: 50, y1: 44, kind: 'landmarks' } as const;

/**
 * Makes the next scope for want of memory find some while `action` runs: no machine can be relied on to have too
 * little.
 */
async function withoutMemory<T>(device: GPUDevice, action: () => Promise<T>): Promise<T> {
  const { pushErrorScope, popErrorScope } = device;
  const scopes: GPUErrorFilter[] = [];
  device.pushErrorScope = (filter) => {
    scopes.push(filter);
    return pushErrorScope.call(device, filter);
  };
  device.popErrorScope = async () => {
    const filter = scopes.pop();
    const error = await popErrorScope.call(device);
    return filter === 'out-of-memory' ? new GPUOutOfMemoryError('none left') : error;
  };
  try {
    return await action();
  } finally {
    device.pushErrorScope = pushErrorScope;
    device.popErrorScope = popErrorScope;
  }
}

export const memory = gpuSuite('want of GPU memory', (test) => {
  test('at load is an OutOfMemoryError and leaves nothing', async ({ gpu: { device } }) => {
    const create = () => FaceAligner.create({ weights: smallWeightBuffers(1), device });
    const error = await expectError(
      () => withoutMemory(device, create),
      OutOfMemoryError,
      /more GPU memory.*none left/,
    );
    expectEqual(error.code, 'out-of-memory');
    (await create()).destroy();
  });

  test('for a larger picture is an OutOfMemoryError, and the next picture is aligned', async ({ gpu: { device } }) => {
    const aligner = await FaceAligner.create({ weights: smallWeightBuffers(1), device });
    try {
      await aligner.align(waves(64, 48), [BOX]);
      const larger = () => aligner.align(waves(128, 96), [BOX]);
      await expectError(() => withoutMemory(device, larger), OutOfMemoryError, /A frame of 128 x 96/);
      expectEqual((await larger()).length, 1);
    } finally {
      aligner.destroy();
    }
  });

  test('that a call reports at once is one too', async ({ gpu }) => {
    const refuse = () => {
      throw new RangeError('array buffer allocation failed');
    };
    await expectError(() => gpu.watch('Making it failed', refuse), OutOfMemoryError, /allocation failed/);
    // The scopes are gone: a refusal now is nobody's but the next watcher's.
    const { accepted } = gpu.watch('Nothing failed', () => {});
    await accepted;
  });
});

export const recovery = gpuSuite('recovery', (test) => {
  test('gives a lost aligner a new device and the same bits', async () => {
    const aligner = await FaceAligner.create({ weights: smallWeightBuffers() });
    const [before] = await aligner.align(waves(64, 48), [BOX]);
    const lostDevice = aligner.device;
    lostDevice.destroy();
    expectThat((await aligner.lost) instanceof DeviceLostError, 'no DeviceLostError');
    await expectError(() => aligner.align(waves(64, 48), [BOX]), DeviceLostError, /lost/);
    await Promise.all([aligner.recover(), aligner.recover()]);
    expectThat(aligner.device !== lostDevice, 'the device is the lost one');
    const [after] = await aligner.align(waves(64, 48), [BOX]);
    expectEqual(after?.landmarks, before?.landmarks);
    // A face from before can still be drawn.
    if (before !== undefined)
      expectThat((await aligner.vertices(before)).every(Number.isFinite), 'a vertex is not finite');
    const device = aligner.device;
    await aligner.recover();
    expectThat(aligner.device === device, 'a living device was replaced');
    aligner.destroy();
    await expectError(() => aligner.recover(), DeviceLostError, /destroy\(\) was called/);
  });

  test("wants another device where the lost one was the caller's", async () => {
    const make = async () => (await Gpu.create()).device;
    const [device, next] = [await make(), await make()];
    const aligner = await FaceAligner.create({ weights: smallWeightBuffers(1), device });
    device.destroy();
    await expectError(() => aligner.recover(), InputError, /wanted a new one/);
    await aligner.recover({ device: next });
    expectThat(aligner.device === next, 'the device is not the one given');
    expectEqual((await aligner.align(waves(64, 48), [BOX])).length, 1);
    aligner.destroy();
    next.destroy();
  });
});

export const queue = gpuSuite('calls that nobody awaits', (test) => {
  test('are refused beyond maxPending', async ({ gpu: { device } }) => {
    const aligner = await FaceAligner.create({ weights: smallWeightBuffers(1), device, maxPending: 2 });
    const call = () => aligner.align(waves(64, 48), [BOX]);
    const [first, second, third] = await Promise.allSettled([call(), call(), call()]);
    expectEqual([first?.status, second?.status, third?.status], ['fulfilled', 'fulfilled', 'rejected']);
    const error: unknown = third?.status === 'rejected' ? third.reason : undefined;
    expectThat(error instanceof FullposeError && error.code === 'busy', `rejected with ${String(error)}`);
    expectEqual((await call()).length, 1);
    aligner.destroy();
  });
});

export const refused = gpuSuite('a frame that the GPU refuses', (test) => {
  test("rejects, and never carries an earlier frame's face", async ({ gpu: { device } }) => {
    const aligner = await FaceAligner.create({ weights: smallWeightBuffers(1), device });
    const usage = GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST;
    const texture = device.createTexture({ size: [64, 48], format: 'rgba8unorm', usage });
    await aligner.align(texture, [BOX]);
    texture.destroy();
    const error = await expectError(() => aligner.align(texture, [BOX]), FullposeError, /The frame was refused: /);
    expectEqual(error.code, 'gpu-error');
    expectEqual((await aligner.align(waves(64, 48), [BOX])).length, 1);
    aligner.destroy();
  });
});
