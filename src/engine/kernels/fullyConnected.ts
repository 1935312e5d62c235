/** Fully connected layer (matrix times vector) with fused bias and activation. See fullyConnected.wgsl. */

import source from '../../shaders/fullyConnected.wgsl?raw';
import halvesLib from '../../shaders/lib/halves.wgsl?raw';
import { ShapeError } from '../errors.js';
import type { LayerKind } from '../network/layer.js';
import type { ActivationField, InputField, LayerFields } from '../network/reader.js';
import type { Kernel, KernelDeclaration } from '../pipelines.js';
import type { PlanBuilder } from '../plan.js';
import { preprocess } from '../preprocess.js';
import { show } from '../show.js';
import {
  assertTensorShape,
  blocksOf,
  type FeatureShape,
  formatShape,
  itemBlocks,
  type Tensor,
  tensorBinding,
} from '../tensor.js';
import { UniformStruct } from '../uniform.js';
import {
  ACTIVATIONS,
  type Activation,
  activationConstant,
  assertSameBatch,
  LIBRARY,
  packBiasSlope,
  type StepNames,
  slopeFrom,
  WEIGHTED_BINDINGS,
} from './common.js';

/** A matrix times a vector. */
export interface FullyConnectedSpec {
  /** Shape of one input item, flattened in h, w, c order. */
  readonly input: FeatureShape;
  /** Channels of the result. */
  readonly outFeatures: number;
  /** At the end. */
  readonly activation: Activation;
}

const PARAMS = new UniformStruct({ input_blocks: 'u32', output_blocks: 'u32', output_channels: 'u32' });

const files = { ...LIBRARY, 'lib/halves.wgsl': halvesLib };

/**
 * Invocations that share a sum. On a processor a barrier costs as much as hundreds of products an invocation, on a GPU
 * next to nothing.
 */
const THREADS = { hardware: 64, software: 8 } as const;

function fullyConnectedKernel(activation: Activation, isSoftware: boolean, halves: boolean): Kernel {
  return {
    name: `fullyConnected${halves ? '.f16' : ''}`,
    code: preprocess(source, { files, flags: { HALVES: halves, SOFTWARE: isSoftware } }),
    constants: { ...activationConstant(activation), THREADS: isSoftware ? THREADS.software : THREADS.hardware },
    bindings: WEIGHTED_BINDINGS,
  };
}

/** Shape of one output item: a vector. */
export function fullyConnectedOutputShape({ outFeatures }: FullyConnectedSpec): FeatureShape {
  return { height: 1, width: 1, channels: outFeatures };
}

/**
 * Weights `[outFeatures, h * w * c]` in the kernel's layout `[O4, 4, K4] vec4`, where K4 counts the input's blocks with
 * their padding.
 * @throws ShapeError where the count of weights is wrong.
 */
export function packFullyConnectedWeights(spec: FullyConnectedSpec, weights: Float32Array): Float32Array<ArrayBuffer> {
  const { height, width, channels } = spec.input;
  const features = height * width * channels;
  if (weights.length !== spec.outFeatures * features) {
    throw new ShapeError(
      `fullyConnected has ${weights.length} weights; wanted [${spec.outFeatures}, ${features}] = ${spec.outFeatures * features}.`,
    );
  }
  const blocks = itemBlocks(spec.input);
  const packed = new Float32Array(blocksOf(spec.outFeatures) * 4 * blocks * 4);
  for (let output = 0; output < spec.outFeatures; output++) {
    for (let pixel = 0; pixel < height * width; pixel++) {
      for (let channel = 0; channel < channels; channel++) {
        const block = pixel * blocksOf(channels) + Math.floor(channel / 4);
        const vector = (Math.floor(output / 4) * 4 + (channel % 4)) * blocks + block;
        packed[vector * 4 + (output % 4)] = weights[output * features + pixel * channels + channel] ?? 0;
      }
    }
  }
  return packed;
}

/**
 * Adds the layer to a plan.
 * @param args weights from `packFullyConnectedWeights`, biasSlope from `packBiasSlope`; `halves` where the weights then
 * went through `packHalves`
 * @throws ShapeError where the tensors do not have the shapes that `spec` gives.
 */
export function recordFullyConnected(
  builder: PlanBuilder,
  names: StepNames,
  spec: FullyConnectedSpec,
  args: {
    readonly input: Tensor;
    readonly output: Tensor;
    readonly weights: GPUBufferBinding;
    readonly biasSlope: GPUBufferBinding;
    readonly halves?: boolean;
  },
): void {
  const { input, output, weights, biasSlope, halves = false } = args;
  assertTensorShape(input, spec.input, 'Input of fullyConnected');
  assertTensorShape(output, fullyConnectedOutputShape(spec), 'Output of fullyConnected');
  assertSameBatch([input, output]);
  const outputBlocks = blocksOf(spec.outFeatures);
  builder.add({
    ...names,
    kernel: fullyConnectedKernel(spec.activation, builder.gpu.adapter.isSoftware, halves),
    bindings: { input: tensorBinding(input), weights, bias_slope: biasSlope, output: tensorBinding(output) },
    params: PARAMS.pack({
      input_blocks: itemBlocks(spec.input),
      output_blocks: outputBlocks,
      output_channels: spec.outFeatures,
    }),
    workgroups: [outputBlocks, 1, 1],
    batchAxis: 1,
  });
}

/**
 * Of weights [outFeatures, inFeatures], its input flattened in height, width, channel order, and biases [outFeatures].
 */
export interface FullyConnectedLayer extends LayerFields<'fullyConnected'>, InputField, ActivationField {
  /** Numbers of the input. */
  readonly inFeatures: number;
  /** Numbers of the result. */
  readonly outFeatures: number;
}

export const fullyConnectedKind: LayerKind<'fullyConnected', FullyConnectedSpec, FullyConnectedLayer> = {
  op: 'fullyConnected',
  names: ['fullyConnected'],
  read(layer) {
    const { name, shape } = layer.input();
    const spec = { input: shape, outFeatures: layer.count('outFeatures'), activation: layer.activation() };
    const features = shape.height * shape.width * shape.channels;
    const inFeatures = layer.count('inFeatures');
    if (inFeatures !== features) {
      throw new ShapeError(`inFeatures is ${show(inFeatures)}, but '${name}' ${formatShape(shape)} has ${features}.`);
    }
    return { inputs: [name], spec };
  },
  shape: fullyConnectedOutputShape,
  stage: () => 'fully connected',
  macs: ({ input: { height, width, channels }, outFeatures }) => height * width * channels * outFeatures,
  pack(spec, source) {
    const { outFeatures, activation, input } = spec;
    const weights = source('weight', [outFeatures, input.height * input.width * input.channels]);
    const slope = slopeFrom(source, activation, outFeatures);
    return [
      { part: 'weight', values: packFullyConnectedWeights(spec, weights), halves: true },
      { part: 'bias', values: packBiasSlope(source('bias', [outFeatures]), slope, outFeatures) },
    ];
  },
  record(builder, names, spec, { inputs: [input], output, weights }) {
    recordFullyConnected(builder, names, spec, {
      input,
      output,
      weights: weights.binding('weight'),
      biasSlope: weights.binding('bias'),
      halves: weights.areHalves('weight'),
    });
  },
};

export const declarations: readonly KernelDeclaration[] = [
  {
    shader: 'fullyConnected.wgsl',
    kernels: ACTIVATIONS.flatMap((activation) =>
      [false, true].flatMap((isSoftware) =>
        [false, true].map((halves) => fullyConnectedKernel(activation, isSoftware, halves)),
      ),
    ),
    params: PARAMS,
  },
];
