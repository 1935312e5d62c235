/**
 * The crop as the cascade wants it: colours for the first stream, where the PNCC of p^0 lies beside them, and as
 * unorm16 for the pose adaptive convolution. See crop.wgsl, with CASCADE.
 */
import type { KernelDeclaration } from '../../engine/pipelines.js';
import type { Step } from '../../engine/plan.js';
import { type Tensor, tensorBinding } from '../../engine/tensor.js';
import { cropKernel, cropStep, PARAMS } from '../../pictures/kernels/crop.js';

/**
 * Channels of the first stream's input: r, g, b, the PNCC's three, and two of zeros, which fill the last block of four.
 */
export const STEM_CHANNELS = 8;

/** The first of the PNCC's three. */
export const PNCC_CHANNEL = 3;

/**
 * Pixels that frame `pixels` on every side: no tap of a 3x3 patch round an anchor near the border leaves the buffer.
 */
export const PIXEL_FRAME = 4;

const kernel = cropKernel(true, { pixels: 'read-write', initial: 'read' });

export interface CascadeCropTarget {
  /** [N,S,S,8]. */
  readonly stem: Tensor;
  /**
   * `pixelBytes` a crop: [N,S+8,S+8] vec2u, unorm16 (clamped to 0 to 1) as r | g << 16, b, in a frame of `PIXEL_FRAME`
   * that is not written.
   */
  readonly pixels: GPUBuffer;
  /** [1,S,S,8]: what every crop's stem gets from the fourth channel on. */
  readonly initialStem: Tensor;
}

/** Bytes of one crop's `pixels`. */
export function pixelBytes(size: number): number {
  return 8 * (size + 2 * PIXEL_FRAME) ** 2;
}

/** The step that crops from `frame` as `crops` say, for the cascade. */
export function cascadeCropStep(
  frame: GPUTextureView,
  crops: GPUBuffer,
  { stem, pixels, initialStem }: CascadeCropTarget,
): Step {
  const step = cropStep(frame, crops, { image: stem });
  return {
    ...step,
    kernel,
    bindings: { ...step.bindings, pixels: { buffer: pixels }, initial: tensorBinding(initialStem) },
  };
}

export const declarations: readonly KernelDeclaration[] = [{ shader: 'crop.wgsl', kernels: [kernel], params: PARAMS }];
