import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { WeightsError } from '../../src/engine/errors.js';
import { decodeVertices } from '../../src/mmm/decode.js';
import {
  coarseMesh,
  loadFaceModel,
  normalisedCoordinateCode,
  trianglesAround,
  wholeMesh,
} from '../../src/mmm/model.js';
import { parseParameterLayout } from '../../src/mmm/parameters.js';
import {
  layoutJson,
  safetensorsFile,
  smallModelFile,
  smallModelTensors,
  type TensorData,
  type TensorSpecs,
} from './files.js';

function failure(action: () => unknown): WeightsError {
  try {
    action();
  } catch (error) {
    if (error instanceof WeightsError) return error;
    throw error;
  }
  throw new Error('Nothing was thrown.');
}

describe('face model file', () => {
  it.each([false, true])('loads a small model (32-bit indices: %s)', (wideIndices) => {
    const model = loadFaceModel(smallModelFile({ wideIndices }));
    expect(model.vertexCount).toBe(99);
    expect(model.triangleCount).toBe(160);
    expect(model.identity.count).toBe(5);
    expect(model.expressionNames).toEqual(['shape0', 'shape1', 'shape2']);
    expect([...model.triangles.slice(0, 3)]).toEqual([0, 11, 1]);
    expect(model.landmarks.length).toBe(68);
    expect([model.anchors.rows, model.anchors.columns]).toEqual([4, 6]);
    expect(model.licence).toBe('none');
  });

  it('loads the shipped model, whose front faces look at the viewer', () => {
    const file = readFileSync(new URL('../../weights/face_model.safetensors', import.meta.url));
    const model = loadFaceModel(file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength));
    expect([model.vertexCount, model.triangleCount]).toEqual([6706, 13120]);
    expect([model.identity.count, model.expression.count]).toEqual([48, 47]);
    expect([model.anchors.rows, model.anchors.columns]).toEqual([64, 64]);
    expect(model.expressionNames).toContain('jawOpen');
    expect(model.coarseTriangles.length / 3).toBe(3909);
    expect(new Set(model.coarseTriangles).size).toBe(2045);
    const code = normalisedCoordinateCode(model);
    for (const axis of [0, 1, 2]) {
      const values = code.filter((_, i) => i % 3 === axis);
      expect([Math.min(...values), Math.max(...values)]).toEqual([0, 65535]);
    }
    // Counter-clockwise in the y-up model frame: the middle anchors, on the nose bridge and lips, turn anticlockwise.
    const { anchors, mean } = model;
    for (const row of [20, 32, 44]) {
      const at = (row * anchors.columns + 32) * 3;
      const [a, b, c] = [0, 1, 2].map((corner) => (anchors.vertices[at + corner] ?? 0) * 3);
      const [ax, ay] = [mean[a!]!, mean[a! + 1]!];
      const area = (mean[b!]! - ax) * (mean[c! + 1]! - ay) - (mean[b! + 1]! - ay) * (mean[c!]! - ax);
      expect(area).toBeGreaterThan(0);
    }
  });

  const { tensors, metadata } = smallModelTensors();
  const replaced = (name: string, data: TensorData, shape?: readonly number[]): TensorSpecs => ({
    ...tensors,
    [name]: { data, shape: shape ?? tensors[name]?.shape ?? [] },
  });
  const copy = <T extends TensorData>(data: T, at: number, value: number): T => {
    const changed = data.slice();
    changed[at] = value;
    return changed as T;
  };
  const mean = tensors.mean?.data ?? new Float32Array();
  const identity = tensors.identity?.data ?? new Int8Array();
  const triangles = tensors.triangles?.data ?? new Uint16Array();
  const weights = tensors.anchor_weights?.data ?? new Float32Array();

  it.each([
    ['another format', tensors, { ...metadata, format: 'other/2' }, /'format'.*"other\/2".*fullpose-face-model\/1/],
    ['another unit', tensors, { ...metadata, unit: 'mm' }, /'unit'.*"mm".*'dm'/],
    ['names that are no list', tensors, { ...metadata, expression_names: '{"a":1}' }, /expression_names.*list/],
    ['names that are no JSON', tensors, { ...metadata, expression_names: '[' }, /expression_names.*list/],
    ['too few names', tensors, { ...metadata, expression_names: '["a"]' }, /names 1 expressions.*has 3/],
    ['a name twice', tensors, { ...metadata, expression_names: '["a","b","a"]' }, /repeats a name/],
    ['a mean that is not finite', replaced('mean', copy(mean, 4, Number.NaN)), metadata, /'mean' holds NaN at 4/],
    ['a basis of another length', replaced('identity', new Int8Array(30), [5, 2, 3]), metadata, /'identity'.*99/],
    ['a value of -128', replaced('identity', copy(identity, 3, -128)), metadata, /'identity' holds -128/],
    [
      'a triangle without vertex',
      replaced('triangles', copy(triangles, 5, 99)),
      metadata,
      /'triangles'.*99; there are 99/,
    ],
    ['weights that do not sum to 1', replaced('anchor_weights', copy(weights, 3, 9)), metadata, /anchor 1 sum/],
    [
      'an anchor off the mesh',
      replaced('triangles', Uint16Array.of(0, 11, 1), [1, 3]),
      metadata,
      /anchor.*vertex \d+.*no triangle of the coarse mesh/,
    ],
    [
      'a coarse triangle without vertex',
      { ...tensors, coarse_triangles: { data: Uint16Array.of(0, 1, 99), shape: [1, 3] } },
      metadata,
      /'coarse_triangles'.*99; there are 99/,
    ],
    [
      'an anchor off the coarse mesh',
      { ...tensors, coarse_triangles: { data: Uint16Array.of(0, 11, 1), shape: [1, 3] } },
      metadata,
      /anchor.*vertex \d+.*no triangle of the coarse mesh/,
    ],
    ['67 landmarks', replaced('landmarks68', new Uint16Array(67), [67]), metadata, /'landmarks68'.*\[67\].*\[68\]/],
    ['float triangles', replaced('triangles', new Float32Array(6), [2, 3]), metadata, /'triangles' is F32; wanted U16/],
  ])('refuses %s', (_, specs, meta, message) => {
    expect(failure(() => loadFaceModel(safetensorsFile(specs, meta))).message).toMatch(message);
  });

  it.each([false, true])('counts the vertices of the coarse mesh anew (the file has one: %s)', (has) => {
    const model = loadFaceModel(smallModelFile({ coarse: has }));
    const coarse = coarseMesh(model, wholeMesh(model));
    const vertices = [...new Set(model.coarseTriangles)].sort((a, b) => a - b);
    expect([vertices.length, coarse.triangles.length / 3]).toEqual(has ? [30, 40] : [99, 160]);
    if (!has) expect(model.coarseTriangles).toBe(model.triangles);
    const original = (numbers: Uint32Array) => [...numbers].map((number) => vertices[number]);
    expect(original(coarse.triangles)).toEqual([...model.coarseTriangles]);
    expect(original(coarse.anchors.vertices)).toEqual([...model.anchors.vertices]);
    expect({ ...coarse.anchors, vertices: 0 }).toEqual({ ...model.anchors, vertices: 0 });
    // Same places and same codes; neither extreme of the whole mesh need be left.
    const codes = normalisedCoordinateCode(model);
    for (const [number, vertex] of vertices.entries()) {
      const [at, from] = [number * 3, vertex * 3];
      expect(coarse.codes.subarray(at, at + 3)).toEqual(codes.subarray(from, from + 3));
      expect(coarse.shape.mean.subarray(at, at + 3)).toEqual(model.mean.subarray(from, from + 3));
    }
  });

  it('lists the triangles round a vertex once each', () => {
    const model = loadFaceModel(smallModelFile());
    const [corner, inner] = trianglesAround(model, [0, 12]);
    expect(corner).toEqual([0]);
    expect(inner).toHaveLength(6);
    for (const triangle of inner ?? [])
      expect([...model.triangles.slice(triangle * 3, triangle * 3 + 3)]).toContain(12);
  });
});

