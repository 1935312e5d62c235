import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Gpu } from '../../src/engine/device.js';
import { DeviceLostError, FullposeError } from '../../src/engine/errors.js';

/** As Firefox behaves: whatever belongs to a lost device is invalid, and no buffer is mapped there. */
class FirefoxDevice extends EventTarget {
  readonly features = new Set<string>();
  readonly limits = { maxBufferSize: 1024, maxStorageBufferBindingSize: 1024 };
  readonly adapterInfo = { vendor: '', architecture: '', device: '', description: '', isFallbackAdapter: true };
  readonly queue = { submit() {} };
  readonly lost: Promise<{ reason: string; message: string }>;
  lose: () => void = () => {};
  #scopes = 0;

  constructor() {
    super();
    this.lost = new Promise((resolve) => {
      this.lose = () => resolve({ reason: 'destroyed', message: 'gone' });
    });
  }

  pushErrorScope(): void {
    this.#scopes++;
  }

  popErrorScope(): Promise<{ message: string } | null> {
    // The inner scope is the one of validation.
    return Promise.resolve(this.#scopes-- === 2 ? { message: 'Buffer is invalid' } : null);
  }

  createCommandEncoder(): void {}
  createComputePipelineAsync(): void {}

  createBuffer() {
    return {
      getMappedRange() {
        throw new DOMException('Buffer is not mapped', 'OperationError');
      },
      destroy() {},
    };
  }
}

async function watched() {
  const device = new FirefoxDevice();
  const gpu = await Gpu.create({ device: device as unknown as GPUDevice });
  const { accepted } = gpu.watch('The upload was refused', () => gpu.uploadBuffer('some', new Uint8Array(4), 0x80));
  return { device, accepted };
}

describe('what is invalid', () => {
  // Node has no WebGPU.
  beforeAll(() => vi.stubGlobal('GPUBufferUsage', { COPY_SRC: 0x4, COPY_DST: 0x8, STORAGE: 0x80 }));
  afterAll(() => vi.unstubAllGlobals());

  it('is told as the loss of its device, where that is told a little later', async () => {
    const { device, accepted } = await watched();
    setTimeout(device.lose, 50);
    await expect(accepted).rejects.toBeInstanceOf(DeviceLostError);
  });

  it('is an error of its own where the device stays', async () => {
    const { accepted } = await watched();
    await expect(accepted).rejects.toMatchObject({ code: 'gpu-error' });
    await expect(accepted).rejects.toBeInstanceOf(FullposeError);
    await expect(accepted).rejects.not.toBeInstanceOf(DeviceLostError);
  });
});

describe('a device that tells nothing of its adapter', () => {
  it('is taken, as older browsers have them', async () => {
    const device = new FirefoxDevice();
    Reflect.deleteProperty(device, 'adapterInfo');
    const { adapter } = await Gpu.create({ device: device as unknown as GPUDevice });
    expect(adapter).toEqual({ vendor: '', architecture: '', description: '', isSoftware: false });
  });
});
