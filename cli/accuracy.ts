/**
 * How far predicted landmarks are from the truth, and the boxes that a test puts round a face. Pixels, 0-based, y down.
 */

export interface Rectangle {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

/** First of the inner points: the 17 of the jaw line come before them. */
export const innerPoints = 17;

/** The tight box of points stored with `stride` numbers each. */
export function tightBox(points: ArrayLike<number>, stride: number): Rectangle {
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let at = 0; at < points.length; at += stride) {
    const [x, y] = [Number(points[at]), Number(points[at + 1])];
    [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x), Math.max(y1, y)];
  }
  return { x0, y0, x1, y1 };
}

/**
 * Normalised mean error in percent: the mean distance of the points from `first` on, over sqrt(w * h) of the tight box
 * of all true points.
 *
 * @param predicted [68, 3]; z is not compared.
 * @param truth [68, 2].
 */
export function normalisedMeanError(predicted: ArrayLike<number>, truth: ArrayLike<number>, first = 0): number {
  const count = truth.length / 2;
  if (predicted.length !== count * 3) {
    throw new Error(`${predicted.length} predicted numbers for ${count} points; wanted ${count * 3}`);
  }
  let sum = 0;
  for (let point = first; point < count; point++) {
    const dx = Number(predicted[point * 3]) - Number(truth[point * 2]);
    const dy = Number(predicted[point * 3 + 1]) - Number(truth[point * 2 + 1]);
    sum += Math.hypot(dx, dy);
  }
  const { x0, y0, x1, y1 } = tightBox(truth, 2);
  return (100 * sum) / (count - first) / Math.sqrt((x1 - x0) * (y1 - y0));
}

/** Bins of |yaw| in degrees: the first includes both ends, the others their upper end. */
export const yawBins = [
  { label: '[0, 30]', above: -1, upTo: 30 },
  { label: '(30, 60]', above: 30, upTo: 60 },
  { label: '(60, 90]', above: 60, upTo: 90 },
] as const;

/** Index in {@link yawBins}. */
export function yawBin(yaw: number): number {
  const size = Math.abs(yaw);
  const index = yawBins.findIndex(({ above, upTo }) => size > above && size <= upTo);
  if (index < 0) throw new Error(`yaw ${yaw}; wanted an angle in [-90, 90] degrees`);
  return index;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Linear between the two nearest ranks. */
export function quantile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = fraction * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(rank)], sorted[Math.ceil(rank)]];
  if (low === undefined || high === undefined) throw new Error('a quantile of no values');
  return low + (high - low) * (rank - Math.floor(rank));
}

/** A seeded source of standard normal numbers (Box-Muller over mulberry32). */
export function normals(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    // Never 0, of which there is no logarithm.
    return (((bits ^ (bits >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

export interface Jitter {
  /** Standard deviation of the centre's shift on each axis, as a part of the box's longer side. */
  readonly shift: number;
  /** Standard deviation of the size's change, as a part of the size. */
  readonly scale: number;
}

/** The box moved and resized by three draws from `normal`: x shift, y shift, scale. */
export function jitterBox(box: Rectangle, { shift, scale }: Jitter, normal: () => number): Rectangle {
  const [width, height] = [box.x1 - box.x0, box.y1 - box.y0];
  const side = Math.max(width, height);
  const centreX = (box.x0 + box.x1) / 2 + shift * side * normal();
  const centreY = (box.y0 + box.y1) / 2 + shift * side * normal();
  const factor = Math.max(0.5, 1 + scale * normal());
  return {
    x0: centreX - (width * factor) / 2,
    y0: centreY - (height * factor) / 2,
    x1: centreX + (width * factor) / 2,
    y1: centreY + (height * factor) / 2,
  };
}
