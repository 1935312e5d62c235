/** How steady and how prompt landmarks are over a video. All lengths in fractions of the face's size. */

/** [68,3] of one frame, or null where there was no face. */
export type Points = ArrayLike<number> | null;

/** sqrt(width height) of the tight box of the landmarks. */
export function faceSize(points: ArrayLike<number>): number {
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i + 1 < points.length; i += 3) {
    const [x, y] = [points[i]!, points[i + 1]!];
    [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x), Math.max(y1, y)];
  }
  return Math.sqrt((x1 - x0) * (y1 - y0));
}

/** Mean distance of two frames' landmarks in the picture plane, over the size of the first. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i + 1 < a.length; i += 3) sum += Math.hypot(a[i]! - b[i]!, a[i + 1]! - b[i + 1]!);
  return sum / (a.length / 3) / faceSize(a);
}

/**
 * Jitter: root mean square, over landmarks and frames, of the second difference `x[t-1] - 2 x[t] + x[t+1]` in the
 * picture plane over the size of the face. Frames beside one without a face do not count; NaN where none is left.
 */
export function jitter(frames: readonly Points[]): number {
  let [sum, count] = [0, 0];
  for (let t = 1; t + 1 < frames.length; t++) {
    const [before, now, after] = [frames[t - 1], frames[t], frames[t + 1]];
    if (!before || !now || !after) continue;
    const size = faceSize(now);
    for (let i = 0; i < now.length; i += 3) {
      const [x, y] = [0, 1].map((axis) => before[i + axis]! - 2 * now[i + axis]! + after[i + axis]!);
      sum += (x! ** 2 + y! ** 2) / size ** 2;
      count++;
    }
  }
  return Math.sqrt(sum / count);
}

/** Delays that are tried, in whole frames: from `-LEAST` on. */
const LEAST = 3;
const TRIED = 10;

/**
 * How many frames `late` is behind `prompt`: the delay of `prompt` that comes closest to `late`, which is the one that
 * maximises their cross-correlation where the video is long against the delay; between whole frames by a parabola
 * through the three best.
 */
export function lag(late: readonly Points[], prompt: readonly Points[]): number {
  const errors = Array.from({ length: TRIED }, (_, i) => {
    let error = 0;
    // The same frames for every delay.
    for (let t = TRIED; t < late.length - LEAST; t++) {
      const [now, then] = [late[t], prompt[t - i + LEAST]];
      if (!now || !then) continue;
      for (let p = 0; p < now.length; p += 3) {
        for (const axis of [p, p + 1]) error += (now[axis]! - then[axis]!) ** 2;
      }
    }
    return error;
  });
  const best = errors.indexOf(Math.min(...errors));
  const [before, at, after] = [errors[best - 1], errors[best], errors[best + 1]];
  if (before === undefined || at === undefined || after === undefined) return best - LEAST;
  return best - LEAST + (before - after) / (2 * (before - 2 * at + after));
}
