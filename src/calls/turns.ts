/**
 * Calls take turns: they may overlap, but their uploads and submits happen in order, and only so many may be unfinished.
 */
import { FullposeError } from '../engine/errors.js';
import { refuse } from '../engine/expect.js';

const DEFAULT_MAX_PENDING = 64;

/** @throws InputError for what cannot be `maxPending`. */
export function checkMaxPending(maxPending: number | undefined): void {
  if (maxPending !== undefined && (!Number.isInteger(maxPending) || maxPending < 1)) {
    refuse('maxPending', maxPending, 'a whole number, at least 1');
  }
}

export class Turns {
  readonly #most: number;
  /** The turns so far. */
  #last: Promise<unknown> = Promise.resolve();
  /** The same, without the last one. */
  #beforeLast: Promise<unknown> = Promise.resolve();
  #unfinished = 0;

  /** @param most calls that may be unfinished at once */
  constructor(most = DEFAULT_MAX_PENDING) {
    this.#most = most;
  }

  /**
   * Runs a call unless too many are unfinished.
   * @throws FullposeError `busy`.
   */
  async admit<T>(call: () => Promise<T>): Promise<T> {
    if (this.#unfinished >= this.#most) {
      throw new FullposeError(
        'busy',
        `${this.#unfinished} calls are unfinished; wanted fewer than maxPending = ${this.#most}. Await some, or drop this frame.`,
      );
    }
    this.#unfinished++;
    try {
      return await call();
    } finally {
      this.#unfinished--;
    }
  }

  /**
   * Prepares, waits for the turns before, and acts. One call prepares ahead of its turn, not all that wait: what it prepares may be large.
   * A call that fails does not end the turn of the one before it.
   */
  take<P extends { release(): void }, T>(prepare: () => Promise<P>, act: (prepared: P) => Promise<T>): Promise<T> {
    const [beforeLast, before] = [this.#beforeLast, this.#last];
    const run = async (): Promise<T> => {
      await beforeLast;
      const prepared = await prepare();
      try {
        await before;
        return await act(prepared);
      } finally {
        prepared.release();
      }
    };
    const result = run();
    this.#beforeLast = before;
    // What the calls gave is dropped: kept, each would hold the last.
    this.#last = Promise.allSettled([before, result]).then(() => {});
    return result;
  }
}
