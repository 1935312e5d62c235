/** Runs cases and sorts their ends: well, with a typed error, with an untyped one, or never. */
import { FullposeError } from '../src/engine/errors.js';
import type { FuzzCounts } from './report.js';

/** Longest that one case may take, in milliseconds; on a busy machine a frame takes a second. */
const LIMIT_MS = 30_000;

/** Failures that are told in full. */
const TOLD = 8;

export class Tally {
  #cases = 0;
  #hangs = 0;
  #untyped = 0;
  #uncaught = 0;
  readonly #failures: string[] = [];

  get counts(): FuzzCounts {
    return { cases: this.#cases, uncaught: this.#uncaught, hangs: this.#hangs, untyped: this.#untyped };
  }

  get failures(): readonly string[] {
    return this.#failures;
  }

  /** Counts an error that reached nobody. */
  uncaught(error: unknown): void {
    this.#uncaught++;
    this.#fail(`uncaught ${String(error)}`);
  }

  /**
   * Runs `action`; what it throws must be a FullposeError that says something. `check` throws where a result is wrong.
   */
  async run<T>(
    name: string | (() => string),
    action: () => T | Promise<T>,
    check: (result: T) => void = () => {},
  ): Promise<void> {
    this.#cases++;
    const told = () => (typeof name === 'string' ? name : name());
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), LIMIT_MS);
    });
    try {
      const ended = await Promise.race([Promise.resolve(action()).then((result) => ({ result })), late]);
      if (ended === 'late') {
        this.#hangs++;
        this.#fail(`${told()}: not finished after ${LIMIT_MS / 1000} s`);
      } else check(ended.result);
    } catch (error) {
      if (isTyped(error)) return;
      this.#untyped++;
      this.#fail(`${told()}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The same for what needs no waiting; a timer a case would take longer than the case. */
  runNow<T>(name: () => string, action: () => T, check: (result: T) => void = () => {}): void {
    this.#cases++;
    const start = performance.now();
    try {
      check(action());
    } catch (error) {
      if (!isTyped(error)) {
        this.#untyped++;
        this.#fail(`${name()}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      }
    }
    if (performance.now() - start > LIMIT_MS) {
      this.#hangs++;
      this.#fail(`${name()}: took more than ${LIMIT_MS / 1000} s`);
    }
  }

  #fail(text: string): void {
    if (this.#failures.length < TOLD) this.#failures.push(text.slice(0, 1000));
  }
}

function isTyped(error: unknown): boolean {
  return error instanceof FullposeError && error.code.length > 0 && error.message.length > 10;
}
