/** Faces that are followed: how far they moved, and which of them and of new boxes are one face. */
import type { Face } from '../align/face.js';
import { SAME_FACE, squareOf } from '../align/sure.js';
import { quaternionOf } from '../mmm/parameters.js';
import { cropSquare, type FaceBox, overlapOf } from '../pictures/boxes.js';
import type { Motion } from './motion.js';
import type { FaceSmoother } from './smoothing.js';

/** One face that is followed; each frame makes it anew. */
export interface Track {
  readonly id: number;
  readonly age: number;
  /** The last that was beyond doubt, as the aligner gave it. */
  readonly good: Face;
  /** How that one moved until then. */
  readonly motion: Motion;
  /** The same as the caller got it, smoothed. */
  readonly shown: Face;
  /** Whether it was far from where it was expected in the last frame. */
  readonly fast: boolean;
  /** Frames of doubt in a row. */
  readonly doubt: number;
  readonly smoother: FaceSmoother | undefined;
}

/**
 * A face that has turned by more degrees since the last run in full gets another one: the steps of that run no longer
 * fit.
 */
const MOST_TURN = 25;

/**
 * A face that lies farther than this from where it was expected, in parts of its size, is found by the whole cascade:
 * the last iterations alone correct less than that.
 */
const MOST_MOVE = 0.05;

/**
 * A face that moves by more than this from one frame to the next, in parts of its size, has jumped: where it is now is
 * asked of the detector, too.
 */
const JUMP = 0.25;

/**
 * Of a box and a known face: squares that overlap by more than this part of their union may be the same face after a
 * jump.
 */
const NEAR = 0.1;

/** Whether a face is in doubt, moves fast, or has turned too far from where the cascade last ran in full. */
export function needsFullRun({ doubt, fast, good }: Track): boolean {
  const [now, then] = [quaternionOf(good.parameters), quaternionOf(good.path.at(-1) ?? good.parameters)];
  const cosine = now.reduce((sum, value, i) => sum + value * then[i]!, 0) / Math.hypot(...now) / Math.hypot(...then);
  return doubt > 0 || fast || Math.abs(cosine) < Math.cos((MOST_TURN / 2) * (Math.PI / 180));
}

/** By how much the landmarks have moved, on average, in parts of the face's size before. */
function moveOf({ landmarks: before, box: { x0, y0, x1, y1 } }: Face, { landmarks: after }: Face): number {
  let sum = 0;
  for (let i = 0; i < after.length; i += 3) sum += Math.hypot(after[i]! - before[i]!, after[i + 1]! - before[i + 1]!);
  return (3 * sum) / after.length / Math.max(x1 - x0, y1 - y0);
}

export function movedFar(before: Face, after: Face): boolean {
  return moveOf(before, after) > MOST_MOVE;
}

export function jumped(before: Face, after: Face | undefined): boolean {
  return after !== undefined && moveOf(before, after) > JUMP;
}

/**
 * For known faces, by their index, the box that lies nearest to where each was found or was before; each box for one.
 */
export function nearest(
  known: readonly Track[],
  found: readonly (Face | undefined)[],
  boxes: readonly FaceBox[],
): ReadonlyMap<number, FaceBox> {
  const pairs = known.flatMap(({ good }, i) => {
    const places = [squareOf(good), ...(found[i] === undefined ? [] : [squareOf(found[i])])];
    return boxes.map((box) => {
      const square = cropSquare(box);
      return { i, box, overlap: Math.max(...places.map((place) => overlapOf(place, square))) };
    });
  });
  const near = new Map<number, FaceBox>();
  const taken = new Set<FaceBox>();
  for (const { i, box, overlap } of pairs.sort((a, b) => b.overlap - a.overlap)) {
    if (overlap <= NEAR || near.has(i) || taken.has(box)) continue;
    near.set(i, box);
    taken.add(box);
  }
  return near;
}

/** Of faces that have come to lie on each other, the one known longest. */
export function distinct(tracks: readonly Track[]): readonly Track[] {
  const kept: Track[] = [];
  for (const track of tracks) {
    const square = squareOf(track.good);
    if (kept.every((other) => overlapOf(squareOf(other.good), square) <= SAME_FACE)) kept.push(track);
  }
  return kept;
}

/** Boxes that lie neither over a known face nor over a box before them. */
export function newBoxes(boxes: readonly FaceBox[], known: readonly Track[]): readonly FaceBox[] {
  const taken = known.map(({ good }) => squareOf(good));
  return boxes.filter((box) => {
    const square = cropSquare(box);
    const isNew = taken.every((other) => overlapOf(other, square) <= SAME_FACE);
    if (isNew) taken.push(square);
    return isNew;
  });
}
