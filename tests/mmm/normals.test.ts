import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/engine/errors.js';
import { vertexNormals } from '../../src/mmm/normals.js';

/** A sphere of latitude and longitude in picture pixels; triangles counter-clockwise seen from outside with y up. */
function sphere(rows: number, columns: number, radius: number) {
  const vertices: number[] = [];
  const triangles: number[] = [];
  for (let i = 0; i <= rows; i++) {
    for (let j = 0; j < columns; j++) {
      const [polar, azimuth] = [(i / rows) * Math.PI, (j / columns) * 2 * Math.PI];
      const [x, y, z] = [Math.sin(polar) * Math.sin(azimuth), Math.cos(polar), Math.sin(polar) * Math.cos(azimuth)];
      vertices.push(40 + radius * x, 30 - radius * y, radius * z);
      if (i === rows) continue;
      const [right, below] = [i * columns + ((j + 1) % columns), (i + 1) * columns + j];
      const belowRight = (i + 1) * columns + ((j + 1) % columns);
      triangles.push(i * columns + j, below, right, right, below, belowRight);
    }
  }
  return { vertices, triangles };
}

describe('vertexNormals', () => {
  it('point out of a sphere, in the picture', () => {
    const { vertices, triangles } = sphere(40, 60, 25);
    const normals = vertexNormals(vertices, triangles);
    let [least, offLength] = [1, 0];
    for (let v = 0; v < vertices.length; v += 3) {
      const out = [(vertices[v]! - 40) / 25, (vertices[v + 1]! - 30) / 25, vertices[v + 2]! / 25];
      least = Math.min(least, normals[v]! * out[0]! + normals[v + 1]! * out[1]! + normals[v + 2]! * out[2]!);
      offLength = Math.max(offLength, Math.abs(1 - Math.hypot(normals[v]!, normals[v + 1]!, normals[v + 2]!)));
    }
    expect(least).toBeGreaterThan(0.99);
    expect(offLength).toBeLessThan(1e-6);
  });

  it('weigh triangles by their areas', () => {
    // At the origin: a triangle of area 2 that faces the viewer, and one of area 1/2 that faces the right.
    const vertices = [0, 0, 0, 2, 0, 0, 0, -2, 0, 0, -1, 0, 0, 0, -1];
    const normals = vertexNormals(vertices, [0, 1, 2, 0, 4, 3]);
    const [x, y, z] = normals;
    expect(Math.abs(x!) / z!).toBeCloseTo(0.25, 6);
    expect(y).toBeCloseTo(0, 6);
    expect(z).toBeGreaterThan(0);
  });

  it('are 0 where a vertex has no triangle with an area', () => {
    expect([...vertexNormals([1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0], [0, 1, 2])].slice(9)).toEqual([0, 0, 0]);
    expect([...vertexNormals([1, 1, 1, 2, 2, 2, 3, 3, 3], [0, 1, 2])]).toEqual(new Array(9).fill(0));
  });

  it('refuses what are no numbers, and vertices that are not there', () => {
    expect(() => vertexNormals([Number.NaN, 0, 0], [])).toThrow(InputError);
    expect(() => vertexNormals([1, 2, 3, 4, 5, 6], [0, 1, 2])).toThrow(/index is 2; wanted one of 2 vertices/);
  });
});
