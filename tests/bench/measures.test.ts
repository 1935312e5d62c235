import { describe, expect, it } from 'vitest';
import { distance, faceSize, jitter, lag, type Points } from '../../bench/tracking/measures.js';
import { random } from '../browser/numbers.js';

/** Four points on a square of side 100 whose middle is at (x, y). */
const square = (x: number, y: number): number[] =>
  [
    [-50, -50],
    [50, -50],
    [-50, 50],
    [50, 50],
  ].flatMap(([dx = 0, dy = 0]) => [x + dx, y + dy, 7]);

describe('jitter', () => {
  it('is the root mean square of the second difference over the size of the face', () => {
    expect(faceSize(square(3, 4))).toBe(100);
    // 0, 3, 0 along x: a second difference of -6.
    expect(jitter([square(0, 0), square(3, 0), square(0, 0)])).toBeCloseTo(0.06, 12);
    // Second differences (-6, 0) and (6, -8): sqrt((36 + 100) / 2).
    const path = [square(0, 0), square(3, 0), square(0, 0), square(3, -8)];
    expect(jitter(path)).toBeCloseTo(Math.sqrt(68) / 100, 12);
  });

  it('knows no steady motion, and passes over gaps', () => {
    const steady: Points[] = Array.from({ length: 10 }, (_, t) => square(5 * t, -2 * t));
    expect(jitter(steady)).toBeCloseTo(0, 12);
    steady[4] = null;
    steady[5] = square(0, 900);
    steady[6] = null;
    expect(jitter(steady)).toBeCloseTo(0, 12);
    expect(jitter([null, square(0, 0)])).toBeNaN();
  });
});

describe('lag', () => {
  const at = (t: number) => square(40 * Math.sin(t / 6), 25 * Math.cos(t / 9));

  it.each([0, 1, 0.6, 2.35])('finds a delay of %f frames', (delay) => {
    const prompt = Array.from({ length: 120 }, (_, t) => at(t));
    const late = Array.from({ length: 120 }, (_, t) => at(t - delay));
    expect(lag(late, prompt)).toBeCloseTo(delay, 1);
  });

  it('finds it among noise and gaps', () => {
    const next = random(1);
    const noisy = (t: number) => at(t).map((value) => value + next() - 0.5);
    const prompt: Points[] = Array.from({ length: 200 }, (_, t) => noisy(t));
    const late: Points[] = Array.from({ length: 200 }, (_, t) => noisy(t - 1));
    prompt[50] = null;
    late[90] = null;
    expect(Math.abs(lag(late, prompt) - 1)).toBeLessThan(0.15);
  });
});

it('distance is the mean over the points, in the picture plane', () => {
  expect(distance(square(0, 0), square(3, 4))).toBeCloseTo(0.05, 12);
});
