/**
 * Calls take turns: they may overlap, but their uploads and submits happen in order, and only so many may be
 * unfinished.
 *
 * ```ts
 * const turn = turns.enter();          // refused where too many are unfinished
 * try {
 *   await turn.next();                 // it may prepare: only the turn before it is not over
 *   const prepared = await prepare();
 *   await turn.begin();                // all before it are over
 *   submit(prepared);
 *   turn.end();                        // the next one's
 *   return await read();
 * } finally {
 *   turn.leave();                      // one fewer is unfinished
 * }
 * ```
 */
import { FullposeError } from '../engine/errors.js';
import { expectWhole } from '../engine/expect.js';

const DEFAULT_MAX_PENDING = 64;

/** @throws InputError for what cannot be `maxPending`. */
export function checkMaxPending(maxPending = DEFAULT_MAX_PENDING): void {
  expectWhole('maxPending', maxPending, 1);
}

export class Turns {
  readonly #most: number;
  /** Resolves when all turns so far are over. */
  #last: Promise<unknown> = Promise.resolve();
  /** The same, without the last one. */
  #beforeLast: Promise<unknown> = Promise.resolve();
  #unfinished = 0;

  /** @param most calls that may be unfinished at once */
  constructor(most = DEFAULT_MAX_PENDING) {
    this.#most = most;
  }

  /**
   * A call begins. It must `leave`, whatever becomes of it.
   * @throws FullposeError `busy` where too many are unfinished.
   */
  enter(): Turn {
    if (this.#unfinished >= this.#most) {
      throw new FullposeError(
        'busy',
        `${this.#unfinished} calls are unfinished; wanted fewer than maxPending = ${this.#most}. Await some, or drop this frame.`,
      );
    }
    this.#unfinished++;
    return new Turn(
      (over) => this.#queue(over),
      () => {
        this.#unfinished--;
      },
    );
  }

  /** A place behind all others, for a turn that is over when `over` resolves. */
  #queue(over: Promise<void>): Place {
    const place = { beforeLast: this.#beforeLast, before: this.#last };
    this.#beforeLast = place.before;
    // What the turns gave is dropped: kept, each would hold the last.
    this.#last = Promise.all([place.before, over]).then(() => {});
    return place;
  }
}

interface Place {
  readonly beforeLast: Promise<unknown>;
  readonly before: Promise<unknown>;
}

/** One call's turn. Calls that never ask for it (`next`) hold up nobody. */
export class Turn {
  readonly #queue: (over: Promise<void>) => Place;
  readonly #left: () => void;
  #place: Place | undefined;
  #over: (() => void) | undefined;

  /** @ignore */
  constructor(queue: (over: Promise<void>) => Place, left: () => void) {
    this.#queue = queue;
    this.#left = left;
  }

  /**
   * Takes a place behind all that have one, and waits until it may prepare. One call prepares ahead of its turn, not
   * all that wait: what it prepares may be large.
   */
  async next(): Promise<void> {
    this.#place = this.#queue(
      new Promise((resolve) => {
        this.#over = resolve;
      }),
    );
    await this.#place.beforeLast;
  }

  /** Waits until the turns before it are over. */
  async begin(): Promise<void> {
    await this.#place?.before;
  }

  /** The next one may begin. Twice does nothing. */
  end(): void {
    this.#over?.();
  }

  /** The call is finished; a turn that it still has ends. To be called once. */
  leave(): void {
    this.end();
    this.#left();
  }
}
