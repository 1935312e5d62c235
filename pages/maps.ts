/** A face's outputs as pictures. Those in its crop are transparent where there is no face. */
import type { Face, FaceAligner, FaceRendering, OutputName, PictureSource, PixelData } from '../src/index.js';

/** A face of a picture, to be looked at. */
export class ShownFace {
  readonly aligner: FaceAligner;
  readonly picture: PictureSource;
  readonly face: Face;
  #rendering: Promise<FaceRendering> | undefined;

  constructor(aligner: FaceAligner, picture: PictureSource, face: Face) {
    this.aligner = aligner;
    this.picture = picture;
    this.face = face;
  }

  /** Drawn when first asked for. */
  get rendering(): Promise<FaceRendering> {
    this.#rendering ??= this.aligner.render(this.face);
    return this.#rendering;
  }
}

/** The outputs of a face (`FaceOutputs`) that are pictures. */
export const facePictures = {
  pncc: async (shown: ShownFace) => pnccMap(await shown.rendering),
  depth: async (shown: ShownFace) => depthMap(await shown.rendering),
  texture: ({ aligner, picture, face }: ShownFace) => aligner.texture(picture, face, { mirror: true }),
} as const satisfies { readonly [Name in OutputName]?: (shown: ShownFace) => Promise<PixelData> };

export type PictureOutput = keyof typeof facePictures;

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
