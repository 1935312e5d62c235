import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadFaceModel } from '../../src/mmm/model.js';
import { symmetricVertices } from '../../src/mmm/symmetry.js';
import { NO_TRIANGLE, uvMap } from '../../src/mmm/uv.js';
import { smallModelFile } from './files.js';

const bytes = readFileSync('weights/face_model.safetensors');
const model = loadFaceModel(new Uint8Array(bytes).buffer);

describe('symmetricVertices', () => {
  it('pairs every vertex of the shipped model with its mirror image, and the midline with itself', () => {
    const partners = symmetricVertices(model);
    let midline = 0;
    for (const [v, partner] of partners.entries()) {
      expect(partners[partner]).toBe(v);
      expect(model.mean[partner * 3]).toBeCloseTo(-model.mean[v * 3]!, 2);
      expect(model.mean[partner * 3 + 1]).toBeCloseTo(model.mean[v * 3 + 1]!, 2);
      expect(model.mean[partner * 3 + 2]).toBeCloseTo(model.mean[v * 3 + 2]!, 2);
      if (partner === v) midline++;
    }
    expect(midline).toBe(110);
    // Outer corners of the eyes, corners of the mouth.
    for (const [right, left] of [
      [36, 45],
      [48, 54],
    ] as const) {
      expect(partners[model.landmarks[right]!]).toBe(model.landmarks[left]);
    }
  });

  it('leaves a vertex without a mirror image alone', () => {
    const mean = Float32Array.of(0.5, 0, 0, -0.5, 0, 0, 0.3, 0.2, 0.1, -0.305, 0.2, 0.1, 0.3, -0.2, 0.1);
    expect([...symmetricVertices({ mean, vertexCount: 5 })]).toEqual([1, 0, 3, 2, 4]);
  });
});

describe('uvMap', () => {
  const at = (map: ReturnType<typeof uvMap>, source: typeof model, texel: number) => {
    const triangle = map.triangles[texel]!;
    return [0, 1].map((axis) =>
      [0, 1, 2].reduce(
        (sum, k) => sum + map.weights[texel * 3 + k]! * source.uv[source.triangles[triangle * 3 + k]! * 2 + axis]!,
        0,
      ),
    );
  };

  it('gives every texel the point of the surface that has its coordinates', () => {
    const size = 128;
    const map = uvMap(model, size);
    let [covered, rim] = [0, 0];
    for (let texel = 0; texel < size * size; texel++) {
      if (map.triangles[texel] === NO_TRIANGLE) continue;
      covered++;
      const [u, v] = at(map, model, texel);
      const [dx, dy] = [u! * size - 0.5 - (texel % size), (1 - v!) * size - 0.5 - Math.floor(texel / size)];
      const distance = Math.hypot(dx, dy);
      expect(distance).toBeLessThanOrEqual(2.001);
      if (distance > 1e-3) rim++;
      const weights = map.weights.subarray(texel * 3, texel * 3 + 3);
      expect(Math.min(...weights)).toBeGreaterThanOrEqual(0);
      expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 5);
    }
    // The face takes 0.542 of texture space; its rims, of skin, eyes and mouth, a little more.
    expect((covered - rim) / size ** 2).toBeCloseTo(0.542, 2);
    expect(rim / size ** 2).toBeGreaterThan(0.02);
    expect(rim / size ** 2).toBeLessThan(0.12);
  });

  it('covers all of a texture that a model covers, whatever its size', () => {
    const small = loadFaceModel(smallModelFile());
    for (const size of [16, 37]) expect(uvMap(small, size).triangles.includes(NO_TRIANGLE)).toBe(false);
  });
});
