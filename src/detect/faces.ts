/** From candidates to faces: weighted suppression within a region, and the same face seen in several regions. */
import type { FaceBox } from '../pictures/boxes.js';
import { type Crop, cropToPicture, rotate, transformPoint, turnOf, wrapDegrees } from '../pictures/crop.js';
import type { PictureSize } from '../pictures/frame.js';
import type { Candidate } from './kernels/candidates.js';

/** Picture pixels, centres at integers, y down. */
export interface Point {
  /** Rightward. */
  readonly x: number;
  /** Downward. */
  readonly y: number;
}

/** The points that the detector finds in a face; right and left are the subject's. */
export interface Keypoints {
  /** Middle of the subject's right eye. */
  readonly rightEye: Point;
  /** Middle of the subject's left eye. */
  readonly leftEye: Point;
  /** Tip of the nose. */
  readonly nose: Point;
  /** The mouth's corner on the subject's right. */
  readonly rightMouthCorner: Point;
  /** The mouth's corner on the subject's left. */
  readonly leftMouthCorner: Point;
}

/** A face found in a picture: a square for the aligner, in picture pixels, turned about its middle by `roll`. */
export interface DetectedFace extends FaceBox {
  /** A detector's box. */
  readonly kind: 'detector';
  /** Degrees clockwise as seen that the head is turned in the picture, as the points tell: above -180, to 180. */
  readonly roll: number;
  /** 0 to 1. */
  readonly score: number;
  /** Rough: they tell how a face is turned in the picture. */
  readonly keypoints: Keypoints;
}

