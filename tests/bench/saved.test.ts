import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { histogramOf } from '../../bench/histogram.js';
import {
  estimateSeconds,
  parseRun,
  RunHistory,
  runFromFragment,
  runFromJson,
  runToFragment,
  runToJson,
} from '../../bench/saved.js';
import { sampleReport } from './sample-report.js';

const { pipelines, ...sample } = sampleReport();

describe('a saved run', () => {
  it('is the report without the WGSL, through JSON and through a link', async () => {
    expect(pipelines.length).toBeGreaterThan(0);
    const saved = runFromJson(runToJson(sampleReport()));
    expect(saved).not.toHaveProperty('pipelines');
    expect(saved.timeline).toEqual(sample.timeline);
    expect(saved.frame.endToEnd.median).toBeCloseTo(sample.frame.endToEnd.median, 3);
    const link = await runToFragment(sampleReport());
    expect(link).toMatch(/^run=[\w-]+$/);
    expect(link.length).toBeLessThan(runToJson(sampleReport()).length);
    expect(await runFromFragment(`#${link}`)).toEqual(saved);
    expect(await runFromFragment('#card-summary')).toBeUndefined();
  });

  it.each([
    ['not JSON', '{', /not JSON/],
    ['another file', '{"a": 1}', /date/],
    ['a time that is none', runToJson({ ...sample, seconds: -1 }), /seconds/],
  ])('is refused where it is %s', (_, text, message) => {
    expect(() => runFromJson(text)).toThrow(message);
  });

  it('of a link that was cut is refused', async () => {
    const link = await runToFragment(sample);
    await expect(runFromFragment(link.slice(0, -20))).rejects.toThrow('cut or changed');
  });
});

/** As a browser keeps text. */
class Memory {
  readonly kept = new Map<string, string>();
  getItem = (key: string) => this.kept.get(key) ?? null;
  setItem = (key: string, value: string) => void this.kept.set(key, value);
  removeItem = (key: string) => void this.kept.delete(key);
}

describe('the history', () => {
  it('keeps the last twelve runs, the newest first, over visits', () => {
    const memory = new Memory();
    const history = new RunHistory(memory);
    for (let seconds = 0; seconds < 14; seconds++) history.add({ ...sample, seconds });
    const next = new RunHistory(memory);
    expect(next.runs.map(({ seconds }) => seconds)).toEqual([13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    next.clear();
    expect(new RunHistory(memory).runs).toEqual([]);
  });

  it('forgets what is no run, and works where nothing can be stored', () => {
    const memory = new Memory();
    memory.setItem('fullpose.benchmark', JSON.stringify([{ old: true }, sample]));
    expect(new RunHistory(memory).runs).toHaveLength(1);
    const none = new RunHistory(undefined);
    none.add(sample);
    expect(none.runs).toHaveLength(1);
  });
});

it('the estimate follows the last run on the same adapter', () => {
  const quick = { faces: 1, quick: true, rivals: false } as const;
  const here = { name: 'acme fast', isSoftware: false };
  const slow = { ...here, isSoftware: true };
  const guess = estimateSeconds(quick, here, []);
  expect(estimateSeconds(quick, slow, [])).toBeGreaterThan(guess);
  const last = { ...sample, adapter: here, seconds: 30, rounds: 5, rivals: [] };
  expect(estimateSeconds(quick, here, [last])).toBeCloseTo(30);
  expect(estimateSeconds({ ...quick, quick: false }, here, [last])).toBeGreaterThan(60);
  expect(estimateSeconds(quick, { ...here, name: 'another' }, [last])).toBe(guess);
});

it.each([
  [[], []],
  [[5, 5], [2]],
  [
    [1, 2, 3, 10],
    [3, 1],
  ],
])('a histogram of %j has the bins %j', (samples, counts) => {
  const bins = histogramOf(samples);
  expect(bins.map(({ count }) => count)).toEqual(counts);
  if (samples.length > 0)
    expect([bins[0]?.from, bins.at(-1)?.to]).toEqual([Math.min(...samples), Math.max(...samples)]);
});

it('bench/results has runs of the benchmark with the sample picture, and nothing else', () => {
  const files = readdirSync('bench/results').filter((name) => name !== 'README.md');
  for (const name of files) {
    expect(name).toMatch(/^[a-z0-9-]+\.json$/);
    const run = parseRun(JSON.parse(readFileSync(`bench/results/${name}`, 'utf8')));
    expect(run.ownPicture, name).toBe(false);
  }
});
