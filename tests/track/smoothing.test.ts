import { OneEuroFilter } from '1eurofilter';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/engine/errors.js';
import { parseParameterLayout } from '../../src/mmm/parameters.js';
import { eulerToQuaternion, matrixToEuler, type Quaternion, quaternionToMatrix } from '../../src/mmm/pose.js';
import { checkSmoothing, FaceSmoother, OneEuro, RotationOneEuro } from '../../src/track/smoothing.js';
import { expectClose, random } from '../browser/numbers.js';
import { layoutJson } from '../mmm/files.js';

/** Timestamps of a video whose frames come unevenly, in seconds. */
function unevenTimes(next: () => number, count: number): number[] {
  let time = 3;
  return Array.from({ length: count }, () => {
    time += 0.01 + 0.05 * next();
    return time;
  });
}

const since = (times: readonly number[], i: number) => (times[i] ?? 0) - (times[i - 1] ?? times[i] ?? 0);

describe('OneEuro', () => {
  it.each([
    { minCutoff: 1, beta: 0 },
    { minCutoff: 0.3, beta: 2 },
    { minCutoff: 5, beta: 0.01 },
  ])("is its authors' filter, component by component: %o", ({ minCutoff, beta }) => {
    const next = random(1);
    const times = unevenTimes(next, 200);
    const filter = new OneEuro(3, { minCutoff, beta });
    const oracles = [0, 1, 2].map(() => new OneEuroFilter(30, minCutoff, beta));
    for (const [i, time] of times.entries()) {
      const value = [Math.sin(3 * time), 40 * next(), time > 5 ? 7 : 0];
      const expected = oracles.map((oracle, k) => oracle.filter(value[k] ?? 0, time));
      expectClose(filter.filter(value, since(times, i)), expected, { rtol: 1e-12, label: `sample ${i}` });
    }
  });

  it('measures speed in the unit that it is given', () => {
    const [plain, scaled] = [new OneEuro(1, { minCutoff: 1, beta: 0.5 }), new OneEuro(1, { minCutoff: 1, beta: 0.5 })];
    const next = random(2);
    for (let i = 0; i < 50; i++) {
      const value = next();
      const expected = (plain.filter([value], 0.04)[0] ?? 0) * 100;
      expectClose(scaled.filter([value * 100], 0.04, 100), [expected], { rtol: 1e-12 });
    }
  });

  it('gives components that go together one cutoff: a turned path is smoothed as the path is', () => {
    const options = { minCutoff: 0.5, beta: 3 };
    const [straight, turned] = [new OneEuro(2, options, 2), new OneEuro(2, options, 2)];
    const [cos, sin] = [Math.cos(0.7), Math.sin(0.7)];
    const next = random(3);
    for (let i = 0; i < 60; i++) {
      const [x, y] = [i < 30 ? 0 : i + next(), next()];
      const [a = 0, b = 0] = straight.filter([x, y], 0.04);
      const expected = [cos * a - sin * b, sin * a + cos * b];
      expectClose(turned.filter([cos * x - sin * y, sin * x + cos * y], 0.04), expected, { atol: 1e-12 });
    }
  });
});

describe('RotationOneEuro', () => {
  const aboutY = (angle: number): Quaternion => [Math.cos(angle / 2), 0, Math.sin(angle / 2), 0];

  it('is the filter of the angle where the axis stays', () => {
    const next = random(4);
    const times = unevenTimes(next, 100);
    const filter = new RotationOneEuro({ minCutoff: 0.8, beta: 1.5 });
    const oracle = new OneEuroFilter(30, 0.8, 1.5);
    for (const [i, time] of times.entries()) {
      const angle = Math.sin(time) + 0.2 * next();
      const sign = next() < 0.5 ? -1 : 1;
      const [a, b, c, d] = aboutY(angle);
      // q and -q are one rotation.
      const smooth = filter.filter([a * sign, b * sign, c * sign, d * sign], since(times, i));
      const expected = aboutY(oracle.filter(angle, time));
      expectClose(quaternionToMatrix(smooth), quaternionToMatrix(expected), { atol: 1e-9, label: `sample ${i}` });
    }
  });

  it('turns on past half a turn, the short way', () => {
    const filter = new RotationOneEuro({ minCutoff: 1000, beta: 0 });
    for (let angle = 0; angle < 13; angle += 0.3) {
      const smooth = filter.filter(aboutY(angle), 0.04);
      expect(Math.hypot(...smooth)).toBeCloseTo(1, 12);
      expectClose(quaternionToMatrix(smooth), quaternionToMatrix(aboutY(angle)), { atol: 0.02 });
    }
  });

  it('stays where it is', () => {
    const filter = new RotationOneEuro({ minCutoff: 1, beta: 1 });
    const q = eulerToQuaternion({ yaw: 30, pitch: -10, roll: 4 });
    for (let i = 0; i < 5; i++) expect(filter.filter(q, 0.04)).toEqual(q);
  });
});

