import { describe, expect, it } from 'vitest';
import { decodeVertices, toPicturePixels } from '../../src/mmm/decode.js';
import { loadFaceModel } from '../../src/mmm/model.js';
import { moveParameters, PICTURE_FRAME, parseParameterLayout, poseFrame } from '../../src/mmm/parameters.js';
import { type Crop, cropToPicture } from '../../src/pictures/crop.js';
import { expectClose, random } from '../browser/numbers.js';
import { layoutJson, smallModelFile } from './files.js';

const layout = parseParameterLayout(layoutJson(5, 3));
const model = loadFaceModel(smallModelFile({ identityCount: 5, expressionCount: 3 }));

function randomParameters(next: () => number): Float64Array {
  const parameters = Float64Array.from({ length: layout.count }, () => 4 * next() - 2);
  parameters[4] = 200 * next() - 50;
  parameters[5] = 200 * next() - 50;
  parameters.fill(0, 6, 8);
  return parameters;
}

const randomCrop = (next: () => number): Crop => ({
  centreX: 3000 * next() - 500,
  centreY: 2000 * next() - 500,
  side: 10 ** (1 + 2 * next()),
  roll: 360 * next() - 180,
  size: [32, 112, 128][Math.floor(3 * next())] ?? 128,
});

describe('moveParameters', () => {
  it('gives the same face in the picture, at any scale and turn of the crops', () => {
    const next = random(7);
    for (let i = 0; i < 50; i++) {
      const [parameters, from, to] = [randomParameters(next), randomCrop(next), randomCrop(next)];
      const inPicture = (p: Float64Array, crop: Crop) =>
        toPicturePixels(decodeVertices(model, layout, p, crop.size), cropToPicture(crop));
      const moved = moveParameters(parameters, poseFrame(from), poseFrame(to));
      const expected = inPicture(parameters, from);
      const size = Math.max(...expected.map(Math.abs));
      expectClose(inPicture(moved, to), expected, { atol: 1e-12 * size, label: `vertices of case ${i}` });
      expectClose(moved.subarray(6), parameters.subarray(6), { label: 'shape' });
    }
  });

  it('comes back', () => {
    const next = random(8);
    for (let i = 0; i < 50; i++) {
      const parameters = randomParameters(next);
      const [from, to] = [poseFrame(randomCrop(next)), poseFrame(randomCrop(next))];
      const back = moveParameters(moveParameters(parameters, from, to), to, from);
      expectClose(back, parameters, { atol: 1e-9, label: `parameters of case ${i}` });
    }
  });

  it('knows the picture as a frame of its own: y up, one pixel is one pixel', () => {
    const parameters = Float64Array.from({ length: layout.count }, (_, i) => i);
    // Crop pixel 0 at picture pixel (10, 20), two picture pixels a crop pixel.
    const frame = { size: 128, toPicture: { scale: 2, x0: 10, y0: 20 } };
    const moved = moveParameters(parameters, frame, PICTURE_FRAME);
    const root = Math.SQRT2;
    expectClose(moved.subarray(0, 4), [0, root, 2 * root, 3 * root], { rtol: 1e-15 });
    // t2d (4, 5) is crop pixel (4, 122): picture (18, 264), up -264.
    expect([moved[4], moved[5]]).toEqual([18, -264]);
  });
});
