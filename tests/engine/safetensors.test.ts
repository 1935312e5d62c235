import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeSafetensors } from '../../scripts/safetensors-writer.js';
import { WeightsError } from '../../src/engine/errors.js';
import {
  decodeHalves,
  parseSafetensors,
  requireFloats,
  requireTensor,
  type SafeDType,
} from '../../src/engine/safetensors.js';

/** A file from a header given as text or JSON, and `dataBytes` bytes 0, 1, 2, .... */
function fileOf(header: unknown, dataBytes = 0, claimedLength?: bigint): ArrayBuffer {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + text.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, claimedLength ?? BigInt(text.length), true);
  file.set(text, 8);
  file.set(
    Array.from({ length: dataBytes }, (_, index) => index & 0xff),
    8 + text.length,
  );
  return file.buffer;
}

const tensorArbitrary = fc
  .record({
    dtype: fc.constantFrom<SafeDType>('F32', 'F16', 'I8', 'U8', 'I16', 'U16', 'I32', 'U32'),
    shape: fc.array(fc.nat(4), { maxLength: 3 }),
    seed: fc.nat(255),
  })
  .map(({ dtype, shape, seed }) => ({ dtype, shape, seed }));

describe('parseSafetensors', () => {
  it('reads back what a writer wrote, for any names, types and shapes', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string().filter((name) => name !== '__metadata__' && name !== '__proto__'),
          tensorArbitrary,
          { maxKeys: 6 },
        ),
        fc.dictionary(
          fc.string().filter((name) => name !== '__proto__'),
          fc.string(),
          { maxKeys: 3 },
        ),
        (tensors, metadata) => {
          const parsed = parseSafetensors(encodeSafetensors(tensors, metadata));
          expect(Object.fromEntries(parsed.metadata)).toEqual({ ...metadata });
          expect([...parsed.tensors.keys()].sort()).toEqual(Object.keys(tensors).sort());
          for (const [name, { dtype, shape, seed }] of Object.entries(tensors)) {
            const tensor = parsed.tensors.get(name);
            expect(tensor?.dtype).toBe(dtype);
            expect(tensor?.shape).toEqual(shape);
            expect(tensor?.data.length).toBe(shape.reduce((product, size) => product * size, 1));
            const { buffer, byteOffset = 0, byteLength = 0 } = tensor?.data ?? {};
            expect(new Uint8Array(buffer ?? new ArrayBuffer(0), byteOffset, byteLength)).toEqual(
              Uint8Array.from({ length: byteLength }, (_, index) => (seed + index) & 0xff),
            );
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('throws only WeightsError on damaged files, and never reads outside them', () => {
    const good = encodeSafetensors(
      { a: { dtype: 'F32', shape: [2, 3], seed: 1 }, b: { dtype: 'I8', shape: [5], seed: 2 } },
      { format: 'test' },
    );
    fc.assert(
      fc.property(
        fc.array(fc.record({ at: fc.nat(good.byteLength - 1), value: fc.nat(255) }), { maxLength: 4 }),
        fc.nat(good.byteLength),
        (edits, length) => {
          const bytes = new Uint8Array(good.slice(0));
          for (const { at, value } of edits) bytes[at] = value;
          try {
            const { tensors } = parseSafetensors(bytes.buffer.slice(0, length));
            for (const { shape, data } of tensors.values()) {
              expect(data.length).toBe(shape.reduce((product, size) => product * size, 1));
            }
          } catch (error) {
            expect(error).toBeInstanceOf(WeightsError);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  const entry = (dtype: unknown, shape: unknown, offsets: unknown) => ({ dtype, shape, data_offsets: offsets });
  it.each<readonly [what: string, file: ArrayBuffer, message: RegExp]>([
    ['an empty file', new ArrayBuffer(0), /at least 8 bytes; found 0/],
    ['a header longer than the file', fileOf({}, 0, 3n), /claims 3 bytes; the file has 2/],
    ['an absurd header length', fileOf({}, 0, 2n ** 63n), /claims 9223372036854775808 bytes/],
    ['a header that is not JSON', fileOf('{oops'), /not JSON/],
    ['a header that is not UTF-8', fileOf('', 2, 2n).slice(0), /not JSON/],
    ['a header that is a list', fileOf([]), /wanted an object/],
    ['metadata that is not text', fileOf({ __metadata__: { a: 1 } }), /Metadata 'a' is number/],
    ['a tensor that is no object', fileOf({ a: 3 }), /Tensor 'a' is 3/],
    ['an unknown type', fileOf({ a: entry('F64', [1], [0, 8]) }, 8), /dtype "F64"; known are F32/],
    ['an inherited type name', fileOf({ a: entry('toString', [1], [0, 4]) }, 4), /dtype "toString"/],
    ['a shape that is no list', fileOf({ a: entry('U8', 4, [0, 4]) }, 4), /shape 4; wanted a list/],
    ['a negative size', fileOf({ a: entry('U8', [-4], [0, 4]) }, 4), /shape \[-4\]/],
    ['a fractional size', fileOf({ a: entry('U8', [1.5], [0, 4]) }, 4), /shape \[1.5\]/],
    ['offsets that run backwards', fileOf({ a: entry('U8', [4], [4, 0]) }, 4), /data_offsets \[4,0\]/],
    ['offsets beyond the file', fileOf({ a: entry('U8', [5], [0, 5]) }, 4), /begin <= end <= 4/],
    ['three offsets', fileOf({ a: entry('U8', [4], [0, 4, 4]) }, 4), /data_offsets \[0,4,4\]/],
    [
      'bytes that do not fit the shape',
      fileOf({ a: entry('F32', [2], [0, 4]) }, 4),
      /needs 8 bytes; data_offsets give 4/,
    ],
    ['a huge shape', fileOf({ a: entry('U8', [2 ** 50, 2 ** 50], [0, 4]) }, 4), /needs 1\.2676506002282294e\+30 bytes/],
    [
      'overlapping tensors',
      fileOf({ a: entry('U8', [3], [0, 3]), b: entry('U8', [2], [2, 4]) }, 4),
      /'b' overlaps the tensor before it: it starts at byte 2, wanted 3/,
    ],
    ['a hole', fileOf({ a: entry('U8', [1], [0, 1]), b: entry('U8', [2], [2, 4]) }, 4), /'b' leaves a hole/],
    ['trailing bytes', fileOf({ a: entry('U8', [2], [0, 2]) }, 4), /end at byte 2 of the data; the file has 4/],
  ])('refuses %s', (_, file, message) => {
    expect(() => parseSafetensors(file)).toThrow(WeightsError);
    expect(() => parseSafetensors(file)).toThrow(message);
  });

  it('copies tensors whose bytes are not aligned for their type', () => {
    const { tensors } = parseSafetensors(
      encodeSafetensors({ a: { dtype: 'U8', shape: [1], seed: 9 }, b: { dtype: 'U32', shape: [1], seed: 1 } }, {}),
    );
    expect(tensors.get('b')?.data).toEqual(new Uint32Array([0x04030201]));
  });
});

describe('requireTensor and requireFloats', () => {
  const file = parseSafetensors(
    encodeSafetensors({ w: { dtype: 'F16', shape: [2, 1], seed: 0 }, t: { dtype: 'U16', shape: [3], seed: 0 } }, {}),
  );

  it('give checked tensors, any size where the shape leaves it open', () => {
    expect(requireTensor(file, 't', 'U16', [undefined]).data).toEqual(new Uint16Array([0x0100, 0x0302, 0x0504]));
    expect(requireFloats(file, 'w', [2, 1])).toEqual(decodeHalves(new Uint16Array([0x0100, 0x0302])));
  });

  it('say what is missing, what was found and what was wanted', () => {
    expect(() => requireTensor(file, 'v', 'U8', [1])).toThrow(/'v' \[1\] is missing; the file has w, t/);
    expect(() => requireTensor(file, 't', 'U8', [3])).toThrow(/'t' is U16; wanted U8/);
    expect(() => requireTensor(file, 't', 'U16', [4])).toThrow(/shape \[3\]; wanted \[4\]/);
    expect(() => requireTensor(file, 't', 'U16', [3, undefined])).toThrow(/shape \[3\]; wanted \[3, any\]/);
    expect(() => requireFloats(file, 't', [3])).toThrow(/'t' is U16; wanted F32 or F16/);
    for (const call of [() => requireTensor(file, 'v', 'U8', [1]), () => requireFloats(file, 't', [3])]) {
      expect(call).toThrow(WeightsError);
    }
  });
});

describe('decodeHalves', () => {
  it('decodes known values', () => {
    const known = [
      [0x0000, 0],
      [0x8000, -0],
      [0x3c00, 1],
      [0xc000, -2],
      [0x7bff, 65504],
      [0x0400, 2 ** -14],
      [0x03ff, 2 ** -14 - 2 ** -24],
      [0x0001, 2 ** -24],
      [0x3555, 0.333251953125],
      [0x7c00, Number.POSITIVE_INFINITY],
      [0xfc00, Number.NEGATIVE_INFINITY],
      [0x7e00, Number.NaN],
    ] as const;
    const decoded = decodeHalves(Uint16Array.from(known, ([bits]) => bits));
    expect([...decoded]).toEqual(known.map(([, value]) => value));
  });

  it('agrees with rebiased f32 bits for every normal number, and is odd and monotone', () => {
    const halves = Uint16Array.from({ length: 0x7c00 }, (_, bits) => bits);
    const positive = decodeHalves(halves);
    const negative = decodeHalves(halves.map((bits) => bits | 0x8000));
    const bits = new Uint32Array(positive.buffer);
    const wrong: number[] = [];
    for (let half = 0; half < halves.length; half++) {
      if (half >= 0x0400 && bits[half] !== ((half + (112 << 10)) << 13) >>> 0) wrong.push(half);
      if (negative[half] !== -positive[half]! || (half > 0 && positive[half]! <= positive[half - 1]!)) wrong.push(half);
    }
    expect(wrong).toEqual([]);
  });
});