describe('FaceSmoother', () => {
  const layout = parseParameterLayout(layoutJson(5, 3));

  function parametersAt(
    angles: { yaw: number; pitch: number; roll: number },
    scale: number,
    rest: number,
  ): Float64Array<ArrayBuffer> {
    const parameters = new Float64Array(layout.count).fill(rest);
    parameters.set(eulerToQuaternion(angles, scale));
    parameters.set([320, -240, 0, 0], 4);
    return parameters;
  }

  it('leaves a face at rest as it is, from the first frame on', () => {
    const smoother = new FaceSmoother(layout);
    const parameters = parametersAt({ yaw: 20, pitch: 5, roll: -3 }, 40, 0.5);
    for (let i = 0; i < 5; i++) {
      expectClose(smoother.smooth(parameters, 1000 + 40 * i), parameters, { rtol: 1e-12, label: `frame ${i}` });
    }
  });

  it('halves the trembling of every part, and follows a turn', () => {
    const smoother = new FaceSmoother(layout);
    const next = random(5);
    const raw: number[][] = [];
    const smooth: number[][] = [];
    for (let i = 0; i < 120; i++) {
      const noise = () => (next() - 0.5) / 50;
      const yaw = i < 60 ? 0 : Math.min(40, (i - 60) * 2);
      const p = parametersAt({ yaw: yaw + 30 * noise(), pitch: 30 * noise(), roll: 0 }, 40 * (1 + noise()), 0);
      for (const k of [4, 5]) p[k] = (p[k] ?? 0) + 40 * noise();
      for (let k = 8; k < layout.count; k++) p[k] = noise();
      const s = smoother.smooth(p, 40 * i);
      const parts = (q: Float64Array) => {
        const quaternion: Quaternion = [q[0] ?? 0, q[1] ?? 0, q[2] ?? 0, q[3] ?? 0];
        const { yaw: turn, pitch } = matrixToEuler(quaternionToMatrix(quaternion));
        return [turn, pitch, Math.log(Math.hypot(...quaternion)), ...q.subarray(4)];
      };
      raw.push(parts(p));
      smooth.push(parts(s));
    }
    const trembling = (rows: number[][], k: number) => {
      const at = (i: number) => rows[i]?.[k] ?? 0;
      const seconds = Array.from({ length: 48 }, (_, i) => at(i + 10) - 2 * at(i + 11) + at(i + 12));
      return Math.sqrt(seconds.reduce((sum, value) => sum + value * value, 0) / seconds.length);
    };
    for (const k of [0, 1, 2, 3, 4, 7, 8, 12]) {
      const [before, after] = [trembling(raw, k), trembling(smooth, k)];
      expect(before, `part ${k}`).toBeGreaterThan(0);
      expect(after, `part ${k}`).toBeLessThan(before / 2);
    }
    expect(Math.abs((smooth.at(-1)?.[0] ?? 0) - 40)).toBeLessThan(1);
  });
});

describe('checkSmoothing', () => {
  it.each([
    [
      { rotation: { minCutoff: 0, beta: 1 } },
      /smoothing.rotation is \{ minCutoff: 0, beta: 1 \}; wanted minCutoff > 0/,
    ],
    [{ scale: { minCutoff: 1, beta: Number.NaN } }, /smoothing.scale/],
    [{ translation: undefined }, /smoothing.translation is \{ minCutoff: undefined/],
    [{ colour: { minCutoff: 1, beta: 1 } }, /a part "?colour"?; wanted rotation, translation/],
  ])('refuses %o', (options, message) => {
    const check: (value: object) => void = checkSmoothing;
    expect(() => check(options)).toThrow(InputError);
    expect(() => check(options)).toThrow(message);
  });
});
