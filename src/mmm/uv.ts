/** The model's texture coordinates as a map: which point of the surface every texel of a texture shows. */
import type { FaceModel } from './model.js';

/** No triangle. */
export const NO_TRIANGLE = 0xffffffff;

/**
 * The surface in texture space. Texel (x, y) is at `u = (x + 0.5) / size`, `v = 1 - (y + 0.5) / size`: row 0 is the
 * top.
 */
export interface UvMap {
  readonly size: number;
  /** [size,size]; NO_TRIANGLE off the face. */
  readonly triangles: Uint32Array<ArrayBuffer>;
  /** [size,size,3] barycentric weights of the triangle's vertices, none negative, summing to 1. */
  readonly weights: Float32Array<ArrayBuffer>;
}

/** Texels round the face's rim that repeat it, so that filtering finds no background. */
const RIM = 2;

/** Draws the model's triangles at their texture coordinates. Texels within `RIM` of the face show its nearest point. */
export function uvMap({ triangles, uv }: Pick<FaceModel, 'triangles' | 'uv'>, size: number): UvMap {
  const map: UvMap = {
    size,
    triangles: new Uint32Array(size * size).fill(NO_TRIANGLE),
    weights: new Float32Array(size * size * 3),
  };
  // How far outside its triangle a texel's centre is: 0 inside. The nearest triangle takes it, the first of equals.
  const outside = new Float32Array(size * size).fill(Infinity);
  const corner = (triangle: number, k: number): readonly [number, number] => {
    const vertex = triangles[triangle * 3 + k]!;
    return [uv[vertex * 2]! * size - 0.5, (1 - uv[vertex * 2 + 1]!) * size - 0.5];
  };
  const clamped = (value: number): number => Math.min(size - 1, Math.max(0, value));
  for (let triangle = 0; triangle * 3 < triangles.length; triangle++) {
    const [a, b, c] = [corner(triangle, 0), corner(triangle, 1), corner(triangle, 2)];
    const area = cross(a, b, c);
    if (area === 0) continue;
    const [x0, x1] = [Math.min(a[0], b[0], c[0]), Math.max(a[0], b[0], c[0])];
    const [y0, y1] = [Math.min(a[1], b[1], c[1]), Math.max(a[1], b[1], c[1])];
    for (let y = clamped(Math.ceil(y0 - RIM)); y <= clamped(Math.floor(y1 + RIM)); y++) {
      for (let x = clamped(Math.ceil(x0 - RIM)); x <= clamped(Math.floor(x1 + RIM)); x++) {
        const texel = y * size + x;
        if (outside[texel] === 0) continue;
        const inside = [cross(b, c, [x, y]) / area, cross(c, a, [x, y]) / area, cross(a, b, [x, y]) / area] as const;
        const near = inside.every((weight) => weight >= 0) ? inside : nearestOnEdges(a, b, c, x, y);
        const distance = Math.hypot(
          near[0] * a[0] + near[1] * b[0] + near[2] * c[0] - x,
          near[0] * a[1] + near[1] * b[1] + near[2] * c[1] - y,
        );
        const measure = near === inside ? 0 : distance;
        if (measure > RIM || measure >= outside[texel]!) continue;
        outside[texel] = measure;
        map.triangles[texel] = triangle;
        map.weights.set(near, texel * 3);
      }
    }
  }
  return map;
}

type Point = readonly [number, number];

/** Twice the signed area of p, q, r. */
function cross(p: Point, q: Point, r: Point): number {
  return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]);
}

/** Barycentric weights of the point on the triangle's edges that is nearest to (x, y). */
function nearestOnEdges(a: Point, b: Point, c: Point, x: number, y: number): readonly [number, number, number] {
  const along = (p: Point, q: Point): { readonly t: number; readonly distance: number } => {
    const [dx, dy] = [q[0] - p[0], q[1] - p[1]];
    const t = Math.min(1, Math.max(0, ((x - p[0]) * dx + (y - p[1]) * dy) / (dx * dx + dy * dy)));
    return { t, distance: Math.hypot(p[0] + t * dx - x, p[1] + t * dy - y) };
  };
  const [ab, bc, ca] = [along(a, b), along(b, c), along(c, a)];
  if (ab.distance <= bc.distance && ab.distance <= ca.distance) return [1 - ab.t, ab.t, 0];
  return bc.distance <= ca.distance ? [0, 1 - bc.t, bc.t] : [ca.t, 0, 1 - ca.t];
}
