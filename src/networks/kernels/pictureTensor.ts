/** A picture as the input of a network. See pictureTensor.wgsl. */
import type { Kernel, KernelDeclaration } from '../../engine/pipelines.js';
import type { Step } from '../../engine/plan.js';
import { preprocess } from '../../engine/preprocess.js';
import { type Tensor, tensorBinding } from '../../engine/tensor.js';
import { UniformStruct } from '../../engine/uniform.js';
import { PICTURE_LIBRARY } from '../../pictures/kernels/crop.js';
import source from '../../shaders/pictureTensor.wgsl?raw';

const PARAMS = new UniformStruct({
  width: 'u32',
  height: 'u32',
  scale_0: 'f32',
  scale_1: 'f32',
  scale_2: 'f32',
  offset_0: 'f32',
  offset_1: 'f32',
  offset_2: 'f32',
});

const TILE = 8;

const code = preprocess(source, { files: PICTURE_LIBRARY });

function pictureTensorKernel(bgr: boolean): Kernel {
  return {
    name: 'pictureTensor',
    code,
    constants: { BGR: Number(bgr) },
    bindings: { frame: 'texture', crops: 'read', image: 'read-write' },
  };
}

type Triple = readonly [number, number, number];

/** `image` [1, height, width, 3] = scale * colour (0 to 1) + offset, of its channels in their order. */
export interface PictureTensorTarget {
  readonly image: Tensor;
  readonly bgr: boolean;
  readonly scale: Triple;
  readonly offset: Triple;
}

/** The step that fills the tensor from `frame` as the one record of `crops` says. */
export function pictureTensorStep(frame: GPUTextureView, crops: GPUBuffer, target: PictureTensorTarget): Step {
  const { image, bgr, scale, offset } = target;
  const { width, height } = image.shape;
  return {
    label: 'picture',
    stage: 'picture',
    kernel: pictureTensorKernel(bgr),
    bindings: { frame, crops: { buffer: crops }, image: tensorBinding(image) },
    params: PARAMS.pack({
      width,
      height,
      scale_0: scale[0],
      scale_1: scale[1],
      scale_2: scale[2],
      offset_0: offset[0],
      offset_1: offset[1],
      offset_2: offset[2],
    }),
    workgroups: [Math.ceil(width / TILE), Math.ceil(height / TILE), 1],
  };
}

export const declarations: readonly KernelDeclaration[] = [
  { shader: 'pictureTensor.wgsl', kernels: [false, true].map(pictureTensorKernel), params: PARAMS },
];
