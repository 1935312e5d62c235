/**
 * Firefox asks the GPU whether it is done from a timer of 100 ms, and whenever something is submitted
 * (https://bugzilla.mozilla.org/show_bug.cgi?id=1870699). While somebody waits there, an empty submit every few
 * milliseconds makes it ask.
 */

import { isFirefox } from './firefox.js';

/** Less gains nothing but work: the browser takes some milliseconds to answer. */
export const NUDGE_MS = 4;

export class Nudge {
  readonly #queue: Pick<GPUQueue, 'submit'>;
  readonly #needed: boolean;
  #waiting = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(queue: Pick<GPUQueue, 'submit'>, needed = isFirefox()) {
    this.#queue = queue;
    this.#needed = needed;
  }

  /**
   * Waits for what the browser settles when the GPU is done: a map, the end of submitted work. Waits that overlap share
   * their nudges.
   */
  async until<T>(done: Promise<T>): Promise<T> {
    if (!this.#needed) return done;
    this.#waiting++;
    this.#timer ??= setInterval(() => this.#queue.submit([]), NUDGE_MS);
    try {
      return await done;
    } finally {
      this.#waiting--;
      if (this.#waiting === 0) {
        clearInterval(this.#timer);
        this.#timer = undefined;
      }
    }
  }
}
