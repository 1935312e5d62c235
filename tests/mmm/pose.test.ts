import { readFileSync } from 'node:fs';
import { Euler, Matrix4, Vector3 } from 'three';
import { describe, expect, it } from 'vitest';
import {
  type EulerAngles,
  eulerToMatrix,
  eulerToQuaternion,
  type Matrix3,
  matrixToEuler,
  matrixToQuaternion,
  poseInPicture,
  type Quaternion,
  quaternionToMatrix,
} from '../../src/mmm/pose.js';
import { random } from '../browser/numbers.js';

function expectClose(actual: readonly number[], expected: readonly number[], tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) {
    expect(Math.abs((actual[i] ?? Number.NaN) - value), `[${i}] ${actual[i]}, expected ${value}`).toBeLessThanOrEqual(
      tolerance,
    );
  }
}

function multiply(a: Matrix3, b: Matrix3): number[] {
  return Array.from({ length: 9 }, (_, i) => {
    const [row, column] = [Math.floor(i / 3), i % 3];
    return [0, 1, 2].reduce((sum, k) => sum + (a[row * 3 + k] ?? 0) * (b[k * 3 + column] ?? 0), 0);
  });
}

// Golden rotations of the 300W-LP convention.
const GOLDEN: readonly { readonly angles: EulerAngles; readonly matrix: Matrix3; readonly quaternion: Quaternion }[] = [
  {
    angles: { pitch: 10, yaw: 30, roll: -5 },
    matrix: [0.86273, -0.075479, -0.5, 0.172325, 0.973493, 0.150384, 0.475396, -0.215903, 0.852869],
    quaternion: [0.96035, 0.095352, 0.253917, -0.064509],
  },
  {
    angles: { pitch: 0, yaw: 60, roll: 0 },
    matrix: [0.5, 0, -0.866025, 0, 1, 0, 0.866025, 0, 0.5],
    quaternion: [0.866025, 0, 0.5, 0],
  },
  {
    angles: { pitch: -15, yaw: -80, roll: 20 },
    matrix: [0.163176, 0.059391, 0.984808, -0.090851, 0.99485, -0.044943, -0.982405, -0.082137, 0.167731],
    quaternion: [0.762522, 0.012194, -0.64497, 0.049258],
  },
];

const COSINE_30 = Math.sqrt(3) / 2;

