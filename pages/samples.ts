/** Pictures of several faces, made from one portrait. */

/** A copy of the portrait. */
interface Tile {
  readonly mirrored: boolean;
  /** Degrees, clockwise. */
  readonly turned: number;
  /** Size of the head, 1 where the portrait fills the tile. */
  readonly scale: number;
}

/** Pixels. */
const tileSide = 420;

const tiles: readonly Tile[] = [
  { mirrored: false, turned: 0, scale: 1 },
  { mirrored: true, turned: 14, scale: 1.25 },
  { mirrored: false, turned: -20, scale: 1.3 },
];

/** Head and shoulders of assets/astronaut.png: left, top and side of a square. */
const portrait = [112, 4, 224] as const;

/** A picture with a face a tile: the sample scaled, mirrored and rolled. */
export async function severalFaces(sample: ImageBitmap): Promise<ImageBitmap> {
  const canvas = new OffscreenCanvas(tiles.length * tileSide, tileSide);
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('the browser gave no 2D canvas');
  context.imageSmoothingQuality = 'high';
  const [left, top, side] = portrait;
  for (const [column, { mirrored, turned, scale }] of tiles.entries()) {
    context.save();
    context.beginPath();
    context.rect(column * tileSide, 0, tileSide, tileSide);
    context.clip();
    context.translate((column + 0.5) * tileSide, 0.5 * tileSide);
    context.rotate((turned * Math.PI) / 180);
    context.scale(mirrored ? -scale : scale, scale);
    // The whole sample: a turned tile shows what lies round the portrait.
    const zoom = tileSide / side;
    context.scale(zoom, zoom);
    context.drawImage(sample, -left - side / 2, -top - side / 2);
    context.restore();
  }
  return createImageBitmap(canvas);
}
