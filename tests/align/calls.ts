/** Counts calls into WebGPU by replacing methods of its prototypes. */
import type { Gpu } from '../../src/engine/device.js';
import { isFirefox } from '../../src/engine/firefox.js';

const COUNTED: Readonly<Record<string, readonly string[]>> = {
  GPUDevice: [
    'createBuffer',
    'createTexture',
    'createSampler',
    'importExternalTexture',
    'createBindGroupLayout',
    'createPipelineLayout',
    'createBindGroup',
    'createShaderModule',
    'createComputePipeline',
    'createComputePipelineAsync',
    'createRenderPipeline',
    'createRenderPipelineAsync',
    'createCommandEncoder',
    'createRenderBundleEncoder',
    'createQuerySet',
  ],
  GPUQueue: ['submit', 'writeBuffer', 'writeTexture', 'copyExternalImageToTexture', 'onSubmittedWorkDone'],
  GPUCommandEncoder: [
    'beginComputePass',
    'beginRenderPass',
    'copyBufferToBuffer',
    'copyBufferToTexture',
    'copyTextureToBuffer',
    'copyTextureToTexture',
    'clearBuffer',
    'resolveQuerySet',
    'finish',
  ],
  GPUComputePassEncoder: ['dispatchWorkgroups', 'dispatchWorkgroupsIndirect', 'end'],
  GPUBuffer: ['mapAsync', 'getMappedRange', 'unmap', 'destroy'],
  GPUTexture: ['createView', 'destroy'],
  GPUComputePipeline: ['getBindGroupLayout'],
};

/** What not every browser has. */
const OPTIONAL: readonly string[] = ['importExternalTexture'];

export interface CountedCalls {
  /** Calls by `Interface.method`; methods that were not called are not listed. Without nudges. */
  readonly calls: ReadonlyMap<string, number>;
  /** Submits of nothing. */
  readonly nudges: number;
  /** Bytes that copyBufferToBuffer moved. */
  readonly bytes: number;
}

/** The call by which an opaque picture that is no pixel data gets into a texture, as `CountedCalls` names it. */
export function uploadCall({ adapter }: Gpu): string {
  return adapter.isSoftware && !isFirefox() ? 'GPUQueue.writeTexture' : 'GPUQueue.copyExternalImageToTexture';
}

/** Runs `action` and counts the calls meanwhile. */
export async function countCalls(action: () => Promise<unknown>): Promise<CountedCalls> {
  const calls = new Map<string, number>();
  let [nudges, bytes] = [0, 0];
  const restore: (() => void)[] = [];
  for (const [owner, methods] of Object.entries(COUNTED)) {
    const type: unknown = Reflect.get(globalThis, owner);
    if (typeof type !== 'function') throw new Error(`there is no ${owner}`);
    const prototype: object = type.prototype;
    for (const method of methods) {
      const original: unknown = Reflect.get(prototype, method);
      if (typeof original !== 'function') {
        if (OPTIONAL.includes(method)) continue;
        throw new Error(`there is no ${owner}.${method}`);
      }
      const counted = function (this: unknown, ...args: unknown[]): unknown {
        const name = `${owner}.${method}`;
        if (method === 'submit' && Array.isArray(args[0]) && args[0].length === 0) nudges++;
        else calls.set(name, (calls.get(name) ?? 0) + 1);
        if (method === 'copyBufferToBuffer') bytes += Number(args[4]);
        return Reflect.apply(original, this, args);
      };
      Reflect.set(prototype, method, counted);
      restore.push(() => Reflect.set(prototype, method, original));
    }
  }
  try {
    await action();
  } finally {
    for (const undo of restore) undo();
  }
  return { calls, nudges, bytes };
}
