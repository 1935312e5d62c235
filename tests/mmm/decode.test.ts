import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/engine/errors.js';
import { writeGlb } from '../../src/export/glb.js';
import { decodeShape, toPicturePixels } from '../../src/mmm/decode.js';
import { vertexNormals } from '../../src/mmm/normals.js';

/** Calls without their arguments, as code without types makes them. */
const untyped = (call: unknown) => call as (...given: readonly unknown[]) => unknown;

describe('what is no model, or no numbers', () => {
  it.each([
    ['decodeShape()', () => untyped(decodeShape)(), 'The model is undefined; wanted an object.'],
    ['writeGlb()', () => untyped(writeGlb)(), 'The model is undefined; wanted an object.'],
    ['writeGlb({})', () => untyped(writeGlb)({}), "The model has nothing; wanted one of loadFaceModel's."],
    [
      'a part',
      () => untyped(decodeShape)({ mean: 1, uv: 2 }),
      "The model has mean, uv; wanted one of loadFaceModel's.",
    ],
    ['vertexNormals()', () => untyped(vertexNormals)(), 'vertices is undefined; wanted finite numbers.'],
    ['toPicturePixels()', () => untyped(toPicturePixels)(), 'points is undefined; wanted finite numbers.'],
  ])('%s is told', (_, call, message) => {
    expect(call).toThrow(InputError);
    expect(call).toThrow(message);
  });
});
