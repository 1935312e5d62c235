/** Normals of a mesh in the picture. */
import { expectNumbers, refuse } from '../engine/expect.js';

/**
 * Unit normals of vertices: of every vertex the mean of its triangles' normals, weighted by their areas. They point out
 * of the face: z is positive where the surface faces the viewer.
 * @param vertices [V,3] picture or crop pixels: x right, y down, z toward the viewer in the same scale
 * @param triangles [T,3], counter-clockwise seen from outside with y up, as the model's are
 * @returns [V,3] in the axes of `vertices`; 0 for a vertex whose triangles have no area
 * @throws InputError for what are no numbers, and for an index that has no vertex.
 */
export function vertexNormals(vertices: ArrayLike<number>, triangles: ArrayLike<number>): Float32Array<ArrayBuffer> {
  expectNumbers('vertices', vertices);
  expectNumbers('triangles', triangles);
  const sums = new Float64Array(vertices.length);
  for (let t = 0; t + 2 < triangles.length; t += 3) {
    const [a, b, c] = [triangles[t]! * 3, triangles[t + 1]! * 3, triangles[t + 2]! * 3];
    for (const corner of [a, b, c]) {
      if (vertices[corner + 2] === undefined) refuse('index', corner / 3, `one of ${vertices.length / 3} vertices`);
    }
    const [x, y, z] = [vertices[a]!, vertices[a + 1]!, vertices[a + 2]!];
    const [ux, uy, uz] = [vertices[b]! - x, vertices[b + 1]! - y, vertices[b + 2]! - z];
    const [vx, vy, vz] = [vertices[c]! - x, vertices[c + 1]! - y, vertices[c + 2]! - z];
    // v x u rather than u x v: y points down here, which turns the triangles round. Its length is twice the area.
    const [nx, ny, nz] = [vy * uz - vz * uy, vz * ux - vx * uz, vx * uy - vy * ux];
    for (const corner of [a, b, c]) {
      sums[corner] = sums[corner]! + nx;
      sums[corner + 1] = sums[corner + 1]! + ny;
      sums[corner + 2] = sums[corner + 2]! + nz;
    }
  }
  const normals = new Float32Array(vertices.length);
  for (let v = 0; v + 2 < sums.length; v += 3) {
    const length = Math.hypot(sums[v]!, sums[v + 1]!, sums[v + 2]!);
    if (length > 0) normals.set([sums[v]! / length, sums[v + 1]! / length, sums[v + 2]! / length], v);
  }
  return normals;
}
