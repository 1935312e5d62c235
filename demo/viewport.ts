/**
 * Which part of a picture a canvas shows. Positions are corners' coordinates here: a picture pixel `p` (centres at
 * integers) covers `p` to `p + 1`, and its middle is `p + 0.5`.
 */
import type { FaceBox } from 'fullpose';

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Viewport {
  /** The place of the picture that is in the middle of the canvas. */
  readonly centreX: number;
  readonly centreY: number;
  /** Canvas pixels a picture pixel. */
  readonly scale: number;
  /** Whether left and right are exchanged, as in a mirror. */
  readonly mirrored: boolean;
}

/** Part of the canvas's shorter side that a face fills where the view opens on it. */
const facePart = 0.62;

/** Canvas pixels a picture pixel at most: more shows squares. */
const mostScale = 24;

/** All of the picture, as large as it fits. */
export function wholeOf(picture: Size, canvas: Size, mirrored = false): Viewport {
  const scale = Math.min(canvas.width / picture.width, canvas.height / picture.height);
  return { centreX: picture.width / 2, centreY: picture.height / 2, scale, mirrored };
}

/** The faces, with some of what is round them; all of the picture where there is none. */
export function aroundFaces(
  boxes: readonly Omit<FaceBox, 'kind'>[],
  picture: Size,
  canvas: Size,
  mirrored = false,
): Viewport {
  if (boxes.length === 0) return wholeOf(picture, canvas, mirrored);
  const [x0, y0] = [Math.min(...boxes.map((box) => box.x0)), Math.min(...boxes.map((box) => box.y0))];
  const [x1, y1] = [Math.max(...boxes.map((box) => box.x1)), Math.max(...boxes.map((box) => box.y1))];
  const scale = facePart * Math.min(canvas.width / (x1 - x0), canvas.height / (y1 - y0));
  return clamped({ centreX: (x0 + x1 + 1) / 2, centreY: (y0 + y1 + 1) / 2, scale, mirrored }, picture, canvas);
}

/** Zoomed by `factor` about a point of the canvas, which stays where it is. */
export function zoomedAt(view: Viewport, factor: number, x: number, y: number, picture: Size, canvas: Size): Viewport {
  const [px, py] = toPicture(view, canvas, x, y);
  const { scale } = clamped({ ...view, scale: view.scale * factor }, picture, canvas);
  const part = view.scale / scale;
  return clamped(
    {
      ...view,
      scale,
      centreX: px + 0.5 + (view.centreX - px - 0.5) * part,
      centreY: py + 0.5 + (view.centreY - py - 0.5) * part,
    },
    picture,
    canvas,
  );
}

/** Moved with a pointer that went `dx`, `dy` canvas pixels. */
export function moved(view: Viewport, dx: number, dy: number, picture: Size, canvas: Size): Viewport {
  const { centreX, centreY, scale, mirrored } = view;
  return clamped(
    { ...view, centreX: centreX - (mirrored ? -dx : dx) / scale, centreY: centreY - dy / scale },
    picture,
    canvas,
  );
}

/** Part of the way from one view to another, for a view that glides. */
export function between(from: Viewport, to: Viewport, part: number): Viewport {
  const mix = (a: number, b: number) => a + (b - a) * part;
  return {
    centreX: mix(from.centreX, to.centreX),
    centreY: mix(from.centreY, to.centreY),
    scale: mix(from.scale, to.scale),
    mirrored: to.mirrored,
  };
}

/** Picture pixels to canvas pixels, as `setTransform` takes it; the picture's upper left corner is at (0, 0). */
export function matrixOf(
  { centreX, centreY, scale, mirrored }: Viewport,
  canvas: Size,
): [number, number, number, number, number, number] {
  const a = mirrored ? -scale : scale;
  return [a, 0, 0, scale, canvas.width / 2 - a * centreX, canvas.height / 2 - scale * centreY];
}

/** A point of the picture, pixel centres at integers, on the canvas. */
export function toCanvas(view: Viewport, canvas: Size, x: number, y: number): readonly [number, number] {
  const [a, , , d, e, f] = matrixOf(view, canvas);
  return [a * (x + 0.5) + e, d * (y + 0.5) + f];
}

/** A point of the canvas in the picture, pixel centres at integers. */
export function toPicture(view: Viewport, canvas: Size, x: number, y: number): readonly [number, number] {
  const [a, , , d, e, f] = matrixOf(view, canvas);
  return [(x - e) / a - 0.5, (y - f) / d - 0.5];
}

/** Never smaller than the whole picture, and no ground beside it where it could be filled. */
function clamped(view: Viewport, picture: Size, canvas: Size): Viewport {
  const least = wholeOf(picture, canvas).scale;
  const scale = Math.min(Math.max(view.scale, least), Math.max(mostScale, least));
  const inside = (centre: number, length: number, shown: number) => {
    const half = shown / scale / 2;
    return half * 2 >= length ? length / 2 : Math.min(Math.max(centre, half), length - half);
  };
  return {
    ...view,
    scale,
    centreX: inside(view.centreX, picture.width, canvas.width),
    centreY: inside(view.centreY, picture.height, canvas.height),
  };
}
