import { describe, expect, it } from 'vitest';
import { keyLayout } from '../../src/cascade/kernels/common.js';
import { drawReference, keysFor, rasterReference, resolveReference } from '../reference/raster.js';
import { awkwardTriangles, looseTriangles, type TestMesh, tessellatedQuad } from './meshes.js';

/** How often each pixel is drawn. */
function coverage(mesh: TestMesh, size: number): number[] {
  const counts = new Array<number>(size * size).fill(0);
  drawReference(mesh, size, (pixel) => {
    counts[pixel] = (counts[pixel] ?? 0) + 1;
  });
  return counts;
}

describe('keys', () => {
  it.each([
    [1, 128, 1, 0],
    [13_120, 128, 14, 0],
    [16_383, 128, 14, 0],
    [16_384, 128, 15, 1],
    [105_840, 128, 17, 3],
    [105_840, 200, 17, 4],
  ])('for %i triangles at %i px have %i id bits and shift the depth by %i', (triangles, size, idBits, depthShift) => {
    expect(keyLayout(triangles, size)).toEqual({ idBits, depthShift });
    expect(keysFor(triangles, size)).toEqual({ idBits, depthShift });
  });
});

describe('the rasteriser that the GPU is compared with', () => {
  it.each([0, 0.3, Math.PI / 4, Math.PI / 2, 2.5])(
    'covers every pixel of a tessellated quad once, turned by %f',
    (angle) => {
      const size = 64;
      const quad = tessellatedQuad(31.3, 40, 7, angle);
      const whole = coverage(quad, size);
      expect(Math.max(...whole)).toBe(1);
      // The quad's inside holds no gap: a pixel well within it is covered.
      const reach = 20 - 0.01;
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
      let inside = 0;
      for (let pixel = 0; pixel < size * size; pixel++) {
        const [dx, dy] = [(pixel % size) - 31.3, Math.floor(pixel / size) - 31.3];
        if (Math.abs(dx * cos + dy * sin) < reach && Math.abs(dy * cos - dx * sin) < reach) {
          inside++;
          expect(whole[pixel]).toBe(1);
        }
      }
      expect(inside).toBeGreaterThan(1500);
    },
  );

  it('gives points on an edge to the triangle whose top or left edge it is', () => {
    const size = 12;
    const square = looseTriangles([
      [2, 2, 0, 6, 2, 0, 2, 6, 0],
      [6, 2, 0, 6, 6, 0, 2, 6, 0],
    ]);
    const counts = coverage(square, size);
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        expect(counts[y * size + x], `${x},${y}`).toBe(x >= 2 && x < 6 && y >= 2 && y < 6 ? 1 : 0);
      }
    }
  });

  it('draws both windings alike', () => {
    const triangle = [3.2, 1.7, 4, 9.9, 6.1, 4, 2.5, 10.3, 4];
    const turned = [...triangle.slice(0, 3), ...triangle.slice(6), ...triangle.slice(3, 6)];
    expect(coverage(looseTriangles([triangle]), 12)).toEqual(coverage(looseTriangles([turned]), 12));
  });

  it('keeps the nearer triangle, and the smaller id among equals', () => {
    const size = 16;
    const at = (z: number) => [2, 2, z, 10, 2, z, 2, 10, z];
    const keys = rasterReference(looseTriangles([at(1), at(4), at(4), at(-3)]), size);
    const { idBits } = keysFor(4, size);
    const key = keys[4 * size + 4] ?? 0;
    expect(2 ** idBits - 1 - (key % 2 ** idBits)).toBe(1);
    expect(key >>> idBits).toBe(3 * 256 * (4 + size));
    expect(keys[15 * size + 15]).toBe(0);
  });

  it('skips what it must skip and draws the rest', () => {
    const size = 33;
    const drawn = new Set<number>();
    const mesh = awkwardTriangles(size);
    const { idBits } = keysFor(mesh.triangles.length / 3, size);
    drawReference(mesh, size, (_, key) => drawn.add(2 ** idBits - 1 - (key % 2 ** idBits)));
    expect([...drawn].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 7, 9, 10, 13, 14, 25, 26, 27]);
  });

  it('interpolates the code exactly at vertices and lies between them elsewhere', () => {
    const size = 16;
    const mesh = looseTriangles([[2, 2, 0, 12, 2, 0, 2, 12, 0]]);
    const codes = [65535, 0, 0, 0, 65535, 0, 0, 0, 65535];
    const pncc = resolveReference(mesh, codes, rasterReference(mesh, size), size);
    const at = (x: number, y: number) => [...pncc.slice((y * size + x) * 3, (y * size + x) * 3 + 3)];
    // 65535/65536 of full scale is what unorm16 reaches in 24 bits.
    expect(at(2, 2)).toEqual([65535 / 65536, 0, 0]);
    for (const [x, y] of [
      [3, 3],
      [7, 2],
      [2, 9],
      [6, 6],
    ] as const) {
      const [b0 = 0, b1 = 0, b2 = 0] = at(x, y);
      expect(b1).toBeCloseTo((x - 2) / 10, 3);
      expect(b2).toBeCloseTo((y - 2) / 10, 3);
      expect(b0 + b1 + b2).toBeCloseTo(65535 / 65536, 4);
    }
    expect(at(0, 0)).toEqual([0, 0, 0]);
  });
});
