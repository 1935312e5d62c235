import { Gpu } from '../../src/engine/device.js';
import {
  DeviceLostError,
  FullposeError,
  InputError,
  KernelCompileError,
  LimitError,
  ShapeError,
  WebGPUUnavailableError,
} from '../../src/engine/errors.js';
import { NUDGE_MS } from '../../src/engine/nudge.js';
import type { Kernel } from '../../src/engine/pipelines.js';
import { PlanBuilder, type Step } from '../../src/engine/plan.js';
import { Profiler } from '../../src/engine/profiler.js';
import { readBuffer, StagingRing } from '../../src/engine/readback.js';
import { countCalls } from '../align/calls.js';
import { expectEqual, expectError, expectThat } from '../browser/numbers.js';
import { gpuSuite } from '../browser/suite.js';

/** out[i] = scale * in[i] + batch index, for 4 values an item. */
const scaleKernel: Kernel = {
  name: 'scale',
  code: `
    override SCALE: f32 = 1.0;
    struct Params { offset: f32 }
    @group(0) @binding(0) var<storage, read> input: array<f32>;
    @group(0) @binding(1) var<storage, read_write> output: array<f32>;
    @group(1) @binding(0) var<uniform> params: Params;
    @compute @workgroup_size(4)
    fn main(@builtin(local_invocation_index) i: u32, @builtin(workgroup_id) group: vec3u) {
      let index = group.y * 4u + i;
      output[index] = SCALE * input[index] + params.offset + f32(group.y);
    }`,
  bindings: { input: 'read', output: 'read-write' },
};

function storage(gpu: Gpu, label: string, values: readonly number[]): GPUBuffer {
  return gpu.uploadBuffer(label, new Float32Array(values));
}

function scaleStep(label: string, scale: number, offset: number, input: GPUBuffer, output: GPUBuffer): Step {
  return {
    label,
    stage: label,
    kernel: { ...scaleKernel, constants: { SCALE: scale } },
    bindings: { input: { buffer: input }, output: { buffer: output } },
    params: new Float32Array([offset]),
    workgroups: [1, 1, 1],
    batchAxis: 1,
  };
}

async function floatsOf(gpu: Gpu, buffer: GPUBuffer): Promise<number[]> {
  return [...new Float32Array(await readBuffer(gpu, buffer))];
}

/** Two steps, x -> 2x + 1 -> 3(2x + 1), through `middle`. */
function chain(gpu: Gpu) {
  const input = storage(gpu, 'input', [1, 2, 3, 4, 5, 6, 7, 8]);
  const middle = storage(gpu, 'middle', [9, 9, 9, 9, 9, 9, 9, 9]);
  const output = storage(gpu, 'output', [9, 9, 9, 9, 9, 9, 9, 9]);
  const builder = new PlanBuilder(gpu, 'chain')
    .add(scaleStep('double', 2, 1, input, middle))
    .add(scaleStep('triple', 3, 0, middle, output));
  return { middle, output, builder };
}

/** Counts calls of every method `create*` of GPUDevice while `action` runs. */
function countCreations(action: () => void): Record<string, number> {
  const counts: Record<string, number> = {};
  const { prototype } = GPUDevice;
  const originals = Object.entries(Object.getOwnPropertyDescriptors(prototype)).filter(([name]) =>
    /^create|^import/.test(name),
  );
  for (const [name, descriptor] of originals) {
    const method: unknown = descriptor.value;
    if (typeof method !== 'function') continue;
    Object.defineProperty(prototype, name, {
      ...descriptor,
      value(this: unknown, ...args: unknown[]): unknown {
        counts[name] = (counts[name] ?? 0) + 1;
        return Reflect.apply(method, this, args);
      },
    });
  }
  try {
    action();
  } finally {
    for (const [name, descriptor] of originals) Object.defineProperty(prototype, name, descriptor);
  }
  return counts;
}

