import { expect, it } from 'vitest';
import { runReliability } from '../../reliability/headless.js';
import { SHORT } from '../../reliability/report.js';
import { browserFrom, thisMachine } from '../../scripts/browser.js';

// The short form of `npm run reliability`.
it('breaks nothing: bad input, failing downloads, many frames, lost devices', { timeout: 600_000 }, async () => {
  const { report, rows } = await runReliability(browserFrom(thisMachine), SHORT, 20_260, () => {});
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
  // The browser's, SwiftShader in Node and, where Mesa is there, lavapipe: each with all that it has and with the
  // least.
  const missing = rows.filter((row) => row.missing !== undefined);
  expect(missing.map(({ tried }) => tried)).not.toContain('adapter SwiftShader in Node');
  expect(adapters).toHaveLength(missing.length === 0 ? 6 : 4);
  expect(Math.max(...adapters.map(({ maxError }) => maxError))).toBeLessThan(0.05);
});
