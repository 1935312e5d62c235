/** What the checks count, and how much of each there is. */

/** Amounts of one run. */
export interface Amounts {
  /** Damaged files and boxes, without a GPU. */
  readonly parserCases: number;
  /** Pictures, boxes and options that reach the aligner. */
  readonly inputCases: number;
  readonly soakFrames: number;
  /** `small` is the tests' network of a few thousand weights: the same code and the same calls, faster. */
  readonly soakWeights: 'small' | 'shipped';
  readonly cycles: number;
  /** Devices lost: 66 is every moment in every way once. */
  readonly losses: number;
  /** Losses of the browser's whole GPU process: 8 is every phase once. */
  readonly crashes: number;
  readonly repeats: number;
}

/** In CI, where `tests/reliability` damages another 11,000 files in Node. */
export const SHORT: Amounts = {
  parserCases: 500,
  inputCases: 120,
  soakFrames: 300,
  soakWeights: 'small',
  cycles: 6,
  losses: 6,
  crashes: 2,
  repeats: 3,
};

export const STANDARD: Amounts = {
  parserCases: 12_000,
  inputCases: 500,
  soakFrames: 2_000,
  soakWeights: 'small',
  cycles: 100,
  losses: 66,
  crashes: 8,
  repeats: 20,
};

export const LONG: Amounts = {
  parserCases: 100_000,
  inputCases: 2_000,
  soakFrames: 2_000,
  soakWeights: 'shipped',
  cycles: 100,
  losses: 132,
  crashes: 24,
  repeats: 50,
};

/** What can be run alone, by the names of the report. */
export const PARTS = ['fuzz', 'soak', 'lifecycle', 'repeat', 'adapters', 'strict', 'deviceLoss'] as const;
export type Part = (typeof PARTS)[number];

/** Tallies of cases that must end well or with a typed error. */
export interface FuzzCounts {
  readonly cases: number;
  readonly uncaught: number;
  readonly hangs: number;
  readonly untyped: number;
}

/** The JSON that `npm run reliability` writes. */
export interface Report {
  readonly fuzz: FuzzCounts;
  readonly soak: {
    readonly frames: number;
    readonly buffersStart: number;
    readonly buffersEnd: number;
    /** Null where the browser does not tell. */
    readonly heapGrowthMB: number | null;
    readonly validationErrors: number;
  };
  readonly lifecycle: { readonly cycles: number; readonly leakedBuffers: number };
  readonly deviceLoss: { readonly cases: number; readonly recovered: number; readonly uncaught: number };
  readonly repeat: { readonly runs: number; readonly different: number };
  /**
   * `maxError`: of a landmark's coordinate from PyTorch's, and on the sample picture from the first adapter's, in crop
   * pixels.
   */
  readonly adapters: readonly { readonly name: string; readonly maxError: number }[];
}

/** One line of the table. */
export interface Row {
  readonly tried: string;
  readonly cases: number;
  /** What went wrong; empty where nothing did. */
  readonly failures: readonly string[];
  /** Why it was not tried on this machine. */
  readonly missing?: string;
}

export interface Outcome {
  /** Parts that were not wanted count nothing. */
  readonly report: Report;
  readonly rows: readonly Row[];
}

/**
 * Landmarks may differ from PyTorch's and other adapters' by this, in crop pixels: sums in another order, through K
 * iterations.
 */
export const MAX_ERROR = 0.05;

/** The heap may grow by this over a soak, in MB: the browser's own caches, not something kept a frame. */
export const MAX_HEAP_GROWTH_MB = 0.5;

/** Largest difference between two lists of numbers; NaN where they cannot be compared. */
export function largestDifference(found: readonly number[], wanted: readonly number[]): number {
  if (found.length !== wanted.length) return Number.NaN;
  return found.reduce((most, value, i) => Math.max(most, Math.abs(value - (wanted[i] ?? Number.NaN))), 0);
}

/** For docs/reliability.md: the same lines as a table, and the report's numbers. */
export function toMarkdown(rows: readonly Row[], { soak, adapters }: Report, seed: number): string {
  const lines = rows.map(({ tried, cases, failures, missing }) => {
    const verdict =
      missing !== undefined ? `not tried: ${missing}` : failures.length === 0 ? '0' : `${failures.length}`;
    return `| ${tried} | ${cases} | ${verdict} |`;
  });
  const memory = `${soak.buffersStart} buffers before, ${soak.buffersEnd} after; ${
    soak.heapGrowthMB === null ? 'the heap cannot be measured here' : `${soak.heapGrowthMB} MB of heap more`
  }`;
  const errors = adapters.map(({ name, maxError }) => `| ${name} | ${maxError.toPrecision(2)} |`);
  return [
    '| tried | cases | failed |\n| --- | ---: | --- |',
    ...lines,
    `\nSeed of the random cases: ${seed}.\n`,
    `\nSoak of ${soak.frames} frames: ${memory}; ${soak.validationErrors} validation errors.\n`,
    '| adapter | largest error, crop pixels |\n| --- | ---: |',
    ...errors,
    '',
  ].join('\n');
}

/** Text with a line a check, then what failed. @param seed of the random cases: with it they are the same again */
export function formatTable(rows: readonly Row[], seed: number): string {
  const width = Math.max(...rows.map(({ tried }) => tried.length));
  const lines = rows.map(({ tried, cases, failures, missing }) => {
    const verdict = missing !== undefined ? 'NOT TRIED' : failures.length === 0 ? 'ok' : `${failures.length} FAILED`;
    return `${tried.padEnd(width)} ${String(cases).padStart(8)}  ${verdict}`;
  });
  const details = rows.flatMap(({ tried, failures, missing }) =>
    [...(missing === undefined ? [] : [`not tried: ${missing}`]), ...failures].map((text) => `${tried}: ${text}`),
  );
  const heading = `${'tried'.padEnd(width)} ${'cases'.padStart(8)}  failed`;
  return [`seed ${seed}`, heading, ...lines, ...(details.length === 0 ? [] : ['', ...details]), ''].join('\n');
}
