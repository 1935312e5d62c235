/**
 * Scaled quaternion pose (TPAMI "3D total solution", section on rotation; CVPR eq. 2 for the projection) and its
 * conversions.
 *
 * Model frame: decimetres, x to the subject's left, y up, z to the front. `R(q)` is the transpose of the usual Hamilton
 * matrix, which is what the 300W-LP angles use: `R / |q|^2 = Rx(pitch) Ry(yaw) Rz(roll)` with `Rx(a) = [1 0 0; 0 cos a
 * sin a; 0 -sin a cos a]`, `Ry(b) = [cos b 0 -sin b; 0 1 0; sin b 0 cos b]` and `Rz(c) = [cos c sin c 0; -sin c cos c
 * 0; 0 0 1]`. Positive yaw moves the nose toward image left.
 */

import { expectFields, expectNumbers, expectPositive } from '../engine/expect.js';
import { type PixelTransform, rotate, transformPoint, turnOf } from '../pictures/crop.js';

/** `(q0, q1, q2, q3)`, q0 the real part. `|q|^2` is the scale. */
export type Quaternion = readonly [number, number, number, number];

/** 3x3, row-major. */
export type Matrix3 = readonly [number, number, number, number, number, number, number, number, number];

/** 3x4, row-major: `y = M (x, 1)`. */
export type Matrix3x4 = readonly [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];

/** Degrees, 300W-LP convention. */
export interface EulerAngles {
  /** Positive where the nose is to the image's left. */
  readonly yaw: number;
  /** Positive where the nose is up. */
  readonly pitch: number;
  /** Positive where the head is turned clockwise as seen. */
  readonly roll: number;
}

/** Everything a caller may want to know of a head's pose in a picture. */
export interface Pose extends EulerAngles {
  /** Rotation alone (orthonormal), row-major 3x3, in the y-up model frame. */
  readonly rotation: Matrix3;
  /** Picture pixels per model decimetre. */
  readonly scale: number;
  /** Model decimetres (homogeneous) -> picture pixels: x right, y down, z toward the viewer. Row-major 3x4. */
  readonly matrix: Matrix3x4;
}

const DEGREES = 180 / Math.PI;

/** Below this `cos(yaw)` pitch and roll turn about one axis and only their sum or difference is defined. */
const GIMBAL_COSINE = 1e-6;

/**
 * `R(q)`, quadratic in q: a rotation times `|q|^2`.
 * @throws InputError for what is no quaternion.
 */
export function quaternionToMatrix(quaternion: Quaternion): Matrix3 {
  expectNumbers('quaternion', quaternion, 4);
  const [a, b, c, d] = quaternion;
  return [
    a * a + b * b - c * c - d * d,
    2 * (b * c + a * d),
    2 * (b * d - a * c),
    2 * (b * c - a * d),
    a * a - b * b + c * c - d * d,
    2 * (a * b + c * d),
    2 * (a * c + b * d),
    2 * (c * d - a * b),
    a * a - b * b - c * c + d * d,
  ];
}

/**
 * The scaled quaternion with `R(q) = m` and `q0 >= 0` for a rotation times a positive scale.
 * The component largest in magnitude is found first, so no division is ever by a small number.
 * @throws InputError for a matrix that turns nothing.
 */
export function matrixToQuaternion(m: Matrix3): Quaternion {
  const scale = scaleOf(m);
  const trace = m[0] + m[4] + m[8];
  // 4 q_i^2, exact for any scale because R is quadratic in q and trace = 3 q0^2 - q1^2 - q2^2 - q3^2.
  const squares = [
    scale + trace,
    scale + 2 * m[0] - trace,
    scale + 2 * m[4] - trace,
    scale + 2 * m[8] - trace,
  ] as const;
  const [x, y, z] = [m[5] - m[7], m[6] - m[2], m[1] - m[3]]; // 4 q0 q_i
  const [xy, xz, yz] = [m[1] + m[3], m[2] + m[6], m[5] + m[7]]; // 4 q_i q_j
  const largest = Math.max(...squares);
  const pivot = squares.indexOf(largest);
  const products: Quaternion =
    pivot === 0
      ? [largest, x, y, z]
      : pivot === 1
        ? [x, largest, xy, xz]
        : pivot === 2
          ? [y, xy, largest, yz]
          : [z, xz, yz, largest];
  const divisor = 2 * Math.sqrt(largest) * (products[0] < 0 ? -1 : 1);
  return [products[0] / divisor, products[1] / divisor, products[2] / divisor, products[3] / divisor];
}

/**
 * 300W-LP angles -> rotation matrix `Rx(pitch) Ry(yaw) Rz(roll)`.
 * @throws InputError for what are no angles.
 */
export function eulerToMatrix(angles: EulerAngles): Matrix3 {
  expectFields('angles', angles, ['yaw', 'pitch', 'roll']);
  const { yaw, pitch, roll } = angles;
  const [ca, sa] = [Math.cos(pitch / DEGREES), Math.sin(pitch / DEGREES)];
  const [cb, sb] = [Math.cos(yaw / DEGREES), Math.sin(yaw / DEGREES)];
  const [cc, sc] = [Math.cos(roll / DEGREES), Math.sin(roll / DEGREES)];
  return [
    cb * cc,
    cb * sc,
    -sb,
    sa * sb * cc - ca * sc,
    sa * sb * sc + ca * cc,
    sa * cb,
    ca * sb * cc + sa * sc,
    ca * sb * sc - sa * cc,
    ca * cb,
  ];
}

