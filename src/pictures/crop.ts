/** Crops: squares of a picture, upright or turned, and pixel coordinates in them. */
import { expectFields, expectPositive, refuse } from '../engine/expect.js';

/** Picture pixels in a crop pixel, at least; beyond, and beyond its inverse, products are not numbers any more. */
const SMALLEST_SCALE = 1e-30;

/** The square that is resampled to `size` x `size` pixels. */
export interface Crop {
  /** Middle of the square, picture pixels. */
  readonly centreX: number;
  /** The same, downward. */
  readonly centreY: number;
  /** Picture pixels. */
  readonly side: number;
  /** Degrees that the square is turned clockwise as seen: the `pose.roll` of a head that it shows upright. */
  readonly roll: number;
  /** S, crop pixels. */
  readonly size: number;
}

/**
 * Similarity of pixels, y down: `x' = scale (cos x - sin y) + x0`, `y' = scale (sin x + cos y) + y0`, `z' = scale z`,
 * with cosine and sine of `roll`.
 */
export interface PixelTransform {
  /** Factor of lengths, above 0. */
  readonly scale: number;
  /** Degrees clockwise as seen (default 0). */
  readonly roll?: number;
  /** Where (0, 0) goes. */
  readonly x0: number;
  /** The same, downward. */
  readonly y0: number;
}

/** Cosine and sine of an angle in degrees. */
export function turnOf(degrees: number): readonly [cosine: number, sine: number] {
  const radians = (degrees / 180) * Math.PI;
  return [Math.cos(radians), Math.sin(radians)];
}

/** The same angle from above -180 to 180 degrees. */
export function wrapDegrees(degrees: number): number {
  return degrees > -180 && degrees <= 180 ? degrees : degrees - 360 * Math.ceil((degrees - 180) / 360);
}

/** (x, y) turned clockwise as seen, y down. */
export function rotate(x: number, y: number, [cosine, sine]: readonly [number, number]): readonly [number, number] {
  return [cosine * x - sine * y, sine * x + cosine * y];
}

/** Where the transform takes (x, y). */
export function transformPoint(
  { scale, roll = 0, x0, y0 }: PixelTransform,
  x: number,
  y: number,
): readonly [x: number, y: number] {
  const [across, down] = rotate(x, y, turnOf(roll));
  return [scale * across + x0, scale * down + y0];
}

/**
 * Crop pixels -> picture pixels: crop pixel `(i, j)` is at `centre + side / S Rot(roll) (i - (S - 1) / 2, j - (S - 1) /
 * 2)`.
 * @throws InputError for what is no crop.
 */
export function cropToPicture(crop: Crop): PixelTransform {
  checkCrop(crop);
  const { centreX, centreY, side, roll, size } = crop;
  const scale = side / size;
  const half = ((size - 1) / 2) * scale;
  const [x, y] = rotate(half, half, turnOf(roll));
  return { scale, roll, x0: centreX - x, y0: centreY - y };
}

/**
 * Picture pixels -> crop pixels: the inverse of `cropToPicture`.
 * @throws InputError for what is no crop.
 */
export function pictureToCrop(crop: Crop): PixelTransform {
  const { scale, roll = 0, x0, y0 } = cropToPicture(crop);
  const [x, y] = rotate(x0, y0, turnOf(-roll));
  return { scale: 1 / scale, roll: -roll, x0: -x / scale, y0: -y / scale };
}

/** A crop of the picture, given in the pixels of another crop of it. */
export function cropWithin(outer: Crop, inner: Crop): Crop {
  const toPicture = cropToPicture(outer);
  const [centreX, centreY] = transformPoint(toPicture, inner.centreX, inner.centreY);
  const roll = wrapDegrees(outer.roll + inner.roll);
  return { centreX, centreY, side: inner.side * toPicture.scale, roll, size: inner.size };
}

/** @throws InputError for what is no square of a picture. */
export function checkCrop(crop: Crop): void {
  expectFields('The crop', crop, ['centreX', 'centreY', 'side', 'roll', 'size']);
  expectPositive("The crop's side", crop.side);
  expectPositive("The crop's size", crop.size);
  const scale = crop.side / crop.size;
  if (!(scale > SMALLEST_SCALE && scale < 1 / SMALLEST_SCALE)) {
    refuse("The crop's side over its size", scale, `a number between ${SMALLEST_SCALE} and ${1 / SMALLEST_SCALE}`);
  }
}
