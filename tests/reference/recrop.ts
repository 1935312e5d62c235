/**
 * The turn of an update and the crop made anew, written out in float64 from the formulas alone, with the angle and
 * everything else in the old crop's pixels: for comparison with recrop.wgsl and src/cascade/recrop.ts.
 */

/** A crop as centre and side in picture pixels, and roll in degrees clockwise. */
export interface ReferenceCrop {
  readonly centreX: number;
  readonly centreY: number;
  readonly side: number;
  readonly roll: number;
}

type Vector = readonly [number, number];

/** Rot(angle) v, y down. */
const rot = (angle: number, [x, y]: Vector): Vector => [
  Math.cos(angle) * x - Math.sin(angle) * y,
  Math.sin(angle) * x + Math.cos(angle) * y,
];

/** q times (cos, 0, 0, sin) of half the angle, Hamilton's product: a turn clockwise as seen. */
function turnedQuaternion([a, b, c, d]: readonly number[], angle: number): number[] {
  const [w, z] = [Math.cos(angle / 2), Math.sin(angle / 2)];
  return [a! * w - d! * z, b! * w + c! * z, c! * w - b! * z, d! * w + a! * z];
}

/** The first two rows of R(q), y up. */
function rows([a, b, c, d]: readonly number[]): readonly [readonly number[], readonly number[]] {
  const [q0, q1, q2, q3] = [a!, b!, c!, d!];
  return [
    [q0 * q0 + q1 * q1 - q2 * q2 - q3 * q3, 2 * (q1 * q2 + q0 * q3), 2 * (q1 * q3 - q0 * q2)],
    [2 * (q1 * q2 - q0 * q3), q0 * q0 - q1 * q1 + q2 * q2 - q3 * q3, 2 * (q0 * q1 + q2 * q3)],
  ];
}

/** p with its turn (cosine - 1 in float 6, sine in the last) applied and taken out. */
export function turnReference(p: ArrayLike<number>): Float64Array<ArrayBuffer> {
  const out = Float64Array.from(p);
  const [cosine, sine] = [1 + out[6]!, out[out.length - 1]!];
  if (Number.isFinite(cosine) && Number.isFinite(sine) && (cosine !== 0 || sine !== 0)) {
    out.set(turnedQuaternion([...out.subarray(0, 4)], Math.atan2(sine, cosine)));
  }
  out[6] = 0;
  out[out.length - 1] = 0;
  return out;
}

/**
 * The next crop and p in it.
 * @param points [L,3] landmarks of the shape, decimetres
 * @param p after its turn
 */
export function recropReference(
  points: ArrayLike<number>,
  p: ArrayLike<number>,
  crop: ReferenceCrop,
  size: number,
  margin: number,
): { readonly crop: ReferenceCrop; readonly parameters: Float64Array<ArrayBuffer> } {
  const stays = { crop, parameters: Float64Array.from(p) };
  const q = [p[0]!, p[1]!, p[2]!, p[3]!];
  const [r0, r1] = rows(q);
  const f = q.reduce((sum, value) => sum + value * value, 0);
  const isSeen = r0[1]! ** 2 + r1[1]! ** 2 > 1e-6 * f * f;
  const angle = isSeen ? Math.atan2(r0[1]!, r1[1]!) : 0;
  const m = (size - 1) / 2;
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  let allFinite = stays.parameters.every(Number.isFinite);
  for (let i = 0; i < points.length; i += 3) {
    const dot = (row: readonly number[]) => [0, 1, 2].reduce((sum, k) => sum + row[k]! * points[i + k]!, 0);
    const [x, y] = rot(-angle, [dot(r0) + p[4]! - m, size - 1 - (dot(r1) + p[5]!) - m]);
    allFinite &&= Number.isFinite(x) && Number.isFinite(y);
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
  }
  const side = margin * Math.max(right - left, bottom - top);
  if (!allFinite || !(side >= size / 16 && side <= 4 * size)) return stays;
  const [dx, dy] = rot(angle, [(left + right) / 2, (top + bottom) / 2]);
  const s = size / side;
  const [stepX, stepY] = rot((crop.roll * Math.PI) / 180, [dx, dy]);
  const turned = turnedQuaternion(q, -angle).map((value) => value * Math.sqrt(s));
  const sign = turned[0]! < 0 ? -1 : 1;
  const [x, y] = rot(-angle, [p[4]! - m - dx, size - 1 - p[5]! - m - dy]);
  stays.parameters.set(turned.map((value) => value * sign));
  stays.parameters.set([m + s * x, size - 1 - (m + s * y)], 4);
  return {
    parameters: stays.parameters,
    crop: {
      centreX: crop.centreX + (crop.side / size) * stepX,
      centreY: crop.centreY + (crop.side / size) * stepY,
      side: crop.side / s,
      roll: crop.roll + (angle * 180) / Math.PI,
    },
  };
}
