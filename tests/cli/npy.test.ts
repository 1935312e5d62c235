import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { NpzFile, parseNpy } from '../../cli/data/npy.js';
import { npy } from './files.js';

describe('parseNpy', () => {
  it('reads float32 in C order with its shape', () => {
    const values = Float32Array.of(1, -2.5, Number.NaN, 4, 5, 6);
    const array = parseNpy(npy('<f4', [2, 3], values), 'a');
    expect(array.shape).toEqual([2, 3]);
    expect(array.data).toEqual(values);
  });

  it('reads a scalar, a list, and an empty array', () => {
    expect(parseNpy(npy('<f8', [], Float64Array.of(0.1)), 'a')).toEqual({ shape: [], data: Float64Array.of(0.1) });
    expect(parseNpy(npy('<i4', [2], Int32Array.of(7, -7)), 'a').data).toEqual(Int32Array.of(7, -7));
    expect(parseNpy(npy('<f4', [0, 3], new Float32Array()), 'a').data).toEqual(new Float32Array());
  });

  it('reads unicode strings up to their padding, beyond the basic plane too', () => {
    const codes = Uint32Array.from([97, 98, 0, 0x1f600, 0, 0, 120, 121, 122]);
    expect(parseNpy(npy('<U3', [3], codes), 'a').data).toEqual(['ab', '\u{1f600}', 'xyz']);
  });

  it('reads a header of version 2', () => {
    expect(parseNpy(npy('<f4', [1], Float32Array.of(3), { version: 2 }), 'a').data).toEqual(Float32Array.of(3));
  });

  it.each([
    ['another file', new TextEncoder().encode('PK\u0003\u0004 and so on'), /labels: not a .npy file/],
    ['another dtype', npy('<c8', [1], Float32Array.of(1, 2)), /dtype <c8; wanted/],
    ['big-endian data', npy('>f4', [1], Float32Array.of(1)), /dtype >f4; wanted/],
    ['Fortran order', npy('<f4', [1], Float32Array.of(1), { fortran: true }), /Fortran order/],
    ['too little data', npy('<f4', [3], Float32Array.of(1, 2)), /8 bytes of data; wanted 12 for <f4 \[3\]/],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => parseNpy(bytes, 'labels')).toThrow(message);
  });
});

describe('NpzFile', () => {
  const bytes = zipSync(
    {
      'points.npy': npy('<f4', [2, 2], Float32Array.of(1, 2, 3, 4)),
      'names.npy': npy('<U1', [2], Uint32Array.from([97, 98])),
    },
    { level: 6 },
  );

  it('reads arrays of the wanted type and shape', () => {
    const npz = new NpzFile(bytes, 'labels.npz', ['points', 'names']);
    expect(npz.floats('points', [null, 2]).data).toEqual(Float32Array.of(1, 2, 3, 4));
    expect(npz.strings('names')).toEqual(['a', 'b']);
  });

  it('refuses missing arrays, other shapes and other types', () => {
    const npz = new NpzFile(bytes, 'labels.npz', ['points', 'names', 'spread']);
    expect(() => npz.floats('spread', [2])).toThrow('labels.npz has no array "spread"');
    expect(() => npz.floats('points', [null, 3])).toThrow('Float32Array [2, 2]; wanted float32 [any, 3]');
    expect(() => npz.floats('names', [null])).toThrow('wanted float32');
    expect(() => npz.strings('points')).toThrow('wanted a list of strings');
  });
});
