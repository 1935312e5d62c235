/** Product of two tensors, or of a tensor and a gate for every channel, with fused activation. See multiply.wgsl. */
import { ShapeError } from '../../engine/errors.js';
import {
  ACTIVATIONS,
  type Activation,
  activationConstant,
  assertSameBatch,
  LIBRARY,
  type StepNames,
  WORKGROUP_SIZE,
} from '../../engine/kernels/common.js';
import type { LayerKind } from '../../engine/network/layer.js';
import type { LayerFields } from '../../engine/network/reader.js';
import type { Kernel, KernelDeclaration } from '../../engine/pipelines.js';
import type { PlanBuilder } from '../../engine/plan.js';
import { preprocess } from '../../engine/preprocess.js';
import {
  assertTensorShape,
  blocksOf,
  type FeatureShape,
  formatShape,
  itemBlocks,
  type Tensor,
  tensorBinding,
} from '../../engine/tensor.js';
import { UniformStruct } from '../../engine/uniform.js';
import source from '../../shaders/multiply.wgsl?raw';

/** PReLU's slopes have no binding here. */
const PRODUCT_ACTIVATIONS = ACTIVATIONS.filter((activation) => activation !== 'prelu');
/** What may be done to a product: PReLU's slopes have no place here. */
export type ProductActivation = Exclude<Activation, 'prelu'>;

const PARAMS = new UniformStruct({ count: 'u32', blocks: 'u32', channels: 'u32', right_count: 'u32' });

const code = preprocess(source, { files: LIBRARY });

function multiplyKernel(activation: ProductActivation): Kernel {
  return {
    name: 'multiply',
    code,
    constants: activationConstant(activation),
    bindings: { left: 'read', right: 'read', output: 'read-write' },
  };
}

/**
 * Shape of the product, the left one's. @throws ShapeError where the right one has neither that nor one pixel of it.
 */
export function multiplyOutputShape(left: FeatureShape, right: FeatureShape): FeatureShape {
  const isGate = right.height === 1 && right.width === 1;
  const fits = isGate || (right.height === left.height && right.width === left.width);
  if (!fits || left.channels !== right.channels) {
    throw new ShapeError(
      `multiply of ${formatShape(left)} and ${formatShape(right)}; wanted one shape, or [1, 1, ${left.channels}] for the second.`,
    );
  }
  return left;
}

/** Adds the product to a plan. @throws ShapeError where the shapes do not fit each other. */
export function recordMultiply(
  builder: PlanBuilder,
  names: StepNames,
  activation: ProductActivation,
  { left, right, output }: { readonly left: Tensor; readonly right: Tensor; readonly output: Tensor },
): void {
  assertTensorShape(output, multiplyOutputShape(left.shape, right.shape), 'Output of multiply');
  assertSameBatch([left, right, output]);
  const count = itemBlocks(left.shape);
  builder.add({
    ...names,
    kernel: multiplyKernel(activation),
    bindings: { left: tensorBinding(left), right: tensorBinding(right), output: tensorBinding(output) },
    params: PARAMS.pack({
      count,
      blocks: blocksOf(left.shape.channels),
      channels: left.shape.channels,
      right_count: itemBlocks(right.shape),
    }),
    workgroups: [Math.ceil(count / WORKGROUP_SIZE), 1, 1],
    batchAxis: 1,
  });
}

export interface MultiplySpec {
  readonly left: FeatureShape;
  readonly right: FeatureShape;
  readonly activation: ProductActivation;
}

/** Two tensors of one shape, or the second a gate of every channel: [1, 1, channels]. */
export interface MultiplyLayer extends LayerFields<'multiply'> {
  /** Layers before it, or inputs of the network. */
  readonly inputs: readonly [string, string];
  /** What is done to each product. */
  readonly activation: ProductActivation;
}

export const multiplyKind: LayerKind<'multiply', MultiplySpec, MultiplyLayer> = {
  op: 'multiply',
  names: ['multiply'],
  read(layer) {
    const [left, right] = layer.twoInputs('multiplies');
    const activation = layer.oneOf('activation', PRODUCT_ACTIVATIONS);
    return { inputs: [left.name, right.name], spec: { left: left.shape, right: right.shape, activation } };
  },
  shape: ({ left, right }) => multiplyOutputShape(left, right),
  stage: () => 'multiply',
  record(builder, names, { activation }, { inputs: [left, right], output }) {
    if (right === undefined) throw new ShapeError(`'${names.label}' was given one input; wanted two.`);
    recordMultiply(builder, names, activation, { left, right, output });
  },
};

export const declarations: readonly KernelDeclaration[] = [
  { shader: 'multiply.wgsl', kernels: PRODUCT_ACTIVATIONS.map(multiplyKernel), params: PARAMS },
];
