/**
 * GPU time per stage from timestamp queries. Only `Plan.profile` makes one: a plan that is merely encoded has no
 * queries and pays nothing.
 */
import type { Gpu } from './device.js';
import { LimitError } from './errors.js';
import { readBuffer } from './readback.js';

/** GPU time of one stage. */
export interface StageTime {
  /** The steps' `stage`. */
  readonly stage: string;
  /** From the stage's first step to its last, 0 or more. */
  readonly milliseconds: number;
}

/** WebGPU's own bound on a query set. */
const MAX_QUERIES = 4096;

/** Times the stages of one plan with timestamp queries. */
export class Profiler {
  readonly #gpu: Gpu;
  readonly #querySet: GPUQuerySet;
  readonly #ticks: GPUBuffer;
  readonly #stages: string[] = [];

  /**
   * @param capacity number of stages that will be timed
   * @throws LimitError without the feature `timestamp-query` or beyond 2,048 stages.
   */
  constructor(gpu: Gpu, label: string, capacity: number) {
    if (!gpu.features.has('timestamp-query')) throw new LimitError(label, "feature 'timestamp-query'", 1, 0);
    if (2 * capacity > MAX_QUERIES) throw new LimitError(label, 'queries in a set', 2 * capacity, MAX_QUERIES);
    this.#gpu = gpu;
    this.#querySet = gpu.device.createQuerySet({ label, type: 'timestamp', count: Math.max(2, 2 * capacity) });
    this.#ticks = gpu.createBuffer(
      label,
      this.#querySet.count * BigUint64Array.BYTES_PER_ELEMENT,
      GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    );
  }

  /** Timestamp writes for the next pass. */
  timestampWrites(stage: string): GPUComputePassTimestampWrites {
    const index = 2 * this.#stages.length;
    if (index + 2 > this.#querySet.count) {
      throw new LimitError(`Stage '${stage}'`, 'queries in a set', index + 2, this.#querySet.count);
    }
    this.#stages.push(stage);
    return { querySet: this.#querySet, beginningOfPassWriteIndex: index, endOfPassWriteIndex: index + 1 };
  }

  /** Records the copy of the timestamps; call after the last timed pass, then submit, then `read`. */
  resolve(encoder: GPUCommandEncoder): void {
    encoder.resolveQuerySet(this.#querySet, 0, 2 * this.#stages.length, this.#ticks, 0);
  }

  /** The times of all stages, in order, once the work that was submitted is done. @throws DeviceLostError */
  async read(): Promise<StageTime[]> {
    return stageTimes(this.#stages, new BigUint64Array(await readBuffer(this.#gpu, this.#ticks)));
  }

  /** Frees the queries and their buffer. */
  destroy(): void {
    this.#querySet.destroy();
    this.#gpu.destroyBuffer(this.#ticks);
  }
}

/**
 * Turns pairs of nanosecond timestamps into times. A pair that runs backwards is dropped: it measures nothing.
 * @param ticks begin and end of stage `i` at `2i` and `2i + 1`
 */
export function stageTimes(stages: readonly string[], ticks: BigUint64Array): StageTime[] {
  const times: StageTime[] = [];
  for (const [index, stage] of stages.entries()) {
    const begin = ticks[2 * index];
    const end = ticks[2 * index + 1];
    if (begin === undefined || end === undefined || end < begin) continue;
    times.push({ stage, milliseconds: Number(end - begin) / 1e6 });
  }
  return times;
}
