/** Values that nobody should give, and what every face must be. */
import fc from 'fast-check';
import type { Face } from '../src/align/face.js';

/** Anything at all, as a caller without types may pass it. */
export const anything: fc.Arbitrary<unknown> = fc.oneof(
  fc.anything({ withBigInt: true, withTypedArray: true, withNullPrototype: true, withMap: true, maxDepth: 2 }),
  fc.constantFrom<unknown>(null, undefined, Symbol('x'), () => {}, Number.NaN, -1, 0, 1.5, '3', 2 ** 60, []),
);

export const anyPixels = fc
  .record({
    width: fc.oneof({ weight: 6, arbitrary: fc.nat(90) }, anything),
    height: fc.oneof({ weight: 6, arbitrary: fc.nat(90) }, anything),
    bytes: fc.option(fc.nat(5000), { nil: undefined, freq: 3 }),
  })
  .map(({ width, height, bytes }): unknown => {
    const right = typeof width === 'number' && typeof height === 'number' ? width * height * 4 : 16;
    return { width, height, data: new Uint8ClampedArray(Math.min(1e6, bytes ?? (right >= 0 ? right : 0))) };
  });

/** Every face finite, one a box; another result than that is a lie. */
export function expectFaces(faces: readonly Face[], count: number): void {
  if (faces.length !== count) throw new Error(`${faces.length} faces for ${count} boxes`);
  for (const { landmarks, parameters, pose, expression } of faces) {
    const numbers = [landmarks, parameters, pose.matrix, [pose.yaw, pose.pitch, pose.roll], Object.values(expression)];
    if (!numbers.every((values) => Array.from(values).every(Number.isFinite))) throw new Error('a face is not finite');
  }
}
