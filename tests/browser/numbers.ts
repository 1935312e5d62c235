/**
 * Helpers for numeric tests, on the page and in Node: seeded inputs, poison, comparisons that say where two arrays
 * differ.
 */

/**
 * A word that is a NaN as f32, as a pair of f16, and unlike any likely result as u32. Outputs are filled with it before
 * a kernel runs, so that an element which is never written cannot pass for a zero.
 */
export const POISON = 0xffba_ffba;

/** Words of poison. */
export function poisonWords(count: number): Uint32Array<ArrayBuffer> {
  return new Uint32Array(count).fill(POISON);
}

/** Overwrites a whole GPU buffer (usage COPY_DST) with poison. */
export function poison(device: GPUDevice, buffer: GPUBuffer): void {
  device.queue.writeBuffer(buffer, 0, poisonWords(buffer.size / 4));
}

/** A seeded source of numbers in [0, 1): mulberry32. The same seed gives the same numbers everywhere. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` floats, uniform in [low, high), from a seed. */
export function randomFloats(seed: number, count: number, low = -1, high = 1): Float32Array<ArrayBuffer> {
  const next = random(seed);
  return Float32Array.from({ length: count }, () => low + (high - low) * next());
}

export interface Tolerance {
  /** Largest absolute difference; default 0. */
  readonly atol?: number;
  /** Largest difference relative to |expected|; default 0. Added to `atol`. */
  readonly rtol?: number;
}

const listedMismatches = 8;

/**
 * Compares two arrays of numbers element by element: |actual - expected| <= atol + rtol * |expected|. A NaN matches
 * nothing, an infinity only itself.
 *
 * @throws Error with the number of mismatches, the largest one, and the first few with their indices; `shape` turns
 * indices into coordinates.
 */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance & { readonly label?: string; readonly shape?: readonly number[] } = {},
): void {
  const { atol = 0, rtol = 0, label = 'values', shape } = tolerance;
  if (actual.length !== expected.length) {
    throw new Error(`${label}: ${actual.length} elements; wanted ${expected.length}`);
  }
  const lines: string[] = [];
  let mismatches = 0;
  let worst = { index: -1, difference: -1 };
  for (let index = 0; index < expected.length; index++) {
    const [a, e] = [Number(actual[index]), Number(expected[index])];
    if (a === e || Math.abs(a - e) <= atol + rtol * Math.abs(e)) continue;
    mismatches++;
    const difference = Number.isNaN(a - e) ? Number.POSITIVE_INFINITY : Math.abs(a - e);
    if (difference > worst.difference) worst = { index, difference };
    if (lines.length < listedMismatches) lines.push(`  ${place(index, shape)} ${a}, wanted ${e} (off by ${a - e})`);
  }
  if (mismatches === 0) return;
  const rest = mismatches > lines.length ? [`  ... and ${mismatches - lines.length} more`] : [];
  throw new Error(
    [
      `${label}: ${mismatches} of ${expected.length} differ by more than ${atol} + ${rtol} * |wanted|; ` +
        `largest difference ${worst.difference} at ${place(worst.index, shape)}`,
      ...lines,
      ...rest,
    ].join('\n'),
  );
}

function place(index: number, shape: readonly number[] | undefined): string {
  if (shape === undefined) return `[${index}]`;
  const coordinates: number[] = [];
  let rest = index;
  for (const size of [...shape].reverse()) {
    coordinates.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return `[${coordinates.join(', ')}]`;
}

/** Deep equality of plain data (numbers, strings, arrays, typed arrays, plain objects); numbers by Object.is. */
export function expectEqual(actual: unknown, expected: unknown, label = 'value'): void {
  const path = firstDifference(actual, expected, '');
  if (path === undefined) return;
  throw new Error(`${label}${path.at}: ${show(path.actual)}, wanted ${show(path.expected)}`);
}

interface Difference {
  readonly at: string;
  readonly actual: unknown;
  readonly expected: unknown;
}

function firstDifference(actual: unknown, expected: unknown, at: string): Difference | undefined {
  if (Object.is(actual, expected)) return undefined;
  const here = { at, actual, expected };
  if (!isObject(actual) || !isObject(expected)) return here;
  if (Object.getPrototypeOf(actual) !== Object.getPrototypeOf(expected)) return here;
  const [mine, theirs] = [Object.keys(actual), Object.keys(expected)];
  if (mine.length !== theirs.length) return { at: `${at}.length`, actual: mine.length, expected: theirs.length };
  for (const key of theirs) {
    const difference = firstDifference(actual[key], expected[key], `${at}[${key}]`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function show(value: unknown): string {
  return isObject(value) ? JSON.stringify(value).slice(0, 200) : String(value);
}

/** @throws Error with `message` where `condition` does not hold. */
export function expectThat(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

/**
 * Runs `action` and checks that it throws or rejects with an instance of `type` whose message matches.
 * @returns the error.
 */
export async function expectError<E extends Error>(
  action: () => unknown,
  // biome-ignore lint/suspicious/noExplicitAny: constructors of errors take what they like; the instance matters
  type: abstract new (...args: any[]) => E,
  message: RegExp,
): Promise<E> {
  let error: unknown;
  try {
    await action();
  } catch (thrown) {
    error = thrown;
  }
  if (error === undefined) throw new Error(`nothing was thrown; wanted ${type.name} ${message}`);
  if (!(error instanceof type)) throw new Error(`${String(error)} was thrown; wanted ${type.name}`, { cause: error });
  if (!message.test(error.message))
    throw new Error(`the message is "${error.message}"; wanted ${message}`, { cause: error });
  return error;
}
