import { Gpu } from '../../src/engine/device.js';
import { expectEqual, expectThat, poison, poisonWords } from './numbers.js';
import { type CaseOutcome, CaseRunner, type GpuCase, gpuSuite } from './suite.js';

/** The outcome of `run` on a runner, and so on a device, of its own. */
async function outcomeOf(run: GpuCase['run'], runner = new CaseRunner()): Promise<CaseOutcome> {
  try {
    return await runner.run({ name: 'inner', run });
  } finally {
    runner.destroy();
  }
}

function expectFailure(outcome: CaseOutcome, message: RegExp): void {
  expectThat(outcome.status === 'failed', `the case passed; wanted a failure with ${message}`);
  expectThat(message.test(outcome.message), `the message is "${outcome.message}"; wanted ${message}`);
}

const tooManyBindings = (device: GPUDevice) =>
  device.createBindGroupLayout({
    entries: [
      { binding: 0, visibility: GPUShaderStage.COMPUTE, buffer: {} },
      { binding: 0, visibility: GPUShaderStage.COMPUTE, buffer: {} },
    ],
  });

export const harness = gpuSuite('the test harness', (test) => {
  test('passes a case that does nothing wrong', async () => {
    expectEqual(await outcomeOf(() => {}), { status: 'passed' });
  });

  test('fails a case that throws or rejects', async () => {
    expectFailure(
      await outcomeOf(() => {
        throw new Error('two is not three');
      }),
      /^two is not three$/,
    );
    expectFailure(await outcomeOf(() => Promise.reject(new Error('later'))), /^later$/);
  });

  test('fails a case that makes a validation error', async () => {
    expectFailure(
      await outcomeOf(({ gpu }) => {
        tooManyBindings(gpu.device);
      }),
      /validation/i,
    );
  });

  test('lets a case catch its own validation error', async () => {
    const outcome = await outcomeOf(async ({ gpu: { device } }) => {
      device.pushErrorScope('validation');
      tooManyBindings(device);
      expectThat((await device.popErrorScope()) !== null, 'no validation error');
    });
    expectEqual(outcome, { status: 'passed' });
  });

  test('fails a case that loses the device, and gives the next case a new one', async () => {
    const runner = new CaseRunner();
    try {
      const first = await runner.run({ name: 'lose', run: ({ gpu }) => gpu.device.destroy() });
      expectFailure(first, /device was lost/i);
      expectEqual(await runner.run({ name: 'next', run: () => {} }), { status: 'passed' });
    } finally {
      runner.destroy();
    }
  });

  test('fails with a clear message where there is no adapter', async () => {
    const gpuInterface = navigator.gpu;
    const original = gpuInterface.requestAdapter;
    gpuInterface.requestAdapter = async () => null;
    try {
      expectFailure(await outcomeOf(() => {}), /no adapter/i);
    } finally {
      gpuInterface.requestAdapter = original;
    }
  });

  test('frees the buffers of a case and keeps the shared device', async () => {
    const runner = new CaseRunner(() => Gpu.create());
    const devices = new Set<GPUDevice>();
    const gpus: Gpu[] = [];
    try {
      for (const name of ['first', 'second']) {
        const outcome = await runner.run({
          name,
          run: ({ gpu }) => {
            gpu.createBuffer('scratch', 64, GPUBufferUsage.STORAGE);
            gpus.push(gpu);
            devices.add(gpu.device);
            expectEqual(gpu.memory.buffers, 1);
          },
        });
        expectEqual(outcome, { status: 'passed' });
      }
      expectEqual(devices.size, 1);
      expectEqual(
        gpus.map((gpu) => gpu.memory.buffers),
        [0, 0],
      );
    } finally {
      runner.destroy();
    }
  });

  test('poisons a whole buffer with words that are NaN as f32', async ({ gpu }) => {
    const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
    const buffer = gpu.createBuffer('poisoned', 20, usage);
    poison(gpu.device, buffer);
    await buffer.mapAsync(GPUMapMode.READ);
    const words = new Uint32Array(buffer.getMappedRange().slice(0));
    expectEqual(words, poisonWords(5));
    expectThat(new Float32Array(words.buffer).every(Number.isNaN), 'the poison is a number');
  });
});
