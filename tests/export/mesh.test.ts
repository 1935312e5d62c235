import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/engine/errors.js';
import { type MeshDescription, writeObj, writePly } from '../../src/export/mesh.js';

const MESH: MeshDescription = {
  vertices: new Float32Array([0, 0, 0, 10, 0, 1.5, 0, 20.25, -2]),
  triangles: new Uint32Array([0, 2, 1]),
  pictureHeight: 101,
  uv: new Float32Array([0, 1, 1, 1, 0, 0]),
  colours: new Uint8Array([255, 0, 51, 0, 0, 0, 102, 204, 255]),
  comment: 'one\nline',
};

describe('mesh export', () => {
  it('writes OBJ with y up, texture coordinates and colours', () => {
    expect(writeObj(MESH).split('\n')).toEqual([
      '# one line',
      'v 0 100 0 1 0 0.2',
      'v 10 100 1.5 0 0 0',
      'v 0 79.75 -2 0.4 0.8 1',
      'vt 0.000000 1.000000',
      'vt 1.000000 1.000000',
      'vt 0.000000 0.000000',
      'f 1/1 3/3 2/2',
      '',
    ]);
    const { vertices, triangles, pictureHeight } = MESH;
    expect(writeObj({ vertices, triangles, pictureHeight })).toBe('v 0 100 0\nv 10 100 1.5\nv 0 79.75 -2\nf 1 3 2\n');
  });

  it('writes binary PLY that its header describes', () => {
    const file = writePly(MESH);
    const text = new TextDecoder('latin1').decode(file);
    const end = text.indexOf('end_header\n') + 'end_header\n'.length;
    expect(text.slice(0, end).split('\n')).toEqual([
      'ply',
      'format binary_little_endian 1.0',
      'comment one line',
      'element vertex 3',
      'property float x',
      'property float y',
      'property float z',
      'property float s',
      'property float t',
      'property uchar red',
      'property uchar green',
      'property uchar blue',
      'element face 1',
      'property list uchar uint vertex_indices',
      'end_header',
      '',
    ]);
    expect(file.length - end).toBe(3 * 23 + 13);
    const view = new DataView(file.buffer, end);
    const third = 2 * 23;
    expect([0, 4, 8, 12, 16].map((at) => view.getFloat32(third + at, true))).toEqual([0, 79.75, -2, 0, 0]);
    expect([20, 21, 22].map((at) => view.getUint8(third + at))).toEqual([102, 204, 255]);
    expect(view.getUint8(69)).toBe(3);
    expect([70, 74, 78].map((at) => view.getUint32(at, true))).toEqual([0, 2, 1]);
  });

  it.each([
    ['half a vertex', { vertices: new Float32Array(4) }, /hold 4 numbers/],
    ['half a triangle', { triangles: new Uint32Array(2) }, /hold 2 indices/],
    ['an index without vertex', { triangles: new Uint32Array([0, 1, 3]) }, /vertex 3; there are 3/],
    ['uv of another mesh', { uv: new Float32Array(4) }, /wanted \[3,2\]/],
    ['colours of another mesh', { colours: new Uint8Array(4) }, /wanted \[3,3\]/],
    ['no height', { pictureHeight: Number.NaN }, /NaN/],
  ])('refuses %s', (_, change, message) => {
    for (const write of [writeObj, writePly]) {
      expect(() => write({ ...MESH, ...change })).toThrow(InputError);
      expect(() => write({ ...MESH, ...change })).toThrow(message);
    }
  });
});
