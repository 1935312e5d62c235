/** Cuts square crops out of the frame texture. See crop.wgsl. */
import type { Gpu } from '../engine/device.js';
import { expectFields, expectPositive } from '../engine/expect.js';
import type { Kernel, KernelDeclaration } from '../engine/pipelines.js';
import type { Step } from '../engine/plan.js';
import { preprocess } from '../engine/preprocess.js';
import { blocksOf, type Tensor, tensorBinding } from '../engine/tensor.js';
import { UniformStruct } from '../engine/uniform.js';
import source from '../shaders/crop.wgsl?raw';
import pictureLib from '../shaders/lib/picture.wgsl?raw';
import type { PictureSize } from './frame.js';
import { FrameStep } from './frame-step.js';

/** What a kernel includes that samples a picture as crop records say. */
export const PICTURE_LIBRARY = { 'lib/picture.wgsl': pictureLib } as const;

/** The square that is resampled to `size` x `size` pixels. */
export interface Crop {
  readonly centreX: number;
  readonly centreY: number;
  /** Picture pixels. */
  readonly side: number;
  /** S, crop pixels. */
  readonly size: number;
}

/** Pixel similarity without rotation: `x' = scale x + x0`, `y' = scale y + y0`, `z' = scale z`. */
export interface PixelTransform {
  readonly scale: number;
  readonly x0: number;
  readonly y0: number;
}

/**
 * Crop pixels -> picture pixels: crop pixel `i` is at `centre + (i - (S - 1) / 2) side / S`.
 * @throws InputError for what is no crop.
 */
export function cropToPicture(crop: Crop): PixelTransform {
  checkCrop(crop);
  const { centreX, centreY, side, size } = crop;
  const scale = side / size;
  const half = ((size - 1) / 2) * scale;
  return { scale, x0: centreX - half, y0: centreY - half };
}

/** @throws InputError for what is no square of a picture. */
export function checkCrop(crop: Crop): void {
  expectFields('The crop', crop, ['centreX', 'centreY', 'side', 'size']);
  expectPositive("The crop's side", crop.side);
  expectPositive("The crop's size", crop.size);
}

const PARAMS = new UniformStruct({ size: 'u32', black: 'f32', range: 'f32', blocks: 'u32' });

const [kernel, cascadeKernel] = [false, true].map(
  (CASCADE): Kernel => ({
    name: 'crop',
    code: preprocess(source, { files: PICTURE_LIBRARY, flags: { CASCADE } }),
    bindings: ['texture', 'read', 'read-write', ...(CASCADE ? (['read-write', 'read'] as const) : [])],
  }),
) as [Kernel, Kernel];

/** Bytes of one crop's record in the `crops` buffer. */
export const CROP_RECORD_BYTES = 32;

const TILE = 8;

/** One crop's record: where its pixels lie in the frame texture. Texel centres are at integers. */
export interface CropRecord {
  /** Frame coordinates of the centre of crop pixel (0, 0). */
  readonly originX: number;
  readonly originY: number;
  /** Texels from one crop pixel to the next. */
  readonly stepX: number;
  readonly stepY: number;
  /** Size of the picture within the texture. */
  readonly width: number;
  readonly height: number;
  /** Samples per axis that a crop pixel averages. */
  readonly taps: number;
  /** The caller's, for its own kernels (default 0). */
  readonly tag?: number;
}

/** Area sampling stops getting better here: taps are then more than a pixel apart only where a crop is over 2,048 pixels wide. */
const MAX_TAPS = 16;

/**
 * Where a crop of the picture lies in the frame's texels, which are fewer where the picture was shrunk.
 * @param spacing texels from one sample to the next, at most; a sample is bilinear, so that with 2 every texel still counts
 */
export function cropRecord(crop: Crop, picture: PictureSize, texels: PictureSize, spacing = 1): CropRecord {
  const { scale, x0, y0 } = cropToPicture(crop);
  const [scaleX, scaleY] = [texels.width / picture.width, texels.height / picture.height];
  const [stepX, stepY] = [scale * scaleX, scale * scaleY];
  return {
    // A pixel's centre is half a pixel from its corner, and corners are what shrinking keeps.
    originX: (x0 + 0.5) * scaleX - 0.5,
    originY: (y0 + 0.5) * scaleY - 0.5,
    stepX,
    stepY,
    width: texels.width,
    height: texels.height,
    taps: Math.min(MAX_TAPS, Math.max(1, Math.ceil(Math.max(stepX, stepY) / spacing))),
  };
}

/** Writes record `index` as crop.wgsl reads it. */
export function writeCropRecord(view: DataView, index: number, record: CropRecord): void {
  const at = index * CROP_RECORD_BYTES;
  const floats = [record.originX, record.originY, record.stepX, record.stepY];
  for (let i = 0; i < 4; i++) view.setFloat32(at + 4 * i, floats[i] ?? 0, true);
  view.setUint32(at + 16, record.width, true);
  view.setUint32(at + 20, record.height, true);
  view.setUint32(at + 24, record.taps, true);
  view.setUint32(at + 28, record.tag ?? 0, true);
}

/** Where crops go. */
export interface CropTarget {
  /** [N,S,S,C]: the first three channels, and a 0 in the fourth if there is one. */
  readonly image: Tensor;
  /** Values of black and white in `image`; default 0 and 1. */
  readonly range?: readonly [black: number, white: number];
  /** Of the cascade, whose image has eight channels and the default range. */
  readonly cascade?: {
    /** `pixelBytes` a crop: [N,S+8,S+8] vec2u: the colours as unorm16 (clamped to 0 to 1), r | g << 16, b, in a frame of four pixels that is not written. */
    readonly pixels: GPUBuffer;
    /** [1,S,S,8]: what every image gets from the fourth channel on. */
    readonly start: Tensor;
  };
}

/** Bytes of one crop's `pixels`. */
export function pixelBytes(size: number): number {
  return 8 * (size + 8) ** 2;
}

/** The step that crops from `frame` as `crops` say. */
export function cropStep(
  frame: GPUTextureView,
  crops: GPUBuffer,
  { image, range: [black, white] = [0, 1], cascade }: CropTarget,
): Step {
  const { width: size, channels } = image.shape;
  const tiles = Math.ceil(size / TILE);
  return {
    label: 'crop',
    stage: 'crop',
    kernel: cascade === undefined ? kernel : cascadeKernel,
    bindings: [
      frame,
      { buffer: crops },
      tensorBinding(image),
      ...(cascade === undefined ? [] : [{ buffer: cascade.pixels }, tensorBinding(cascade.start)]),
    ],
    params: PARAMS.pack({ size, black, range: white - black, blocks: blocksOf(channels) }),
    workgroups: [tiles, tiles, 1],
    batchAxis: 2,
  };
}

/** The crop step for any frame texture. */
export type Cropper = FrameStep;
export const Cropper = {
  /** Compiles the step; its arguments are those of `cropStep`. @throws as `PlanBuilder.build`. */
  create: (gpu: Gpu, crops: GPUBuffer, target: CropTarget): Promise<FrameStep> =>
    FrameStep.create(gpu, (frame) => cropStep(frame, crops, target)),
} as const;

export const declarations: readonly KernelDeclaration[] = [
  { shader: 'crop.wgsl', kernels: [kernel, cascadeKernel], params: PARAMS },
];
