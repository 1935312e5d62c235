/**
 * From a face's box to its crop: the square of picture that the network sees. Every constant of that rule is here.
 */
import { InputError } from '../engine/errors.js';
import { expectFields, expectList, expectObject, expectPositive } from '../engine/expect.js';
import { show } from '../engine/show.js';
import { type Crop, rotate, turnOf, wrapDegrees } from './crop.js';

/**
 * What a box encloses: `landmarks` = tightly the 68 points (in a video, those of the frame before); `detector` =
 * whatever a face detector calls a face.
 */
export type BoxKind = 'landmarks' | 'detector';

/** A box in picture pixels, pixel centres at integers. It may reach out of the picture. */
export interface FaceBox {
  /** Left edge, picture pixels. */
  readonly x0: number;
  /** Upper edge. */
  readonly y0: number;
  /** Right edge. */
  readonly x1: number;
  /** Lower edge. */
  readonly y1: number;
  /** What the box encloses. */
  readonly kind: BoxKind;
  /**
   * Degrees by which the box is turned about its middle, clockwise as seen (default 0): the `pose.roll` of a head that
   * stands upright in it, 90 for one that lies with its crown to the right.
   */
  readonly roll?: number;
}

/** Side of the crop over the longer side of the landmarks' box (3DDFA, spec 1.7). The centre stays. */
export const LANDMARKS_TO_CROP = Math.SQRT2;

/**
 * Crop of a detector's box: side and shift of the centre, in units of the mean of the box's width and height; y down.
 *
 * Medians over 900 boxes of MediaPipe's detector, as the default detector gives them too, on 300 labelled training
 * crops (`cli/calibrate-detector.ts`); 90% of the faces have a scale within 1.16..1.50, an x shift within -0.06..0.05
 * and a y shift within -0.01..0.12. The median x shift, -0.003, is taken as 0.
 */
export const DETECTOR_TO_CROP = { scale: 1.336, shiftX: 0, shiftY: 0.057 } as const;

/** A crop smaller than this, in picture pixels, holds no face. */
const MIN_SIDE = 2;

/** A crop may be this many times as large as the picture's longer side: beyond that it is nearly all black. */
const MAX_SIDE_OF_PICTURE = 8;

/** A square of the picture. */
export type Square = Omit<Crop, 'size'>;

/**
 * The square that a box asks for, whatever it is worth.
 * @param margin side of the square over the longer side of a box of landmarks
 */
export function cropSquare({ x0, y0, x1, y1, kind, roll = 0 }: FaceBox, margin = LANDMARKS_TO_CROP): Square {
  const [width, height] = [x1 - x0, y1 - y0];
  const [centreX, centreY] = [(x0 + x1) / 2, (y0 + y1) / 2];
  if (kind === 'landmarks') return { centreX, centreY, side: margin * Math.max(width, height), roll };
  const { scale, shiftX, shiftY } = DETECTOR_TO_CROP;
  const mean = (width + height) / 2;
  const [x, y] = rotate(shiftX * mean, shiftY * mean, turnOf(roll));
  return { centreX: centreX + x, centreY: centreY + y, side: scale * mean, roll };
}

/** Intersection of two squares over their union, 0 to 1, as if they were upright. */
export function overlapOf(a: Square, b: Square): number {
  const common = (p: number, q: number) =>
    Math.min(p + a.side / 2, q + b.side / 2) - Math.max(p - a.side / 2, q - b.side / 2);
  const [width, height] = [common(a.centreX, b.centreX), common(a.centreY, b.centreY)];
  if (!(width > 0 && height > 0)) return 0;
  return (width * height) / (a.side ** 2 + b.side ** 2 - width * height);
}

/**
 * What can be told of a box without its picture.
 * @param what the box's name in messages
 * @returns what messages call it: its name and its numbers
 * @throws InputError for a box that is not finite, empty, or of no kind.
 */
