/** What MediaPipe's FaceLandmarker is shown, and what it gives, in the terms of this repository. */
import { blinkOf, type Finding } from '../figures.js';
import type { BoxSpec } from '../list.js';

/** A square of the picture: its left upper corner and its side, in picture pixels (pixel centres at integers). */
export interface View {
  readonly left: number;
  readonly top: number;
  readonly side: number;
}

export interface RivalReply {
  /** Which of the views showed it. */
  readonly view: number;
  /** [478][x, y] in parts of the view, from its left upper corner. */
  readonly points: readonly (readonly number[])[];
  /** By ARKit's names. */
  readonly blendshapes: Readonly<Record<string, number>>;
}

/** Side of the picture that it is shown, in pixels. */
export const viewSide = 384;

/**
 * Sides of the views over the longer side of the face's box, one after the other until a face is found: its own
 * detector wants a margin.
 */
const zooms = [2.1, 3.2, 1.7] as const;

export function viewsOf({ x0, y0, x1, y1 }: BoxSpec): readonly View[] {
  return zooms.map((zoom) => {
    const side = zoom * Math.max(x1 - x0, y1 - y0);
    return { left: (x0 + x1 - side) / 2, top: (y0 + y1 - side) / 2, side };
  });
}

/** iBUG's 68 points among its 478, in order. Of the jaw line only the chin (the ninth) is a place on the head. */
const ibug68 = [
  [162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389],
  [71, 63, 105, 66, 107],
  [336, 296, 334, 293, 301],
  [168, 197, 5, 4],
  [75, 97, 2, 326, 305],
  [33, 160, 158, 133, 153, 144],
  [362, 385, 387, 263, 373, 380],
  [61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181],
  [78, 82, 13, 312, 308, 317, 14, 87],
].flat();

/** What of the picture it was shown, in picture pixels. */
interface Shown {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/**
 * @param points [478][x, y] in parts of what it was shown
 * @returns [68, 3] picture pixels; z is 0
 */
export function toIbug68(
  points: readonly (readonly number[])[],
  { left, top, width, height }: Shown,
): readonly number[] {
  return ibug68.flatMap((index) => {
    const [x = Number.NaN, y = Number.NaN] = points[index] ?? [];
    return [left + x * width, top + y * height, 0];
  });
}

/** @param views what it was shown. */
export function findingOf({ view, points, blendshapes }: RivalReply, views: readonly View[]): Finding {
  const shown = views[view];
  if (shown === undefined) throw new Error(`view ${view} of ${views.length}`);
  const { left, top, side } = shown;
  const values = toIbug68(points, { left, top, width: side, height: side });
  return { landmarks: { values, stride: 3 }, blink: blinkOf(blendshapes) };
}
