/** Which of the faces that were aligned are faces, each of them once. */
import { cropSquare, landmarksBox, overlapOf, type Square } from '../pictures/boxes.js';
import type { Face } from './face.js';

/** Squares that overlap by more than this part of their union are one face. */
export const SAME_FACE = 0.3;

/** Where the next frame would look for the face. */
export function squareOf({ landmarks }: Pick<Face, 'landmarks'>): Square {
  return cropSquare(landmarksBox(landmarks));
}

/**
 * The faces of at least this confidence, in their order. Where several lie on each other, as from boxes of one face,
 * only the surest of them, and of equally sure ones the first.
 */
export function sureFaces<F extends Pick<Face, 'landmarks' | 'confidence'>>(
  faces: readonly F[],
  minConfidence: number,
): F[] {
  const kept: { readonly face: F; readonly square: Square }[] = [];
  for (const face of [...faces].sort((a, b) => b.confidence - a.confidence)) {
    const square = squareOf(face);
    if (face.confidence < minConfidence) break;
    if (kept.every((other) => overlapOf(other.square, square) <= SAME_FACE)) kept.push({ face, square });
  }
  const sure = new Set(kept.map(({ face }) => face));
  return faces.filter((face) => sure.has(face));
}
