import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ArenaPlan, type ArenaStep, planArena } from '../../src/engine/arena.js';
import { ShapeError } from '../../src/engine/errors.js';

/** Throws where a plan breaks what the arena promises. */
function checkArena(bytes: ReadonlyMap<string, number>, steps: readonly ArenaStep[], plan: ArenaPlan): void {
  expect([...plan.placements.keys()].sort()).toEqual([...bytes.keys()].sort());
  const placements = [...plan.placements];
  for (const [name, { bank, offset, bytes: size }] of placements) {
    expect(offset % 256, name).toBe(0);
    expect(size, name).toBeGreaterThanOrEqual(bytes.get(name) ?? Number.NaN);
    expect(offset + size, name).toBeLessThanOrEqual(plan.banks[bank] ?? Number.NaN);
  }
  for (const [index, [nameA, a]] of placements.entries()) {
    for (const [nameB, b] of placements.slice(index + 1)) {
      const together = a.first <= b.last && b.first <= a.last;
      const overlap = a.bank === b.bank && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
      expect(together && overlap, `${nameA} and ${nameB} are alive together in the same bytes`).toBe(false);
    }
  }
  for (const { reads, writes } of steps) {
    for (const read of reads) {
      for (const write of writes) {
        expect(plan.placements.get(read)?.bank, `${read} -> ${write}`).not.toBe(plan.placements.get(write)?.bank);
      }
    }
  }
}

/** A chain of tensors: each step reads the one before. */
function chain(sizes: readonly number[]): { bytes: Map<string, number>; steps: ArenaStep[] } {
  return {
    bytes: new Map(sizes.map((size, index) => [`t${index}`, size])),
    steps: sizes.map((_, index) => ({ reads: index === 0 ? [] : [`t${index - 1}`], writes: [`t${index}`] })),
  };
}

describe('planArena', () => {
  it('gives a chain two banks of the largest tensors of each parity', () => {
    const { bytes, steps } = chain([1024, 512, 768, 256, 512]);
    const plan = planArena(bytes, steps);
    checkArena(bytes, steps, plan);
    expect([...plan.banks].sort((a, b) => b - a)).toEqual([1024, 512]);
  });

  it('rounds sizes up to 256 bytes', () => {
    const { bytes, steps } = chain([1, 257]);
    expect(planArena(bytes, steps).banks).toEqual([512, 256]);
  });

  it('keeps a tensor that is read much later', () => {
    const bytes = new Map([
      ['early', 256],
      ['a', 256],
      ['b', 256],
      ['sum', 256],
    ]);
    const steps = [
      { reads: [], writes: ['early'] },
      { reads: ['early'], writes: ['a'] },
      { reads: ['a'], writes: ['b'] },
      { reads: ['b', 'early'], writes: ['sum'] },
    ];
    const plan = planArena(bytes, steps);
    checkArena(bytes, steps, plan);
    expect(plan.placements.get('early')?.last).toBe(3);
  });

  it('keeps its promises for any network', () => {
    const network = fc.array(
      fc.record({ size: fc.integer({ min: 1, max: 5000 }), picks: fc.array(fc.nat(100), { maxLength: 3 }) }),
      {
        maxLength: 20,
      },
    );
    fc.assert(
      fc.property(network, (layers) => {
        const bytes = new Map(layers.map(({ size }, index) => [`t${index}`, size]));
        const steps = layers.map(({ picks }, index) => ({
          reads: index === 0 ? [] : [...new Set(picks.map((pick) => `t${pick % index}`))],
          writes: [`t${index}`],
        }));
        const plan = planArena(bytes, steps);
        checkArena(bytes, steps, plan);
        const sum = [...bytes.values()].reduce((total, size) => total + Math.ceil(size / 256) * 256, 0);
        expect(plan.banks.reduce((total, size) => total + size, 0)).toBeLessThanOrEqual(sum);
      }),
    );
  });

  it.each<readonly [what: string, steps: readonly ArenaStep[], message: RegExp]>([
    ['reads before writes', [{ reads: ['a'], writes: [] }], /Step 0 reads 'a', which no step before it writes/],
    ['an unknown tensor', [{ reads: [], writes: ['b'] }], /Step 0 writes 'b', which is not among/],
    ['a tensor never written', [], /'a' is in the arena, but no step writes it/],
    [
      'a step in place',
      [
        { reads: [], writes: ['a'] },
        { reads: ['a'], writes: ['a'] },
      ],
      /both reads and writes 'a'/,
    ],
  ])('refuses %s', (_, steps, message) => {
    expect(() => planArena(new Map([['a', 4]]), steps)).toThrow(ShapeError);
    expect(() => planArena(new Map([['a', 4]]), steps)).toThrow(message);
  });
});
