/** Pictures of what the rasteriser makes of a face's crop; transparent where there is no face. */
import type { FaceRendering } from '../src/index.js';

/** The projected normalised coordinate code as colours. */
export function pnccMap({ size, pncc }: FaceRendering): ImageData {
  return paint(size, (pixel) => {
    const [r = 0, g = 0, b = 0] = pncc.subarray(pixel * 3, pixel * 3 + 3);
    return r > 0 || g > 0 || b > 0 ? [255 * r, 255 * g, 255 * b] : undefined;
  });
}

/** Depth in grey, from the farthest point of the face, dark, to the nearest, white. */
export function depthMap({ size, depth }: FaceRendering): ImageData {
  let [far, near] = [Infinity, -Infinity];
  for (const z of depth) {
    if (Number.isNaN(z)) continue;
    far = Math.min(far, z);
    near = Math.max(near, z);
  }
  return paint(size, (pixel) => {
    const z = depth[pixel] ?? Number.NaN;
    if (Number.isNaN(z)) return undefined;
    const grey = 30 + (225 * (z - far)) / Math.max(near - far, 1);
    return [grey, grey, grey];
  });
}

function paint(size: number, colourOf: (pixel: number) => readonly [number, number, number] | undefined): ImageData {
  const image = new ImageData(size, size);
  for (let pixel = 0; pixel < size * size; pixel++) {
    const colour = colourOf(pixel);
    if (colour !== undefined) image.data.set([...colour, 255], pixel * 4);
  }
  return image;
}
