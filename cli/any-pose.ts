/**
 * Figures of hard pictures: any roll, real profiles, shut eyes, open mouths, and faces that nobody pointed at.
 * docs/training.md says what each means.
 */
import { mean, median, type Rectangle, tightBox } from './accuracy.js';

/** Points of a face, `stride` numbers each, x and y first: 2 for markup, 3 for results. */
export interface Points {
  readonly values: ArrayLike<number>;
  readonly stride: 2 | 3;
}

type Place = readonly [x: number, y: number];

function pointAt({ values, stride }: Points, index: number): Place {
  return [values[index * stride] ?? Number.NaN, values[index * stride + 1] ?? Number.NaN];
}

function distance([ax, ay]: Place, [bx, by]: Place): number {
  return Math.hypot(ax - bx, ay - by);
}

/** Mean of the points `first` to `last`. */
function middleOf(points: Points, first: number, last: number): Place {
  const all = Array.from({ length: last - first + 1 }, (_, i) => pointAt(points, first + i));
  return [mean(all.map(([x]) => x)), mean(all.map(([, y]) => y))];
}

/** sqrt(w h) of the points' tight box. */
export function sizeOf({ values, stride }: Points): number {
  const { x0, y0, x1, y1 } = tightBox(values, stride);
  return Math.sqrt((x1 - x0) * (y1 - y0));
}

/** Errors in percent: mean and median of the faces that were found. */
export interface Summary {
  readonly faces: number;
  readonly mean: number;
  readonly median: number;
  /** Percent of the faces that are off by more than 10%, or were not found. */
  readonly over10: number;
  /** How many were not found. */
  readonly notFound: number;
}

/** @param errors undefined where the face was not found. */
export function summarise(errors: readonly (number | undefined)[]): Summary {
  const found = errors.filter((error) => error !== undefined);
  const notFound = errors.length - found.length;
  return {
    faces: errors.length,
    mean: mean(found),
    median: found.length === 0 ? Number.NaN : median(found),
    over10: (100 * (found.filter((error) => error > 10).length + notFound)) / errors.length,
    notFound,
  };
}

/** A face as it was found and as it is. */
export interface Pair {
  readonly found: Points;
  readonly truth: Points;
}

/** Points that belong together, first and last; the jaw line is in none. */
export const regions = {
  'inner 51': [17, 67],
  brows: [17, 26],
  nose: [27, 35],
  eyes: [36, 47],
  lips: [48, 67],
} as const;

/** Distance of each point of each face from the truth, in percent of `sizeOf` that. */
export function pointErrors(pairs: readonly Pair[]): readonly (readonly number[])[] {
  return offsetsOf(pairs).map(lengthsOf);
}

/**
 * The same once each point's own mean offset, fitted on the other half of the faces (every second one), is taken away:
 * what a method calls a point is a matter of definition.
 */
export function correctedErrors(pairs: readonly Pair[]): readonly (readonly number[])[] {
  const offsets = offsetsOf(pairs);
  const usual = [0, 1].map((half) => {
    const others = offsets.filter((_, face) => face % 2 !== half);
    return offsets[0]?.map((_, point): Place => {
      return [mean(others.map((face) => face[point]![0])), mean(others.map((face) => face[point]![1]))];
    });
  });
  return offsets.map((face, index) => {
    const common = usual[index % 2]!;
    return lengthsOf(face.map(([x, y], point) => [x - common[point]![0], y - common[point]![1]]));
  });
}

/** Mean of a region's errors over points and faces. */
export function regionError(errors: readonly (readonly number[])[], [first, last]: readonly [number, number]): number {
  return mean(errors.map((face) => mean(face.slice(first, last + 1))));
}

/** Found less true, in percent of the true size. */
function offsetsOf(pairs: readonly Pair[]): readonly (readonly Place[])[] {
  return pairs.map(({ found, truth }) => {
    const size = sizeOf(truth) / 100;
    return Array.from({ length: truth.values.length / truth.stride }, (_, i): Place => {
      const [[x, y], [tx, ty]] = [pointAt(found, i), pointAt(truth, i)];
      return [(x - tx) / size, (y - ty) / size];
    });
  });
}

