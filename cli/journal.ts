import { existsSync, statSync } from 'node:fs';
import { appendFile, mkdir, readFile, rm, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * A file of JSON lines that grows while a batch runs, so that a crash loses nothing that was finished. A line is
 * written in one go; one that a crash cut off is dropped when the file is read.
 */
export class Journal<T> {
  readonly #path: string;
  #turn: Promise<void> = Promise.resolve();

  /** @param path its folders are made when the first line is written. */
  constructor(path: string) {
    this.#path = path;
  }

  /**
   * The lines of an earlier run; none where the file is not there or older than `source`, which it was made from. What
   * was cut off is cut from the file too, so that it can grow on.
   */
  async read(source: string): Promise<readonly T[]> {
    if (!existsSync(this.#path) || !isCurrent(this.#path, source)) return [];
    const bytes = await readFile(this.#path);
    const entries: T[] = [];
    let whole = 0;
    for (let end = bytes.indexOf('\n'); end >= 0; end = bytes.indexOf('\n', whole)) {
      try {
        entries.push(JSON.parse(bytes.toString('utf8', whole, end)));
      } catch {
        break;
      }
      whole = end + 1;
    }
    if (whole < bytes.length) await truncate(this.#path, whole);
    return entries;
  }

  /** Forgets what is there. */
  async clear(): Promise<void> {
    await rm(this.#path, { force: true });
  }

  /** Adds a line. Lines come in the order of the calls. */
  add(entry: T): Promise<void> {
    this.#turn = this.#turn.then(async () => {
      await mkdir(dirname(this.#path), { recursive: true });
      await appendFile(this.#path, `${JSON.stringify(entry)}\n`);
    });
    return this.#turn;
  }
}

/** Whether `path` was written after `source` was. */
export function isCurrent(path: string, source: string): boolean {
  return statSync(path).mtimeMs >= statSync(source).mtimeMs;
}
