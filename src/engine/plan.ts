/**
 * Plans: an ordered list of dispatches with everything prepared. `PlanBuilder.build` compiles all kernels in parallel,
 * writes every step's uniform struct into one buffer and makes the bind groups; `Plan.encode` then only replays them.
 *
 * Three ways to run one plan: `encode` into a pass of the caller's (a frame), `debug` (a pass per step, buffers read
 * back after chosen steps), `profile` (a pass per stage with GPU timestamps).
 */

import type { Gpu } from './device.js';
import { InputError, LimitError, ShapeError } from './errors.js';
import { expectWhole } from './expect.js';
import type { BindingKind, CompiledKernel, Kernel } from './pipelines.js';
import { Profiler, type StageTime } from './profiler.js';
import { readBuffer } from './readback.js';
import { list } from './show.js';

/** One dispatch, as a kernel's `record` function describes it. */
export interface Step {
  /** Unique within the plan where `debug` is to find it. */
  readonly label: string;
  /** Consecutive steps of one stage are timed together. */
  readonly stage: string;
  /** What is dispatched. */
  readonly kernel: Kernel;
  /** Group 0: what is bound under each name of `kernel.bindings`, in any order. */
  readonly bindings: Readonly<Record<string, GPUBindingResource>>;
  /** The uniform struct at group 1 binding 0. */
  readonly params?: ArrayBufferView;
  /** Counts on each axis, whole numbers >= 1. */
  readonly workgroups: readonly [number, number, number];
  /** The axis whose count is per item of the batch; it is multiplied by the batch when encoded. */
  readonly batchAxis?: 0 | 1 | 2;
}

/** A step ready to be encoded. */
export interface PreparedStep {
  /** As of the step. */
  readonly label: string;
  /** As of the step. */
  readonly stage: string;
  /** The compiled kernel. */
  readonly pipeline: GPUComputePipeline;
  /** Group 0. */
  readonly bindings: GPUBindGroup;
  /** Group 1, where the kernel has a uniform struct. */
  readonly params: GPUBindGroup | undefined;
  /** For one item of the batch. */
  readonly workgroups: readonly [number, number, number];
  /** As of the step. */
  readonly batchAxis: 0 | 1 | 2 | undefined;
}

/** What `Plan.debug` copies out: `bytes` of `buffer` from `offset`, right after the step labelled `after`. */
export interface Watch {
  /** Label of a step. */
  readonly after: string;
  /** Usage COPY_SRC. */
  readonly buffer: GPUBuffer;
  /** Bytes (default 0). */
  readonly offset?: number;
  /** Default: to the buffer's end. */
  readonly bytes?: number;
}

/** Collects steps, checks each, and makes a plan of them. */
export class PlanBuilder {
  /** Where the plan will run. */
  readonly gpu: Gpu;
  /** Names the plan in messages. */
  readonly label: string;
  readonly #steps: Step[] = [];

  constructor(gpu: Gpu, label: string) {
    this.gpu = gpu;
    this.label = label;
  }

  /**
   * Appends a step.
   * @throws ShapeError where bindings or workgroup counts do not fit the kernel; LimitError where the device is too
   * small.
   */
  add(step: Step): this {
    checkStep(this.gpu, step);
    this.#steps.push(step);
    return this;
  }

  /**
   * Compiles and prepares the steps added so far.
   * @throws KernelCompileError; OutOfMemoryError; DeviceLostError; FullposeError `gpu-error` where WebGPU refuses a
   * binding.
   */
  async build(): Promise<Plan> {
    const { gpu, label } = this;
    const steps = [...this.#steps];
    gpu.assertAlive();
    const compiled = await Promise.all(
      steps.map((step) => gpu.pipelines.get(step.kernel, step.params?.byteLength ?? 0)),
    ).catch(async (error: unknown) => {
      throw await gpu.lossOr(error);
    });
    const { data, offsets } = packParams(steps, gpu.limits.minUniformBufferOffsetAlignment);
    let uniforms: GPUBuffer | undefined;
    const { value: prepared, accepted } = gpu.watch(`Plan '${label}' could not be prepared`, () => {
      if (data.byteLength > 0) uniforms = gpu.uploadBuffer(`${label}.params`, data);
      return steps.map((step, index) => prepare(gpu.device, step, compiled[index], uniforms, offsets[index]));
    });
    try {
      await accepted;
    } catch (error) {
      if (uniforms !== undefined) gpu.destroyBuffer(uniforms);
      throw error;
    }
    return new Plan(gpu, label, prepared, uniforms);
  }
}

/** Prepared steps in order, of one plan or of several. Owns nothing. */
export class Sequence {
  /** Names it in messages. */
  readonly label: string;
  /** In order. */
  readonly steps: readonly PreparedStep[];
  readonly #gpu: Gpu;