export function checkBox(box: FaceBox, what = 'Box'): string {
  expectObject(box, what);
  const { x0, y0, x1, y1, kind, roll = 0 } = box;
  const found = `${what} [${[x0, y0, x1, y1].map(show).join(', ')}]`;
  if (![x0, y0, x1, y1].every(Number.isFinite)) throw new InputError(`${found} is not finite; wanted four numbers.`);
  const [width, height] = [x1 - x0, y1 - y0];
  if (width <= 0 || height <= 0) {
    throw new InputError(`${found} is ${width} x ${height} pixels; wanted x0 < x1 and y0 < y1.`);
  }
  if (kind !== 'landmarks' && kind !== 'detector') {
    throw new InputError(`${found} is of kind ${show(kind)}; wanted 'landmarks' or 'detector'.`);
  }
  if (!Number.isFinite(roll)) throw new InputError(`${found} has a roll of ${show(roll)}; wanted degrees.`);
  return found;
}

/**
 * The crop of a box.
 * @param picture size of the picture in pixels
 * @param size S, side of the crop in its own pixels
 * @throws InputError as `checkBox`; for a box that is too small, absurdly large, or so far off that its crop holds no
 * picture; for a picture or crop of no size.
 */
export function cropOf(box: FaceBox, picture: { readonly width: number; readonly height: number }, size: number): Crop {
  expectFields('The picture', picture, ['width', 'height']);
  expectPositive('size', size);
  const found = checkBox(box);
  return checkInPicture({ ...cropSquare({ ...box, roll: wrapDegrees(box.roll ?? 0) }), size }, picture, found);
}

/**
 * The crop, where it can hold a face.
 * @param found names whose crop it is
 * @throws InputError where it is too small, absurdly large, or holds no picture.
 */
export function checkInPicture(
  crop: Crop,
  picture: { readonly width: number; readonly height: number },
  found: string,
): Crop {
  const { size } = crop;
  const largest = MAX_SIDE_OF_PICTURE * Math.max(picture.width, picture.height, size);
  if (crop.side < MIN_SIDE || crop.side > largest) {
    throw new InputError(
      `${found} gives a crop of ${crop.side} pixels; wanted ${MIN_SIDE} to ${largest} in a picture of ${picture.width} x ${picture.height}.`,
    );
  }
  const reach = (crop.side / 2) * turnOf(crop.roll).reduce((sum, part) => sum + Math.abs(part), 0);
  if (
    crop.centreX + reach < 0 ||
    crop.centreY + reach < 0 ||
    crop.centreX - reach > picture.width - 1 ||
    crop.centreY - reach > picture.height - 1
  ) {
    throw new InputError(`${found} lies outside the picture of ${picture.width} x ${picture.height}.`);
  }
  return crop;
}

/**
 * The crops of a list of boxes.
 * @throws InputError as `cropOf`, with the box's number in the list; and where it is no list.
 */
export function cropsOf(
  boxes: readonly FaceBox[],
  picture: { readonly width: number; readonly height: number },
  size: number,
): Crop[] {
  expectList('The boxes', boxes);
  return boxes.map((box, index) => {
    try {
      return cropOf(box, picture, size);
    } catch (cause) {
      if (!(cause instanceof InputError)) throw cause;
      throw new InputError(`Box ${index}: ${cause.message}`, { cause });
    }
  });
}

/**
 * The tight box of landmarks [68,3], as a box of its kind.
 * @param roll degrees by which the box is turned clockwise as seen
 */
export function landmarksBox(landmarks: ArrayLike<number>, roll = 0): FaceBox {
  const back = turnOf(-roll);
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i + 2 < landmarks.length; i += 3) {
    const [x, y] = rotate(landmarks[i]!, landmarks[i + 1]!, back);
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
  }
  if (roll === 0) return { x0: left, y0: top, x1: right, y1: bottom, kind: 'landmarks' };
  const [x, y] = rotate((left + right) / 2, (top + bottom) / 2, turnOf(roll));
  const [halfWidth, halfHeight] = [(right - left) / 2, (bottom - top) / 2];
  return { x0: x - halfWidth, y0: y - halfHeight, x1: x + halfWidth, y1: y + halfHeight, kind: 'landmarks', roll };
}
