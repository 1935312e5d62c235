/** Cropping as plain loops in float64, for comparison with crop.wgsl. */

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** RGBA bytes. */
  readonly data: ArrayLike<number>;
}

/**
 * The crop of side `side` round (`centreX`, `centreY`) in picture pixels, black outside the picture; where it shrinks,
 * each crop pixel averages `ceil(side / size)` squared bilinear samples.
 * @param roll degrees by which the square is turned clockwise
 * @returns [size,size,3] in [0,1]
 */
export function cropReference(
  picture: Picture,
  centreX: number,
  centreY: number,
  side: number,
  size: number,
  roll = 0,
): Float64Array<ArrayBuffer> {
  const crop = new Float64Array(size * size * 3);
  const step = side / size;
  const taps = Math.min(16, Math.max(1, Math.ceil(step)));
  const [cosine, sine] = [Math.cos((roll * Math.PI) / 180), Math.sin((roll * Math.PI) / 180)];
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      for (let v = 0; v < taps; v++) {
        for (let u = 0; u < taps; u++) {
          const across = (x - (size - 1) / 2 + (u + 0.5) / taps - 0.5) * step;
          const down = (y - (size - 1) / 2 + (v + 0.5) / taps - 0.5) * step;
          const px = centreX + cosine * across - sine * down;
          const py = centreY + sine * across + cosine * down;
          for (let channel = 0; channel < 3; channel++) {
            crop[(y * size + x) * 3 + channel]! += bilinear(picture, px, py, channel) / (taps * taps);
          }
        }
      }
    }
  }
  return crop;
}

/** One channel of the picture at (x, y), in [0,1]; black outside. */
export function bilinear(picture: Picture, x: number, y: number, channel: number): number {
  const [fx, fy] = [Math.floor(x), Math.floor(y)];
  let sum = 0;
  for (const [dx, wx] of [
    [0, 1 - (x - fx)],
    [1, x - fx],
  ] as const) {
    for (const [dy, wy] of [
      [0, 1 - (y - fy)],
      [1, y - fy],
    ] as const) {
      sum += wx * wy * texel(picture, fx + dx, fy + dy, channel);
    }
  }
  return sum;
}

function texel({ width, height, data }: Picture, x: number, y: number, channel: number): number {
  return x < 0 || y < 0 || x >= width || y >= height ? 0 : data[(y * width + x) * 4 + channel]! / 255;
}