  constructor(gpu: Gpu, label: string, steps: readonly PreparedStep[]) {
    this.#gpu = gpu;
    this.label = label;
    this.steps = steps;
  }

  /**
   * Records every step into `pass`. Allocates nothing.
   * @param batch items processed together; what it may be is up to the buffers the steps were made for
   * @throws LimitError where a workgroup count times `batch` is beyond the device
   */
  encode(pass: GPUComputePassEncoder, batch = 1): void {
    this.#checkBatch(batch);
    let pipeline: GPUComputePipeline | undefined;
    for (let index = 0; index < this.steps.length; index++) {
      const step = this.steps[index];
      if (step === undefined) continue;
      if (step.pipeline !== pipeline) pass.setPipeline(step.pipeline);
      pipeline = step.pipeline;
      encodeDispatch(pass, step, batch);
    }
  }

  /**
   * Runs the plan with a pass per step and returns what each watched buffer held right after its step, by the step's
   * label.
   * @throws InputError where no step, or more than one, has the label.
   */
  async debug(watches: readonly Watch[], batch = 1): Promise<Map<string, ArrayBuffer>> {
    this.#checkBatch(batch);
    const { device } = this.#gpu;
    for (const { after } of watches) {
      const found = this.steps.filter((step) => step.label === after).length;
      if (found !== 1) throw new InputError(`Plan '${this.label}' has ${found} steps labelled '${after}'; wanted one.`);
    }
    const results = new Map<string, ArrayBuffer>();
    for (const step of this.steps) {
      const encoder = device.createCommandEncoder({ label: `${this.label}.debug` });
      const pass = encoder.beginComputePass({ label: step.label });
      pass.setPipeline(step.pipeline);
      encodeDispatch(pass, step, batch);
      pass.end();
      device.queue.submit([encoder.finish()]);
      for (const { after, buffer, offset, bytes } of watches) {
        if (after === step.label) results.set(after, await readBuffer(this.#gpu, buffer, offset, bytes));
      }
    }
    return results;
  }

  /**
   * Runs the plan once with a pass per stage and returns GPU time per stage, in order. Stages whose timestamps run
   * backwards (WebGPU allows it) are left out. Splitting passes costs time itself: compare the sum with one `encode`.
   * @throws LimitError without the feature `timestamp-query`, or with more stages than a query set can hold.
   */
  async profile(batch = 1): Promise<StageTime[]> {
    this.#checkBatch(batch);
    const stages = groupByStage(this.steps);
    const profiler = new Profiler(this.#gpu, `${this.label}.profile`, stages.length);
    try {
      const { accepted } = this.#gpu.watch(`Profiling '${this.label}' was refused`, () => {
        const encoder = this.#gpu.device.createCommandEncoder({ label: `${this.label}.profile` });
        for (const steps of stages) {
          const [first] = steps;
          if (first === undefined) continue;
          const pass = encoder.beginComputePass({
            label: first.stage,
            timestampWrites: profiler.timestampWrites(first.stage),
          });
          for (const step of steps) {
            pass.setPipeline(step.pipeline);
            encodeDispatch(pass, step, batch);
          }
          pass.end();
        }
        profiler.resolve(encoder);
        this.#gpu.device.queue.submit([encoder.finish()]);
      });
      await accepted;
      return await profiler.read();
    } finally {
      profiler.destroy();
    }
  }

  #checkBatch(batch: number): void {
    expectWhole('The batch', batch, 1);
    const most = this.#gpu.limits.maxComputeWorkgroupsPerDimension;
    for (let index = 0; index < this.steps.length; index++) {
      const step = this.steps[index];
      if (step?.batchAxis === undefined) continue;
      const wanted = step.workgroups[step.batchAxis] * batch;
      if (wanted > most) throw new LimitError(`Step '${step.label}'`, 'maxComputeWorkgroupsPerDimension', wanted, most);
    }
  }
}

/** The steps of one `PlanBuilder`, and their uniform structs, which it owns. */
export class Plan extends Sequence {
  readonly #free: () => void;

  constructor(gpu: Gpu, label: string, steps: readonly PreparedStep[], uniforms: GPUBuffer | undefined) {
    super(gpu, label, steps);
    this.#free = () => {
      if (uniforms !== undefined) gpu.destroyBuffer(uniforms);
    };
  }

  /** Frees the plan's uniform buffer. The buffers its steps bind belong to whoever made them. */
  destroy(): void {
    this.#free();
  }
}

function prepare(
  device: GPUDevice,
  step: Step,
  kernel: CompiledKernel | undefined,
  uniforms: GPUBuffer | undefined,
  offset = 0,
): PreparedStep {
  if (kernel === undefined) throw new ShapeError(`Step '${step.label}' has no compiled kernel.`);
  const bindings = device.createBindGroup({
    label: step.label,
    layout: kernel.bindings,
    entries: bindingEntries(step),
  });
  const params =
    kernel.params === undefined || uniforms === undefined || step.params === undefined
      ? undefined
      : device.createBindGroup({
          label: `${step.label}.params`,
          layout: kernel.params,
          entries: [{ binding: 0, resource: { buffer: uniforms, offset, size: step.params.byteLength } }],
        });
  const { label, stage, workgroups, batchAxis } = step;
  return { label, stage, pipeline: kernel.pipeline, bindings, params, workgroups, batchAxis };
}

