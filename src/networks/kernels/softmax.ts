/** Softmax over channels. See softmax.wgsl. */
import { assertSameBatch, type StepNames, WORKGROUP_SIZE } from '../../engine/kernels/common.js';
import type { LayerKind } from '../../engine/network/layer.js';
import type { InputField, LayerFields } from '../../engine/network/reader.js';
import type { Kernel, KernelDeclaration } from '../../engine/pipelines.js';
import type { PlanBuilder } from '../../engine/plan.js';
import { preprocess } from '../../engine/preprocess.js';
import { assertTensorShape, blocksOf, type FeatureShape, type Tensor, tensorBinding } from '../../engine/tensor.js';
import { UniformStruct } from '../../engine/uniform.js';
import source from '../../shaders/softmax.wgsl?raw';

const PARAMS = new UniformStruct({ pixels: 'u32', blocks: 'u32', channels: 'u32' });

const kernel: Kernel = { name: 'softmax', code: preprocess(source), bindings: { input: 'read', output: 'read-write' } };

/** Adds the softmax to a plan. @throws ShapeError where the shapes differ. */
export function recordSoftmax(
  builder: PlanBuilder,
  names: StepNames,
  { input, output }: { readonly input: Tensor; readonly output: Tensor },
): void {
  assertTensorShape(output, input.shape, 'Output of softmax');
  assertSameBatch([input, output]);
  const { height, width, channels } = input.shape;
  const pixels = height * width;
  builder.add({
    ...names,
    kernel,
    bindings: { input: tensorBinding(input), output: tensorBinding(output) },
    params: PARAMS.pack({ pixels, blocks: blocksOf(channels), channels }),
    workgroups: [Math.ceil(pixels / WORKGROUP_SIZE), 1, 1],
    batchAxis: 1,
  });
}

/** Over the channels of every pixel. */
export interface SoftmaxLayer extends LayerFields<'softmax'>, InputField {}

export const softmaxKind: LayerKind<'softmax', { readonly input: FeatureShape }, SoftmaxLayer> = {
  op: 'softmax',
  names: ['softmax'],
  read(layer) {
    const { name, shape } = layer.input();
    return { inputs: [name], spec: { input: shape } };
  },
  shape: ({ input }) => input,
  stage: () => 'softmax',
  record: (builder, names, _, { inputs: [input], output }) => recordSoftmax(builder, names, { input, output }),
};

export const declarations: readonly KernelDeclaration[] = [
  { shader: 'softmax.wgsl', kernels: [kernel], params: PARAMS },
];