describe('parameter layout', () => {
  it('reads the documented layout', () => {
    const layout = parseParameterLayout({
      count: 104,
      quaternion: [0, 4],
      translation: [4, 2],
      identity: [8, 48],
      expression: [56, 47],
    });
    expect(layout.expression).toEqual([56, 47]);
  });

  it.each([
    ['no object', undefined, /count/],
    ['an odd count', { ...layoutJson(5, 3), count: 17 }, /multiple of 4/],
    ['a span missing', { ...layoutJson(5, 3), identity: undefined }, /identity/],
    ['a span outside', { ...layoutJson(5, 3), expression: [13, 9] }, /inside 16/],
    ['overlap', { ...layoutJson(5, 3), expression: [12, 3] }, /overlap/],
    ['shape inside the pose', { ...layoutJson(5, 3), identity: [6, 5] }, /overlap/],
    ['the pose elsewhere', { ...layoutJson(5, 3), quaternion: [4, 4] }, /\[0,4\]/],
  ])('refuses %s', (_, value, message) => {
    expect(failure(() => parseParameterLayout(value)).message).toMatch(message);
  });
});

describe('decode', () => {
  it('sums mean and bases, rotates, moves and flips once', () => {
    const model = loadFaceModel(smallModelFile());
    const layout = parseParameterLayout(layoutJson(5, 3));
    const p = new Float32Array(layout.count);
    // Quarter turn in yaw, scale 50: q = sqrt(50) (cos 45, 0, sin 45, 0) takes x to z and z to -x.
    p.set([5, 0, 5, 0, 60, 64]);
    p[8 + 2] = 2;
    p[13 + 1] = -0.5;
    const vertices = decodeVertices(model, layout, p, 128);
    for (const v of [0, 50, 98]) {
      const s = [0, 1, 2].map((axis) => {
        const i = v * 3 + axis;
        const id = model.identity.values[2 * 297 + i]! * model.identity.scale[2]! * 2;
        return model.mean[i]! + id - 0.5 * model.expression.values[297 + i]! * model.expression.scale[1]!;
      });
      expect(vertices[v * 3]).toBeCloseTo(-50 * s[2]! + 60, 6);
      expect(vertices[v * 3 + 1]).toBeCloseTo(127 - (50 * s[1]! + 64), 6);
      expect(vertices[v * 3 + 2]).toBeCloseTo(50 * s[0]!, 6);
    }
  });
});
