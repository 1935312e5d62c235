/** Sum of two tensors with fused activation. See add.wgsl. */
import source from '../../shaders/add.wgsl?raw';
import { ShapeError } from '../errors.js';
import type { LayerKind } from '../network/layer.js';
import type { ActivationField, LayerFields } from '../network/reader.js';
import type { Kernel, KernelDeclaration } from '../pipelines.js';
import type { PlanBuilder } from '../plan.js';
import { preprocess } from '../preprocess.js';
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
  assertSlope,
  LIBRARY,
  packSlope,
  type StepNames,
  WORKGROUP_SIZE,
} from './common.js';

const PARAMS = new UniformStruct({
  count: 'u32',
  blocks: 'u32',
  channels: 'u32',
  left_blocks: 'u32',
  right_blocks: 'u32',
});

function addKernel(activation: Activation): Kernel {
  const prelu = activation === 'prelu';
  return {
    name: prelu ? 'add.prelu' : 'add',
    code: preprocess(source, { files: LIBRARY, flags: { PRELU: prelu } }),
    constants: activationConstant(activation),
    bindings: { left: 'read', right: 'read', output: 'read-write', ...(prelu && { slope: 'read' }) },
  };
}

/** Shape of the sum: channels that one input lacks count as 0. @throws ShapeError where heights or widths differ. */
export function addOutputShape(left: FeatureShape, right: FeatureShape): FeatureShape {
  if (left.height !== right.height || left.width !== right.width) {
    throw new ShapeError(`add of ${formatShape(left)} and ${formatShape(right)}; wanted equal heights and widths.`);
  }
  return { ...left, channels: Math.max(left.channels, right.channels) };
}

/**
 * Adds the sum to a plan.
 * @param args `slope`: one factor per channel in padded blocks of four, for `prelu` and only there
 * @throws ShapeError where the shapes do not fit each other or `slope` is missing or superfluous.
 */
export function recordAdd(
  builder: PlanBuilder,
  names: StepNames,
  activation: Activation,
  args: { readonly left: Tensor; readonly right: Tensor; readonly output: Tensor; readonly slope?: GPUBufferBinding },
): void {
  const { left, right, output, slope } = args;
  assertTensorShape(output, addOutputShape(left.shape, right.shape), 'Output of add');
  assertSameBatch([left, right, output]);
  const { channels } = output.shape;
  const count = itemBlocks(output.shape);
  builder.add({
    ...names,
    kernel: addKernel(activation),
    bindings: {
      left: tensorBinding(left),
      right: tensorBinding(right),
      output: tensorBinding(output),
      ...assertSlope('add', activation, slope),
    },
    params: PARAMS.pack({
      count,
      blocks: blocksOf(channels),
      channels,
      left_blocks: blocksOf(left.shape.channels),
      right_blocks: blocksOf(right.shape.channels),
    }),
    workgroups: [Math.ceil(count / WORKGROUP_SIZE), 1, 1],
    batchAxis: 1,
  });
}

export interface AddSpec {
  readonly left: FeatureShape;
  readonly right: FeatureShape;
  readonly activation: Activation;
}

/** Two tensors of one shape, or, where `padChannels`, of one height and width: channels that one lacks count as 0. */
export interface AddLayer extends LayerFields<'add'>, ActivationField {
  /** Layers before it, or inputs of the network. */
  readonly inputs: readonly [string, string];
  /** Whether one may have fewer channels (default false). */
  readonly padChannels?: boolean;
}

export const addKind: LayerKind<'add', AddSpec, AddLayer> = {
  op: 'add',
  names: ['add'],
  read(layer) {
    const [left, right] = layer.twoInputs('adds');
    if (!layer.flag('padChannels') && left.shape.channels !== right.shape.channels) {
      throw new ShapeError(
        `add of ${formatShape(left.shape)} and ${formatShape(right.shape)}; wanted one shape, or padChannels.`,
      );
    }
    const spec = { left: left.shape, right: right.shape, activation: layer.activation() };
    return { inputs: [left.name, right.name], spec };
  },
  shape: ({ left, right }) => addOutputShape(left, right),
  stage: () => 'add',
  pack: (spec, source) => packSlope(source, spec.activation, addKind.shape(spec).channels),
  record(builder, names, { activation }, { inputs: [left, right], output, weights }) {
    if (right === undefined) throw new ShapeError(`'${names.label}' was given one input; wanted two.`);
    const slope = activation === 'prelu' ? { slope: weights.binding('slope') } : {};
    recordAdd(builder, names, activation, { left, right, output, ...slope });
  },
};

export const declarations: readonly KernelDeclaration[] = [
  { shader: 'add.wgsl', kernels: ACTIVATIONS.map(addKernel), params: PARAMS },
];
