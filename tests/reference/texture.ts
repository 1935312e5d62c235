/** Unwrapping as plain loops in float64 over one face, for comparison with texture.wgsl. */
import { NO_TRIANGLE, type UvMap } from '../../src/mmm/uv.js';
import { bilinear, type Picture } from './crop.js';
import { isOccluded, keysFor, type Mesh, snapTriangle } from './raster.js';

/** Crop pixels to picture pixels. */
export interface Placement {
  readonly originX: number;
  readonly originY: number;
  readonly step: number;
  /** Degrees clockwise. */
  readonly turn: number;
}

const smoothstep = (value: number): number => {
  const t = Math.min(1, Math.max(0, (value - 0.1) / 0.4));
  return t * t * (3 - 2 * t);
};

/**
 * The texture of one face.
 * @param mesh in crop pixels
 * @param partners where given, the hidden side is filled from the other one
 * @returns [size,size,4] in [0,1]
 */
export function textureReference(
  mesh: Mesh,
  map: UvMap,
  picture: Picture,
  drawn: Uint32Array,
  cropSize: number,
  { originX, originY, step, turn }: Placement,
  partners?: ArrayLike<number>,
): Float64Array<ArrayBuffer> {
  const keys = keysFor(mesh.triangles.length / 3, cropSize);
  const texture = new Float64Array(map.size * map.size * 4);
  const taps = Math.min(8, Math.max(1, Math.ceil((step * cropSize) / map.size)));
  const footprint = cropSize / map.size;
  const [cosine, sine] = [Math.cos((turn * Math.PI) / 180), Math.sin((turn * Math.PI) / 180)];
  const inPicture = (x: number, y: number): [number, number] => [
    originX + step * (cosine * x - sine * y),
    originY + step * (sine * x + cosine * y),
  ];

  const colourAt = (x: number, y: number): number[] => {
    const clamp = (value: number, most: number) => Math.min(most, Math.max(0, value));
    const colour = [0, 0, 0];
    for (let tap = 0; tap < taps * taps; tap++) {
      const [u, v] = [((tap % taps) + 0.5) / taps - 0.5, (Math.floor(tap / taps) + 0.5) / taps - 0.5];
      const [px, py] = inPicture(x + u * footprint, y + v * footprint);
      for (let c = 0; c < 3; c++) {
        const value = bilinear(picture, clamp(px, picture.width - 1), clamp(py, picture.height - 1), c);
        colour[c]! += value / (taps * taps);
      }
    }
    return colour;
  };

  const sample = (corners: readonly number[], weights: readonly number[], mirrored: boolean) => {
    const points = corners.map((v) => [0, 1, 2].map((axis) => mesh.vertices[v * 3 + axis]!));
    const at = [0, 1, 2].map((axis) => points.reduce((sum, point, i) => sum + weights[i]! * point[axis]!, 0));
    const [x, y] = at as [number, number, number];
    const [a, b, c] = (mirrored ? [0, 2, 1] : [0, 1, 2]).map((i) => corners[i]!) as [number, number, number];
    const own = snapTriangle({ vertices: mesh.vertices, triangles: [a, b, c] }, 0);
    const [px, py] = inPicture(x, y);
    const inside = px >= -0.5 && py >= -0.5 && px <= picture.width - 0.5 && py <= picture.height - 0.5;
    let seen = 0;
    if (inside && !isOccluded(own, x, y, drawn, keys, cropSize)) {
      const [p, q, r] = (mirrored ? [0, 2, 1] : [0, 1, 2]).map((i) => points[i]!) as [number[], number[], number[]];
      const [e, f] = [q, r].map((point) => point.map((value, axis) => value - p[axis]!)) as [number[], number[]];
      const normal = [e[1]! * f[2]! - e[2]! * f[1]!, e[2]! * f[0]! - e[0]! * f[2]!, e[0]! * f[1]! - e[1]! * f[0]!];
      seen = smoothstep(-normal[2]! / Math.hypot(...normal));
    }
    return { colour: colourAt(x, y), seen };
  };

  for (let texel = 0; texel < map.size * map.size; texel++) {
    const triangle = map.triangles[texel]!;
    if (triangle === NO_TRIANGLE) continue;
    const corners = [0, 1, 2].map((i) => mesh.triangles[triangle * 3 + i]!);
    const weights = [0, 1, 2].map((i) => map.weights[texel * 3 + i]!);
    let { colour, seen } = sample(corners, weights, false);
    if (partners !== undefined && seen < 1) {
      const other = sample(
        corners.map((v) => partners[v]!),
        weights,
        true,
      );
      if (other.seen > seen) {
        const share = seen / other.seen;
        colour = colour.map((value, c) => other.colour[c]! * (1 - share) + value * share);
        seen = other.seen;
      }
    }
    texture.set([...colour, seen], texel * 4);
  }
  return texture;
}
