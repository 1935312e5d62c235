/** 1x1 convolutions of 16 or 64 channels, for GPUs in software. See pointwise.wgsl and pointwiseTiles.wgsl. */
import type { StepNames } from '../../engine/kernels/common.js';
import type { Conv2dSpec } from '../../engine/kernels/conv2d.js';
import type { LayerTensors } from '../../engine/network/layer.js';
import type { Kernel, KernelDeclaration } from '../../engine/pipelines.js';
import type { PlanBuilder } from '../../engine/plan.js';
import { preprocess } from '../../engine/preprocess.js';
import { assertTensorShape, tensorBinding } from '../../engine/tensor.js';
import { UniformStruct } from '../../engine/uniform.js';
import source from '../../shaders/pointwise.wgsl?raw';
import tilesSource from '../../shaders/pointwiseTiles.wgsl?raw';

const PARAMS = new UniformStruct({ pixels: 'u32', run: 'u32' });
const TILES_PARAMS = new UniformStruct({ pixels: 'u32' });

/** Channels that there may be before and after. */
const FEW = 16;
const MANY = 64;

/** Pixels of a workgroup: in pointwise.wgsl, so many that loading the weights is a sixth of their work. */
const RUN = 64;

/** Which of the two: of an adapter with subgroups, or without. */
type Variant = 'quads' | 'tiles';

function pointwiseKernel(variant: Variant, isDeep: boolean, isBroad: boolean): Kernel {
  const isTiles = variant === 'tiles';
  return {
    name: `pointwise.${variant}${isDeep ? '.deep' : ''}${isBroad ? '.broad' : ''}`,
    code: preprocess(isTiles ? tilesSource : source, { flags: { DEEP: isDeep, BROAD: isBroad } }),
    bindings: { input: 'read', weights: isTiles ? 'uniform' : 'read', bias_slope: 'read', output: 'read-write' },
  };
}

/** Whether it computes a layer. */
export function fitsPointwise(spec: Conv2dSpec): boolean {
  return (
    [...spec.kernel, ...spec.stride].every((size) => size === 1) &&
    spec.padding.every((size) => size === 0) &&
    [spec.inChannels, spec.outChannels].every((channels) => channels === FEW || channels === MANY) &&
    spec.activation === 'none' &&
    !spec.pool
  );
}

/**
 * Adds a layer that fits to a plan.
 * @param variant default: the one for the adapter
 * @throws ShapeError where the tensors do not have the shapes that `spec` gives.
 */
export function recordPointwise(
  builder: PlanBuilder,
  names: StepNames,
  spec: Conv2dSpec,
  { inputs: [input], output, weights }: LayerTensors,
  variant: Variant = builder.gpu.features.has('subgroups') ? 'quads' : 'tiles',
): void {
  const { inChannels, outChannels } = spec;
  assertTensorShape(input, spec.input, 'Input of pointwise');
  assertTensorShape(output, { ...spec.input, channels: outChannels }, 'Output of pointwise');
  const pixels = spec.input.height * spec.input.width;
  const isTiles = variant === 'tiles';
  builder.add({
    ...names,
    kernel: pointwiseKernel(variant, inChannels === MANY, outChannels === MANY),
    bindings: {
      input: tensorBinding(input),
      weights: weights.binding('weight'),
      bias_slope: weights.binding('bias'),
      output: tensorBinding(output),
    },
    params: isTiles ? TILES_PARAMS.pack({ pixels }) : PARAMS.pack({ pixels, run: RUN }),
    workgroups: [Math.ceil(pixels / RUN), 1, isTiles ? outChannels / FEW : 1],
    batchAxis: 1,
  });
}

function kernelsOf(variant: Variant): readonly Kernel[] {
  return [false, true].flatMap((isDeep) => [false, true].map((isBroad) => pointwiseKernel(variant, isDeep, isBroad)));
}

export const declarations: readonly KernelDeclaration[] = [
  { shader: 'pointwise.wgsl', kernels: kernelsOf('quads'), params: PARAMS },
  { shader: 'pointwiseTiles.wgsl', kernels: kernelsOf('tiles'), params: TILES_PARAMS },
];