/**
 * Rotation times any positive scale -> 300W-LP angles, yaw in [-90, 90]. At exact profile, where pitch and roll turn
 * about the same axis (gimbal lock), roll is reported as 0 and pitch carries the whole turn.
 * @throws InputError for a matrix that turns nothing.
 */
export function matrixToEuler(m: Matrix3): EulerAngles {
  const scale = scaleOf(m);
  const sine = Math.min(1, Math.max(-1, -m[2] / scale));
  const yaw = Math.asin(sine) * DEGREES;
  if (Math.hypot(m[5], m[8]) < GIMBAL_COSINE * scale) {
    return { yaw, pitch: Math.atan2(Math.sign(sine) * m[3], m[4]) * DEGREES, roll: 0 };
  }
  return { yaw, pitch: Math.atan2(m[5], m[8]) * DEGREES, roll: Math.atan2(m[1], m[0]) * DEGREES };
}

/**
 * 300W-LP angles and a scale -> scaled quaternion, `|q|^2 = scale`, `q0 >= 0`.
 * @throws InputError for what are no angles, or a scale not above 0.
 */
export function eulerToQuaternion(angles: EulerAngles, scale = 1): Quaternion {
  expectPositive('scale', scale);
  const m = eulerToMatrix(angles);
  return matrixToQuaternion([
    m[0] * scale,
    m[1] * scale,
    m[2] * scale,
    m[3] * scale,
    m[4] * scale,
    m[5] * scale,
    m[6] * scale,
    m[7] * scale,
    m[8] * scale,
  ]);
}

/**
 * The quaternion of a head turned in the picture's plane.
 * @param degrees clockwise as seen
 */
export function turnQuaternion([a, b, c, d]: Quaternion, degrees: number): Quaternion {
  const [cosine, sine] = turnOf(degrees / 2);
  return [cosine * a - sine * d, cosine * b + sine * c, cosine * c - sine * b, cosine * d + sine * a];
}

/** Where the image of the head's y axis is shorter than this, over the scale, it points at the viewer or away. */
const SHORTEST_UP = 1e-3;

/**
 * How far the head's y axis is turned clockwise from up, as seen: degrees from -180 to 180. Unlike the roll of the
 * Euler angles it has a meaning at every yaw; 0 where the head is seen along that axis.
 * @param rotation a rotation times any scale
 */
export function headRoll(rotation: Matrix3): number {
  const [x, y, z] = [rotation[1], rotation[4], rotation[7]];
  return Math.hypot(x, y) > SHORTEST_UP * Math.hypot(x, y, z) ? Math.atan2(x, y) * DEGREES : 0;
}

/**
 * Pose of parameters in picture pixels.
 * @param quaternion scaled quaternion in crop pixels per decimetre
 * @param translation t2d in crop pixels, y up
 * @param cropSize S, the crop's side in its own pixels: the flip to y down is `(S - 1) - y`
 * @param toPicture crop pixels -> picture pixels
 * @throws InputError for an argument that cannot be used, as a quaternion of length 0.
 */
export function poseInPicture(
  quaternion: Quaternion,
  translation: readonly [number, number],
  cropSize: number,
  toPicture: PixelTransform,
): Pose {
  const m = quaternionToMatrix(quaternion);
  expectNumbers('translation', translation, 2);
  expectPositive('cropSize', cropSize);
  expectFields('toPicture', toPicture, ['scale', 'x0', 'y0']);
  const { scale: k, roll = 0 } = toPicture;
  expectNumbers("toPicture's roll", [roll]);
  // The rows are in the y-up frame, where a clockwise turn is the other way round.
  const back = turnOf(-roll);
  const [r0, r3] = rotate(m[0], m[3], back);
  const [r1, r4] = rotate(m[1], m[4], back);
  const [r2, r5] = rotate(m[2], m[5], back);
  const r: Matrix3 = [r0, r1, r2, r3, r4, r5, m[6], m[7], m[8]];
  const [q0, q1, q2, q3] = quaternion;
  const f = q0 * q0 + q1 * q1 + q2 * q2 + q3 * q3;
  const [x, y] = transformPoint(toPicture, translation[0], cropSize - 1 - translation[1]);
  return {
    ...matrixToEuler(r),
    rotation: [r[0] / f, r[1] / f, r[2] / f, r[3] / f, r[4] / f, r[5] / f, r[6] / f, r[7] / f, r[8] / f],
    scale: f * k,
    matrix: [k * r[0], k * r[1], k * r[2], x, -k * r[3], -k * r[4], -k * r[5], y, k * r[6], k * r[7], k * r[8], 0],
  };
}

/** The scale of a rotation times a scale. @throws InputError where it is no such thing: not above 0. */
function scaleOf(m: Matrix3): number {
  expectNumbers('matrix', m, 9);
  const determinant =
    m[0] * (m[4] * m[8] - m[5] * m[7]) - m[1] * (m[3] * m[8] - m[5] * m[6]) + m[2] * (m[3] * m[7] - m[4] * m[6]);
  expectPositive("The matrix's determinant", determinant);
  return Math.cbrt(determinant);
}
