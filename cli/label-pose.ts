import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { repositoryRoot } from '../scripts/page-host.js';
import { type FaceModel, loadFaceModel } from '../src/mmm/model.js';
import { type EulerAngles, type Matrix3, matrixToEuler } from '../src/mmm/pose.js';

/** The face model of the shipped weights. */
export async function bundledFaceModel(): Promise<FaceModel> {
  const file = await readFile(join(repositoryRoot, 'weights/face_model.safetensors'));
  return loadFaceModel(new Uint8Array(file).buffer);
}

/**
 * Head pose of labelled 3D points: the rotation that best lays the mean face's landmarks over them (least squares, any
 * scale).
 *
 * @param landmarks [68, 3] pixels, y down, larger z nearer.
 * @returns degrees, 300W-LP convention.
 * @throws Error where the points do not fix a rotation.
 */
export function poseOfLandmarks(landmarks: ArrayLike<number>, model: FaceModel): EulerAngles {
  const count = model.landmarks.length;
  if (landmarks.length !== count * 3) throw new Error(`${landmarks.length} numbers; wanted ${count} points`);
  const target = centred(count, (point, axis) => (axis === 1 ? -1 : 1) * Number(landmarks[point * 3 + axis]));
  const source = centred(count, (point, axis) => model.mean[Number(model.landmarks[point]) * 3 + axis] ?? Number.NaN);
  const covariance = Array.from({ length: 9 }, (_, entry) => {
    const [row, column] = [Math.floor(entry / 3), entry % 3];
    let sum = 0;
    for (let point = 0; point < count; point++) {
      sum += (target[point * 3 + row] ?? 0) * (source[point * 3 + column] ?? 0);
    }
    return sum;
  });
  return matrixToEuler(orthogonalFactor(toMatrix(covariance)));
}

function centred(count: number, value: (point: number, axis: number) => number): readonly number[] {
  const values = Array.from({ length: count * 3 }, (_, i) => value(Math.floor(i / 3), i % 3));
  const means = [0, 1, 2].map((axis) => values.filter((_, i) => i % 3 === axis).reduce((a, b) => a + b, 0) / count);
  return values.map((v, i) => v - (means[i % 3] ?? 0));
}

/**
 * The rotation nearest to a matrix: its orthogonal polar factor, by Newton's iteration `X <- (X + X^-T) / 2`, which
 * converges quadratically from any matrix with a positive determinant.
 */
export function orthogonalFactor(matrix: Matrix3): Matrix3 {
  const size = Math.hypot(...matrix);
  let x = toMatrix(matrix.map((value) => value / size));
  for (let iteration = 0; iteration < 100; iteration++) {
    const [cofactors, determinant] = cofactorsOf(x);
    if (!(determinant > 1e-12)) throw new Error('the points lie in a plane, or are mirrored: no rotation fits them');
    const next = toMatrix(x.map((value, i) => (value + (cofactors[i] ?? 0) / determinant) / 2));
    const change = Math.max(...next.map((value, i) => Math.abs(value - (x[i] ?? 0))));
    x = next;
    if (change < 1e-14) break;
  }
  return x;
}

/** The matrix of cofactors, which is determinant times inverse transposed, and the determinant. */
function cofactorsOf([a, b, c, d, e, f, g, h, i]: Matrix3): readonly [Matrix3, number] {
  const cofactors: Matrix3 = [
    e * i - f * h,
    f * g - d * i,
    d * h - e * g,
    c * h - b * i,
    a * i - c * g,
    b * g - a * h,
    b * f - c * e,
    c * d - a * f,
    a * e - b * d,
  ];
  return [cofactors, a * cofactors[0] + b * cofactors[1] + c * cofactors[2]];
}

function toMatrix(values: readonly number[]): Matrix3 {
  const [a, b, c, d, e, f, g, h, i] = values;
  if (
    a === undefined ||
    b === undefined ||
    c === undefined ||
    d === undefined ||
    e === undefined ||
    f === undefined ||
    g === undefined ||
    h === undefined ||
    i === undefined
  ) {
    throw new Error(`${values.length} entries; wanted 9`);
  }
  return [a, b, c, d, e, f, g, h, i];
}
