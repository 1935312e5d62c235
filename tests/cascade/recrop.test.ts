import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { applyTurn, recrop } from '../../src/cascade/recrop.js';
import { parseSafetensors, requireTensor } from '../../src/engine/safetensors.js';
import { decodeShape, decodeVertices, toPicturePixels } from '../../src/mmm/decode.js';
import { loadFaceModel, selectVertices } from '../../src/mmm/model.js';
import { parseParameterLayout, quaternionOf } from '../../src/mmm/parameters.js';
import { headRoll, quaternionToMatrix } from '../../src/mmm/pose.js';
import { landmarksBox } from '../../src/pictures/boxes.js';
import { cropToPicture, wrapDegrees } from '../../src/pictures/crop.js';
import { expectClose } from '../browser/numbers.js';
import { layoutJson, smallModelFile } from '../mmm/files.js';
import { recropReference, turnReference } from '../reference/recrop.js';
import { recropCases } from './recrop-cases.js';

const SIZE = 128;
const MARGIN = 1.2;
const model = loadFaceModel(smallModelFile({ identityCount: 5, expressionCount: 2 }));
const points = selectVertices(model, model.landmarks);
const layout = parseParameterLayout(layoutJson(5, 2));
const cases = recropCases(layout, SIZE);

function shapeOf(parameters: ArrayLike<number>): Float64Array {
  const [identity, expression] = [layout.identity, layout.expression].map(([first, count]) =>
    Array.from(parameters).slice(first, first + count),
  );
  return decodeShape(points, identity ?? [], expression ?? []);
}

const inPicture = (parameters: Float64Array, crop: (typeof cases)[number]['crop']) =>
  toPicturePixels(decodeVertices(points, layout, parameters, crop.size), cropToPicture(crop));

describe('applyTurn', () => {
  it.each(cases.filter(({ parameters }) => parameters.every(Number.isFinite)).map((one) => [one.name, one] as const))(
    '%s: turns the head clockwise about its origin',
    (_, { parameters }) => {
      const turned = applyTurn(parameters);
      expectClose(turned, turnReference(parameters), { atol: 1e-9 });
      const [cosine, sine] = [1 + (parameters[6] ?? 0), parameters.at(-1) ?? 0];
      const before = Float64Array.from(parameters);
      before[6] = 0;
      before[layout.count - 1] = 0;
      const [a, b] = [before, turned].map((p) => decodeVertices(points, layout, p, SIZE)) as [
        Float64Array,
        Float64Array,
      ];
      const length = Math.hypot(cosine, sine) || 1;
      const [c, s] = cosine === 0 && sine === 0 ? [1, 0] : [cosine / length, sine / length];
      const [x0, y0] = [parameters[4] ?? 0, SIZE - 1 - (parameters[5] ?? 0)];
      const expected = Float64Array.from(a, (value, at) => {
        const first = at - (at % 3);
        const [x, y] = [(a[first] ?? 0) - x0, (a[first + 1] ?? 0) - y0];
        return [x0 + c * x - s * y, y0 + s * x + c * y, value][at % 3] ?? 0;
      });
      const size = Math.max(...expected.map(Math.abs));
      expectClose(b, expected, { atol: 1e-9 * size });
    },
  );
});

