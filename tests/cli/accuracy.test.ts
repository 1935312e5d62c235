import { describe, expect, it } from 'vitest';
import {
  jitterBox,
  mean,
  median,
  normalisedMeanError,
  normals,
  quantile,
  tightBox,
  yawBin,
  yawBins,
} from '../../cli/accuracy.js';

describe('normalisedMeanError', () => {
  // A box of 4 x 9 pixels: the normaliser is 6.
  const truth = [0, 0, 4, 0, 4, 9, 0, 9];

  it('is the mean distance over sqrt(w h), in percent, and does not look at z', () => {
    const predicted = [3, 4, 100, 4, 0, -7, 4, 9, 0, 0, 9, 1];
    expect(normalisedMeanError(predicted, truth)).toBeCloseTo((100 * (5 / 4)) / 6, 12);
  });

  it('leaves out the points before the first, but not from the normaliser', () => {
    const predicted = [50, 50, 0, 4, 0, 0, 4, 12, 0, 0, 9, 0];
    expect(normalisedMeanError(predicted, truth, 1)).toBeCloseTo((100 * (3 / 3)) / 6, 12);
  });

  it('refuses another number of points', () => {
    expect(() => normalisedMeanError([1, 2, 3], truth)).toThrow('3 predicted numbers for 4 points; wanted 12');
  });
});

describe('tightBox', () => {
  it('takes x and y at the stride', () => {
    expect(tightBox([1, 2, 99, -3, 8, -99], 3)).toEqual({ x0: -3, y0: 2, x1: 1, y1: 8 });
  });
});

describe('yawBin', () => {
  it('puts both signs in one bin, and each limit in the bin below it', () => {
    expect([0, 30, -30, 30.001, -60, 60.1, 90, -90].map(yawBin)).toEqual([0, 0, 0, 1, 1, 2, 2, 2]);
    expect(yawBins).toHaveLength(3);
  });

  it('refuses what is no yaw', () => {
    expect(() => yawBin(90.5)).toThrow('yaw 90.5');
    expect(() => yawBin(Number.NaN)).toThrow('yaw NaN');
  });
});

describe('statistics', () => {
  it('mean, median and quantiles', () => {
    expect(mean([1, 2, 6])).toBe(3);
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(quantile([0, 10], 0.25)).toBe(2.5);
    expect(quantile([7], 1)).toBe(7);
    expect(() => median([])).toThrow('no values');
  });
});

describe('jitterBox', () => {
  const box = { x0: 10, y0: 20, x1: 30, y1: 60 };

  it('shifts by parts of the longer side and scales about the centre', () => {
    const draws = [1, -1, 2];
    const moved = jitterBox(box, { shift: 0.05, scale: 0.1 }, () => draws.shift() ?? 0);
    // Centre (20, 40) + (2, -2), size (20, 40) * 1.2.
    expect(moved.x0).toBeCloseTo(10, 10);
    expect(moved.x1).toBeCloseTo(34, 10);
    expect(moved.y0).toBeCloseTo(14, 10);
    expect(moved.y1).toBeCloseTo(62, 10);
  });

  it('is the same for one seed, different for another, and never turns a box inside out', () => {
    const boxes = (seed: number) => {
      const normal = normals(seed);
      return Array.from({ length: 50 }, () => jitterBox(box, { shift: 0.05, scale: 1 }, normal));
    };
    expect(boxes(1)).toEqual(boxes(1));
    expect(boxes(1)).not.toEqual(boxes(2));
    for (const { x0, x1, y0, y1 } of boxes(3)) {
      expect(x1).toBeGreaterThan(x0);
      expect(y1).toBeGreaterThan(y0);
    }
  });

  it('draws standard normal numbers', () => {
    const normal = normals(8);
    const draws = Array.from({ length: 100_000 }, normal);
    expect(Math.abs(mean(draws))).toBeLessThan(0.02);
    expect(mean(draws.map((draw) => draw * draw))).toBeCloseTo(1, 1);
    expect(normals(8)()).toBe(draws[0]);
  });
});
