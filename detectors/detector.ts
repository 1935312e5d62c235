/** A face found in a picture: picture pixels, 0-based, pixel centres at integers, y down. Fits the aligner's `Box`. */
export interface DetectedFace {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
  readonly kind: 'detector';
}

/** What a detector looks at: anything a 2D canvas can draw, with its size in pixels. */
export type DetectorSource = HTMLCanvasElement | OffscreenCanvas | ImageBitmap;

/** Finds faces. Any detector serves; the boxes of another one need their own calibration (see `scripts/calibrate-detector.ts`). */
export interface FaceDetector {
  /** Faces, the largest first; none is an empty list. */
  detect(source: DetectorSource): Promise<readonly DetectedFace[]>;
  close(): Promise<void>;
}

const area = (face: DetectedFace) => (face.x1 - face.x0) * (face.y1 - face.y0);

/** Intersection over union. */
export function overlap(a: DetectedFace, b: DetectedFace): number {
  const width = Math.min(a.x1, b.x1) - Math.max(a.x0, b.x0);
  const height = Math.min(a.y1, b.y1) - Math.max(a.y0, b.y0);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / (area(a) + area(b) - width * height);
}

/** Largest first, without those that lie over a larger one (the same face seen twice). */
export function distinctFaces(faces: readonly DetectedFace[], largestOverlap = 0.3): readonly DetectedFace[] {
  const kept: DetectedFace[] = [];
  for (const face of [...faces].sort((a, b) => area(b) - area(a))) {
    if (kept.every((other) => overlap(face, other) <= largestOverlap)) kept.push(face);
  }
  return kept;
}

/** A part of the picture to look at, in picture pixels; it may reach beyond the borders. */
export interface Region {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Where to look, one step after the other until a step finds a face: the whole picture; the picture with a wide margin (a face that fills
 * it); then overlapping tiles (faces too small for a detector that sees 128 pixels at a time).
 */
export function searchSteps(width: number, height: number): readonly (readonly Region[])[] {
  const whole: Region = { x: 0, y: 0, width, height };
  const margin: Region = { x: -width / 2, y: -height / 2, width: width * 2, height: height * 2 };
  return [[whole], [margin], ...[2, 4].map((count) => tiles(width, height, count)).filter((step) => step.length > 0)];
}

/** Tiles smaller than this, in pixels, would hold faces of a few dozen pixels at most: too little to align. */
const smallestTile = 64;

/**
 * `count` square tiles along the longer side, each overlapping the next by half, and as many rows of them as the shorter side takes. None where
 * they would be too small.
 */
function tiles(width: number, height: number, count: number): readonly Region[] {
  const side = (2 * Math.max(width, height)) / (count + 1);
  if (side < smallestTile) return [];
  const starts = (length: number) => {
    if (length <= side) return [(length - side) / 2];
    const steps = Math.ceil((length - side) / (side / 2) - 1e-9);
    return Array.from({ length: steps + 1 }, (_, step) => (step * (length - side)) / steps);
  };
  return starts(height).flatMap((y) => starts(width).map((x) => ({ x, y, width: side, height: side })));
}
