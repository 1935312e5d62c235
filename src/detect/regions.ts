/** Where to look: a network that sees 128 pixels misses faces that are small in the picture, and those that fill it. */
import type { Crop } from '../pictures/crop.js';
import type { PictureSize } from '../pictures/frame.js';

/** Tiles smaller than this, in pixels, would hold faces of a few dozen pixels at most: too little to align. */
const SMALLEST_TILE = 64;

/** Tiles along the picture's longer side, in the steps that use tiles. */
const TILE_COUNTS = [2, 4] as const;

/** Regions of all steps together, at most: 1 + 1 + 2 x 2 + 4 x 4 in a square picture. */
export const MOST_REGIONS = TILE_COUNTS.reduce<number>((sum, count) => sum + count * count, 2);

/**
 * Squares to look at, in steps: the whole picture; the picture with a wide margin (a face that fills it); then overlapping tiles, ever smaller.
 * @param size side of the network's input, the size of every region
 */
export function searchSteps({ width, height }: PictureSize, size: number): readonly (readonly Crop[])[] {
  const longer = Math.max(width, height);
  const [centreX, centreY] = [(width - 1) / 2, (height - 1) / 2];
  return [
    [{ centreX, centreY, side: longer, roll: 0, size }],
    [{ centreX, centreY, side: 2 * longer, roll: 0, size }],
    ...TILE_COUNTS.map((count) => tiles(width, height, count, size)).filter((step) => step.length > 0),
  ];
}

/**
 * `count` square tiles along the longer side, each overlapping the next by half, and as many rows of them as the shorter side takes. None where
 * they would be too small.
 */
function tiles(width: number, height: number, count: number, size: number): readonly Crop[] {
  const side = (2 * Math.max(width, height)) / (count + 1);
  if (side < SMALLEST_TILE) return [];
  const starts = (length: number) => {
    if (length <= side) return [(length - side) / 2];
    const steps = Math.ceil((length - side) / (side / 2) - 1e-9);
    return Array.from({ length: steps + 1 }, (_, step) => (step * (length - side)) / steps);
  };
  // A tile starts at a pixel's border, half a pixel before its centre.
  const centre = (start: number) => start + side / 2 - 0.5;
  return starts(height).flatMap((y) =>
    starts(width).map((x) => ({ centreX: centre(x), centreY: centre(y), side, roll: 0, size })),
  );
}
