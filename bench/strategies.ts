/** Ways of doing one thing, raced: results are checked before times count, and all take turns in random order. */
import { interleave, Samples, type Summary } from './statistics.js';

/**
 * What the strategies of a group do: from a picture to landmarks, the same with the face of the frame before, Net^0
 * from arrays to an array, PNCC from vertices, or one convolution.
 */
export const strategyGroups = ['picture', 'video', 'network', 'rasteriser', 'convolution'] as const;
export type StrategyGroup = (typeof strategyGroups)[number];

export interface Check {
  readonly maxAbsError: number;
  readonly ok: boolean;
  /** What the error is measured against, where that is not plain. */
  readonly note?: string;
}

export interface Strategy {
  readonly name: string;
  readonly group: StrategyGroup;
  /** Downloads, compiles, uploads. */
  prepare(): Promise<void>;
  /** Does it once and compares the result with the reference; also the warm-up. */
  check(): Promise<Check>;
  /** Does it once. @returns milliseconds by the clock of its group */
  run(): Promise<number>;
}

export interface Contender {
  readonly name: string;
  readonly group: StrategyGroup;
  /** Milliseconds of `prepare` and the first result; undefined where it failed. */
  readonly startMs: number | undefined;
  /** Undefined where it could not run. */
  readonly ms: Summary | undefined;
  readonly maxAbsError: number | undefined;
  /** Whether its result was right. */
  readonly ok: boolean;
  readonly note: string;
}

/**
 * Races `strategies`. One that fails, or whose result is wrong, does not end the race; it is marked.
 * @param onProgress called with what is being done, before it is
 */
export async function race(
  strategies: readonly Strategy[],
  rounds: number,
  seed: number,
  onProgress: (text: string) => void,
): Promise<readonly Contender[]> {
  const samples = new Samples();
  const started: { strategy: Strategy; check: Check | undefined; startMs: number | undefined; note: string }[] = [];
  for (const strategy of strategies) {
    onProgress(`preparing ${strategy.name}`);
    const start = performance.now();
    try {
      await strategy.prepare();
      const check = await strategy.check();
      started.push({ strategy, check, startMs: performance.now() - start, note: check.note ?? '' });
    } catch (error) {
      started.push({ strategy, check: undefined, startMs: undefined, note: noteOf(error) });
    }
  }
  const running = started.filter(({ check }) => check !== undefined);
  const probes = running.map(({ strategy }) => ({
    name: strategy.name,
    sample: async () => samples.add(strategy.name, await strategy.run()),
  }));
  // What is measured first pays for what was left unfinished before it.
  for (const { strategy } of running) await strategy.run();
  await interleave(probes, rounds, seed, (round, { name }) => onProgress(`round ${round + 1} of ${rounds}: ${name}`));
  return started.map(({ strategy: { name, group }, check, startMs, note }) => ({
    name,
    group,
    startMs,
    ms: check === undefined ? undefined : samples.summary(name),
    maxAbsError: check?.maxAbsError,
    ok: check?.ok ?? false,
    note,
  }));
}

/** The first line; engines print whole graphs, and a note is kept with its run. */
function noteOf(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  return line.length <= mostNote ? line : `${line.slice(0, mostNote)} ...`;
}

const mostNote = 200;

/** The largest absolute difference; infinite where the lengths differ or a value is no number. */
export function maxAbsDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs((actual[i] ?? Number.NaN) - (expected[i] ?? Number.NaN));
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }
  return largest;
}
