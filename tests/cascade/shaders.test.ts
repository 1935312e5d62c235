/**
 * The rasteriser run on the CPU in lockstep: triangles that meet in a pixel must not race. What it draws is compared on
 * the GPU; this interpreter does not compute every operation right.
 */
import { expect, it } from 'vitest';
import { detectRaces } from 'wgsl_reflect/wgsl_reflect.module.js';
import { declarations } from '../../src/cascade/kernels/raster.js';
import { keysFor } from '../reference/raster.js';
import { looseTriangles } from './meshes.js';

const SIZE = 6;
const mesh = looseTriangles([
  [0.2, 0.1, 1, 4.9, 0.4, 1, 0.3, 5, 1],
  [0, 0, 0, 5, 5, 2, 0, 5, 1],
  [1, 1, 3, 4, 1, 3, 2, 4, 3],
]);
// The interpreter cannot combine vectors of bits; the test of range, which is not in question here, says yes.
const code = (declarations[0]?.kernels[0]?.code ?? '').replace(/return all\(\(bitcast[^\n]*;/, 'return true;');

function run(source: string) {
  const vertices = new Float32Array(9 * 4);
  for (let v = 0; v < 9; v++) vertices.set(mesh.vertices.subarray(v * 3, v * 3 + 3), v * 4);
  const drawn = new Uint32Array(SIZE * SIZE);
  const { idBits, depthShift } = keysFor(3, SIZE);
  const params = { uniform: new Uint32Array([9, 3, SIZE, idBits, depthShift]) };
  const groups = { 0: { 0: vertices, 1: mesh.triangles, 2: drawn }, 1: { 0: params } };
  return { result: detectRaces(source, 'main', [1, 1, 1], groups), drawn };
}

it('raster has no data race', () => {
  const { result, drawn } = run(code);
  expect(result.errors).toEqual([]);
  expect(result.races.map(({ message }) => message)).toEqual([]);
  expect(drawn.some((key) => key !== 0)).toBe(true);
});

it('without atomics it would have some', () => {
  const plain = code
    .replace('array<atomic<u32>>', 'array<u32>')
    .replace(/atomicMax\(&(keys\[[^\n]*\]), key\);/, '$1 = max($1, key);');
  expect(plain).not.toMatch(/atomic<|atomicMax\(/);
  expect(run(plain).result.races.length).toBeGreaterThan(0);
});
