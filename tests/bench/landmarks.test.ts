import { describe, expect, it } from 'vitest';
import { checkLandmarks } from '../../bench/landmarks.js';

/** 68 points on a square of 100 pixels, a row of ten after the other. */
const landmarks = Float32Array.from({ length: 68 * 3 }, (_, i) => {
  const point = Math.floor(i / 3);
  return [(100 * (point % 10)) / 9, (100 * Math.floor(point / 10)) / 6, 0][i % 3] ?? 0;
});
const face = { landmarks };

/** The points from `first` on, moved to the right. */
const moved = (pixels: number, first = 0) =>
  landmarks.map((value, i) => value + (i % 3 === 0 && i >= 3 * first ? pixels : 0));

describe('checkLandmarks', () => {
  it('takes a few percent of the box for the same face', () => {
    expect(checkLandmarks(moved(5), face)).toEqual({
      maxAbsError: expect.closeTo(0.05, 5),
      ok: true,
      note: expect.stringContaining('5.0% of the face'),
    });
    expect(checkLandmarks(moved(9), face).ok).toBe(false);
  });

  it('looks at the inner points alone', () => {
    const jaw = moved(50).map((value, i) => (i < 3 * 17 ? value : (landmarks[i] ?? 0)));
    expect(checkLandmarks(jaw, face).maxAbsError).toBe(0);
    expect(checkLandmarks(moved(50, 67), face).maxAbsError).toBeCloseTo(0.5, 5);
  });

  it('fails where there is no face, or no number', () => {
    expect(() => checkLandmarks(undefined, face)).toThrow('it finds no face');
    expect(checkLandmarks(moved(Number.NaN), face).ok).toBe(false);
  });
});
