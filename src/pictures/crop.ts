/** Crops: squares of a picture, and pixel coordinates in them. */
import { expectFields, expectPositive } from '../engine/expect.js';

/** The square that is resampled to `size` x `size` pixels. */
export interface Crop {
  readonly centreX: number;
  readonly centreY: number;
  /** Picture pixels. */
  readonly side: number;
  /** S, crop pixels. */
  readonly size: number;
}

/** Pixel similarity without rotation: `x' = scale x + x0`, `y' = scale y + y0`, `z' = scale z`. */
export interface PixelTransform {
  readonly scale: number;
  readonly x0: number;
  readonly y0: number;
}

/**
 * Crop pixels -> picture pixels: crop pixel `i` is at `centre + (i - (S - 1) / 2) side / S`.
 * @throws InputError for what is no crop.
 */
export function cropToPicture(crop: Crop): PixelTransform {
  checkCrop(crop);
  const { centreX, centreY, side, size } = crop;
  const scale = side / size;
  const half = ((size - 1) / 2) * scale;
  return { scale, x0: centreX - half, y0: centreY - half };
}

/** @throws InputError for what is no square of a picture. */
export function checkCrop(crop: Crop): void {
  expectFields('The crop', crop, ['centreX', 'centreY', 'side', 'size']);
  expectPositive("The crop's side", crop.side);
  expectPositive("The crop's size", crop.size);
}
