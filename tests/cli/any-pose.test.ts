import { describe, expect, it } from 'vitest';
import {
  areaUnderCurve,
  boxOverlap,
  correlation,
  eyeRatio,
  eyeRoll,
  mouthOpening,
  placeErrors,
  placeNames,
  summarise,
} from '../../cli/any-pose.js';

/** 68 points at (0, 0) but for those that are given. */
function face(places: Readonly<Record<number, readonly [number, number]>>, stride: 2 | 3 = 2) {
  const values = new Float32Array(68 * stride);
  for (const [i, place] of Object.entries(places)) values.set(place, Number(i) * stride);
  return { values, stride } as const;
}

describe('figures of hard pictures', () => {
  it('summarise: mean, median and the share over 10%', () => {
    expect(summarise([1, 3, 20])).toEqual({ faces: 3, mean: 8, median: 3, over10: 100 / 3, notFound: 0 });
    expect(summarise([4, 2, 10, 12])).toEqual({ faces: 4, mean: 7, median: 7, over10: 25, notFound: 0 });
  });

  it('eyeRoll: the line between the eyes, whichever way it turns', () => {
    const eyes = (x: number, y: number) =>
      face(Object.fromEntries([...Array(12).keys()].map((i) => [36 + i, i < 6 ? [0, 0] : [x, y]] as const)));
    expect(eyeRoll(eyes(10, 0))).toBeCloseTo(0, 9);
    expect(eyeRoll(eyes(0, 10))).toBeCloseTo(90, 9);
    expect(eyeRoll(eyes(-10, -0.001))).toBeCloseTo(180, 1);
    expect(eyeRoll(eyes(10, -10))).toBeCloseTo(45, 9);
  });

  it('eyeRatio and mouthOpening', () => {
    const one = (p: number, gap: number): Record<number, readonly [number, number]> => ({
      [p]: [0, 0],
      [p + 1]: [3, -gap / 2],
      [p + 5]: [3, gap / 2],
      [p + 2]: [7, -gap / 2],
      [p + 4]: [7, gap / 2],
      [p + 3]: [10, 0],
    });
    const points = face({ ...one(36, 3), ...one(42, 1) });
    expect(eyeRatio(points)).toBeCloseTo((0.3 + 0.1) / 2, 6);
    // A box of 20 x 5: its size is 10.
    const mouth = face(
      { 0: [0, 0], 16: [20, 5], 61: [4, 1], 67: [4, 3], 62: [5, 1], 66: [5, 4], 63: [6, 1], 65: [6, 2] },
      3,
    );
    expect(mouthOpening(mouth)).toBeCloseTo((2 + 3 + 1) / 3 / 10, 6);
  });

  it('areaUnderCurve and correlation', () => {
    expect(areaUnderCurve([3, 4], [1, 2])).toBe(1);
    expect(areaUnderCurve([1, 2], [2, 3])).toBe(0.125);
    expect(correlation([1, 2, 3], [2, 4, 6])).toBeCloseTo(1, 12);
    expect(correlation([1, 2, 3], [1, 0, -1])).toBeCloseTo(-1, 12);
  });

  it('placeErrors: against the half of the face that is seen', () => {
    const values = new Float32Array(60);
    // A box of 100 x 100, the nose to the left of the eye: the right half is seen.
    values.set([0, 0], 0);
    values.set([100, 100], 2);
    for (let i = 12; i <= 17; i++) values.set([50, 30], 2 * i);
    for (const i of [9, 10, 11]) values.set([50, 20], 2 * i);
    for (const i of [18, 19, 20, 21]) values.set([20, 50], 2 * i);
    values.set([30, 80], 50);
    values.set([40, 95], 16);
    const found: Record<number, readonly [number, number]> = { 30: [20, 53], 54: [34, 80], 8: [40, 95] };
    for (let i = 42; i <= 47; i++) found[i] = [50, 32];
    for (let i = 22; i <= 26; i++) found[i] = [51, 20];
    for (const i of [27, 28, 29]) found[i] = [20, 49];
    const errors = placeErrors(face(found, 3), { values, stride: 2 });
    expect(placeNames.map((name) => Number(errors[name].toFixed(4)))).toEqual([2, 1, 3, 0, 4, 0]);
  });

  it('boxOverlap', () => {
    const box = { x0: 0, y0: 0, x1: 10, y1: 10 };
    expect(boxOverlap(box, box)).toBe(1);
    expect(boxOverlap(box, { x0: 5, y0: 0, x1: 15, y1: 10 })).toBeCloseTo(1 / 3, 12);
    expect(boxOverlap(box, { x0: 20, y0: 0, x1: 30, y1: 10 })).toBe(0);
  });
});
