import { expect, it } from 'vitest';
import { runReliability } from '../../reliability/headless.js';
import { SHORT } from '../../reliability/report.js';

// The short form of `npm run reliability`.
it('breaks nothing: bad input, failing downloads, many frames, lost devices', { timeout: 600_000 }, async () => {
  const { report, rows } = await runReliability(SHORT, 20_260, () => {});
  expect(rows.flatMap(({ tried, failures }) => failures.map((failure) => `${tried}: ${failure}`))).toEqual([]);
  const { fuzz, soak, lifecycle, deviceLoss, repeat, adapters } = report;
  expect(fuzz).toMatchObject({ uncaught: 0, hangs: 0, untyped: 0 });
  expect(fuzz.cases).toBeGreaterThan(SHORT.parserCases + SHORT.inputCases);
  expect(soak).toMatchObject({ frames: SHORT.soakFrames, buffersEnd: soak.buffersStart, validationErrors: 0 });
  expect(soak.buffersStart).toBeGreaterThan(20);
  expect(lifecycle).toEqual({ cycles: SHORT.cycles, leakedBuffers: 0 });
  const losses = SHORT.losses + SHORT.crashes;
  expect(deviceLoss).toEqual({ cases: losses, recovered: losses, uncaught: 0 });
  expect(repeat.different).toBe(0);
  expect(repeat.runs).toBeGreaterThanOrEqual(SHORT.repeats);
  expect(adapters).toHaveLength(2);
});
