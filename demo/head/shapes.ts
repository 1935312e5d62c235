/**
 * Shapes of a head beside the face model's: its openings, what closes them, and the back of the head. Model decimetres;
 * x to the subject's left.
 */
import type { FaceModel } from 'fullpose';

/** Closed lines of vertices along the mesh's borders. */
export interface Openings {
  /** Round the face. */
  readonly outline: readonly number[];
  /** The subject's left, right. */
  readonly eyes: readonly [readonly number[], readonly number[]];
  readonly mouth: readonly number[];
}

/** A sphere that closes an opening from behind. */
export interface Plug {
  readonly centre: readonly [number, number, number];
  readonly radius: number;
}

/** Finds the face mesh's borders: those of edges of one triangle. */
export function findOpenings({ triangles, mean }: Pick<FaceModel, 'triangles' | 'mean'>): Openings {
  const next = new Map<number, number>();
  const edges = new Set<string>();
  const corners = (t: number) => [triangles[t] ?? 0, triangles[t + 1] ?? 0, triangles[t + 2] ?? 0] as const;
  const forEachEdge = (visit: (a: number, b: number) => void) => {
    for (let t = 0; t < triangles.length; t += 3) {
      const [a, b, c] = corners(t);
      visit(a, b);
      visit(b, c);
      visit(c, a);
    }
  };
  forEachEdge((a, b) => edges.add(`${a},${b}`));
  forEachEdge((a, b) => {
    if (!edges.has(`${b},${a}`)) next.set(a, b);
  });
  const loops: number[][] = [];
  while (next.size > 0) {
    const loop: number[] = [];
    let [at] = next.keys();
    while (at !== undefined && next.has(at)) {
      loop.push(at);
      const after = next.get(at);
      next.delete(at);
      at = after;
    }
    loops.push(loop);
  }
  const extent = (loop: readonly number[]) => {
    const box = boundsOf(mean, loop);
    return Math.hypot(box.x1 - box.x0, box.y1 - box.y0);
  };
  const [outline, mouth, ...eyes] = loops.sort((p, q) => extent(q) - extent(p));
  const [left, right] = eyes.sort((p, q) => middleOf(mean, q)[0] - middleOf(mean, p)[0]);
  if (outline === undefined || mouth === undefined || left === undefined || right === undefined || eyes.length !== 2) {
    throw new Error(`the face model has ${loops.length} borders; wanted 4: round the face, the mouth and the eyes`);
  }
  return { outline, eyes: [left, right], mouth };
}

/**
 * The sphere that lies just behind an opening everywhere.
 * @param shape [V,3]
 * @param roundness radius over half the width of the opening
 * @param gap between border and sphere, at least
 */
export function plugOf(shape: ArrayLike<number>, loop: readonly number[], roundness: number, gap: number): Plug {
  const { x0, x1, y0, y1 } = boundsOf(shape, loop);
  const [x, y, radius] = [(x0 + x1) / 2, (y0 + y1) / 2, (roundness * (x1 - x0)) / 2];
  let z = Number.POSITIVE_INFINITY;
  for (const v of loop) {
    const [dx, dy] = [(shape[v * 3] ?? 0) - x, (shape[v * 3 + 1] ?? 0) - y];
    z = Math.min(z, (shape[v * 3 + 2] ?? 0) - Math.sqrt(Math.max(0, radius ** 2 - dx ** 2 - dy ** 2)));
  }
  return { centre: [x, y, z - gap], radius };
}

/** Rings of the back of the head, from the face's outline backwards. */
const skullRings = 12;

/** How far the back of the head is behind the outline. */
const skullDepth = 0.92;

export interface Surface {
  /** [n,3] */
  readonly positions: Float32Array<ArrayBuffer>;
  /** [m,3], counter-clockwise seen from outside. */
  readonly triangles: Uint32Array<ArrayBuffer>;
  /** [n]: how far behind the outline a point is, 0 to 1. */
  readonly depth: Float32Array<ArrayBuffer>;
}

/**
 * The back of a head, so that it is closed: a dome over the outline.
 * @param shape [V,3]
 * @param outline as `findOpenings` gives it: the face lies to its left
 */
export function skullOf(shape: ArrayLike<number>, outline: readonly number[]): Surface {
  const count = outline.length;
  const [cx, cy, cz] = middleOf(shape, outline);
  const top = boundsOf(shape, outline).y1 - cy;
  const positions = new Float32Array(count * (skullRings + 1) * 3);
  const depth = new Float32Array(count * (skullRings + 1));
  for (let ring = 0; ring <= skullRings; ring++) {
    const angle = ((ring / skullRings) * Math.PI) / 2;
    const [near, far, between] = [Math.cos(angle), Math.sin(angle), Math.sin(2 * angle)];
    for (const [i, v] of outline.entries()) {
      const [x, y, z] = [0, 1, 2].map((axis) => shape[v * 3 + axis] ?? 0) as [number, number, number];
      // Wider and higher than the face in the middle, as heads are.
      const widening = 1 + 0.08 * between;
      const height = Math.max(0, (y - cy) / top) * 0.3 * between;
      const at = (ring * count + i) * 3;
      positions[at] = cx + (x - cx) * near * widening;
      positions[at + 1] = cy + (y - cy) * near + height;
      positions[at + 2] = cz + (z - cz) * near - skullDepth * far;
      depth[ring * count + i] = ring / skullRings;
    }
  }
  const triangles: number[] = [];
  for (let ring = 0; ring < skullRings; ring++) {
    for (let i = 0; i < count; i++) {
      const [a, b] = [ring * count + i, ring * count + ((i + 1) % count)];
      // Neighbours of the face's triangles go along the border the other way.
      triangles.push(b, a, a + count, b, a + count, b + count);
    }
  }
  return { positions, triangles: Uint32Array.from(triangles), depth };
}

/** Offsets of each expression at weight 1: [V,3] each. */
export function morphTargetsOf({ expression }: Pick<FaceModel, 'expression'>): Float32Array<ArrayBuffer>[] {
  const length = expression.values.length / expression.count;
  return Array.from({ length: expression.count }, (_, column) => {
    const scale = expression.scale[column] ?? 0;
    return Float32Array.from(
      expression.values.subarray(column * length, (column + 1) * length),
      (value) => value * scale,
    );
  });
}

export function middleOf(shape: ArrayLike<number>, vertices: readonly number[]): [number, number, number] {
  const mean = (axis: number) => vertices.reduce((sum, v) => sum + (shape[v * 3 + axis] ?? 0), 0) / vertices.length;
  return [mean(0), mean(1), mean(2)];
}

function boundsOf(shape: ArrayLike<number>, vertices: readonly number[]) {
  const [xs, ys] = [0, 1].map((axis) => vertices.map((v) => shape[v * 3 + axis] ?? 0)) as [number[], number[]];
  return { x0: Math.min(...xs), x1: Math.max(...xs), y0: Math.min(...ys), y1: Math.max(...ys) };
}
