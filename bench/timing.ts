/** GPU time from timestamps, of things repeated until quantised timestamps do not matter. */
import type { Gpu } from '../src/engine/device.js';
import { Profiler } from '../src/engine/profiler.js';

/** Something whose GPU time can be measured. */
export interface Timed {
  readonly name: string;
  /** Records it `repeats` times; `timestamps` go to the beginning of its first pass and the end of its last. */
  record(encoder: GPUCommandEncoder, repeats: number, timestamps: GPUComputePassTimestampWrites): void;
}

/** What `encode` records into a compute pass; all repetitions share one. */
export function timedPass(name: string, encode: (pass: GPUComputePassEncoder) => void): Timed {
  return {
    name,
    record: (encoder, repeats, timestampWrites) => {
      const pass = encoder.beginComputePass({ label: name, timestampWrites });
      for (let repeat = 0; repeat < repeats; repeat++) encode(pass);
      pass.end();
    },
  };
}

/** A pass lasts at least this long: browsers may round timestamps to 0.1 ms. */
const LEAST_MS = 2;

const MOST_REPEATS = 2000;

/** Repetitions of the second pilot. */
const FEW_REPEATS = 64;

/** Repetitions that make a pass last long enough, given milliseconds of one; at least as many as `before`. */
function repeatsFor(times: readonly (number | undefined)[], before: readonly number[]): number[] {
  return times.map((time = 0, i) => {
    const wanted = Math.ceil(LEAST_MS / Math.max(time, LEAST_MS / MOST_REPEATS));
    return Math.max(before[i] ?? 1, wanted);
  });
}

/**
 * Runs each of `timed` in order and in one submit, `repeats[i]` times.
 * @returns milliseconds of one repetition; undefined where the timestamps ran backwards
 */
async function runOnce(gpu: Gpu, timed: readonly Timed[], repeats: readonly number[]): Promise<(number | undefined)[]> {
  const profiler = new Profiler(gpu, 'bench', timed.length);
  try {
    const encoder = gpu.device.createCommandEncoder({ label: 'bench' });
    for (const [index, { record }] of timed.entries()) {
      record(encoder, repeats[index] ?? 1, profiler.timestampWrites(String(index)));
    }
    profiler.resolve(encoder);
    gpu.device.queue.submit([encoder.finish()]);
    const times = new Map((await profiler.read()).map(({ stage, milliseconds }) => [stage, milliseconds]));
    return timed.map((_, index) => {
      const total = times.get(String(index));
      return total === undefined ? undefined : total / (repeats[index] ?? 1);
    });
  } finally {
    profiler.destroy();
  }
}

/**
 * A list of things whose GPU time is sampled together, with the number of repetitions that a pilot run found for each.
 */
export class GpuTimer {
  readonly #gpu: Gpu;
  readonly #timed: readonly Timed[];
  /** Repetitions of each in one sample. */
  readonly repeats: readonly number[];

  /**
   * Runs the pilot.
   * @throws LimitError without the feature `timestamp-query`.
   */
  static async create(gpu: Gpu, timed: readonly Timed[]): Promise<GpuTimer> {
    const once = timed.map(() => 1);
    const first = repeatsFor(await runOnce(gpu, timed, once), once);
    if (first.every((repeats) => repeats === 1)) return new GpuTimer(gpu, timed, once);
    // The first pilot also warms up, and its passes cost more than small dispatches in them: the second one corrects
    // it.
    const few = first.map((repeats) => Math.min(FEW_REPEATS, repeats));
    return new GpuTimer(gpu, timed, repeatsFor(await runOnce(gpu, timed, few), few));
  }

  private constructor(gpu: Gpu, timed: readonly Timed[], repeats: readonly number[]) {
    this.#gpu = gpu;
    this.#timed = timed;
    this.repeats = repeats;
  }

  /** Milliseconds of one repetition of each, in order; undefined where the timestamps ran backwards. */
  sample(): Promise<(number | undefined)[]> {
    return runOnce(this.#gpu, this.#timed, this.repeats);
  }
}
