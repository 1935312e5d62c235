import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/engine/errors.js';
import { cropOf, DETECTOR_TO_CROP, type FaceBox } from '../../src/pictures/boxes.js';
import { cropToPicture } from '../../src/pictures/crop.js';
import { cropRecord } from '../../src/pictures/kernels/crop.js';

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
    expect(crop).toEqual({ centreX: 150, centreY: 140, side: Math.SQRT2 * 100, size: 128 });
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
    const { scale, x0, y0 } = cropToPicture({ centreX: 50, centreY: 60, side: 256, size: 128 });
    expect(scale).toBe(2);
    expect([63.5 * scale + x0, 63.5 * scale + y0]).toEqual([50, 60]);
    // The crop's left edge, half a crop pixel before pixel 0, is half a side from its centre.
    expect(-0.5 * scale + x0).toBe(50 - 128);
  });
});

describe('crop record', () => {
  const crop = { centreX: 50, centreY: 60, side: 200, size: 100 } as const;

  it('is the crop itself where picture and texture are one', () => {
    const record = cropRecord(crop, PICTURE, PICTURE);
    expect(record).toEqual({ originX: -49, originY: -39, stepX: 2, stepY: 2, width: 640, height: 480, taps: 2 });
  });

  it('follows a picture that was shrunk, corner to corner', () => {
    const record = cropRecord(crop, PICTURE, { width: 320, height: 120 });
    expect([record.stepX, record.stepY, record.taps]).toEqual([1, 0.5, 1]);
    expect([record.originX, record.originY]).toEqual([-24.75, -10.125]);
    expect([record.width, record.height]).toEqual([320, 120]);
  });

  it('averages no more than 16 x 16 samples', () => {
    expect(cropRecord({ ...crop, side: 100 * 40 }, PICTURE, PICTURE).taps).toBe(16);
    expect(cropRecord({ ...crop, side: 30 }, PICTURE, PICTURE).taps).toBe(1);
    expect(cropRecord({ ...crop, side: 301 }, PICTURE, PICTURE).taps).toBe(4);
  });
});
