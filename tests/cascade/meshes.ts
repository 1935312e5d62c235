/** Meshes that try the rasteriser. */
import { random } from '../browser/numbers.js';

export interface TestMesh {
  /** [V,3] crop pixels. */
  readonly vertices: Float32Array<ArrayBuffer>;
  /** [T,3]. */
  readonly triangles: Uint32Array<ArrayBuffer>;
}

/**
 * A flat quad of `cells` x `cells` pairs of triangles with jittered inner vertices, turned by `angle` (radians) round
 * (`centre`, `centre`). Half the inner vertices lie exactly on pixel centres.
 */
export function tessellatedQuad(centre: number, side: number, cells: number, angle: number, seed = 3): TestMesh {
  const next = random(seed);
  const vertices: number[] = [];
  const triangles: number[] = [];
  for (let row = 0; row <= cells; row++) {
    for (let column = 0; column <= cells; column++) {
      const inner = row > 0 && row < cells && column > 0 && column < cells;
      const jitter = () => (inner ? (next() - 0.5) * 0.6 : 0);
      const [u, v] = [((column + jitter()) / cells - 0.5) * side, ((row + jitter()) / cells - 0.5) * side];
      let x = centre + u * Math.cos(angle) - v * Math.sin(angle);
      let y = centre + u * Math.sin(angle) + v * Math.cos(angle);
      if (inner && next() < 0.5) [x, y] = [Math.round(x), Math.round(y)];
      vertices.push(x, y, 5);
    }
  }
  for (let row = 0; row < cells; row++) {
    for (let column = 0; column < cells; column++) {
      const a = row * (cells + 1) + column;
      const b = a + cells + 1;
      // Windings alternate: both are drawn.
      triangles.push(...((row + column) % 2 === 0 ? [a, b, a + 1, a + 1, b, b + 1] : [a, b + 1, b, a, a + 1, b + 1]));
    }
  }
  return { vertices: Float32Array.from(vertices), triangles: Uint32Array.from(triangles) };
}

/** Loose triangles, each with its own vertices. */
export function looseTriangles(triangles: readonly (readonly number[])[]): TestMesh {
  return {
    vertices: Float32Array.from(triangles.flat()),
    triangles: Uint32Array.from({ length: triangles.length * 3 }, (_, i) => i),
  };
}

/** One triangle of every kind that the rasteriser treats specially, for a crop of `size`. */
export function awkwardTriangles(size: number): TestMesh {
  const far = size - 1;
  return looseTriangles([
    [2, 2, 1, 9, 2, 1, 2, 9, 1], // edges on pixel centres
    [9, 2, 1, 9, 9, 1, 2, 9, 1], // shares its long edge
    [2, 2, 1, 2, 9, 1, 9, 2, 1], // the first one again, other winding: the smaller id stays
    [3, 3, 8, 5, 3, 8, 3, 5, 8], // nearer
    [4, 12, 0, 4, 12, 0, 10, 14, 0], // two vertices in one place
    [4, 12, 0, 7, 13, 0, 10, 14, 0], // no area
    [1, 16, 0, size + 20, 16.02, 0, 1, 16.04, 0], // sliver along a row of pixel centres
    [12.001, 1, 0, 12.002, 30, 0, 11.999, 15, 0], // sliver along a column
    [6.1, 20.1, 0, 6.4, 20.1, 0, 6.2, 20.4, 0], // between pixel centres: covers none
    [7, 20, 3, 7.25, 20, 3, 7, 20.25, 3], // one pixel
    [-40, -40, -3, 45, -40, -3, -40, 45, -3], // mostly outside
    [-30, 5, 0, -10, 5, 0, -10, 25, 0], // wholly outside
    [far + 0.5, far + 0.5, 0, far + 9, far, 0, far, far + 9, 0], // corner outside by less than a pixel
    [far - 3, far - 3, 2, far + 4, far - 3, 2, far - 3, far + 4, 2], // over the lower right corner
    [0, 0, 9, 90, 0, 9, 0, 5, 9], // 90 px wide: drawn
    [0, 20, 9, 90.01, 20, 9, 0, 25, 9], // wider: skipped
    [0, 20, 9, 0, 111, 9, 5, 20, 9], // higher: skipped
    [2047.9, 1, 0, 2047.5, 4, 0, 2046, 2, 0], // as far as coordinates may go
    [2048, 1, 0, 2047.5, 4, 0, 2046, 2, 0], // further
    [1, 1, -2048, 5, 1, 0, 1, 5, 0], // too deep
    [Number.NaN, 3, 0, 8, 3, 0, 3, 8, 0],
    [3, 3, Number.NaN, 8, 3, 0, 3, 8, 0],
    [Number.POSITIVE_INFINITY, 3, 0, 8, 3, 0, 3, 8, 0],
    [3, Number.NEGATIVE_INFINITY, 0, 8, 3, 0, 3, 8, 0],
    [1e30, 3, 0, 8, -1e30, 0, 3, 8, 0],
    [20, 24, 2000, 28, 24, 2000, 20, 30, 2000], // depth clamps at the near end
    [24, 26, -2000, 32, 26, -2000, 24, 32, -2000], // and at the far end
    [20.5, 8, 4, 28.25, 9.75, 4.5, 22.125, 14.5, 3], // ordinary
  ]);
}
