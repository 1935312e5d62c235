/**
 * The pose for other people's cameras (docs/outputs.md, with a figure). The model of a fullpose pose is scaled
 * orthography: the picture is a plane, lines of sight are parallel, and depth is in picture pixels like everything
 * else.
 */
import { expectNumbers, expectObject, expectPositive, refuse } from '../engine/expect.js';
import type { Matrix3, Pose } from './pose.js';

/** 4x4, column-major, as three.js, WebGPU and WebGL hold it: `Matrix4.fromArray(m)`. */
export type Matrix4 = readonly [
  ...[number, number, number, number],
  ...[number, number, number, number],
  ...[number, number, number, number],
  ...[number, number, number, number],
];

interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * The pose as a matrix for three.js: model decimetres -> a scene whose unit is the picture's pixel, x right, y up, z
 * toward the viewer. The centre of pixel (x, y) is at scene (x, -y); `pictureCamera` shows exactly the picture.
 *
 * ```ts
 * head.matrixAutoUpdate = false;
 * head.matrix.fromArray(toThreeMatrix(face.pose));
 * ```
 * @throws InputError for what is no pose.
 */
export function toThreeMatrix(pose: Pick<Pose, 'matrix'>): Matrix4 {
  const m = matrixOf(pose);
  return [m[0], -m[4], m[8], 0, m[1], -m[5], m[9], 0, m[2], -m[6], m[10], 0, m[3], -m[7], m[11], 1];
}

/** An orthographic camera as three.js makes one; it looks along -z. */
export interface PictureCamera {
  /** The picture's left edge, picture pixels. */
  readonly left: number;
  /** The picture's right edge. */
  readonly right: number;
  /** The picture's upper edge, y up. */
  readonly top: number;
  /** The picture's lower edge. */
  readonly bottom: number;
  /** Distance of the nearest that is seen, picture pixels. */
  readonly near: number;
  /** Distance of the farthest. */
  readonly far: number;
  /** Where it stands on the z axis. x and y are 0. */
  readonly z: number;
}

/**
 * The orthographic camera whose frustum is the picture, corner to corner, for scenes as `toThreeMatrix` makes them.
 *
 * ```ts
 * const { left, right, top, bottom, near, far, z } = pictureCamera(picture);
 * const camera = new OrthographicCamera(left, right, top, bottom, near, far);
 * camera.position.z = z;
 * ```
 * @throws InputError for a size that is none.
 */
export function pictureCamera(picture: Size): PictureCamera {
  const { width, height } = checkSize(picture);
  // Deep enough for a head much larger than the picture.
  const z = 4 * Math.max(width, height);
  return { left: -0.5, right: width - 0.5, top: 0.5, bottom: 0.5 - height, near: 0, far: 2 * z, z };
}

/** The field of view of a pinhole camera with its principal point in the middle of the picture. */
export type PinholeView =
  | {
      /** Degrees, from the upper edge of the picture to the lower. */
      readonly verticalFov: number;
    }
  | {
      /** Picture pixels. */
      readonly focalLength: number;
    };

/** A head before a pinhole camera that stands at the origin, looking along -z with y up. Decimetres. */
export interface PerspectivePose {
  /** Model decimetres -> camera space, in decimetres too. */
  readonly matrix: Matrix4;
  /** Rotation alone, row-major: that of the head against the camera, not against the line of sight. */
  readonly rotation: Matrix3;
  /** Decimetres from the camera to the head's reference point, along the camera's axis. */
  readonly distance: number;
  /** Degrees. */
  readonly verticalFov: number;
  /** Picture pixels. */
  readonly focalLength: number;
}

/** A point on a face between its eyes and mouth, model decimetres: about the mean of the 68 landmarks. */
const FACE_CENTRE = [0, 0, 0.9] as const;

/**
 * The pose before a pinhole camera that sees the head where scaled orthography does, as large. Depth is then true only
 * as far as the model's size is: a head that is larger than the model's is farther away. Away from the middle of the
 * picture the head is turned by the angle of its line of sight, because scaled orthography shows it as if from straight
 * ahead. What the camera sees of the head's points differs from the landmarks by its perspective, which grows with the
 * head's depth over its distance.
 *
 * ```ts
 * const camera = new PerspectiveCamera(verticalFov, picture.width / picture.height, 0.1, 1000);
 * head.matrix.fromArray(toPerspective(face.pose, picture, { verticalFov }).matrix);
 * ```
 * @param reference the model's point that is seen exactly where it was
 * @throws InputError for a pose, size, field of view or point that is none.
 */
