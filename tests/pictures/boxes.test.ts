import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/engine/errors.js';
import { cropOf, cropSquare, DETECTOR_TO_CROP, type FaceBox, landmarksBox } from '../../src/pictures/boxes.js';
import { cropToPicture, cropWithin, pictureToCrop, rotate, transformPoint, turnOf } from '../../src/pictures/crop.js';
import { CROP_RECORD_BYTES, cropOfRecord, cropRecord, writeCropRecord } from '../../src/pictures/kernels/crop.js';
import { random } from '../browser/numbers.js';

const PICTURE = { width: 640, height: 480 };
const box = (x0: number, y0: number, x1: number, y1: number, kind: FaceBox['kind'] = 'landmarks'): FaceBox => ({
  x0,
  y0,
  x1,
  y1,
  kind,
});

describe('crop of a box', () => {
  it('is sqrt 2 times the longer side of the landmarks, with the same centre', () => {
    const crop = cropOf(box(100, 120, 200, 160), PICTURE, 128);
    expect(crop).toEqual({ centreX: 150, centreY: 140, side: Math.SQRT2 * 100, roll: 0, size: 128 });
    expect(cropOf(box(100, 120, 140, 220), PICTURE, 128).side).toBeCloseTo(Math.SQRT2 * 100, 12);
  });

  it('of a detector follows the constants', () => {
    const { scale, shiftX, shiftY } = DETECTOR_TO_CROP;
    const crop = cropOf(box(100, 100, 180, 220, 'detector'), PICTURE, 128);
    expect(crop.side).toBeCloseTo(scale * 100, 12);
    expect(crop.centreX).toBeCloseTo(140 + shiftX * 100, 12);
    expect(crop.centreY).toBeCloseTo(160 + shiftY * 100, 12);
  });

  it('may reach out of the picture', () => {
    expect(cropOf(box(-50, -50, 40, 40), PICTURE, 128).centreX).toBe(-5);
  });

  it.each([
    ['NaN', box(Number.NaN, 0, 10, 10), /not finite/],
    ['infinity', box(0, 0, Number.POSITIVE_INFINITY, 10), /not finite/],
    ['no width', box(10, 0, 10, 10), /0 x 10 pixels/],
    ['corners swapped', box(20, 20, 10, 10), /-10 x -10 pixels/],
    ['almost nothing', box(5, 5, 5.5, 5.5), /crop of 0\.7.* pixels; wanted 2/],
    ['far too much', box(0, 0, 1e6, 1e6), /wanted 2 to 5120/],
    ['somewhere else', box(2000, 10, 2050, 60), /outside the picture of 640 x 480/],
    // @ts-expect-error a kind from untyped code
    ['an unknown kind', box(0, 0, 50, 50, 'face'), /"face".*'landmarks' or 'detector'/],
  ])('refuses %s', (_, bad, message) => {
    expect(() => cropOf(bad, PICTURE, 128)).toThrow(InputError);
    expect(() => cropOf(bad, PICTURE, 128)).toThrow(message);
  });

  it('maps crop pixels to picture pixels', () => {
    const { scale, x0, y0 } = cropToPicture({ centreX: 50, centreY: 60, side: 256, roll: 0, size: 128 });
    expect(scale).toBe(2);
    expect([63.5 * scale + x0, 63.5 * scale + y0]).toEqual([50, 60]);
    // The crop's left edge, half a crop pixel before pixel 0, is half a side from its centre.
    expect(-0.5 * scale + x0).toBe(50 - 128);
  });
});