export const device = gpuSuite('Gpu', (test) => {
  test('asks for what the adapter grants, and says what it is', async () => {
    const adapter = await navigator.gpu.requestAdapter();
    const gpu = await Gpu.create({ label: 'own' });
    try {
      expectThat(adapter !== null, 'no adapter');
      expectEqual(gpu.limits.maxStorageBufferBindingSize, adapter.limits.maxStorageBufferBindingSize);
      expectEqual(gpu.limits.maxBufferSize, adapter.limits.maxBufferSize);
      for (const feature of ['timestamp-query', 'subgroups'] as const) {
        expectEqual(gpu.features.has(feature), adapter.features.has(feature), feature);
      }
      expectEqual(gpu.adapter.vendor, adapter.info.vendor);
      if (/swiftshader/i.test(adapter.info.architecture)) expectEqual(gpu.adapter.isSoftware, true);
    } finally {
      gpu.destroy();
    }
  });

  test('counts its buffers and bytes, and frees them', async ({ gpu }) => {
    const own = await Gpu.create({ device: gpu.device });
    const first = own.createBuffer('a', 5, GPUBufferUsage.STORAGE);
    own.uploadBuffer('b', new Uint8Array(6));
    own.createBuffer('empty', 0, GPUBufferUsage.STORAGE);
    expectEqual(first.size, 8);
    expectEqual(own.memory, { buffers: 3, bytes: 20 });
    own.destroyBuffer(first);
    own.destroyBuffer(first);
    expectEqual(own.memory, { buffers: 2, bytes: 12 });
    own.destroy();
    own.destroy();
    expectEqual(own.memory, { buffers: 0, bytes: 0 });
  });

  test('never destroys a borrowed device, and refuses work once destroyed', async ({ gpu }) => {
    const borrowed = await Gpu.create({ device: gpu.device });
    borrowed.destroy();
    await expectError(
      () => borrowed.createBuffer('late', 4, GPUBufferUsage.STORAGE),
      DeviceLostError,
      /destroy\(\) was called/,
    );
    expectEqual(await floatsOf(gpu, storage(gpu, 'alive', [1, 2, 3, 4])), [1, 2, 3, 4]);
  });

  test('destroys its own device and resolves lost', async () => {
    const gpu = await Gpu.create();
    const buffer = storage(gpu, 'x', [1]);
    gpu.destroy();
    const error = await gpu.lost;
    expectThat(error instanceof DeviceLostError && error.reason === 'destroyed', String(error));
    expectEqual(error.code, 'device-lost');
    await expectError(() => readBuffer(gpu, buffer), DeviceLostError, /lost/);
  });

  test('uploads bytes exactly, padded with zeros', async ({ gpu }) => {
    const buffer = gpu.uploadBuffer('bytes', new Uint8Array([9, 1, 2, 3, 4, 5]).subarray(1));
    expectEqual([...new Uint8Array(await readBuffer(gpu, buffer))], [1, 2, 3, 4, 5, 0, 0, 0]);
  });

  test('refuses buffers beyond the limits', async ({ gpu }) => {
    const { maxBufferSize, maxStorageBufferBindingSize } = gpu.limits;
    const error = await expectError(
      () => gpu.createBuffer('big', maxBufferSize + 4, GPUBufferUsage.COPY_DST),
      LimitError,
      /'big' needs maxBufferSize >= \d+, but this device grants/,
    );
    expectEqual([error.limit, error.granted, error.code], ['maxBufferSize', maxBufferSize, 'limit-exceeded']);
    if (maxStorageBufferBindingSize < maxBufferSize) {
      const bytes = maxStorageBufferBindingSize + 4;
      await expectError(
        () => gpu.createBuffer('big', bytes, GPUBufferUsage.STORAGE),
        LimitError,
        /maxStorageBufferBindingSize/,
      );
    }
  });

  test('tells listeners of errors that nothing caught', async () => {
    const gpu = await Gpu.create();
    const errors: FullposeError[] = [];
    const stop = gpu.onError((error) => errors.push(error));
    // Firefox tells each message once: the second error is another one.
    const provoke = async (usage: GPUBufferUsageFlags): Promise<void> => {
      const happened = new Promise((resolve, reject) => {
        gpu.device.addEventListener('uncapturederror', resolve, { once: true });
        setTimeout(() => reject(new Error('no uncapturederror within 10 s')), 10_000);
      });
      gpu.device.createBuffer({ label: 'nonsense', size: 4, usage });
      // Errors arrive with the next answer from the GPU process.
      await gpu.device.queue.onSubmittedWorkDone();
      await happened;
    };
    await provoke(0);
    stop();
    await provoke(GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE);
    gpu.destroy();
    expectEqual(errors.length, 1);
    expectThat(errors[0] instanceof FullposeError && errors[0].code === 'gpu-error', 'wrong error');
  });

  test('says so where there is no WebGPU, no adapter, no device', async () => {
    const original = Object.getOwnPropertyDescriptor(Navigator.prototype, 'gpu');
    expectThat(original !== undefined, 'navigator.gpu is not where it was');
    const pretend = (gpu: unknown) =>
      Object.defineProperty(Navigator.prototype, 'gpu', { configurable: true, get: () => gpu });
    const adapter = await navigator.gpu.requestAdapter();
    try {
      pretend(undefined);
      const error = await expectError(() => Gpu.create(), WebGPUUnavailableError, /navigator\.gpu is missing/);
      expectEqual(error.code, 'webgpu-unavailable');
      pretend({ requestAdapter: async () => null });
      await expectError(() => Gpu.create(), WebGPUUnavailableError, /found no adapter/);
      pretend({
        requestAdapter: async () => ({
          features: adapter?.features,
          limits: adapter?.limits,
          info: adapter?.info,
          requestDevice: () => Promise.reject(new Error('out of devices')),
        }),
      });
      await expectError(() => Gpu.create(), WebGPUUnavailableError, /gave no device: Error: out of devices/);
    } finally {
      Object.defineProperty(Navigator.prototype, 'gpu', original);
    }
  });
});

