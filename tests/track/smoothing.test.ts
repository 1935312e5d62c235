import { readFileSync } from 'node:fs';
import { OneEuroFilter } from '1eurofilter';
import { describe, expect, it } from 'vitest';
import { eyeRatio } from '../../cli/any-pose.js';
import { InputError } from '../../src/engine/errors.js';
import { decodeVertices } from '../../src/mmm/decode.js';
import { loadFaceModel, selectVertices } from '../../src/mmm/model.js';
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
  const expressionNames = ['jawOpen', 'eyeBlink_L', 'mouthPucker'];
  /** Two landmarks about a point in front of the origin, and a vertex that is none. */
  const mean = new Float32Array([0.5, 0.25, 1, 9, 9, 9, -0.25, -0.5, 0.75]);
  const model = { expressionNames, mean, landmarks: new Uint32Array([0, 2]) };
  const middle = [0.125, -0.125, 0.875] as const;

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
    const smoother = new FaceSmoother(layout, model);
    const parameters = parametersAt({ yaw: 20, pitch: 5, roll: -3 }, 40, 0.5);
    for (let i = 0; i < 5; i++) {
      expectClose(smoother.smooth(parameters, 1000 + 40 * i), parameters, { rtol: 1e-12, label: `frame ${i}` });
    }
  });

  it('halves the trembling of every part, and follows a turn', () => {
    const smoother = new FaceSmoother(layout, model);
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

  it('keeps the middle of the face in its place while the head trembles about it', () => {
    const smoother = new FaceSmoother(layout, model);
    const next = random(6);
    const fromOrigin = (q: Quaternion) => {
      const r = quaternionToMatrix(q);
      return [0, 3].map((row) => middle.reduce((sum, x, k) => sum + r[row + k]! * x, 0));
    };
    for (let i = 0; i < 40; i++) {
      const p = parametersAt({ yaw: 4 * next(), pitch: 4 * next(), roll: 4 * next() }, 40, 0);
      const quaternion = (q: Float64Array): Quaternion => [q[0]!, q[1]!, q[2]!, q[3]!];
      const [x, y] = fromOrigin(quaternion(p));
      p.set([320 - x!, -240 - y!], 4);
      const smooth = smoother.smooth(p, 40 * i);
      const [dx, dy] = fromOrigin(quaternion(smooth));
      expectClose([smooth[4]! + dx!, smooth[5]! + dy!], [320, -240], { atol: 1e-9, label: `frame ${i}` });
    }
  });
});

describe('a blink of 120 ms at 30 frames a second', () => {
  const { parameters } = JSON.parse(readFileSync('weights/network.json', 'utf8'));
  const model = loadFaceModel(new Uint8Array(readFileSync('weights/face_model.safetensors')).buffer);
  const points = selectVertices(model, model.landmarks);
  const layout = parseParameterLayout(parameters);
  const lids = ['eyeBlink_L', 'eyeBlink_R'].map((name) => layout.expression[0] + model.expressionNames.indexOf(name));

  /** How far the lids are shut after `ms`: down in a third of the time, then up. */
  const shut = (ms: number) => Math.max(0, Math.min(ms / 40, (120 - ms) / 80));
  const frames = 60;
  const start = 30;

  /** Blink weights and eye aspect ratios before and after smoothing, frame by frame; noise of 0.02 on every weight. */
  function follow(depth: number, phaseMs: number, seed: number) {
    const next = random(seed);
    // Of standard deviation 1.
    const noise = () => Math.sqrt(3) * (2 * next() - 1);
    const smoother = new FaceSmoother(layout, model);
    const rows = Array.from({ length: frames }, (_, i) => {
      const p = new Float64Array(layout.count);
      p.set(eulerToQuaternion({ yaw: 10 + 0.1 * noise(), pitch: 0, roll: 2 }, 40));
      p.set([64 + 0.1 * noise(), 64 + 0.1 * noise()], 4);
      const [first, count] = layout.expression;
      for (let k = first; k < first + count; k++) p[k] = 0.02 * noise();
      for (const k of lids) p[k] = p[k]! + depth * shut(((i - start) * 1000) / 30 + phaseMs);
      const read = (parameters: Float64Array<ArrayBuffer>) => ({
        blink: (parameters[lids[0]!]! + parameters[lids[1]!]!) / 2,
        ratio: eyeRatio({ values: decodeVertices(points, layout, parameters, 128), stride: 3 }),
      });
      return { raw: read(p), smooth: read(smoother.smooth(p, 1000 + (i * 1000) / 30)) };
    });
    return { raw: rows.map(({ raw }) => raw), smooth: rows.map(({ smooth }) => smooth) };
  }

  it.each([1, 0.7])('survives where it shuts by %f, wherever it falls between frames', (depth) => {
    for (const [seed, phaseMs] of [0, 5, 10, 15, 20, 25, 30].entries()) {
      const { raw, smooth } = follow(depth, phaseMs, seed + 1);
      const blinks = (rows: typeof raw) => rows.map(({ blink }) => blink);
      const openings = (rows: typeof raw) => rows.map(({ ratio }) => ratio);
      const peak = Math.max(...blinks(raw));
      const label = `depth ${depth}, ${phaseMs} ms`;
      expect(Math.max(...blinks(smooth)), label).toBeGreaterThan(0.9 * peak);
      const open =
        openings(raw)
          .slice(0, start)
          .reduce((sum, ratio) => sum + ratio, 0) / start;
      const drop = (rows: typeof raw) => open - Math.min(...openings(rows));
      expect(drop(raw), label).toBeGreaterThan(0.1);
      expect(drop(smooth), label).toBeGreaterThan(0.9 * drop(raw));
      // At most a frame late, and open again three frames after the lids are.
      const last = (rows: typeof raw) => blinks(rows).indexOf(Math.max(...blinks(rows)));
      expect(last(smooth) - last(raw), label).toBeLessThanOrEqual(1);
      const opened = start + Math.ceil(((120 - phaseMs) * 30) / 1000);
      expect(smooth[opened + 2]!.blink, label).toBeLessThan(0.12 * peak + 0.06);
    }
  });
});

describe('checkSmoothing', () => {
  it.each([
    [
      { rotation: { minCutoff: 0, beta: 1 } },
      /smoothing.rotation is \{ minCutoff: 0, beta: 1 \}; wanted minCutoff > 0/,
    ],
    [{ scale: { minCutoff: 1, beta: Number.NaN } }, /smoothing.scale/],
    [{ scale: { minCutoff: 1 } }, /smoothing.scale is \{ minCutoff: 1, beta: undefined \}; wanted/],
    [{ translation: undefined }, /smoothing.translation is undefined; wanted an object/],
    [{ rotation: 2 }, /smoothing.rotation is 2; wanted an object/],
    [{ colour: { minCutoff: 1, beta: 1 } }, /no option "colour"; wanted rotation, translation/],
    [
      { rotation: { minCutoff: 1, beta: 1, derivativeCutoff: 1 } },
      /no option "derivativeCutoff"; wanted minCutoff, beta\.$/,
    ],
  ])('refuses %o', (options, message) => {
    const check: (value: object) => void = checkSmoothing;
    expect(() => check(options)).toThrow(InputError);
    expect(() => check(options)).toThrow(message);
  });
});
