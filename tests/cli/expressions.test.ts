import { describe, expect, it } from 'vitest';
import {
  expressions,
  formatGains,
  formatLargest,
  formatReports,
  formatSummary,
  mirrored,
  otherSide,
  type Reading,
  replaceBlock,
  reportOf,
  strengths,
} from '../../cli/expressions/cases.js';

/**
 * Readings of one weight by a reader that gives `gain` of it, as much as `leak` on the other side, and `stray` of the
 * jaw.
 */
function readings(name: string, { bias = 0, gain = 1, leak = 0, stray = 0 } = {}): readonly Reading[] {
  return [0, ...strengths].map((strength) => ({
    set: { [name]: strength },
    found: { [name]: bias + gain * strength, [otherSide(name)]: leak * strength, jawOpen: stray * strength },
  }));
}

describe('expressions set and found', () => {
  it('knows the other side of every name', () => {
    expect(['eyeBlinkLeft', 'mouthSmileRight', 'jawLeft', 'mouthRight', 'mouthPucker'].map(otherSide)).toEqual([
      'eyeBlinkRight',
      'mouthSmileLeft',
      'jawRight',
      'mouthLeft',
      'mouthPucker',
    ]);
    expect(mirrored({ eyeBlinkLeft: 1, jawOpen: 0.5, jawRight: 0.2 })).toEqual({
      eyeBlinkRight: 1,
      jawOpen: 0.5,
      jawLeft: 0.2,
    });
    for (const names of Object.values(expressions))
      for (const name of names) expect(otherSide(otherSide(name))).toBe(name);
  });

  it('reports what is found at nothing, half and all, the other side, and what strays', () => {
    const report = reportOf(
      ['eyeBlinkLeft'],
      readings('eyeBlinkLeft', { bias: 0.1, gain: 0.8, leak: 0.25, stray: -0.3 }),
    );
    expect(report.none).toBeCloseTo(0.1, 9);
    expect(report.half).toBeCloseTo(0.5, 9);
    expect(report.full).toBeCloseTo(0.9, 9);
    expect(report.correlation).toBeCloseTo(1, 9);
    expect(report.other).toBeCloseTo(0.25, 9);
    expect(report.stray[0]).toBe('jawOpen');
    expect(report.stray[1]).toBeCloseTo(-0.3, 9);
  });

  it('has no other side where both are set', () => {
    const names = ['eyeBlinkLeft', 'eyeBlinkRight'];
    const both = [0, ...strengths].map((strength) => ({
      set: { eyeBlinkLeft: strength, eyeBlinkRight: strength },
      found: { eyeBlinkLeft: strength, eyeBlinkRight: strength / 2, jawOpen: 0 },
    }));
    expect(reportOf(names, both)).toMatchObject({ full: 0.75, other: undefined });
  });

  it('is written into a page between its marks', () => {
    const { stray, none, full } = reportOf(['jawLeft'], readings('jawLeft', { leak: 0.5 }));
    expect(
      formatReports({ left: reportOf(['jawLeft'], readings('jawLeft', { leak: 0.5 })) })
        .split('\n')
        .at(-1),
    ).toBe('| left | 0.00 | 0.50 | 1.00 | 1.00 | 1.00 | 0.50 | jawRight +0.50 |');
    // Of what is read as the same throughout there is no correlation.
    expect(formatReports({ still: reportOf(['browInnerUp'], readings('browInnerUp', { gain: 0 })) })).toContain(
      '| still | 0.00 | 0.00 | 0.00 | 0.00 |  |',
    );
    const gains = { weak: { none: 0, full: 0.1, stray }, jawLeft: { none, full, stray } };
    expect(formatGains(gains).split('\n').slice(2)).toEqual([
      '| jawLeft | 0.00 | 1.00 | 1.00 | jawRight +0.50 |',
      '| weak | 0.00 | 0.10 | 0.10 | jawRight +0.50 |',
    ]);
    expect(
      formatSummary({ ...gains, half: { none: -0.1, full: 0.2 }, other: { none: 0.1, full: 0 } }).split('\n'),
    ).toEqual([
      '- Followed (half of what is set, or more): jawLeft.',
      '- In part (a fifth to a half): half.',
      '- Hardly or not: weak; other.',
    ]);
    expect(formatLargest({ a: 0.1, b: 0.7, c: 0.4 }, 2)).toBe('b 0.70, c 0.40');
    const page = 'Before\n<!-- x -->\nold\n<!-- end of x -->\nAfter';
    expect(replaceBlock(page, 'x', 'new')).toBe('Before\n<!-- x -->\n\nnew\n\n<!-- end of x -->\nAfter');
    expect(replaceBlock(replaceBlock(page, 'x', 'a'), 'x', 'new')).toBe(replaceBlock(page, 'x', 'new'));
    expect(() => replaceBlock(page, 'y', 'new')).toThrow(/no block "y"; wanted <!-- y -->/);
  });
});
