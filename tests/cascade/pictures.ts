import type { PixelData } from '../../src/pictures/frame.js';

/** A smooth coloured picture: no source kind may shift it by even half a pixel without being noticed. */
export function wavyPicture(
  width: number,
  height: number,
  phase = 0,
): PixelData & { readonly data: Uint8ClampedArray<ArrayBuffer> } {
  const data = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const wave = (a: number, b: number) => 127.5 + 120 * Math.sin(a * x + b * y + phase);
      data.set([wave(0.19, 0.05), wave(-0.07, 0.23), wave(0.11, 0.13), 255], (y * width + x) * 4);
    }
  }
  return { width, height, data };
}