export function toPerspective(
  pose: Pick<Pose, 'rotation' | 'scale' | 'matrix'>,
  picture: Size,
  view: PinholeView,
  reference: readonly [number, number, number] = FACE_CENTRE,
): PerspectivePose {
  const m = matrixOf(pose);
  const { rotation: r, scale } = pose;
  expectNumbers('pose.rotation', r, 9);
  expectPositive('pose.scale', scale);
  expectNumbers('reference', reference, 3);
  const { width, height } = checkSize(picture);
  const focalLength = focalLengthOf(view, height);
  const [px, py, pz] = reference;
  // The line of sight through the reference point is (a, b, -1).
  const a = (m[0] * px + m[1] * py + m[2] * pz + m[3] - (width - 1) / 2) / focalLength;
  const b = -(m[4] * px + m[5] * py + m[6] * pz + m[7] - (height - 1) / 2) / focalLength;
  const length = Math.hypot(a, b, 1);
  // Perspective stretches what is off the axis by `length` along one direction alone; this shares the error between the
  // two.
  const distance = (focalLength / scale) * Math.sqrt(length);
  const rotation = multiply(rotationTo(a, b, length), r);
  const shift = [0, 1, 2].map(
    (row) => rotation[row * 3]! * px + rotation[row * 3 + 1]! * py + rotation[row * 3 + 2]! * pz,
  );
  const [x, y, z] = [distance * a - shift[0]!, distance * b - shift[1]!, -distance - shift[2]!];
  const [r0, r1, r2, r3, r4, r5, r6, r7, r8] = rotation;
  return {
    matrix: [r0, r3, r6, 0, r1, r4, r7, 0, r2, r5, r8, 0, x, y, z, 1],
    rotation,
    distance,
    verticalFov: (2 * Math.atan(height / 2 / focalLength) * 180) / Math.PI,
    focalLength,
  };
}

function matrixOf(pose: Pick<Pose, 'matrix'>): Pose['matrix'] {
  expectObject(pose, 'The pose');
  expectNumbers('pose.matrix', pose.matrix, 12);
  return pose.matrix;
}

function focalLengthOf(view: PinholeView, height: number): number {
  expectObject(view, 'The view');
  const { verticalFov, focalLength }: { verticalFov?: number; focalLength?: number } = view;
  if (focalLength === undefined) {
    if (verticalFov === undefined || !Number.isFinite(verticalFov) || verticalFov <= 0 || verticalFov >= 180) {
      refuse('verticalFov', verticalFov, 'degrees between 0 and 180, or a focalLength');
    }
    return height / 2 / Math.tan((verticalFov * Math.PI) / 360);
  }
  expectPositive('focalLength', focalLength);
  return focalLength;
}

/** The smallest rotation that takes -z to (a, b, -1) / length. */
function rotationTo(a: number, b: number, length: number): Matrix3 {
  const [x, y, cosine] = [a / length, b / length, 1 / length];
  const k = 1 / (1 + cosine);
  return [1 - k * x * x, -k * x * y, -x, -k * x * y, 1 - k * y * y, -y, x, y, cosine];
}

function multiply(p: Matrix3, q: Matrix3): Matrix3 {
  const at = (row: number, column: number): number =>
    p[row * 3]! * q[column]! + p[row * 3 + 1]! * q[3 + column]! + p[row * 3 + 2]! * q[6 + column]!;
  return [at(0, 0), at(0, 1), at(0, 2), at(1, 0), at(1, 1), at(1, 2), at(2, 0), at(2, 1), at(2, 2)];
}

function checkSize(picture: Size): Size {
  expectObject(picture, 'The picture');
  expectPositive("The picture's width", picture.width);
  expectPositive("The picture's height", picture.height);
  return picture;
}

/**
 * Points [n,3] in picture pixels -> the unit square: `x' = (x + 0.5) / width`, `y' = (y + 0.5) / height`, from the
 * picture's upper left corner to its lower right; z is scaled as x is.
 */
export function toUnitSquare(points: ArrayLike<number>, picture: Size): Float32Array<ArrayBuffer> {
  const { width, height } = checkSize(picture);
  expectNumbers('points', points);
  return Float32Array.from(points, (value, i) =>
    i % 3 === 0 ? (value + 0.5) / width : i % 3 === 1 ? (value + 0.5) / height : value / width,
  );
}
