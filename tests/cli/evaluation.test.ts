import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { formatTable, measure } from '../../cli/evaluation.js';
import { orthogonalFactor, poseOfLandmarks } from '../../cli/label-pose.js';
import { loadFaceModel } from '../../src/mmm/model.js';
import { eulerToMatrix } from '../../src/mmm/pose.js';

// 68 points whose box is 100 x 100, and predictions that are off by one pixel: within the jaw line only, or everywhere.
const truth = Float32Array.from({ length: 136 }, (_, i) => (i < 4 ? (i < 2 ? 0 : 100) : 50));
const predicted = (offJaw: number, offInner: number) =>
  Float32Array.from({ length: 204 }, (_, i) => {
    const [point, axis] = [Math.floor(i / 3), i % 3];
    if (axis === 2) return 7;
    return (truth[point * 2 + axis] ?? 0) + (axis === 0 ? (point < 17 ? offJaw : offInner) : 0);
  });

describe('measure', () => {
  it('averages over all crops and by bin of yaw', () => {
    const accuracy = measure([
      { landmarks: predicted(1, 1), truth, yaw: 10 },
      { landmarks: predicted(0, 3), truth, yaw: -20 },
      { landmarks: predicted(2, 2), truth, yaw: -75 },
    ]);
    expect(accuracy.count).toBe(3);
    expect(accuracy.nme68).toBeCloseTo((1 + (3 * 51) / 68 + 2) / 3, 5);
    expect(accuracy.nme51).toBeCloseTo(2, 5);
    expect(accuracy.byYaw.map((bin) => bin?.count)).toEqual([2, undefined, 1]);
    expect(accuracy.byYaw[0]?.nme51).toBeCloseTo(2, 5);
    expect(accuracy.byYaw[2]).toMatchObject({ bin: '(60, 90]', nme68: expect.closeTo(2, 5) });
  });
});

describe('formatTable', () => {
  it('lines up numbers, and shows empty bins', () => {
    const rows = [
      { label: 'K = 1', accuracy: measure([{ landmarks: predicted(1, 1), truth, yaw: 10 }]) },
      { label: 'label network', accuracy: measure([{ landmarks: predicted(12, 12), truth, yaw: 10 }]) },
    ];
    expect(formatTable(rows).split('\n')).toEqual([
      '               NME68  NME51  [0, 30]  (30, 60]  (60, 90]',
      'crops              1               1         0         0',
      'K = 1           1.00   1.00     1.00         -         -',
      'label network  12.00  12.00    12.00         -         -',
    ]);
    expect(formatTable([])).toBe('');
  });
});

describe('poseOfLandmarks', () => {
  const file = readFileSync(new URL('../../weights/face_model.safetensors', import.meta.url));
  const model = loadFaceModel(new Uint8Array(file).buffer);

  it.each([
    { yaw: 0, pitch: 0, roll: 0 },
    { yaw: 75, pitch: -20, roll: 10 },
    { yaw: -40, pitch: 15, roll: -35 },
  ])('finds the pose of the mean face turned by %j, at any size and place', (angles) => {
    const r = eulerToMatrix(angles);
    const landmarks = Array.from(model.landmarks).flatMap((vertex) => {
      const [x = 0, y = 0, z = 0] = model.mean.slice(vertex * 3, vertex * 3 + 3);
      const row = (i: 0 | 3 | 6) => 57 * (r[i] * x + (r[i + 1] ?? 0) * y + (r[i + 2] ?? 0) * z);
      // Pictures have y down.
      return [row(0) + 90, 120 - row(3), row(6) - 5];
    });
    const found = poseOfLandmarks(landmarks, model);
    expect(found.yaw).toBeCloseTo(angles.yaw, 4);
    expect(found.pitch).toBeCloseTo(angles.pitch, 4);
    expect(found.roll).toBeCloseTo(angles.roll, 4);
  });

  it('refuses another number of points, and points in a plane', () => {
    expect(() => poseOfLandmarks([1, 2, 3], model)).toThrow('3 numbers; wanted 68 points');
    const flat = Array.from({ length: 204 }, (_, i) => (i % 3 === 2 ? 0 : Math.sin(i)));
    expect(() => poseOfLandmarks(flat, model)).toThrow('lie in a plane');
  });
});

describe('orthogonalFactor', () => {
  it('keeps a rotation and drops a stretch', () => {
    const r = eulerToMatrix({ yaw: 30, pitch: 20, roll: 10 });
    const factor = orthogonalFactor([
      r[0] * 5,
      r[1] * 5,
      r[2] * 5,
      r[3] * 5,
      r[4] * 5,
      r[5] * 5,
      r[6] * 5,
      r[7] * 5,
      r[8] * 5,
    ]);
    for (const [i, value] of r.entries()) expect(factor[i]).toBeCloseTo(value, 12);
    for (const [i, value] of orthogonalFactor([2, 0, 0, 0, 3, 0, 0, 0, 9]).entries()) {
      expect(value).toBeCloseTo(i % 4 === 0 ? 1 : 0, 12);
    }
  });
});
