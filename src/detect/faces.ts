/** From candidates to faces: weighted suppression as published with BlazeFace, and the same face seen in several regions. */
import type { FaceBox } from '../pictures/boxes.js';
import { type Crop, cropToPicture, transformPoint } from '../pictures/crop.js';
import type { Candidate } from './kernels/candidates.js';

/** Picture pixels, centres at integers, y down. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** The points that the detector finds in a face; right and left are the subject's. An ear's is its tragus. */
export interface Keypoints {
  readonly rightEye: Point;
  readonly leftEye: Point;
  readonly nose: Point;
  readonly mouth: Point;
  readonly rightEar: Point;
  readonly leftEar: Point;
}

/** A face found in a picture: a box for the aligner, in picture pixels. */
export interface DetectedFace extends FaceBox {
  readonly kind: 'detector';
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

/** Of two boxes from different regions, the smaller is the same face where more than this part of it lies in the larger. */
const LARGEST_SHARE = 0.5;

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
 * Weighted non-maximum suppression of one item's candidates: the best takes all that overlap it, and becomes their mean weighted by score, with
 * its own score; then the next best of the rest.
 */
export function suppress(candidates: readonly Candidate[]): Candidate[] {
  const faces: Candidate[] = [];
  let rest = [...candidates].sort((a, b) => b.score - a.score || a.anchor - b.anchor);
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

/** A suppressed candidate as a face of the picture, from whose square `region` it was seen. */
export function toFace(candidate: Candidate, region: Crop): DetectedFace {
  const toPicture = cropToPicture(region);
  // Network pixels count from the border here, half a pixel before the centre of pixel 0.
  const place = (x = 0, y = 0): Point => {
    const [across, down] = transformPoint(toPicture, x - 0.5, y - 0.5);
    return { x: across, y: down };
  };
  const [x, y, width = 0, height = 0] = candidate.values;
  const middle = place(x, y);
  const [halfWidth, halfHeight] = [(width / 2) * toPicture.scale, (height / 2) * toPicture.scale];
  const point = (at: number): Point => place(candidate.values[at], candidate.values[at + 1]);
  return {
    x0: middle.x - halfWidth,
    y0: middle.y - halfHeight,
    x1: middle.x + halfWidth,
    y1: middle.y + halfHeight,
    ...(region.roll !== 0 && { roll: region.roll }),
    kind: 'detector',
    score: candidate.score,
    keypoints: {
      rightEye: point(4),
      leftEye: point(6),
      nose: point(8),
      mouth: point(10),
      rightEar: point(12),
      leftEar: point(14),
    },
  };
}

/**
 * The faces of all regions, the largest first, without those that a larger one from another region covers: the same face seen twice, or a part of
 * it that a tile's border cut off.
 */
export function distinctFaces(regions: readonly (readonly DetectedFace[])[]): DetectedFace[] {
  const seen = regions.flatMap((faces, region) => faces.map((face) => ({ face, region })));
  const kept: typeof seen = [];
  for (const one of seen.sort((a, b) => area(b.face) - area(a.face))) {
    const isCovered = kept.some(
      (other) => other.region !== one.region && intersection(one.face, other.face) > LARGEST_SHARE * area(one.face),
    );
    if (!isCovered) kept.push(one);
  }
  return kept.map(({ face }) => face);
}
