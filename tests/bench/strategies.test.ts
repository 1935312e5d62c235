import { describe, expect, it } from 'vitest';
import { ratio } from '../../bench/benchmark.js';
import { OURS } from '../../bench/network.js';
import { type Check, maxAbsDifference, race, type Strategy } from '../../bench/strategies.js';

/** A strategy of the given times; `check` says what its result is like. */
function strategy(name: string, times: readonly number[], check: () => Promise<Check>, log: string[] = []): Strategy {
  let run = 0;
  return {
    name,
    group: 'network',
    prepare: async () => void log.push(`prepare ${name}`),
    check: async () => {
      log.push(`check ${name}`);
      return check();
    },
    run: async () => {
      log.push(`run ${name}`);
      return times[run++ % times.length] ?? 0;
    },
  };
}

const right = async (): Promise<Check> => ({ maxAbsError: 1e-6, ok: true });
const wrong = async (): Promise<Check> => ({ maxAbsError: 1.5, ok: false, note: 'off' });

describe('race', () => {
  it('marks a wrong result, and a ratio does not count it', async () => {
    const contenders = await race([strategy(OURS, [2], right), strategy('other', [1], wrong)], 3, 1, () => {});
    expect(contenders.map(({ name, ok, maxAbsError, note }) => [name, ok, maxAbsError, note])).toEqual([
      [OURS, true, 1e-6, ''],
      ['other', false, 1.5, 'off'],
    ]);
    expect(contenders[1]?.ms?.median).toBe(1);
    expect(ratio(contenders, 'other')).toBeNull();
  });

  it('goes on without a strategy that fails, and says why', async () => {
    const broken = strategy('broken', [1], () => Promise.reject(new Error('no such backend')));
    const contenders = await race([broken, strategy(OURS, [2], right)], 3, 1, () => {});
    expect(contenders[0]).toEqual({
      name: 'broken',
      group: 'network',
      startMs: undefined,
      ms: undefined,
      maxAbsError: undefined,
      ok: false,
      note: 'no such backend',
    });
    expect(contenders[1]?.ms?.count).toBe(3);
    expect(ratio(contenders, 'broken')).toBeNull();
  });

  it('keeps what a failing strategy says short', async () => {
    const message = `no ${'such '.repeat(100)}backend\nits graph`;
    const [broken] = await race([strategy('broken', [1], () => Promise.reject(new Error(message)))], 1, 1, () => {});
    expect(broken?.note).toBe(`${message.slice(0, 200)} ...`);
  });

  it('checks everything before any time is taken, and warms up before the rounds', async () => {
    const log: string[] = [];
    const contenders = await race(
      [strategy(OURS, [9, 2, 2, 4], right, log), strategy('other', [90, 20, 20, 20], right, log)],
      3,
      1,
      () => {},
    );
    expect(log.slice(0, 4)).toEqual([`prepare ${OURS}`, `check ${OURS}`, 'prepare other', 'check other']);
    expect(log.filter((entry) => entry === `run ${OURS}`).length).toBe(4);
    expect(ratio(contenders, 'other')).toBe(10);
    expect(ratio(contenders, 'unheard of')).toBeNull();
  });

  it('ends where whoever listens throws', async () => {
    const stop = () => {
      throw new Error('stopped');
    };
    await expect(race([strategy(OURS, [1], right)], 3, 1, stop)).rejects.toThrow('stopped');
  });
});

it('maxAbsDifference is infinite where results cannot be compared', () => {
  expect(maxAbsDifference([1, 2.5], [1, 2])).toBe(0.5);
  expect(maxAbsDifference([1], [1, 2])).toBe(Number.POSITIVE_INFINITY);
  expect(maxAbsDifference([Number.NaN, 0], [0, 0])).toBe(Number.POSITIVE_INFINITY);
  expect(maxAbsDifference([0, 5], [Number.NaN, 0])).toBe(Number.POSITIVE_INFINITY);
});