export const plans = gpuSuite('Plan', (test) => {
  test('runs its steps in order, over a batch', async ({ gpu }) => {
    const { builder, output } = chain(gpu);
    const plan = await builder.build();
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    plan.encode(pass, 2);
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
    expectEqual(await floatsOf(gpu, output), [9, 15, 21, 27, 37, 43, 49, 55]);
  });

  test('leaves later items alone when the batch is smaller', async ({ gpu }) => {
    const { builder, output } = chain(gpu);
    const plan = await builder.build();
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    plan.encode(pass);
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
    expectEqual(await floatsOf(gpu, output), [9, 15, 21, 27, 9, 9, 9, 9]);
  });

  test('encodes without creating anything', async ({ gpu }) => {
    const { builder } = chain(gpu);
    const plan = await builder.build();
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    const { buffers } = gpu.memory;
    expectEqual(
      countCreations(() => {
        for (let frame = 0; frame < 10; frame++) plan.encode(pass, 2);
      }),
      {},
    );
    expectEqual(gpu.memory.buffers, buffers);
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
    const counts = countCreations(() => gpu.device.createBuffer({ size: 4, usage: GPUBufferUsage.COPY_DST }).destroy());
    expectEqual(counts, { createBuffer: 1 }, 'the counter itself');
  });

  test('compiles every kernel variant once a device', async () => {
    const gpu = await Gpu.create();
    const other = await Gpu.create({ device: gpu.device });
    const first = await chain(gpu).builder.build();
    expectEqual(gpu.pipelines.size, 2);
    const second = await chain(other).builder.build();
    expectEqual([gpu.pipelines.size, other.pipelines.size], [2, 2]);
    expectThat(first.steps[0]?.pipeline === second.steps[0]?.pipeline, 'compiled twice');
    gpu.destroy();
  });

  test('frees its uniform buffer', async ({ gpu }) => {
    const { builder } = chain(gpu);
    const before = gpu.memory.buffers;
    const plan = await builder.build();
    expectEqual(gpu.memory.buffers, before + 1);
    plan.destroy();
    expectEqual(gpu.memory.buffers, before);
  });

  test('debug reads buffers as they are right after a step', async ({ gpu }) => {
    const { builder, middle, output } = chain(gpu);
    const plan = await builder.build();
    const seen = await plan.debug(
      [
        { after: 'double', buffer: middle, offset: 4, bytes: 8 },
        { after: 'triple', buffer: output },
      ],
      2,
    );
    expectEqual([...new Float32Array(seen.get('double') ?? new ArrayBuffer(0))], [5, 7]);
    expectEqual([...new Float32Array(seen.get('triple') ?? new ArrayBuffer(0))], [9, 15, 21, 27, 37, 43, 49, 55]);
    await expectError(
      () => plan.debug([{ after: 'quadruple', buffer: output }]),
      InputError,
      /0 steps labelled 'quadruple'/,
    );
  });

  test('profile gives the time of every stage, and computes the same', async ({ gpu }) => {
    const { builder, output } = chain(gpu);
    const plan = await builder.build();
    const before = gpu.memory.buffers;
    const times = await plan.profile(2);
    expectThat(gpu.memory.buffers === before, 'profiling leaked a buffer');
    for (const { milliseconds } of times) expectThat(milliseconds >= 0, `${milliseconds} ms`);
    const stages = times.map(({ stage }) => stage);
    expectThat(
      stages.every((stage) => stage === 'double' || stage === 'triple'),
      stages.join(),
    );
    expectEqual(await floatsOf(gpu, output), [9, 15, 21, 27, 37, 43, 49, 55]);
  });

  test('profile needs timestamps', async () => {
    const adapter = await navigator.gpu.requestAdapter();
    const plain = await adapter?.requestDevice();
    expectThat(plain !== undefined, 'no device');
    const gpu = await Gpu.create({ device: plain });
    await expectError(() => new Profiler(gpu, 'profile', 1), LimitError, /feature 'timestamp-query'/);
    gpu.destroy();
    plain.destroy();
  });

  test('a profiler knows its capacity', async ({ gpu }) => {
    await expectError(() => new Profiler(gpu, 'profile', 2049), LimitError, /queries in a set >= 4098/);
    const profiler = new Profiler(gpu, 'profile', 1);
    profiler.timestampWrites('one');
    await expectError(() => profiler.timestampWrites('two'), LimitError, /'two' needs queries in a set >= 4/);
    profiler.destroy();
  });

  test('refuses steps that do not fit their kernel or the device', async ({ gpu }) => {
    const { builder, middle, output } = chain(gpu);
    const good = scaleStep('step', 1, 0, middle, output);
    const most = gpu.limits.maxComputeWorkgroupsPerDimension;
    const refuse = (step: Partial<Step>, type: typeof ShapeError | typeof LimitError, message: RegExp) =>
      expectError(() => builder.add({ ...good, ...step }), type, message);
    await refuse({ bindings: { input: { buffer: middle } } }, ShapeError, /binds input; the kernel has input, output/);
    const misnamed = { input: { buffer: middle }, result: { buffer: output } };
    await refuse({ bindings: misnamed }, ShapeError, /binds input, result; the kernel has input, output/);
    await refuse({ workgroups: [0, 1, 1] }, ShapeError, /0 workgroups on axis 0/);
    await refuse({ workgroups: [1, 1, most + 1] }, LimitError, /maxComputeWorkgroupsPerDimension/);
    await refuse(
      { bindings: { ...good.bindings, input: { buffer: middle, offset: 4 } } },
      ShapeError,
      /'input' starts at byte 4; wanted a multiple of 256/,
    );
    await refuse(
      { bindings: { ...good.bindings, input: { buffer: middle, size: 36 } } },
      ShapeError,
      /bytes 0..36 of 'middle', which has 32/,
    );
    const names = Array.from({ length: gpu.limits.maxStorageBuffersPerShaderStage + 1 }, (_, i) => `input${i}`);
    const all = <T>(value: T) => Object.fromEntries(names.map((name) => [name, value]));
    await refuse(
      { kernel: { ...scaleKernel, bindings: all('read' as const) }, bindings: all({ buffer: middle }) },
      LimitError,
      /maxStorageBuffersPerShaderStage/,
    );
  });

  test('refuses batches that are no batch, or too large', async ({ gpu }) => {
    const plan = await chain(gpu).builder.build();
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    await expectError(() => plan.encode(pass, 0), InputError, /batch is 0/);
    await expectError(() => plan.encode(pass, 1.5), InputError, /batch is 1.5/);
    await expectError(
      () => plan.encode(pass, 1e6),
      LimitError,
      /'double' needs maxComputeWorkgroupsPerDimension >= 1000000/,
    );
    pass.end();
  });

  test('a kernel that does not compile is reported with messages and source', async ({ gpu }) => {
    await chain(gpu).builder.build();
    const compiled = gpu.pipelines.size;
    const { builder, middle, output } = chain(gpu);
    const kernel = { ...scaleKernel, name: 'broken', code: scaleKernel.code.replace('f32(group.y)', 'nonsense') };
    builder.add({ ...scaleStep('broken', 1, 0, middle, output), kernel });
    const error = await expectError(
      () => builder.build(),
      KernelCompileError,
      /Kernel 'broken' did not compile[\s\S]*nonsense/,
    );
    expectEqual([error.kernel, error.code, error.source], ['broken', 'kernel-compile', kernel.code]);
    expectThat(
      error.messages.some((message) => /^error at \d+:\d+: [\s\S]*nonsense/.test(message)),
      error.messages.join('\n'),
    );
    expectEqual(gpu.pipelines.size, compiled, 'failed compiles stay cached');
  });

  test('an override that does not exist fails the compile', async ({ gpu }) => {
    const { builder, middle, output } = chain(gpu);
    const kernel = { ...scaleKernel, constants: { NO_SUCH: 1 } };
    builder.add({ ...scaleStep('step', 1, 0, middle, output), kernel });
    await expectError(() => builder.build(), KernelCompileError, /NO_SUCH/);
  });

  test('a binding that WebGPU refuses fails the build', async ({ gpu }) => {
    const { builder, middle } = chain(gpu);
    const wrongUsage = gpu.createBuffer('copy only', 32, GPUBufferUsage.COPY_DST);
    builder.add(scaleStep('step', 1, 0, middle, wrongUsage));
    const before = gpu.memory.buffers;
    const error = await expectError(() => builder.build(), FullposeError, /Plan 'chain' could not be prepared/);
    expectEqual(error.code, 'gpu-error');
    expectEqual(gpu.memory.buffers, before, 'the uniform buffer leaked');
  });
});