interface Corners {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

/** Candidates that overlap the best one by more than this are the same face. */
const LARGEST_OVERLAP = 0.3;

/**
 * Of two boxes from different regions, the smaller is the same face where more than this part of it lies in the larger.
 */
const LARGEST_SHARE = 0.5;

/**
 * From the network's box, hair line to chin and ear to ear, to the square that the aligner expects of kind `detector`,
 * in units of the mean of the box's width and height: its side, and how far its middle is shifted toward the chin.
 * Medians of 300 faces at every roll, so that the landmarks' box, which `DETECTOR_TO_CROP` makes the crop of, is where
 * the landmarks are: 90% of the faces need a side within 0.87 and 1.09 and a shift within 0.00 and 0.14.
 */
const TO_BOX = { side: 0.968, down: 0.087 } as const;

/** Where the five points lie in an upright face seen from the front, in some unit, round their mean. */
const UPRIGHT = [
  [-1, -0.82],
  [1, -0.82],
  [0, 0.28],
  [-0.8, 0.68],
  [0.8, 0.68],
] as const;

function area({ x0, y0, x1, y1 }: Corners): number {
  return Math.max(0, x1 - x0) * Math.max(0, y1 - y0);
}

function intersection(a: Corners, b: Corners): number {
  return area({
    x0: Math.max(a.x0, b.x0),
    y0: Math.max(a.y0, b.y0),
    x1: Math.min(a.x1, b.x1),
    y1: Math.min(a.y1, b.y1),
  });
}

/** Intersection over union; 0 where both are empty. */
export function overlap(a: Corners, b: Corners): number {
  const shared = intersection(a, b);
  const union = area(a) + area(b) - shared;
  return union > 0 ? shared / union : 0;
}

function corners({ values: [x = 0, y = 0, width = 0, height = 0] }: Candidate): Corners {
  return { x0: x - width / 2, y0: y - height / 2, x1: x + width / 2, y1: y + height / 2 };
}

/**
 * Weighted non-maximum suppression of one item's candidates: the best takes all that overlap it, and becomes their mean
 * weighted by score, with its own score; then the next best of the rest.
 */
export function suppress(candidates: readonly Candidate[]): Candidate[] {
  const faces: Candidate[] = [];
  let rest = [...candidates].sort((a, b) => b.score - a.score || a.cell - b.cell);
  for (let [best] = rest; best !== undefined; [best] = rest) {
    const box = corners(best);
    // A box that does not even overlap itself, being empty, goes alone.
    const isSame = (other: Candidate) => other === best || overlap(box, corners(other)) > LARGEST_OVERLAP;
    const same = rest.filter(isSame);
    const total = same.reduce((sum, { score }) => sum + score, 0);
    const values = best.values.map(
      (_, i) => same.reduce((sum, { score, values: v }) => sum + score * (v[i] ?? 0), 0) / total,
    );
    faces.push({ ...best, values });
    rest = rest.filter((other) => !isSame(other));
  }
  return faces;
}

/**
 * Degrees clockwise by which five points are turned from those of an upright face: the similarity that fits them best
 * (least squares). In profile, where both eyes are one point, eyes and mouth tell it.
 */
export function rollOf({ rightEye, leftEye, nose, rightMouthCorner, leftMouthCorner }: Keypoints): number {
  let [cosine, sine] = [0, 0];
  for (const [index, { x, y }] of [rightEye, leftEye, nose, rightMouthCorner, leftMouthCorner].entries()) {
    const [u, v] = UPRIGHT[index] ?? [0, 0];
    cosine += u * x + v * y;
    sine += u * y - v * x;
  }
  return (Math.atan2(sine, cosine) * 180) / Math.PI;
}

/** A suppressed candidate as a face of the picture, from whose square `region` it was seen. */
export function toFace(candidate: Candidate, region: Crop): DetectedFace {
  const toPicture = cropToPicture(region);
  // Network pixels count from the border here, half a pixel before the centre of pixel 0.
  const place = (x = 0, y = 0): Point => {
    const [across, down] = transformPoint(toPicture, x - 0.5, y - 0.5);
    return { x: across, y: down };
  };
  const point = (at: number): Point => place(candidate.values[at], candidate.values[at + 1]);
  const keypoints = {
    rightEye: point(4),
    leftEye: point(6),
    nose: point(8),
    rightMouthCorner: point(10),
    leftMouthCorner: point(12),
  };
  const roll = wrapDegrees(rollOf(keypoints));
  const [x, y, width = 0, height = 0] = candidate.values;
  const middle = place(x, y);
  const mean = ((width + height) / 2) * toPicture.scale;
  const [right, down] = rotate(0, TO_BOX.down * mean, turnOf(roll));
  const half = (TO_BOX.side * mean) / 2;
  return {
    x0: middle.x + right - half,
    y0: middle.y + down - half,
    x1: middle.x + right + half,
    y1: middle.y + down + half,
    roll,
    kind: 'detector',
    score: candidate.score,
    keypoints,
  };
}

/**
 * Whether a region's border cuts a face off where the picture goes on: another region, shifted or larger, sees it
 * whole.
 */
export function isCutOff(face: Corners, region: Crop, { width, height }: PictureSize): boolean {
  const { x0, y0, x1, y1 } = face;
  const half = region.side / 2;
  // Turned by quarters, a square stays where it is.
  const [left, top] = [region.centreX - half, region.centreY - half];
  const [right, bottom] = [region.centreX + half, region.centreY + half];
  return (
    (x0 < left && left > 0) ||
    (y0 < top && top > 0) ||
    (x1 > right && right < width - 1) ||
    (y1 > bottom && bottom < height - 1)
  );
}

/**
 * The faces of all regions, the largest first. Of a face that several regions show, or show a part of, the surest view
 * is kept.
 * @param regions the faces of each
 */
export function distinctFaces(regions: readonly (readonly DetectedFace[])[]): DetectedFace[] {
  const seen = regions.flatMap((faces, region) => faces.map((face) => ({ face, region })));
  const kept: typeof seen = [];
  for (const one of seen.sort((a, b) => b.face.score - a.face.score)) {
    const isSeen = kept.some(
      ({ face, region }) =>
        region !== one.region && intersection(one.face, face) > LARGEST_SHARE * Math.min(area(one.face), area(face)),
    );
    if (!isSeen) kept.push(one);
  }
  return kept.sort((a, b) => area(b.face) - area(a.face)).map(({ face }) => face);
}