describe('pose', () => {
  it.each(GOLDEN)('reproduces the golden rotation of $angles', ({ angles, matrix, quaternion }) => {
    expectClose(eulerToMatrix(angles), matrix, 1e-6);
    expectClose(eulerToQuaternion(angles), quaternion, 1e-6);
    expectClose(quaternionToMatrix(quaternion), matrix, 2e-6);
    expectClose(matrixToQuaternion(matrix), quaternion, 2e-6);
    const back = matrixToEuler(matrix);
    expectClose([back.pitch, back.yaw, back.roll], [angles.pitch, angles.yaw, angles.roll], 2e-4);
  });

  it.each(['yaw', 'pitch', 'roll'] as const)('turns by %s the way that the guide says', (angle) => {
    const turned = eulerToMatrix({ yaw: 0, pitch: 0, roll: 0, [angle]: 30 });
    const [nose, crown] = [2, 1].map((axis) => [turned[axis] ?? 0, turned[axis + 3] ?? 0]);
    // To the picture's left, up, and to the picture's right.
    const expected = {
      yaw: [
        [-0.5, 0],
        [0, 1],
      ],
      pitch: [
        [0, 0.5],
        [0, COSINE_30],
      ],
      roll: [
        [0, 0],
        [0.5, COSINE_30],
      ],
    };
    expectClose([...(nose ?? []), ...(crown ?? [])], expected[angle].flat(), 1e-12);
  });

  it.each(GOLDEN)('turns a VRM head in three.js as the recipe says: $angles', ({ angles }) => {
    const [, written = ''] = /rotation\.set\((.*)\);/.exec(readFileSync('docs/recipes/rigs.md', 'utf8')) ?? [];
    const values = { ...angles, radians: Math.PI / 180 };
    const rotationOf = (side: number) => {
      const list = new Function(...Object.keys(values), 'side', `return [${written}]`)(...Object.values(values), side);
      return new Matrix4().makeRotationFromEuler(new Euler(...(list as ConstructorParameters<typeof Euler>)));
    };
    const expected = eulerToMatrix(angles);
    // VRM 0 looks along -z; half a turn of the whole model lets it face the camera.
    const halfTurn = new Matrix4().makeRotationY(Math.PI);
    for (const [axis, [x, y, z]] of (
      [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
      ] as const
    ).entries()) {
      const column = [expected[axis] ?? 0, expected[axis + 3] ?? 0, expected[axis + 6] ?? 0];
      expectClose(new Vector3(x, y, z).applyMatrix4(rotationOf(-1)).toArray(), column, 1e-12);
      const vrm0 = new Vector3(-x, y, -z).applyMatrix4(rotationOf(1)).applyMatrix4(halfTurn);
      expectClose(vrm0.toArray(), column, 1e-12);
    }
  });

  it('carries the scale in the quaternion: |q|^2 = f', () => {
    const q = eulerToQuaternion({ pitch: 10, yaw: 30, roll: -5 }, 4.2e-4);
    expectClose(q, [0.019681, 0.001954, 0.005204, -0.001322], 1e-6);
    expect(q.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(4.2e-4, 12);
  });

  it('goes round: angles, matrix, quaternion, at any scale', () => {
    const next = random(1);
    for (let i = 0; i < 200; i++) {
      const angles = { pitch: next() * 178 - 89, yaw: next() * 179 - 89.5, roll: next() * 358 - 179 };
      const scale = 10 ** (next() * 6 - 4);
      const q = eulerToQuaternion(angles, scale);
      expect(q[0]).toBeGreaterThanOrEqual(0);
      const matrix = quaternionToMatrix(q);
      expectClose(
        matrix.map((value) => value / scale),
        eulerToMatrix(angles),
        1e-12,
      );
      const back = matrixToEuler(matrix);
      expectClose([back.pitch, back.yaw, back.roll], [angles.pitch, angles.yaw, angles.roll], 1e-8);
    }
  });

  it('takes every branch of matrix to quaternion, half turns included', () => {
    const h = Math.SQRT1_2;
    for (const q of [
      [1, 0, 0, 0],
      [0, 1, 0, 0],
      [0, 0, 1, 0],
      [0, 0, 0, 1],
      [0.1, 0.9, -0.3, 0.3],
      [0.1, -0.3, 0.9, 0.3],
      [0.1, 0.3, 0.3, -0.9],
      [0, h, 0, h],
    ] as const satisfies readonly Quaternion[]) {
      const matrix = quaternionToMatrix(q);
      expectClose(quaternionToMatrix(matrixToQuaternion(matrix)), matrix, 1e-12);
    }
  });

  it('keeps the rotation and reports roll 0 in gimbal lock', () => {
    // At yaw 90 (pitch 20, roll 0) and (0, -20) are one rotation.
    const locked = eulerToMatrix({ pitch: 20, yaw: 90, roll: 0 });
    expectClose(eulerToMatrix({ pitch: 0, yaw: 90, roll: -20 }), locked, 1e-12);
    for (const angles of [
      { pitch: 0, yaw: 90, roll: -20 },
      { pitch: 35, yaw: 90, roll: 10 },
      { pitch: 35, yaw: -90, roll: 10 },
      { pitch: -170, yaw: -90, roll: 60 },
    ]) {
      const matrix = eulerToMatrix(angles);
      const back = matrixToEuler(matrix);
      expect(back.roll).toBe(0);
      expect(back.yaw).toBeCloseTo(angles.yaw, 6);
      expectClose(eulerToMatrix(back), matrix, 1e-6);
    }
  });

  it('is a rotation whatever the quaternion: R R^T = |q|^4 I', () => {
    const r = quaternionToMatrix([1.5, -0.25, 0.5, 0.75]);
    const f = 1.5 ** 2 + 0.25 ** 2 + 0.5 ** 2 + 0.75 ** 2;
    const transposed: Matrix3 = [r[0], r[3], r[6], r[1], r[4], r[7], r[2], r[5], r[8]];
    expectClose(multiply(r, transposed), [f * f, 0, 0, 0, f * f, 0, 0, 0, f * f], 1e-12);
  });

  it('maps model points to picture pixels with the matrix of the pose', () => {
    const q = eulerToQuaternion({ pitch: -7, yaw: 40, roll: 12 }, 60);
    const r = quaternionToMatrix(q);
    const pose = poseInPicture(q, [61, 70], 128, { scale: 2.5, x0: 300, y0: -20 });
    const point = [0.3, -0.4, 0.9] as const;
    const dot = (row: number) => point.reduce((sum, value, k) => sum + (r[row * 3 + k] ?? 0) * value, 0);
    const expected = [(dot(0) + 61) * 2.5 + 300, (127 - (dot(1) + 70)) * 2.5 - 20, dot(2) * 2.5];
    const m = pose.matrix;
    const got = [0, 1, 2].map(
      (row) =>
        (m[row * 4] ?? 0) * point[0] +
        (m[row * 4 + 1] ?? 0) * point[1] +
        (m[row * 4 + 2] ?? 0) * point[2] +
        (m[row * 4 + 3] ?? 0),
    );
    expectClose(got, expected, 1e-9);
    expectClose([pose.pitch, pose.yaw, pose.roll, pose.scale], [-7, 40, 12, 150], 1e-9);
    expectClose(
      pose.rotation,
      r.map((value) => value / 60),
      1e-12,
    );
  });
});