describe('crop record', () => {
  const crop = { centreX: 50, centreY: 60, side: 200, roll: 0, size: 100 } as const;

  it('is the crop itself where picture and texture are one', () => {
    const record = cropRecord(crop, PICTURE, PICTURE);
    const [rightX, rightY, downX, downY] = [2, 0, -0, 2];
    const picture = { width: 640, height: 480 };
    expect(record).toEqual({ originX: -49, originY: -39, rightX, rightY, downX, downY, ...picture, taps: 2 });
  });

  it('follows a picture that was shrunk, corner to corner', () => {
    const record = cropRecord(crop, PICTURE, { width: 320, height: 120 });
    expect([record.rightX, record.downY, record.taps]).toEqual([1, 0.5, 1]);
    expect([record.originX, record.originY]).toEqual([-24.75, -10.125]);
    expect([record.width, record.height]).toEqual([320, 120]);
  });

  it('lies where the crop is turned to, and comes back', () => {
    const next = random(3);
    for (let i = 0; i < 40; i++) {
      const size = 128;
      const turned = {
        centreX: 600 * next(),
        centreY: 400 * next(),
        side: 20 + 500 * next(),
        roll: 360 * next() - 180,
        size,
      };
      const texels = i % 2 === 0 ? PICTURE : { width: 317, height: 241 };
      const record = cropRecord(turned, PICTURE, texels);
      const { scale, x0, y0 } = cropToPicture(turned);
      const [cosine, sine] = turnOf(turned.roll);
      const [u, v] = [size * next(), size * next()];
      const inTexels = (value: number, shrunk: number) => (value + 0.5) * shrunk - 0.5;
      const x = inTexels(scale * (cosine * u - sine * v) + x0, texels.width / PICTURE.width);
      const y = inTexels(scale * (sine * u + cosine * v) + y0, texels.height / PICTURE.height);
      expect(record.originX + u * record.rightX + v * record.downX).toBeCloseTo(x, 9);
      expect(record.originY + u * record.rightY + v * record.downY).toBeCloseTo(y, 9);
      const view = new DataView(new ArrayBuffer(CROP_RECORD_BYTES));
      writeCropRecord(view, 0, record);
      const back = cropOfRecord(new Float32Array(view.buffer, 0, 6), PICTURE, texels, size);
      for (const name of ['centreX', 'centreY', 'side'] as const) expect(back[name]).toBeCloseTo(turned[name], 3);
      expect(back.roll).toBeCloseTo(turned.roll, 4);
    }
  });

  it('averages no more than 16 x 16 samples', () => {
    expect(cropRecord({ ...crop, side: 100 * 40 }, PICTURE, PICTURE).taps).toBe(16);
    expect(cropRecord({ ...crop, side: 30 }, PICTURE, PICTURE).taps).toBe(1);
    expect(cropRecord({ ...crop, side: 301 }, PICTURE, PICTURE).taps).toBe(4);
  });
});

describe('turned boxes', () => {
  const box = { x0: 100, y0: 100, x1: 180, y1: 160 } as const;

  it('are turned about their middle', () => {
    const crop = cropOf({ ...box, kind: 'landmarks', roll: 450 }, PICTURE, 128);
    expect(crop).toEqual({ centreX: 140, centreY: 130, side: Math.SQRT2 * 80, roll: 90, size: 128 });
    // A detector's box: the shift goes down the face, which is to the left here.
    const { shiftY, scale } = DETECTOR_TO_CROP;
    const turned = cropOf({ ...box, kind: 'detector', roll: 90 }, PICTURE, 128);
    expect(turned.centreX).toBeCloseTo(140 - shiftY * 70, 12);
    expect(turned.centreY).toBeCloseTo(130, 12);
    expect(turned.side).toBeCloseTo(scale * 70, 12);
    for (const roll of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => cropOf({ ...box, kind: 'detector', roll }, PICTURE, 128)).toThrow(/roll of .*; wanted degrees/);
    }
  });

  it('fit landmarks as tightly as upright ones fit those turned upright', () => {
    const next = random(5);
    for (let i = 0; i < 20; i++) {
      const roll = 360 * next() - 180;
      const upright = Float32Array.from({ length: 68 * 3 }, () => 100 * next());
      const turn = turnOf(roll);
      const turned = Float32Array.from(upright, (_, at) => {
        const first = at - (at % 3);
        return rotate(upright[first] ?? 0, upright[first + 1] ?? 0, turn)[at % 3] ?? upright[at] ?? 0;
      });
      const [a, b] = [cropSquare(landmarksBox(upright)), cropSquare(landmarksBox(turned, roll))];
      const [x, y] = rotate(a.centreX, a.centreY, turn);
      expect([b.centreX, b.centreY, b.side, b.roll].map((value) => value.toFixed(3))).toEqual(
        [x, y, a.side, roll].map((value) => value.toFixed(3)),
      );
    }
  });

  it("give crops whose transforms are each other's inverse", () => {
    const crop = { centreX: 31, centreY: -8, side: 77, roll: -132, size: 64 };
    const [x, y] = transformPoint(cropToPicture(crop), 12.5, 50);
    const [u, v] = transformPoint(pictureToCrop(crop), x, y);
    expect([u, v]).toEqual([expect.closeTo(12.5, 9), expect.closeTo(50, 9)]);
    const within = cropWithin(crop, { centreX: 12.5, centreY: 50, side: 32, roll: -100, size: 64 });
    expect(within).toEqual({
      centreX: expect.closeTo(x, 9),
      centreY: expect.closeTo(y, 9),
      side: 38.5,
      roll: 128,
      size: 64,
    });
  });
});
