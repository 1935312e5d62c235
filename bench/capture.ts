/** Catches compute dispatches on this page, ours and those of other libraries, with the WGSL behind them. */

export interface CapturedDispatch {
  /** The pipeline's label; empty where it has none. */
  readonly label: string;
  readonly wgsl: string;
  readonly entryPoint: string | undefined;
  readonly constants: Readonly<Record<string, number>>;
  readonly workgroups: number;
}

export interface CapturedPipeline extends Omit<CapturedDispatch, 'workgroups'> {
  readonly module: GPUShaderModule;
}

/** Replaces methods of WebGPU's prototypes until `stop`; pipelines made before it are not known. */
export class Capture {
  readonly #sources = new WeakMap<GPUShaderModule, string>();
  readonly #pipelines = new WeakMap<GPUComputePipeline, CapturedPipeline>();
  readonly #current = new WeakMap<GPUComputePassEncoder, GPUComputePipeline>();
  readonly #restore: (() => void)[] = [];
  #dispatches: CapturedDispatch[] = [];

  constructor() {
    const { createShaderModule, createComputePipeline, createComputePipelineAsync } = GPUDevice.prototype;
    const { setPipeline, dispatchWorkgroups } = GPUComputePassEncoder.prototype;
    const capture = this;
    this.#replace(GPUDevice.prototype, {
      createShaderModule(descriptor) {
        const module = createShaderModule.call(this, descriptor);
        capture.#sources.set(module, descriptor.code);
        return module;
      },
      createComputePipeline(descriptor) {
        return capture.#note(createComputePipeline.call(this, descriptor), descriptor);
      },
      async createComputePipelineAsync(descriptor) {
        return capture.#note(await createComputePipelineAsync.call(this, descriptor), descriptor);
      },
    });
    this.#replace(GPUComputePassEncoder.prototype, {
      setPipeline(pipeline) {
        capture.#current.set(this, pipeline);
        return setPipeline.call(this, pipeline);
      },
      dispatchWorkgroups(x, y = 1, z = 1) {
        const pipeline = capture.#current.get(this);
        const known = pipeline === undefined ? undefined : capture.#pipelines.get(pipeline);
        if (known !== undefined) capture.#dispatches.push({ ...known, workgroups: x * y * z });
        return dispatchWorkgroups.call(this, x, y, z);
      },
    });
  }

  /** What a pipeline was made of; undefined of one that was made before. */
  pipeline(pipeline: GPUComputePipeline): CapturedPipeline | undefined {
    return this.#pipelines.get(pipeline);
  }

  /** The dispatches since the last call, in order. */
  take(): readonly CapturedDispatch[] {
    const taken = this.#dispatches;
    this.#dispatches = [];
    return taken;
  }

  stop(): void {
    for (const undo of this.#restore.splice(0)) undo();
  }

  #replace<T extends object>(prototype: T, methods: Partial<T> & ThisType<T>): void {
    const originals: Partial<T> = {};
    for (const name in methods) originals[name] = prototype[name];
    Object.assign(prototype, methods);
    this.#restore.push(() => Object.assign(prototype, originals));
  }

  #note(pipeline: GPUComputePipeline, { label, compute }: GPUComputePipelineDescriptor): GPUComputePipeline {
    this.#pipelines.set(pipeline, {
      label: label ?? '',
      wgsl: this.#sources.get(compute.module) ?? '',
      entryPoint: compute.entryPoint,
      constants: { ...compute.constants },
      module: compute.module,
    });
    return pipeline;
  }
}

/**
 * Invocations of a workgroup, from the WGSL: numbers, overrides or module constants.
 * @throws Error where the source does not say.
 */
export function workgroupSize({ wgsl, constants }: Pick<CapturedDispatch, 'wgsl' | 'constants'>): number {
  const [, list] = /@workgroup_size\(([^)]*)\)/.exec(wgsl) ?? [];
  if (list === undefined) throw new Error('the WGSL has no @workgroup_size');
  return list
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .reduce((product, part) => product * sizeOf(part, wgsl, constants), 1);
}

function sizeOf(text: string, wgsl: string, constants: Readonly<Record<string, number>>): number {
  const literal = /^(\d+)[ui]?$/.exec(text)?.[1];
  const declared = new RegExp(`\\b(?:const|override)\\s+${text}\\s*(?::\\s*\\w+\\s*)?=\\s*(\\d+)`).exec(wgsl)?.[1];
  const size = Number(literal ?? constants[text] ?? declared);
  if (!Number.isInteger(size) || size < 1) throw new Error(`the WGSL's workgroup size "${text}" is not known`);
  return size;
}
