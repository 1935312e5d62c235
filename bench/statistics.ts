/** Samples to numbers that a person can trust, and the order in which samples are taken. */
import { median, medianAbsoluteDeviation, quantileSorted } from 'simple-statistics';

/** A summary of repeated measurements, in their own unit. */
export interface Summary {
  readonly count: number;
  readonly median: number;
  readonly p95: number;
  /** Median absolute deviation from the median: half of the samples lie within it. */
  readonly mad: number;
  readonly min: number;
}

/** @throws RangeError where there is no sample, or one is not a finite number. */
export function summarise(samples: readonly number[]): Summary {
  const bad = samples.find((sample) => !Number.isFinite(sample));
  if (samples.length === 0 || bad !== undefined) {
    throw new RangeError(
      `Cannot summarise ${samples.length} samples${bad === undefined ? '' : ` with ${bad} among them`}.`,
    );
  }
  const sorted = [...samples].sort((a, b) => a - b);
  return {
    count: samples.length,
    median: median(samples),
    p95: quantileSorted(sorted, 0.95),
    mad: medianAbsoluteDeviation([...samples]),
    min: sorted[0] ?? Number.NaN,
  };
}

/** Samples by name, in the order in which the names first came. */
export class Samples {
  readonly #samples = new Map<string, number[]>();

  add(name: string, value: number): void {
    const list = this.#samples.get(name);
    if (list === undefined) this.#samples.set(name, [value]);
    else list.push(value);
  }

  get names(): readonly string[] {
    return [...this.#samples.keys()];
  }

  /** In the order in which they came. */
  values(name: string): readonly number[] {
    return this.#samples.get(name) ?? [];
  }

  /** @throws RangeError where nothing was added under the name. */
  summary(name: string): Summary {
    return summarise(this.#samples.get(name) ?? []);
  }
}

/** A seeded source of whole numbers in [0, below), so that a run's order can be repeated. xorshift32. */
export function seededIndex(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** The items in random order (Fisher and Yates). */
export function shuffled<T>(items: readonly T[], index: (below: number) => number): T[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = index(last + 1);
    const [a, b] = [result[last], result[other]];
    if (a !== undefined && b !== undefined) [result[last], result[other]] = [b, a];
  }
  return result;
}

/** One thing to measure: takes a sample of itself. */
export interface Probe {
  readonly name: string;
  sample(): Promise<void>;
}

/**
 * Samples every probe once a round, in an order of its own each round: whatever disturbs the machine disturbs all of
 * them alike.
 * @param onSample called before each sample; its error ends the run
 */
export async function interleave(
  probes: readonly Probe[],
  rounds: number,
  seed: number,
  onSample: (round: number, probe: Probe) => void,
): Promise<void> {
  const index = seededIndex(seed);
  for (let round = 0; round < rounds; round++) {
    for (const probe of shuffled(probes, index)) {
      onSample(round, probe);
      await probe.sample();
    }
  }
}
