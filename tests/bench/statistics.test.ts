import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { interleave, Samples, seededIndex, shuffled, summarise } from '../../bench/statistics.js';

describe('summarise', () => {
  it('gives median, 95th percentile and median absolute deviation', () => {
    const samples = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(summarise(samples)).toEqual({ count: 100, median: 50.5, p95: expect.closeTo(95.05, 6), mad: 25, min: 1 });
    expect(summarise([7])).toEqual({ count: 1, median: 7, p95: 7, mad: 0, min: 7 });
  });

  it('is not moved by one sample that was disturbed', () => {
    const { median, mad } = summarise([5, 5, 5, 5, 5000]);
    expect([median, mad]).toEqual([5, 0]);
  });

  it('refuses what it cannot summarise', () => {
    expect(() => summarise([])).toThrow(RangeError);
    expect(() => summarise([1, Number.NaN])).toThrow('NaN');
  });

  it('does not reorder what it is given', () => {
    const samples = [3, 1, 2];
    summarise(samples);
    expect(samples).toEqual([3, 1, 2]);
  });
});

it('Samples keeps names apart and refuses a name without samples', () => {
  const samples = new Samples();
  for (const [name, value] of [
    ['a', 1],
    ['b', 9],
    ['a', 3],
  ] as const)
    samples.add(name, value);
  expect(samples.names).toEqual(['a', 'b']);
  expect(samples.summary('a').median).toBe(2);
  expect(() => samples.summary('c')).toThrow(RangeError);
});

describe('shuffled', () => {
  it('keeps every item, and the same seed gives the same order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.integer(), (items, seed) => {
        const order = shuffled(items, seededIndex(seed));
        expect([...order].sort((a, b) => a - b)).toEqual([...items].sort((a, b) => a - b));
        expect(shuffled(items, seededIndex(seed))).toEqual(order);
      }),
    );
  });

  it('puts every item everywhere', () => {
    const index = seededIndex(3);
    const places = new Set<string>();
    for (let i = 0; i < 300; i++)
      for (const [place, item] of shuffled(['a', 'b', 'c'], index).entries()) places.add(`${item}${place}`);
    expect(places.size).toBe(9);
  });
});

it('interleave samples every probe once a round, and not always in one order', async () => {
  const log: string[] = [];
  const probes = ['a', 'b', 'c', 'd'].map((name) => ({ name, sample: async () => void log.push(name) }));
  const announced: string[] = [];
  await interleave(probes, 6, 1, (round, { name }) => announced.push(`${round}${name}`));
  const rounds = Array.from({ length: 6 }, (_, i) => log.slice(i * 4, i * 4 + 4));
  for (const round of rounds) expect([...round].sort()).toEqual(['a', 'b', 'c', 'd']);
  expect(new Set(rounds.map((round) => round.join(''))).size).toBeGreaterThan(1);
  expect(announced).toEqual(log.map((name, i) => `${Math.floor(i / 4)}${name}`));
});
