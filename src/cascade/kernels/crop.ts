/** Cuts the faces' crops out of the frame texture. See crop.wgsl. */

import type { Kernel, KernelDeclaration } from '../../engine/pipelines.js';
import type { Step } from '../../engine/plan.js';
import { preprocess } from '../../engine/preprocess.js';
import { type Tensor, tensorBinding } from '../../engine/tensor.js';
import { UniformStruct } from '../../engine/uniform.js';
import source from '../../shaders/crop.wgsl?raw';
import { type Crop, cropToPicture } from '../boxes.js';
import type { PictureSize } from '../frame.js';

const PARAMS = new UniformStruct({ size: 'u32' });

const kernel: Kernel = { name: 'crop', code: preprocess(source), bindings: ['texture', 'read', 'read-write'] };

/** Bytes of one face's record in the `faces` buffer. */
export const CROP_RECORD_BYTES = 32;

const TILE = 8;

/** One face's record: where its crop pixels lie in the frame texture. Texel centres are at integers. */
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
}

/** Area sampling stops getting better here: taps are then more than a pixel apart only where a crop is over 2,048 pixels wide. */
const MAX_TAPS = 16;

/** Where a crop of the picture lies in the frame's texels, which are fewer where the picture was shrunk. */
export function cropRecord(crop: Crop, picture: PictureSize, texels: PictureSize): CropRecord {
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
    taps: Math.min(MAX_TAPS, Math.max(1, Math.ceil(Math.max(stepX, stepY)))),
  };
}

/** Writes the record of face `index` as crop.wgsl reads it. */
export function writeCropRecord(view: DataView, index: number, record: CropRecord): void {
  const at = index * CROP_RECORD_BYTES;
  const floats = [record.originX, record.originY, record.stepX, record.stepY];
  for (let i = 0; i < 4; i++) view.setFloat32(at + 4 * i, floats[i] ?? 0, true);
  view.setUint32(at + 16, record.width, true);
  view.setUint32(at + 20, record.height, true);
  view.setUint32(at + 24, record.taps, true);
  view.setUint32(at + 28, 0, true);
}

/** The step that crops from `frame` as `faces` say into `image` [N,S,S,3]. */
export function cropStep(frame: GPUTextureView, faces: GPUBuffer, image: Tensor): Step {
  const { width: size } = image.shape;
  const tiles = Math.ceil(size / TILE);
  return {
    label: 'crop',
    stage: 'crop',
    kernel,
    bindings: [frame, { buffer: faces }, tensorBinding(image)],
    params: PARAMS.pack({ size }),
    workgroups: [tiles, tiles, 1],
    batchAxis: 2,
  };
}

export const declarations: readonly KernelDeclaration[] = [{ shader: 'crop.wgsl', kernels: [kernel], params: PARAMS }];
