import { describe, expect, it } from 'vitest';
import { fuzzExports, unknownFunctions } from '../../reliability/exports.js';
import { fuzzParsers } from '../../reliability/parsers.js';
import { formatTable, toMarkdown } from '../../reliability/report.js';
import { Tally } from '../../reliability/tally.js';
import { FullposeError, InputError } from '../../src/engine/errors.js';
import { show } from '../../src/engine/show.js';
import { unpackTensor } from '../../src/engine/tensor.js';
import { eulerToQuaternion, matrixToEuler, pickVertices, quaternionToMatrix } from '../../src/index.js';

describe('damaged files and impossible boxes', () => {
  it('give typed errors only, in more than 10,000 cases', { timeout: 300_000 }, async () => {
    const tally = await fuzzParsers(11_000, 20_260);
    expect(tally.failures).toEqual([]);
    expect(tally.counts).toMatchObject({ uncaught: 0, hangs: 0, untyped: 0 });
    expect(tally.counts.cases).toBeGreaterThanOrEqual(10_000);
  });
});

describe('exported functions', () => {
  it('are all called with what they should not be given', () => {
    expect(unknownFunctions()).toEqual([]);
  });

  it('refuse it with typed errors, take what is right, and give no NaN', async () => {
    const tally = new Tally();
    await fuzzExports(tally, 3000, 1);
    expect(tally.failures).toEqual([]);
    expect(tally.counts).toMatchObject({ uncaught: 0, hangs: 0, untyped: 0 });
  });

  it.each<[string, () => unknown]>([
    ['no channels, once without an end', () => unpackTensor([1, 2, 3, 4], 0)],
    ['a matrix that turns nothing', () => matrixToEuler([0, 0, 0, 0, 0, 0, 0, 0, 0])],
    ['a quaternion with NaN', () => quaternionToMatrix([1, Number.NaN, 0, 0])],
    ['a scale below 0', () => eulerToQuaternion({ yaw: 0, pitch: 0, roll: 0 }, -1)],
    ['a vertex that is not there', () => pickVertices([1, 2, 3], [1])],
  ])('tell %s', (_, call) => {
    expect(call).toThrow(FullposeError);
  });
});

describe('Tally', () => {
  it('tells a typed error from an untyped one, and a wrong result', async () => {
    const tally = new Tally();
    const wrong = () => {
      throw new Error('wrong');
    };
    await tally.run('typed', () => Promise.reject(new InputError('found this, wanted that')));
    await tally.run('untyped', () => Promise.reject(new TypeError('oh')));
    await tally.run('wrong', () => 1, wrong);
    tally.runNow(
      () => 'now',
      () => JSON.parse('{'),
    );
    tally.uncaught('late');
    expect(tally.counts).toEqual({ cases: 4, uncaught: 1, hangs: 0, untyped: 3 });
    expect(tally.failures).toHaveLength(4);
  });
});

describe('show', () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  let deep: unknown = [];
  for (let i = 0; i < 100_000; i++) deep = [deep];
  it.each([
    [Number.NaN, 'NaN'],
    [5n, '5'],
    [Symbol('s'), 'Symbol(s)'],
    [undefined, 'undefined'],
    [cycle, 'object'],
    [deep, 'object'],
    [{ a: [1] }, '{"a":[1]}'],
    [{ a: [Number.NaN, -Infinity, 0] }, '{"a":["NaN","-Infinity",0]}'],
    ['x'.repeat(1000), `"${'x'.repeat(199)}...`],
  ])('never throws', (value, text) => expect(show(value)).toBe(text));
});

describe('the table for the documentation', () => {
  it('has a line a check and a line an adapter', () => {
    const nothing = { cases: 0, uncaught: 0, hangs: 0, untyped: 0 };
    const text = toMarkdown(
      [
        { tried: 'this', cases: 12, failures: [] },
        { tried: 'that', cases: 3, failures: ['a', 'b'] },
        { tried: 'other', cases: 0, failures: [], missing: 'no such thing' },
      ],
      {
        fuzz: nothing,
        soak: { frames: 9, buffersStart: 7, buffersEnd: 8, heapGrowthMB: 0.25, validationErrors: 0 },
        lifecycle: { cycles: 0, leakedBuffers: 0 },
        deviceLoss: { cases: 0, recovered: 0, uncaught: 0 },
        repeat: { runs: 0, different: 0 },
        adapters: [{ name: 'card', maxError: 0.0000312 }],
      },
      77,
    );
    expect(text).toContain('Seed of the random cases: 77.');
    expect(text).toContain('| this | 12 | 0 |\n| that | 3 | 2 |\n| other | 0 | not tried: no such thing |\n');
    expect(text).toContain('Soak of 9 frames: 7 buffers before, 8 after; 0.25 MB of heap more; 0 validation errors.');
    expect(text).toContain('| card | 0.000031 |');
  });
});

describe('the table', () => {
  it('says what was tried, how often, and what failed', () => {
    const rows = [
      { tried: 'this', cases: 12, failures: [] },
      { tried: 'that one', cases: 3, failures: ['a', 'b'] },
      { tried: 'other', cases: 0, failures: [], missing: 'no such thing' },
    ];
    expect(formatTable(rows, 77)).toBe(
      'seed 77\ntried       cases  failed\nthis           12  ok\nthat one        3  2 FAILED\nother           0  NOT TRIED\n\nthat one: a\nthat one: b\nother: not tried: no such thing\n',
    );
  });
});
