import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseRun } from '../bench/saved.js';

/** A row of the table. */
export interface Device {
  readonly file: string;
  readonly adapter: string;
  readonly isSoftware: boolean;
  readonly browser: string;
  readonly dtype: string;
  /** Milliseconds, as text. */
  readonly endToEnd: string;
  readonly gpu: string;
  readonly eight: string;
  readonly detector: string;
  readonly tracker: string;
  readonly day: string;
}

declare const data: readonly Device[];

export { data };

const digits = (ms: number | undefined): string => (ms === undefined ? '-' : String(Number(ms.toPrecision(3))));

/** The rows of docs/devices.md, the fastest first. */
export default {
  watch: ['../bench/results/*.json'],
  load(files: readonly string[]): readonly Device[] {
    return files
      .map((file) => ({ file: basename(file), run: parseRun(JSON.parse(readFileSync(file, 'utf8'))) }))
      .sort((a, b) => a.run.frame.endToEnd.median - b.run.frame.endToEnd.median)
      .map(({ file, run }) => ({
        file,
        adapter: run.adapter.name,
        isSoftware: run.adapter.isSoftware,
        browser: run.browser,
        dtype: run.weights.dtype,
        endToEnd: digits(run.frame.endToEnd.median),
        gpu: digits(run.frame.gpu.median),
        eight: digits(run.faces.find(({ faces }) => faces === 8)?.endToEnd.median),
        detector: digits(run.detector.median),
        tracker: digits(run.tracker.median),
        day: run.date.slice(0, 10),
      }));
  },
};