function lengthsOf(offsets: readonly Place[]): readonly number[] {
  return offsets.map(([x, y]) => Math.hypot(x, y));
}

/** Angle of the line between the eyes' centres with the horizontal, in degrees, 0 to 180. */
export function eyeRoll(points: Points): number {
  const [[ax, ay], [bx, by]] = [middleOf(points, 36, 41), middleOf(points, 42, 47)];
  return Math.abs((Math.atan2(by - ay, bx - ax) * 180) / Math.PI);
}

/** Eye aspect ratio, mean of both eyes: how far the lids are apart over how far the corners are. */
export function eyeRatio(points: Points): number {
  const gap = (a: number, b: number) => distance(pointAt(points, a), pointAt(points, b));
  return mean([36, 42].map((p) => (gap(p + 1, p + 5) + gap(p + 2, p + 4)) / (2 * gap(p, p + 3))));
}

/** Mean distance of the inner lips' three pairs, over `sizeOf` the points. */
export function mouthOpening(points: Points): number {
  const pairs = [
    [61, 67],
    [62, 66],
    [63, 65],
  ] as const;
  return mean(pairs.map(([a, b]) => distance(pointAt(points, a), pointAt(points, b)))) / sizeOf(points);
}

/** Chance that a positive value lies above a negative one; half where they are equal. */
export function areaUnderCurve(positive: readonly number[], negative: readonly number[]): number {
  let above = 0;
  for (const p of positive) for (const n of negative) above += p > n ? 1 : p === n ? 0.5 : 0;
  return above / (positive.length * negative.length);
}

/** Pearson's. */
export function correlation(a: readonly number[], b: readonly number[]): number {
  const [ma, mb] = [mean(a), mean(b)];
  const sum = (f: (i: number) => number) => a.reduce((total, _, i) => total + f(i), 0);
  const [da, db] = [(i: number) => a[i]! - ma, (i: number) => b[i]! - mb];
  return sum((i) => da(i) * db(i)) / Math.sqrt(sum((i) => da(i) ** 2) * sum((i) => db(i) ** 2));
}

/**
 * Of each place: fiducials of CFP, and the landmarks where the image's left half of the face is seen, and where its
 * right half is; first and last.
 */
const places = {
  eye: [12, 17, 36, 41, 42, 47],
  brow: [9, 11, 17, 21, 22, 26],
  'nose tip': [21, 21, 30, 30, 30, 30],
  bridge: [18, 21, 27, 30, 27, 30],
  'mouth corner': [25, 25, 48, 48, 54, 54],
  chin: [8, 8, 8, 8, 8, 8],
} as const;

export type PlaceName = keyof typeof places;
export const placeNames = Object.keys(places) as readonly PlaceName[];

/** Errors of a profile at six places, in percent of `sizeOf` the 30 fiducials. */
export function placeErrors(landmarks: Points, fiducials: Points): Readonly<Record<PlaceName, number>> {
  // The nose points to the side whose half of the face is hidden.
  const isRightSeen = pointAt(fiducials, 21)[0] < middleOf(fiducials, 12, 17)[0];
  const size = sizeOf(fiducials);
  const errors = placeNames.map((name) => {
    const [first, last, a, b, c, d] = places[name];
    const found = isRightSeen ? middleOf(landmarks, c, d) : middleOf(landmarks, a, b);
    return [name, (100 * distance(found, middleOf(fiducials, first, last))) / size] as const;
  });
  return Object.fromEntries(errors) as Record<PlaceName, number>;
}

/** Intersection over union. */
export function boxOverlap(a: Rectangle, b: Rectangle): number {
  const side = (p0: number, p1: number, q0: number, q1: number) => Math.max(0, Math.min(p1, q1) - Math.max(p0, q0));
  const area = ({ x0, y0, x1, y1 }: Rectangle) => (x1 - x0) * (y1 - y0);
  const common = side(a.x0, a.x1, b.x0, b.x1) * side(a.y0, a.y1, b.y0, b.y1);
  return common / (area(a) + area(b) - common);
}
