import { describe, expect, it } from 'vitest';
import { FaceReader, startOf } from '../../src/align/face.js';
import { BlendshapeReadout } from '../../src/mmm/blendshapes.js';
import { decodeVertices, pickVertices } from '../../src/mmm/decode.js';
import { loadFaceModel, selectVertices } from '../../src/mmm/model.js';
import { moveParameters, parseParameterLayout, poseFrame } from '../../src/mmm/parameters.js';
import type { Crop } from '../../src/pictures/crop.js';
import { expectClose, randomFloats } from '../browser/numbers.js';
import { layoutJson, smallModelFile } from '../mmm/files.js';

const layout = parseParameterLayout(layoutJson(5, 3));
const model = loadFaceModel(smallModelFile());
const blendshapes = new BlendshapeReadout(randomFloats(40, 52 * 4, 0, 0.3));
const crop: Crop = { centreX: 200, centreY: 120, side: 96, roll: 0, size: 32 };
const other: Crop = { centreX: 211, centreY: 90, side: 120, roll: 0, size: 32 };

/** p^1 .. p^3 of a run: a pose near the middle of the crop, any shape, and no log-odds before the end. */
function pathOf(seed: number): Float32Array<ArrayBuffer>[] {
  return [0, 1, 2].map((k) => {
    const p = randomFloats(seed + k, layout.count, -0.5, 0.5);
    p.set([3 + 0.1 * k, 0.2 * k, 0.1, 0, 15 + k, 14 - k, 0, k === 2 ? 1.5 : 0]);
    return p;
  });
}

/** A frame's output for parameters, all landmarks visible. */
function outputOf(parameters: Float32Array): Float32Array<ArrayBuffer> {
  const points = pickVertices(decodeVertices(model, layout, parameters, crop.size), model.landmarks);
  const rows = Array.from({ length: 68 }, (_, i) => [...points.subarray(i * 3, i * 3 + 3), 1]);
  return Float32Array.from([...parameters, ...rows.flat()]);
}

describe('FaceReader', () => {
  const reader = new FaceReader(model, layout, { blendshapes });

  it('reads the confidence from the parameters', () => {
    const path = pathOf(1);
    const [early, , end] = path;
    if (early === undefined || end === undefined) throw new Error('no path');
    expect(reader.read(outputOf(end), crop, { known: path }).confidence).toBeCloseTo(1 / (1 + Math.exp(-1.5)), 6);
    // Where no iteration says anything it is neither.
    expect(reader.read(outputOf(early), crop, { known: path }).confidence).toBe(0.5);
  });

  it('makes the same face of the same parameters, and another one of others', () => {
    const path = pathOf(2);
    const [early, , end] = path;
    if (early === undefined || end === undefined) throw new Error('no path');
    const face = reader.read(outputOf(end), crop, { known: path });
    const same = reader.repose(face, end);
    expectClose(same.landmarks, face.landmarks, { atol: 1e-4 });
    expect({ ...same, landmarks: 0 }).toEqual({ ...face, landmarks: 0 });
    const reposed = reader.repose(face, early);
    expect(reposed.blendshapes).toEqual(reader.read(outputOf(early), crop, { known: path }).blendshapes);
    expect(reposed.blendshapes).not.toEqual(face.blendshapes);
    const expected = reader.read(outputOf(early), crop, { known: path });
    expectClose(reposed.landmarks, expected.landmarks, { atol: 1e-4 });
    expect([reposed.pose, reposed.expression]).toEqual([expected.pose, expected.expression]);
    expect([reposed.confidence, reposed.visibility]).toEqual([face.confidence, face.visibility]);
  });
});

describe('startOf', () => {
  it('is the step of the run itself where nothing has moved, in any crop', () => {
    const path = pathOf(3);
    const parameters = path.at(-1);
    if (parameters === undefined) throw new Error('no path');
    for (const [k, step] of path.entries()) {
      for (const to of [crop, other]) {
        const expected = moveParameters(step, poseFrame(crop), poseFrame(to));
        expected[7] = 0;
        expectClose(startOf({ ...faceOf(parameters, path), crop }, to, k + 1), expected, {
          atol: 1e-6,
          label: `p${k + 1}`,
        });
      }
    }
  });

  it('keeps its distance from a face that has moved and grown since', () => {
    const path = pathOf(4);
    const [then, , end] = path;
    if (then === undefined || end === undefined) throw new Error('no path');
    const now = end.slice();
    for (let i = 0; i < 4; i++) now[i] = 1.1 * (end[i] ?? 0);
    now.set([20, 9], 4);
    now.fill(0.3, 8);
    const start = startOf(faceOf(now, path), crop, 1);
    for (let i = 0; i < 4; i++) expect(start[i]).toBeCloseTo(1.1 * (then[i] ?? 0), 5);
    expect(start[4]).toBeCloseTo(20 - 2 * 1.21, 5);
    expect(start[5]).toBeCloseTo(9 + 2 * 1.21, 5);
    expectClose(start.subarray(8), then.subarray(8));
  });

  it('starts from the end where the run was shorter', () => {
    const [early] = pathOf(5);
    if (early === undefined) throw new Error('no path');
    expectClose(startOf(faceOf(early, [early]), crop, 2), early, { atol: 1e-6 });
  });

  function faceOf(parameters: Float32Array<ArrayBuffer>, path: readonly Float32Array<ArrayBuffer>[]) {
    return new FaceReader(model, layout).read(outputOf(parameters), crop, { known: path });
  }
});

it('selectVertices decodes to the same points as the whole model', () => {
  const parameters = pathOf(6)[2] ?? new Float32Array();
  const chosen = [7, 0, 7, model.vertexCount - 1];
  const all = decodeVertices(model, layout, parameters, 32);
  expectClose(decodeVertices(selectVertices(model, chosen), layout, parameters, 32), pickVertices(all, chosen), {
    atol: 1e-12,
  });
});
