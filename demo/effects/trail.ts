/** The trail of a head: where its nose has pointed of late. */
import type { Face } from 'fullpose';
import type { DrawingContext } from '../../pages/overlay.js';

/** The nose's tip and a place straight before the face, model decimetres. */
const tip = [0, 0.04, 1.31] as const;
const pointer = [0, 0.04, 2.4] as const;

/** Frames that a trail lasts. */
const length = 45;

type Point = readonly [x: number, y: number];

/** A point of the head's frame in picture pixels. */
export function inPicture({ matrix: m }: Pick<Face['pose'], 'matrix'>, [x, y, z]: readonly number[]): Point {
  const row = (at: number) =>
    (m[at] ?? 0) * (x ?? 0) + (m[at + 1] ?? 0) * (y ?? 0) + (m[at + 2] ?? 0) * (z ?? 0) + (m[at + 3] ?? 0);
  return [row(0), row(4)];
}

export class Trails {
  #points = new Map<number, readonly Point[]>();

  /** Goes on with a frame's faces; the trails of others end. */
  follow(faces: readonly { readonly id: number; readonly face: Pick<Face, 'pose'> }[]): void {
    this.#points = new Map(
      faces.map(({ id, face }) => [
        id,
        [...(this.#points.get(id) ?? []), inPicture(face.pose, pointer)].slice(-length),
      ]),
    );
  }

  clear(): void {
    this.#points.clear();
  }

  /** The trail of a face, oldest first. */
  of(id: number): readonly Point[] {
    return this.#points.get(id) ?? [];
  }

  /** @param width of a line, picture pixels */
  draw(
    context: DrawingContext,
    { id, face }: { readonly id: number; readonly face: Pick<Face, 'pose'> },
    width: number,
  ): void {
    const points = this.of(id);
    const nose = inPicture(face.pose, tip);
    const end = points.at(-1) ?? inPicture(face.pose, pointer);
    context.save();
    context.translate(0.5, 0.5);
    context.lineCap = 'round';
    for (const [i, [x, y]] of points.entries()) {
      const [px, py] = points[Math.max(0, i - 1)] ?? [x, y];
      // Old is thin and faint.
      const age = (i + 1) / points.length;
      context.strokeStyle = `hsl(${190 + 130 * age} 95% 65% / ${0.15 + 0.85 * age})`;
      context.lineWidth = width * (1 + 4 * age);
      context.beginPath();
      context.moveTo(px, py);
      context.lineTo(x, y);
      context.stroke();
    }
    context.strokeStyle = '#ffffff';
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(...nose);
    context.lineTo(...end);
    context.stroke();
    context.fillStyle = 'hsl(320 95% 65%)';
    context.beginPath();
    context.arc(...end, width * 4, 0, 2 * Math.PI);
    context.fill();
    context.restore();
  }
}