/** What a step binds, as WebGPU's entries of group 0. */
export function bindingEntries({ kernel, bindings }: Pick<Step, 'kernel' | 'bindings'>): GPUBindGroupEntry[] {
  return Object.keys(kernel.bindings).map((name, binding) => ({ binding, resource: bindings[name]! }));
}

function encodeDispatch(pass: GPUComputePassEncoder, step: PreparedStep, batch: number): void {
  const { workgroups, batchAxis } = step;
  pass.setBindGroup(0, step.bindings);
  if (step.params !== undefined) pass.setBindGroup(1, step.params);
  pass.dispatchWorkgroups(
    workgroups[0] * (batchAxis === 0 ? batch : 1),
    workgroups[1] * (batchAxis === 1 ? batch : 1),
    workgroups[2] * (batchAxis === 2 ? batch : 1),
  );
}

function groupByStage(steps: readonly PreparedStep[]): PreparedStep[][] {
  const groups: PreparedStep[][] = [];
  for (const step of steps) {
    const last = groups.at(-1);
    if (last?.[0]?.stage === step.stage) last.push(step);
    else groups.push([step]);
  }
  return groups;
}

/** All uniform structs in one block, each at a multiple of `alignment`. */
function packParams(
  steps: readonly Step[],
  alignment: number,
): { readonly data: Uint8Array<ArrayBuffer>; readonly offsets: readonly number[] } {
  let end = 0;
  const offsets = steps.map(({ params }) => {
    if (params === undefined) return 0;
    const offset = Math.ceil(end / alignment) * alignment;
    end = offset + params.byteLength;
    return offset;
  });
  const data = new Uint8Array(end);
  for (const [index, { params }] of steps.entries()) {
    if (params === undefined) continue;
    data.set(new Uint8Array(params.buffer, params.byteOffset, params.byteLength), offsets[index]);
  }
  return { data, offsets };
}

function checkStep({ limits }: Gpu, step: Step): void {
  const { kernel, bindings, workgroups } = step;
  const where = `Step '${step.label}' (kernel '${kernel.name}')`;
  const [given, wanted] = [Object.keys(bindings), Object.keys(kernel.bindings)];
  if (given.length !== wanted.length || !wanted.every((name) => Object.hasOwn(bindings, name))) {
    throw new ShapeError(`${where} binds ${list(given)}; the kernel has ${list(wanted)}.`);
  }
  const storage = Object.values(kernel.bindings).filter((kind) => kind === 'read' || kind === 'read-write').length;
  if (storage > limits.maxStorageBuffersPerShaderStage) {
    throw new LimitError(where, 'maxStorageBuffersPerShaderStage', storage, limits.maxStorageBuffersPerShaderStage);
  }
  for (const [name, resource] of Object.entries(bindings)) {
    checkBinding(`${where} binding '${name}'`, kernel.bindings[name], resource, limits);
  }
  for (const [axis, count] of workgroups.entries()) {
    if (!Number.isInteger(count) || count < 1) {
      throw new ShapeError(`${where} wants ${count} workgroups on axis ${axis}; an empty dispatch computes nothing.`);
    }
    if (count > limits.maxComputeWorkgroupsPerDimension) {
      throw new LimitError(where, 'maxComputeWorkgroupsPerDimension', count, limits.maxComputeWorkgroupsPerDimension);
    }
  }
}

function checkBinding(
  where: string,
  kind: BindingKind | undefined,
  resource: GPUBindingResource,
  limits: GPUSupportedLimits,
): void {
  if (!('buffer' in resource)) return;
  const { buffer, offset = 0 } = resource;
  const size = resource.size ?? buffer.size - offset;
  if (size <= 0 || offset < 0 || offset + size > buffer.size) {
    throw new ShapeError(
      `${where} is bytes ${offset}..${offset + size} of '${buffer.label}', which has ${buffer.size}.`,
    );
  }
  const [alignment, most, limit] =
    kind === 'uniform'
      ? [limits.minUniformBufferOffsetAlignment, limits.maxUniformBufferBindingSize, 'maxUniformBufferBindingSize']
      : [limits.minStorageBufferOffsetAlignment, limits.maxStorageBufferBindingSize, 'maxStorageBufferBindingSize'];
  if (offset % alignment !== 0) {
    throw new ShapeError(`${where} starts at byte ${offset}; wanted a multiple of ${alignment}.`);
  }
  if (size > most) throw new LimitError(where, limit, size, most);
}