export const readback = gpuSuite('StagingRing', (test) => {
  test('keeps several frames in flight, each with its own values', async ({ gpu }) => {
    const ring = new StagingRing(gpu, 'ring', 8, 3);
    const slots = [1, 2, 3].map((frame) => {
      const slot = ring.take();
      const source = storage(gpu, `frame ${frame}`, [frame, 10 * frame]);
      const encoder = gpu.device.createCommandEncoder();
      slot.copyFrom(encoder, source, 4, 4);
      slot.copyFrom(encoder, source, 0, 4, 4);
      gpu.device.queue.submit([encoder.finish()]);
      return slot;
    });
    expectEqual(ring.free, 0);
    await expectError(() => ring.take(), InputError, /All 3 slots of 'ring' are in flight/);
    const waiting = ring.takeWhenFree();
    const results = await Promise.all(slots.map((slot) => slot.read()));
    expectEqual(
      results.map((bytes) => [...new Float32Array(bytes)]),
      [
        [10, 1],
        [20, 2],
        [30, 3],
      ],
    );
    expectEqual(ring.free, 2);
    (await waiting).release();
    expectEqual(ring.free, 3);
    (await ring.takeWhenFree()).release();
    const { buffers } = gpu.memory;
    ring.destroy();
    expectEqual(gpu.memory.buffers, buffers - 3);
  });

  test('refuses copies that do not fit', async ({ gpu }) => {
    const slot = new StagingRing(gpu, 'ring', 8, 1).take();
    const source = storage(gpu, 'source', [1, 2, 3, 4]);
    const encoder = gpu.device.createCommandEncoder();
    await expectError(() => slot.copyFrom(encoder, source, 0, 12), ShapeError, /12 bytes from 0 to 0 in .* of 8/);
    await expectError(() => slot.copyFrom(encoder, source, 0, 8, 4), ShapeError, /8 bytes from 0 to 4/);
    await expectError(() => slot.copyFrom(encoder, source, 2, 4), ShapeError, /multiples of 4/);
  });

  test('nudges the queue in Firefox, and nowhere else; only while it reads', async ({ gpu }) => {
    const source = storage(gpu, 'source', [1, 2, 3, 4]);
    // Of the maps of some reads at least one is not done at once.
    const reading = await countCalls(async () => {
      for (let turn = 0; turn < 20; turn++) await readBuffer(gpu, source);
    });
    const after = await countCalls(() => new Promise((resolve) => setTimeout(resolve, 10 * NUDGE_MS)));
    expectEqual(reading.calls.get('GPUQueue.submit'), 20, 'submits');
    expectEqual(reading.nudges > 0, /Firefox/.test(navigator.userAgent), `${reading.nudges} nudges`);
    expectEqual(after.nudges, 0, 'nudges while nothing is pending');
  });

  test('a map that fails is an error, never zeros', async ({ gpu }) => {
    const ring = new StagingRing(gpu, 'ring', 8, 1);
    const reading = ring.take().read();
    ring.destroy();
    const error = await expectError(() => reading, FullposeError, /Mapping 'ring.0' failed/);
    expectEqual(error.code, 'readback-failed');
  });

  test('a device lost while reading is a DeviceLostError', async () => {
    const gpu = await Gpu.create();
    const reading = new StagingRing(gpu, 'ring', 8, 1).take().read();
    gpu.device.destroy();
    await expectError(() => reading, DeviceLostError, /destroyed/);
    gpu.destroy();
  });

  test('readBuffer reports what cannot be copied', async ({ gpu }) => {
    const buffer = gpu.createBuffer('storage only', 16, GPUBufferUsage.STORAGE);
    const error = await expectError(() => readBuffer(gpu, buffer), FullposeError, /Reading back 'storage only' failed/);
    expectEqual(error.code, 'readback-failed');
  });
});
