/** Where to look: the network finds faces of a twentieth of its input and up that stand about upright in it. */
import { type Crop, pictureToCrop, transformPoint } from '../pictures/crop.js';
import type { PictureSize } from '../pictures/frame.js';

/** The smallest faces that are looked for, in texels: from the brow to the chin. */
export const SMALLEST_FACE = 20;

/** Such a face is to be as large in the network's input: it finds few that are smaller. */
const SMALLEST_IN_INPUT = 13;

/**
 * Of a tile's side, what the next tile sees too. A face larger than that lies whole in a tile of the next coarser step.
 */
const OVERLAP = 0.25;

/** A step of more tiles than these looks at each of them upright only. */
const MOST_TURNED = 16;

/** A head that lies or stands on its crown is upright in one of them. */
const ROLLS = [0, 90, 180, -90] as const;

/** Of a face that the picture's borders cut, at least this part of its side is to be seen. */
const LEAST_SEEN = 0.5;

/**
 * Squares to look at, in steps: the picture as a whole; the same every other way up; every way up with a wide margin,
 * for a face that fills it; then overlapping tiles, each step's half as large as those of the step before, until a face
 * of `SMALLEST_FACE` texels is large enough in them. The first step is the only one where the picture is too narrow for
 * a face.
 * @param texels size of the frame that is looked at, smaller than the picture's where that was shrunk
 * @param size side of the network's input, the size of every region
 */
export function searchSteps(
  { width, height }: PictureSize,
  texels: PictureSize,
  size: number,
): readonly (readonly Crop[])[] {
  const longer = Math.max(width, height);
  const middle = { centreX: (width - 1) / 2, centreY: (height - 1) / 2, roll: 0, size };
  const whole = { ...middle, side: longer };
  // A picture of a few rows or columns may be long, and holds no face.
  if (Math.min(texels.width, texels.height) < LEAST_SEEN * SMALLEST_FACE) return [[whole]];
  const finest = ((size * SMALLEST_FACE) / SMALLEST_IN_INPUT) * (longer / Math.max(texels.width, texels.height));
  const count = Math.max(0, Math.ceil(Math.log2(longer / finest) - 1e-9));
  const sides = Array.from({ length: count }, (_, step) => longer * (finest / longer) ** ((step + 1) / count));
  return [
    [whole],
    everyWayUp([whole]).slice(1),
    everyWayUp([{ ...middle, side: 2 * longer }]),
    ...sides.map((side) => {
      const step = tiles(width, height, side, size);
      return step.length > MOST_TURNED ? step : everyWayUp(step);
    }),
  ];
}

/** Crop pixels that a picture's border may be off by rounding. */
const ROUNDING = 1e-3;

/** How much of a region, about its middle, shows the picture: crop pixels, at most its size. */
export function shownPart(region: Crop, { width, height }: PictureSize): PictureSize {
  const toCrop = pictureToCrop(region);
  const corners = [0, width].flatMap((x) => [0, height].map((y) => transformPoint(toCrop, x - 0.5, y - 0.5)));
  const [across, down] = ([0, 1] as const).map((axis) => {
    const reach = Math.max(...corners.map((corner) => Math.abs(corner[axis] - (region.size - 1) / 2)));
    return Math.min(region.size, Math.ceil(2 * (reach - ROUNDING)));
  });
  return { width: across ?? region.size, height: down ?? region.size };
}

function everyWayUp(regions: readonly Crop[]): readonly Crop[] {
  return ROLLS.flatMap((roll) => regions.map((region) => ({ ...region, roll })));
}

/** Square tiles that cover the picture, row by row. */
function tiles(width: number, height: number, side: number, size: number): readonly Crop[] {
  const starts = (length: number) => {
    if (length <= side) return [(length - side) / 2];
    const steps = Math.ceil((length - side) / (side * (1 - OVERLAP)) - 1e-9);
    return Array.from({ length: steps + 1 }, (_, step) => (step * (length - side)) / steps);
  };
  // A tile starts at a pixel's border, half a pixel before its centre.
  const centre = (start: number) => start + side / 2 - 0.5;
  return starts(height).flatMap((y) =>
    starts(width).map((x) => ({ centreX: centre(x), centreY: centre(y), side, roll: 0, size })),
  );
}
