/** The left and right halves of a face model. */
import type { FaceModel } from './model.js';

/** Vertices are a pair where one lies within this of the other's mirror image: decimetres. */
const TOLERANCE = 0.01;

/**
 * For each vertex the one that the mean face has on the other side (x -> -x): itself on the midline, and where the
 * model has none.
 * @returns [V]
 */
export function symmetricVertices({
  mean,
  vertexCount,
}: Pick<FaceModel, 'mean' | 'vertexCount'>): Uint32Array<ArrayBuffer> {
  const cellOf = (value: number): number => Math.floor(value / TOLERANCE);
  const cells = new Map<string, number[]>();
  const point = (v: number) => [mean[v * 3]!, mean[v * 3 + 1]!, mean[v * 3 + 2]!] as const;
  for (let v = 0; v < vertexCount; v++) {
    const key = point(v).map(cellOf).join();
    const cell = cells.get(key);
    if (cell === undefined) cells.set(key, [v]);
    else cell.push(v);
  }
  return Uint32Array.from({ length: vertexCount }, (_, v) => {
    const [x, y, z] = point(v);
    const [cx, cy, cz] = [cellOf(-x), cellOf(y), cellOf(z)];
    let [nearest, distance] = [v, TOLERANCE];
    for (let i = 0; i < 27; i++) {
      const key = [cx + (i % 3) - 1, cy + (Math.floor(i / 3) % 3) - 1, cz + Math.floor(i / 9) - 1].join();
      for (const other of cells.get(key) ?? []) {
        const [ox, oy, oz] = point(other);
        const apart = Math.hypot(ox + x, oy - y, oz - z);
        if (apart < distance) [nearest, distance] = [other, apart];
      }
    }
    return nearest;
  });
}
