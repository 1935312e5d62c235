import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { feather } from '../../demo/head/feather.js';
import { findOpenings, morphTargetsOf, plugOf, skullOf } from '../../demo/head/shapes.js';
import { decodeShape } from '../../src/mmm/decode.js';
import { loadFaceModel } from '../../src/mmm/model.js';

const file = readFileSync('weights/face_model.safetensors');
const model = loadFaceModel(file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength) as ArrayBuffer);
const openings = findOpenings(model);
const { mean } = model;

describe('the head', () => {
  it('has four openings: the outline, two eyes and the mouth', () => {
    const { outline, eyes, mouth } = openings;
    expect([outline, ...eyes, mouth].map((loop) => loop.length)).toEqual([138, 42, 42, 74]);
    const x = (loop: readonly number[]) => loop.reduce((sum, v) => sum + (mean[v * 3] ?? 0), 0) / loop.length;
    expect(x(eyes[0])).toBeCloseTo(0.317, 2);
    expect(x(eyes[1])).toBeCloseTo(-0.317, 2);
    expect(() => findOpenings({ triangles: Uint32Array.of(0, 1, 2), mean })).toThrow('has 1 borders; wanted 4');
  });

  it('is closed by spheres that lie behind every point of the border, and touch one', () => {
    for (const loop of [...openings.eyes, openings.mouth]) {
      const { centre, radius } = plugOf(mean, loop, 1.1, 0.01);
      const behind = loop.map((v) => {
        const [dx, dy] = [0, 1].map((axis) => (mean[v * 3 + axis] ?? 0) - (centre[axis] ?? 0)) as [number, number];
        return (mean[v * 3 + 2] ?? 0) - centre[2] - Math.sqrt(Math.max(0, radius ** 2 - dx ** 2 - dy ** 2));
      });
      expect(Math.min(...behind)).toBeCloseTo(0.01, 5);
    }
  });

  it('has a back that begins at the outline, is convex enough to look outwards, and shares no edge twice', () => {
    const { positions, triangles, depth } = skullOf(mean, openings.outline);
    for (const [i, v] of openings.outline.entries()) {
      for (let axis = 0; axis < 3; axis++) expect(positions[i * 3 + axis]).toBeCloseTo(mean[v * 3 + axis] ?? 0, 5);
    }
    expect(depth[0]).toBe(0);
    expect(depth.at(-1)).toBe(1);
    // With the face's triangles every edge along the outline is gone over once in each direction.
    const [a, b] = [triangles[1] ?? 0, triangles[0] ?? 0];
    expect(openings.outline.indexOf(openings.outline[a] ?? -1)).toBe(a);
    expect(b).toBe(a + 1);
    const volume = signedVolume(positions, triangles);
    expect(volume).toBeGreaterThan(0);
  });

  it('moves by the same offsets as the model', () => {
    const targets = morphTargetsOf(model);
    const column = model.expressionNames.indexOf('jawOpen');
    const weights = model.expressionNames.map((_, i) => (i === column ? 0.5 : 0));
    const open = decodeShape(model, new Float32Array(model.identity.count), weights);
    const worst = open.reduce(
      (most, value, i) => Math.max(most, Math.abs(value - (mean[i] ?? 0) - 0.5 * (targets[column]?.[i] ?? 0))),
      0,
    );
    expect(worst).toBeLessThan(1e-6);
  });
});

describe('feathering', () => {
  const side = 16;
  const paint = (colourOf: (x: number, y: number) => readonly number[]) => ({
    width: side,
    height: side,
    data: Uint8ClampedArray.from(
      { length: side * side * 4 },
      (_, i) => colourOf((i >> 2) % side, (i >> 2) / side)[i & 3] ?? 0,
    ),
  });

  it('keeps what is known, fills the rest from near it, and leaves nothing see-through', () => {
    const { data } = feather(paint((x) => (x < 8 ? [200, 100, 50, 255] : [0, 0, 255, 0])));
    for (let i = 0; i < data.length; i += 4) {
      expect([...data.subarray(i, i + 4)]).toEqual([200, 100, 50, 255]);
    }
  });

  it('has no hard edge where what is known ends', () => {
    const { data } = feather(paint((x) => [x < 8 ? 200 : 40, 0, 0, x < 4 ? 255 : x < 12 ? 255 - 30 * (x - 4) : 0]));
    const row = Array.from({ length: side }, (_, x) => data[(8 * side + x) * 4] ?? 0);
    expect(row[0]).toBe(200);
    // From 200 at one side to less at the other, where the known texels say 40 in a whisper.
    expect(row.at(-1)).toBeLessThan(180);
    expect(row.at(-1)).toBeGreaterThan(40);
  });
});

/** Six times the volume between a surface and the middle of its border: positive where triangles look outwards. */
function signedVolume(positions: Float32Array, triangles: Uint32Array): number {
  const [cx, cy, cz] = [0, 1, 2].map(
    (axis) => openings.outline.reduce((sum, _, i) => sum + (positions[i * 3 + axis] ?? 0), 0) / openings.outline.length,
  ) as [number, number, number];
  let sum = 0;
  for (let t = 0; t < triangles.length; t += 3) {
    const [a, b, c] = [0, 1, 2].map((k) => {
      const v = (triangles[t + k] ?? 0) * 3;
      return [(positions[v] ?? 0) - cx, (positions[v + 1] ?? 0) - cy, (positions[v + 2] ?? 0) - cz] as const;
    }) as [Vector, Vector, Vector];
    sum += a[0] * (b[1] * c[2] - b[2] * c[1]) + a[1] * (b[2] * c[0] - b[0] * c[2]) + a[2] * (b[0] * c[1] - b[1] * c[0]);
  }
  return sum;
}

type Vector = readonly [number, number, number];
