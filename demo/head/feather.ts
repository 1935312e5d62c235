/** Fills what a texture does not know, softly, from what is round it. */

export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** RGBA bytes. */
  readonly data: Uint8ClampedArray<ArrayBuffer>;
}

/** Colours times how well they are known, and how well that is. */
interface Level {
  readonly width: number;
  readonly height: number;
  readonly values: Float32Array;
}

/**
 * An opaque texture: each texel is as much its own colour as its alpha says, and for the rest what its surroundings
 * suggest, near ones first. So the side that was mirrored, or not seen, has no hard edge.
 */
export function feather({ width, height, data }: Pixels): Pixels {
  const values = new Float32Array(width * height * 4);
  for (let i = 0; i < values.length; i += 4) {
    const known = smoothstep((data[i + 3] ?? 0) / 255);
    for (let c = 0; c < 3; c++) values[i + c] = (data[i + c] ?? 0) * known;
    values[i + 3] = known;
  }
  const filled = fill({ width, height, values });
  return { width, height, data: Uint8ClampedArray.from(filled, (value, i) => (i % 4 === 3 ? 255 : value)) };
}

/** @returns colours [height,width,4] of which every one is known */
function fill({ width, height, values }: Level): Float32Array {
  const coarser = width > 1 || height > 1 ? halve({ width, height, values }) : undefined;
  const rest = coarser && fill(coarser);
  const result = new Float32Array(values.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 4;
      const known = values[at + 3] ?? 0;
      for (let c = 0; c < 3; c++) {
        const value = values[at + c] ?? 0;
        // The one texel of the coarsest level has nothing behind it.
        if (rest === undefined || coarser === undefined) result[at + c] = known > 0 ? value / known : 128;
        else result[at + c] = value + (1 - known) * sample(rest, coarser, x, y, c);
      }
    }
  }
  return result;
}

/** Half as wide and high, the mean of four texels: what is hardly known weighs little there, too. */
function halve({ width, height, values }: Level): Level {
  const [w, h] = [Math.ceil(width / 2), Math.ceil(height / 2)];
  const half = new Float32Array(w * h * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [from, to] = [(y * width + x) * 4, ((y >> 1) * w + (x >> 1)) * 4];
      for (let c = 0; c < 4; c++) half[to + c] = (half[to + c] ?? 0) + (values[from + c] ?? 0) / 4;
    }
  }
  return { width: w, height: h, values: half };
}

/** A level's colour at a texel of the next finer one, bilinear. */
function sample(values: Float32Array, { width, height }: Level, x: number, y: number, channel: number): number {
  const [u, v] = [Math.max(0, (x - 0.5) / 2), Math.max(0, (y - 0.5) / 2)];
  const [x0, y0] = [Math.min(width - 1, Math.floor(u)), Math.min(height - 1, Math.floor(v))];
  const [x1, y1] = [Math.min(width - 1, x0 + 1), Math.min(height - 1, y0 + 1)];
  const at = (column: number, row: number) => values[(row * width + column) * 4 + channel] ?? 0;
  const [s, t] = [u - Math.floor(u), v - Math.floor(v)];
  return (at(x0, y0) * (1 - s) + at(x1, y0) * s) * (1 - t) + (at(x0, y1) * (1 - s) + at(x1, y1) * s) * t;
}

function smoothstep(part: number): number {
  return part * part * (3 - 2 * part);
}