describe('recrop', () => {
  it.each(cases.map((one) => [one.name, one] as const))('%s: as the formulas say', (_, { parameters, crop, stays }) => {
    const p = applyTurn(parameters);
    const next = recrop(points, layout, p, crop, MARGIN);
    if (stays) {
      expect(next).toEqual({ crop, parameters: p });
      return;
    }
    const expected = recropReference(shapeOf(p), p, crop, SIZE, MARGIN);
    expectClose(next.parameters, expected.parameters, { atol: 1e-8 });
    for (const name of ['centreX', 'centreY', 'side'] as const) {
      expect(next.crop[name]).toBeCloseTo(expected.crop[name], 8);
    }
    expect(wrapDegrees(next.crop.roll - expected.crop.roll)).toBeCloseTo(0, 8);

    // The same face in the picture; upright, in the middle, as large as it should be in its crop.
    const before = inPicture(p, crop);
    expectClose(inPicture(next.parameters, next.crop), before, { atol: 1e-9 * Math.max(...before.map(Math.abs)) });
    const box = landmarksBox(decodeVertices(points, layout, next.parameters, SIZE));
    expect([box.x0 + box.x1, box.y0 + box.y1]).toEqual([expect.closeTo(SIZE - 1, 7), expect.closeTo(SIZE - 1, 7)]);
    expect(Math.max(box.x1 - box.x0, box.y1 - box.y0) * MARGIN).toBeCloseTo(SIZE, 7);
    expect(headRoll(quaternionToMatrix(quaternionOf(next.parameters)))).toBeCloseTo(0, 7);
    expect(next.parameters[0]).toBeGreaterThanOrEqual(0);
    // Done once, it has nothing left to do.
    const again = recrop(points, layout, next.parameters, next.crop, MARGIN);
    expectClose(again.parameters, next.parameters, { atol: 1e-7 });
  });
});

describe('golden fixture', () => {
  const root = new URL('../../', import.meta.url);
  const read = (path: string) => Uint8Array.from(readFileSync(new URL(path, root))).buffer;

  it('training turns the same heads and makes the same crops', () => {
    const shipped = loadFaceModel(read('weights/face_model.safetensors'));
    const file = parseSafetensors(read('tests/fixtures/recrop.safetensors'));
    const { parameters: json } = JSON.parse(readFileSync(new URL('weights/network.json', root), 'utf8'));
    const whole = parseParameterLayout(json);
    const { data, shape } = requireTensor(file, 'parameters', 'F32', [undefined, whole.count]);
    const faces = shape[0] ?? 0;
    expect(faces).toBeGreaterThanOrEqual(20);
    const of = (name: string, columns: number) => requireTensor(file, name, 'F32', [faces, columns]).data;
    const [turned, next] = [of('turned', whole.count), of('next_parameters', whole.count)];
    const [crops, nextCrops] = [of('crop', 4), of('next_crop', 4)];
    const margin = Number(file.metadata.get('margin'));
    const cropAt = (rows: Float32Array, i: number) => {
      const [centreX = 0, centreY = 0, side = 0, roll = 0] = rows.subarray(i * 4, i * 4 + 4);
      return { centreX, centreY, side, roll, size: SIZE };
    };
    const chosen = selectVertices(shipped, shipped.landmarks);
    let stayed = 0;
    for (let i = 0; i < faces; i++) {
      const row = (rows: Float32Array) => rows.subarray(i * whole.count, (i + 1) * whole.count);
      const p = applyTurn(row(data));
      expectClose(alike(p, row(turned)), row(turned), { atol: 1e-4, label: `face ${i}, turned` });
      const following = recrop(chosen, whole, row(turned), cropAt(crops, i), margin);
      expectClose(following.parameters, row(next), { atol: 1e-3, rtol: 1e-4, label: `face ${i}, moved` });
      const expected = cropAt(nextCrops, i);
      const { crop } = following;
      if (crop.side === cropAt(crops, i).side) stayed++;
      const off = [crop.centreX - expected.centreX, crop.centreY - expected.centreY, crop.side - expected.side];
      expectClose(off, [0, 0, 0], { atol: 2e-5 * Math.max(expected.side, 1000), label: `face ${i}, crop` });
      expect(wrapDegrees(crop.roll - expected.roll)).toBeCloseTo(0, 3);
    }
    expect(stayed).toBeGreaterThan(0);
    expect(stayed).toBeLessThan(faces / 2);
  });

  /** With the quaternion's sign of `like`: both are one rotation. */
  function alike(p: Float64Array, like: Float32Array): Float64Array {
    const product = [0, 1, 2, 3].reduce((sum, k) => sum + p[k]! * like[k]!, 0);
    return p.map((value, k) => (k < 4 && product < 0 ? -value : value));
  }
});
