/** Cuts square crops out of the frame texture. See crop.wgsl. */
import type { Bindings, Kernel, KernelDeclaration } from '../../engine/pipelines.js';
import type { Step } from '../../engine/plan.js';
import { preprocess } from '../../engine/preprocess.js';
import { blocksOf, type Tensor, tensorBinding } from '../../engine/tensor.js';
import { UniformStruct } from '../../engine/uniform.js';
import source from '../../shaders/crop.wgsl?raw';
import cropLib from '../../shaders/lib/crop.wgsl?raw';
import pictureLib from '../../shaders/lib/picture.wgsl?raw';
import { type Crop, cropToPicture, transformPoint, turnOf } from '../crop.js';
import type { PictureSize } from '../frame.js';

/** What a kernel includes that reads crop records. */
export const CROP_LIBRARY = { 'lib/crop.wgsl': cropLib } as const;

/** What a kernel includes that samples a picture as crop records say. */
export const PICTURE_LIBRARY = { ...CROP_LIBRARY, 'lib/picture.wgsl': pictureLib } as const;

export const PARAMS = new UniformStruct({
  width: 'u32',
  height: 'u32',
  left: 'f32',
  top: 'f32',
  black: 'f32',
  range: 'f32',
  blocks: 'u32',
});

/** The kernel, plain or as the cascade wants it (`cascade/kernels/crop.ts`), which binds more. */
export function cropKernel(CASCADE: boolean, more: Bindings = {}): Kernel {
  return {
    name: 'crop',
    code: preprocess(source, { files: PICTURE_LIBRARY, flags: { CASCADE } }),
    bindings: { frame: 'texture', crops: 'read', image: 'read-write', ...more },
  };
}

const kernel = cropKernel(false);

/** Bytes of one crop's record in the `crops` buffer. */
export const CROP_RECORD_BYTES = 40;

const TILE = 8;

/** One crop's record: where its pixels lie in the frame texture. Texel centres are at integers. */
export interface CropRecord {
  /** Frame coordinates of the centre of crop pixel (0, 0). */
  readonly originX: number;
  readonly originY: number;
  /** Texels from one crop pixel to the next in its row. */
  readonly rightX: number;
  readonly rightY: number;
  /** The same in its column. */
  readonly downX: number;
  readonly downY: number;
  /** Size of the picture within the texture. */
  readonly width: number;
  readonly height: number;
  /** Samples per axis that a crop pixel averages. */
  readonly taps: number;
  /** The caller's, for its own kernels (default 0). */
  readonly tag?: number;
}

/**
 * Area sampling stops getting better here: taps are then more than a pixel apart only where a crop is over 2,048 pixels
 * wide.
 */
export const MAX_TAPS = 16;

/**
 * Where a crop of the picture lies in the frame's texels, which are fewer where the picture was shrunk.
 * @param spacing texels from one sample to the next, at most; a sample is bilinear, so that with 2 every texel still
 * counts
 */
export function cropRecord(crop: Crop, picture: PictureSize, texels: PictureSize, spacing = 1): CropRecord {
  const { scale, roll = 0, x0, y0 } = cropToPicture(crop);
  const [scaleX, scaleY] = [texels.width / picture.width, texels.height / picture.height];
  const [cosine, sine] = turnOf(roll);
  const [rightX, rightY] = [cosine * scale * scaleX, sine * scale * scaleY];
  const [downX, downY] = [-sine * scale * scaleX, cosine * scale * scaleY];
  const step = Math.max(Math.hypot(rightX, rightY), Math.hypot(downX, downY));
  return {
    // A pixel's centre is half a pixel from its corner, and corners are what shrinking keeps.
    originX: (x0 + 0.5) * scaleX - 0.5,
    originY: (y0 + 0.5) * scaleY - 0.5,
    rightX,
    rightY,
    downX,
    downY,
    width: texels.width,
    height: texels.height,
    taps: Math.min(MAX_TAPS, Math.max(1, Math.ceil(step / spacing))),
  };
}

/** Writes record `index` as the kernels read it (lib/crop.wgsl). */
export function writeCropRecord(view: DataView, index: number, record: CropRecord): void {
  const at = index * CROP_RECORD_BYTES;
  const { originX, originY, rightX, rightY, downX, downY } = record;
  for (const [i, value] of [originX, originY, rightX, rightY, downX, downY].entries()) {
    view.setFloat32(at + 4 * i, value, true);
  }
  view.setUint32(at + 24, record.width, true);
  view.setUint32(at + 28, record.height, true);
  view.setUint32(at + 32, record.taps, true);
  view.setUint32(at + 36, record.tag ?? 0, true);
}

/**
 * The crop of `size` pixels whose record the GPU made: the inverse of `cropRecord`.
 * @param record the record's first six floats: origin, right, down
 */
export function cropOfRecord(record: ArrayLike<number>, picture: PictureSize, texels: PictureSize, size: number): Crop {
  const [originX = 0, originY = 0, rightX = 0, rightY = 0, downX = 0, downY = 0] = Array.from(record);
  const [scaleX, scaleY] = [texels.width / picture.width, texels.height / picture.height];
  // What is left of a similarity once rounded.
  const [cosine, sine] = [(rightX / scaleX + downY / scaleY) / 2, (rightY / scaleY - downX / scaleX) / 2];
  const scale = Math.hypot(cosine, sine);
  const roll = (Math.atan2(sine, cosine) * 180) / Math.PI;
  const corner = { scale, roll, x0: (originX + 0.5) / scaleX - 0.5, y0: (originY + 0.5) / scaleY - 0.5 };
  const [centreX, centreY] = transformPoint(corner, (size - 1) / 2, (size - 1) / 2);
  return { centreX, centreY, side: scale * size, roll, size };
}

/** Where crops go. */
export interface CropTarget {
  /** [N,H,W,C]: the first three channels, and a 0 in the fourth if there is one. */
  readonly image: Tensor;
  /** S, crop pixels a side, of which the image is the middle; default: the image's width. */
  readonly size?: number;
  /** Values of black and white in `image`; default 0 and 1. */
  readonly range?: readonly [black: number, white: number];
}

/** The step that crops from `frame` as `crops` say. */
export function cropStep(
  frame: GPUTextureView,
  crops: GPUBuffer,
  { image, size = image.shape.width, range: [black, white] = [0, 1] }: CropTarget,
): Step {
  const { width, height, channels } = image.shape;
  return {
    label: 'crop',
    stage: 'crop',
    kernel,
    bindings: { frame, crops: { buffer: crops }, image: tensorBinding(image) },
    params: PARAMS.pack({
      width,
      height,
      left: (size - width) / 2,
      top: (size - height) / 2,
      black,
      range: white - black,
      blocks: blocksOf(channels),
    }),
    workgroups: [Math.ceil(width / TILE), Math.ceil(height / TILE), 1],
    batchAxis: 2,
  };
}

export const declarations: readonly KernelDeclaration[] = [{ shader: 'crop.wgsl', kernels: [kernel], params: PARAMS }];
