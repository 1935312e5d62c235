/** ReLU, PReLU or sigmoid on its own, for where no layer can take it in. See activation.wgsl. */
import source from '../../shaders/activation.wgsl?raw';
import type { LayerKind } from '../network/layer.js';
import type { ActivationField, InputField, LayerFields } from '../network/reader.js';
import type { Kernel, KernelDeclaration } from '../pipelines.js';
import type { PlanBuilder } from '../plan.js';
import { preprocess } from '../preprocess.js';
import { assertTensorShape, blocksOf, type FeatureShape, itemBlocks, type Tensor, tensorBinding } from '../tensor.js';
import { UniformStruct } from '../uniform.js';
import {
  ACTIVATIONS,
  type Activation,
  activationConstant,
  assertSameBatch,
  assertSlope,
  LIBRARY,
  packSlope,
  type StepNames,
  WORKGROUP_SIZE,
} from './common.js';

const PARAMS = new UniformStruct({ count: 'u32', blocks: 'u32', channels: 'u32' });

function activationKernel(activation: Activation): Kernel {
  const prelu = activation === 'prelu';
  return {
    name: prelu ? 'activation.prelu' : 'activation',
    code: preprocess(source, { files: LIBRARY, flags: { PRELU: prelu } }),
    constants: activationConstant(activation),
    bindings: { input: 'read', output: 'read-write', ...(prelu && { slope: 'read' }) },
  };
}

/**
 * Adds the activation to a plan.
 * @param args `slope`: one factor per channel in padded blocks of four, for `prelu` and only there
 * @throws ShapeError where the shapes differ or `slope` is missing or superfluous.
 */
export function recordActivation(
  builder: PlanBuilder,
  names: StepNames,
  activation: Activation,
  { input, output, slope }: { readonly input: Tensor; readonly output: Tensor; readonly slope?: GPUBufferBinding },
): void {
  assertTensorShape(output, input.shape, 'Output of activation');
  assertSameBatch([input, output]);
  const count = itemBlocks(input.shape);
  builder.add({
    ...names,
    kernel: activationKernel(activation),
    bindings: {
      input: tensorBinding(input),
      output: tensorBinding(output),
      ...assertSlope('activation', activation, slope),
    },
    params: PARAMS.pack({ count, blocks: blocksOf(input.shape.channels), channels: input.shape.channels }),
    workgroups: [Math.ceil(count / WORKGROUP_SIZE), 1, 1],
    batchAxis: 1,
  });
}

export interface ActivationSpec {
  readonly input: FeatureShape;
  readonly activation: Activation;
}

/** For where no layer takes it in. `prelu` has slopes [channels]. */
export interface ActivationLayer extends LayerFields<'activation'>, InputField, ActivationField {}

export const activationKind: LayerKind<'activation', ActivationSpec, ActivationLayer> = {
  op: 'activation',
  names: ['activation'],
  read(layer) {
    const { name, shape } = layer.input();
    return { inputs: [name], spec: { input: shape, activation: layer.activation() } };
  },
  shape: ({ input }) => input,
  stage: () => 'activation',
  pack: ({ input, activation }, source) => packSlope(source, activation, input.channels),
  record(builder, names, { activation }, { inputs: [input], output, weights }) {
    const slope = activation === 'prelu' ? { slope: weights.binding('slope') } : {};
    recordActivation(builder, names, activation, { input, output, ...slope });
  },
};

export const declarations: readonly KernelDeclaration[] = [
  { shader: 'activation.wgsl', kernels: ACTIVATIONS.map(activationKernel), params: PARAMS },
];
