/**
 * Compiled kernels. A `Kernel` says what a WGSL entry point is and what it binds; `PipelineCache` compiles each
 * distinct one once a device, asynchronously, against explicit bind group layouts.
 */

import { KernelCompileError } from './errors.js';
import { reason } from './show.js';
import type { UniformStruct } from './uniform.js';

/** What one binding of group 0 is: storage buffer read or written, caller-owned uniform buffer, 2D float texture. */
export type BindingKind = 'read' | 'read-write' | 'uniform' | 'texture';

/** The bindings of group 0 by their names in the WGSL, in the order of their numbers, which begin at 0. */
export type Bindings = Readonly<Record<string, BindingKind>>;

/**
 * A WGSL compute kernel, entry point `main`. Group 0 holds `bindings`; group 1 binding 0 the uniform struct of the
 * step, if it has one.
 */
export interface Kernel {
  /** The shader's file name without `.wgsl`; variants of one file (element type, vanished bindings) add a suffix. */
  readonly name: string;
  /** WGSL after preprocessing. */
  readonly code: string;
  /** Values of the shader's `override`s. */
  readonly constants?: Readonly<Record<string, number>>;
  /** Group 0. */
  readonly bindings: Bindings;
}

/**
 * What a module says about a shader it owns, for the test that compares both sides of every binding and uniform struct.
 */
export interface KernelDeclaration {
  /** File name under `src/shaders/`. */
  readonly shader: string;
  /** Every preprocessed variant in use. */
  readonly kernels: readonly Kernel[];
  /** The struct at group 1 binding 0; absent where the kernels have none. */
  readonly params?: Pick<UniformStruct<string>, 'fields' | 'byteLength'>;
}

/** A kernel that can be dispatched. */
export interface CompiledKernel {
  /** WebGPU's own. */
  readonly pipeline: GPUComputePipeline;
  /** Layout of group 0. */
  readonly bindings: GPUBindGroupLayout;
  /** Layout of group 1; absent where the kernel was compiled without a uniform struct. */
  readonly params: GPUBindGroupLayout | undefined;
}

/** Whoever works on a device finds what others compiled there: an aligner, its detector, the next aligner. */
const caches = new WeakMap<GPUDevice, PipelineCache>();

/** The compiled kernels of a device. */
export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #pipelines = new Map<string, Promise<CompiledKernel>>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  readonly #modules = new Map<string, GPUShaderModule>();

  /** The cache of `device`; it lives as long as that. */
  static of(device: GPUDevice): PipelineCache {
    let cache = caches.get(device);
    if (cache === undefined) {
      cache = new PipelineCache(device);
      caches.set(device, cache);
    }
    return cache;
  }

  private constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Number of distinct pipelines compiled, or being compiled, so far. */
  get size(): number {
    return this.#pipelines.size;
  }

  /**
   * Compiles `kernel`, or returns the one compiled before.
   * @param paramsBytes size of the uniform struct at group 1, 0 for none
   * @throws KernelCompileError with every message of the compiler
   */
  get(kernel: Kernel, paramsBytes: number): Promise<CompiledKernel> {
    const constants = Object.entries(kernel.constants ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    const key = JSON.stringify([kernel.name, constants, kernel.bindings, paramsBytes, kernel.code]);
    let compiled = this.#pipelines.get(key);
    if (compiled === undefined) {
      compiled = this.#compile(kernel, paramsBytes);
      this.#pipelines.set(key, compiled);
      // A failed compile must not stay: a lost device or a fixed source deserves a fresh try.
      compiled.catch(() => this.#pipelines.delete(key));
    }
    return compiled;
  }

  async #compile(kernel: Kernel, paramsBytes: number): Promise<CompiledKernel> {
    const device = this.#device;
    const bindings = this.#bindingsLayout(Object.values(kernel.bindings));
    const params = paramsBytes === 0 ? undefined : this.#paramsLayout(paramsBytes);
    device.pushErrorScope('validation');
    const module = this.#module(kernel);
    const layout = device.createPipelineLayout({
      label: kernel.name,
      bindGroupLayouts: params === undefined ? [bindings] : [bindings, params],
    });
    const compiling = device.createComputePipelineAsync({
      label: kernel.name,
      layout,
      compute: { module, entryPoint: 'main', constants: { ...kernel.constants } },
    });
    const [outcome, invalid] = await Promise.allSettled([compiling, device.popErrorScope()]);
    if (outcome.status === 'fulfilled') return { pipeline: outcome.value, bindings, params };

    const messages: string[] = [];
    const info = await module.getCompilationInfo().catch(() => undefined);
    for (const { type, lineNum, linePos, message } of info?.messages ?? []) {
      messages.push(`${type} at ${lineNum}:${linePos}: ${message}`);
    }
    messages.push(reason(outcome.reason));
    if (invalid.status === 'fulfilled' && invalid.value !== null) messages.push(invalid.value.message);
    this.#modules.delete(kernel.code);
    throw new KernelCompileError(kernel.name, messages, kernel.code, { cause: outcome.reason });
  }

  #module(kernel: Kernel): GPUShaderModule {
    let module = this.#modules.get(kernel.code);
    if (module === undefined) {
      module = this.#device.createShaderModule({ label: kernel.name, code: kernel.code });
      this.#modules.set(kernel.code, module);
    }
    return module;
  }

  #bindingsLayout(kinds: readonly BindingKind[]): GPUBindGroupLayout {
    return this.#layout(`bindings ${kinds.join(',')}`, () => kinds.map((kind, binding) => layoutEntry(binding, kind)));
  }

  #paramsLayout(bytes: number): GPUBindGroupLayout {
    return this.#layout(`params ${bytes}`, () => [
      { binding: 0, visibility: GPUShaderStage.COMPUTE, buffer: { type: 'uniform', minBindingSize: bytes } },
    ]);
  }

  #layout(label: string, entries: () => GPUBindGroupLayoutEntry[]): GPUBindGroupLayout {
    let layout = this.#layouts.get(label);
    if (layout === undefined) {
      layout = this.#device.createBindGroupLayout({ label, entries: entries() });
      this.#layouts.set(label, layout);
    }
    return layout;
  }
}

function layoutEntry(binding: number, kind: BindingKind): GPUBindGroupLayoutEntry {
  const visibility = GPUShaderStage.COMPUTE;
  switch (kind) {
    case 'read':
      return { binding, visibility, buffer: { type: 'read-only-storage' } };
    case 'read-write':
      return { binding, visibility, buffer: { type: 'storage' } };
    case 'uniform':
      return { binding, visibility, buffer: { type: 'uniform' } };
    case 'texture':
      return { binding, visibility, texture: { sampleType: 'float', viewDimension: '2d' } };
  }
}
