/** Poses of a face in the picture's frame: what lies between two of them, and where the middle of the face is. */
import type { FaceModel } from '../mmm/model.js';
import { quaternionOf } from '../mmm/parameters.js';
import { type Quaternion, quaternionToMatrix } from '../mmm/pose.js';

/** A point of the model, in decimetres. */
export type Middle = readonly [x: number, y: number, z: number];

/**
 * Mean of the mean face's landmarks. Poses are told about it: the model's origin lies deep in the head, and swings
 * where an angle trembles.
 */
export function middleOf({ landmarks, mean }: Pick<FaceModel, 'landmarks' | 'mean'>): Middle {
  const along = (axis: number) => landmarks.reduce((sum, i) => sum + mean[3 * i + axis]!, 0) / landmarks.length;
  return [along(0), along(1), along(2)];
}

/** Where the middle is. */
export function placeOf(parameters: ArrayLike<number>, middle: Middle): readonly [number, number] {
  const [x, y] = fromOrigin(quaternionOf(parameters), middle);
  return [parameters[4]! + x, parameters[5]! + y];
}

/** Moves the middle of `parameters`, turned and sized already, to a place. */
export function putAt(parameters: Float64Array, middle: Middle, place: ArrayLike<number>): void {
  const [x, y] = fromOrigin(quaternionOf(parameters), middle);
  parameters.set([place[0]! - x, place[1]! - y], 4);
}

function fromOrigin(q: Quaternion, [x, y, z]: Middle): readonly [number, number] {
  const r = quaternionToMatrix(q);
  return [r[0] * x + r[1] * y + r[2] * z, r[3] * x + r[4] * y + r[5] * z];
}

/** A turn (an axis times an angle), a shift of the middle in decimetres of the face's size, and its log growth. */
export type Move = readonly [turnX: number, turnY: number, turnZ: number, x: number, y: number, growth: number];

export const STILL: Move = [0, 0, 0, 0, 0, 0];

/** The move that takes the pose of `from` to that of `to`. */
export function moveBetween(from: ArrayLike<number>, to: ArrayLike<number>, middle: Middle): Move {
  const [a, b] = [sized(quaternionOf(from)), sized(quaternionOf(to))];
  const [turnX = 0, turnY = 0, turnZ = 0] = rotationBetween(a.unit, b.unit);
  const [then, now] = [placeOf(from, middle), placeOf(to, middle)];
  const [x, y] = [(now[0] - then[0]) / a.size, (now[1] - then[1]) / a.size];
  return [turnX, turnY, turnZ, x, y, Math.log(b.size / a.size)];
}

/** `parameters` after a part of a move. */
export function moved(parameters: Float64Array, move: Move, part: number, middle: Middle): Float64Array<ArrayBuffer> {
  const after = Float64Array.from(parameters);
  const { unit, size } = sized(quaternionOf(parameters));
  const [x, y] = placeOf(parameters, middle);
  const [turnX, turnY, turnZ, right, up, growth] = move.map((value) => value * part) as unknown as Move;
  const root = Math.sqrt(size * Math.exp(growth));
  after.set(turned(unit, [turnX, turnY, turnZ]).map((value) => value * root));
  putAt(after, middle, [x + right * size, y + up * size]);
  return after;
}

function sized(q: Quaternion): { readonly unit: Quaternion; readonly size: number } {
  const length = Math.hypot(...q);
  return { unit: [q[0] / length, q[1] / length, q[2] / length, q[3] / length], size: length ** 2 };
}

/**
 * The turn that takes unit quaternion `a` to `b`, as an axis times an angle of at most pi: `b = turned(a, turn)` up to
 * sign.
 */
export function rotationBetween(a: Quaternion, b: Quaternion): readonly number[] {
  // conj(a) b, whose vector part is the axis times sin(angle / 2).
  const w = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
  const x = a[0] * b[1] - a[1] * b[0] - a[2] * b[3] + a[3] * b[2];
  const y = a[0] * b[2] + a[1] * b[3] - a[2] * b[0] - a[3] * b[1];
  const z = a[0] * b[3] - a[1] * b[2] + a[2] * b[1] - a[3] * b[0];
  const sine = Math.hypot(x, y, z);
  if (sine === 0) return [0, 0, 0];
  // b and -b are one rotation: the shorter way.
  const factor = (2 * Math.atan2(sine, Math.abs(w)) * Math.sign(w || 1)) / sine;
  return [x * factor, y * factor, z * factor];
}

/** `a` turned further by an axis times an angle. */
export function turned(a: Quaternion, [x = 0, y = 0, z = 0]: readonly number[]): Quaternion {
  const angle = Math.hypot(x, y, z);
  if (angle === 0) return a;
  const [w, s] = [Math.cos(angle / 2), Math.sin(angle / 2) / angle];
  const [b, c, d] = [x * s, y * s, z * s];
  return [
    a[0] * w - a[1] * b - a[2] * c - a[3] * d,
    a[0] * b + a[1] * w + a[2] * d - a[3] * c,
    a[0] * c - a[1] * d + a[2] * w + a[3] * b,
    a[0] * d + a[1] * c - a[2] * b + a[3] * w,
  ];
}
