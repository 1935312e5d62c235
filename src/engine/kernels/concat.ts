/** Concatenation along channels: one step per input. See concat.wgsl. */
import source from '../../shaders/concat.wgsl?raw';
import { ShapeError } from '../errors.js';
import type { LayerKind } from '../network/layer.js';
import type { LayerFields } from '../network/reader.js';
import type { Kernel, KernelDeclaration } from '../pipelines.js';
import type { PlanBuilder } from '../plan.js';
import { preprocess } from '../preprocess.js';
import { assertTensorShape, blocksOf, type FeatureShape, formatShape, type Tensor, tensorBinding } from '../tensor.js';
import { UniformStruct } from '../uniform.js';
import { assertSameBatch, type StepNames, WORKGROUP_SIZE } from './common.js';

const PARAMS = new UniformStruct({
  pixels: 'u32',
  input_blocks: 'u32',
  input_channels: 'u32',
  output_blocks: 'u32',
  first_channel: 'u32',
  touched_blocks: 'u32',
});

const kernel: Kernel = { name: 'concat', code: preprocess(source), bindings: { input: 'read', output: 'read-write' } };

/** Shape of the concatenation. @throws ShapeError without inputs, or where heights or widths differ. */
export function concatOutputShape(inputs: readonly FeatureShape[]): FeatureShape {
  const [first] = inputs;
  if (first === undefined) throw new ShapeError('concat has no inputs; wanted at least one.');
  for (const shape of inputs) {
    if (shape.height !== first.height || shape.width !== first.width) {
      throw new ShapeError(
        `concat joins ${formatShape(first)} and ${formatShape(shape)}; wanted equal heights and widths.`,
      );
    }
  }
  return { ...first, channels: inputs.reduce((sum, { channels }) => sum + channels, 0) };
}

/** Adds the concatenation to a plan. @throws ShapeError where the shapes do not fit together. */
export function recordConcat(
  builder: PlanBuilder,
  names: StepNames,
  { inputs, output }: { readonly inputs: readonly Tensor[]; readonly output: Tensor },
): void {
  assertTensorShape(output, concatOutputShape(inputs.map(({ shape }) => shape)), 'Output of concat');
  assertSameBatch([output, ...inputs]);
  const pixels = output.shape.height * output.shape.width;
  let first = 0;
  for (const [index, input] of inputs.entries()) {
    const { channels } = input.shape;
    const touched = blocksOf(first + channels) - Math.floor(first / 4);
    builder.add({
      label: index === inputs.length - 1 ? names.label : `${names.label}.${index}`,
      stage: names.stage,
      kernel,
      bindings: { input: tensorBinding(input), output: tensorBinding(output) },
      params: PARAMS.pack({
        pixels,
        input_blocks: blocksOf(channels),
        input_channels: channels,
        output_blocks: blocksOf(output.shape.channels),
        first_channel: first,
        touched_blocks: touched,
      }),
      workgroups: [Math.ceil((pixels * touched) / WORKGROUP_SIZE), 1, 1],
      batchAxis: 1,
    });
    first += channels;
  }
}

/** Features joined along channels. */
export interface ConcatLayer extends LayerFields<'concat'> {
  /** Layers before it, or inputs of the network. */
  readonly inputs: readonly string[];
}

export const concatKind: LayerKind<'concat', { readonly inputs: readonly FeatureShape[] }, ConcatLayer> = {
  op: 'concat',
  names: ['concat'],
  read(layer) {
    const inputs = layer.inputs();
    return { inputs: inputs.map(({ name }) => name), spec: { inputs: inputs.map(({ shape }) => shape) } };
  },
  shape: ({ inputs }) => concatOutputShape(inputs),
  stage: () => 'concat',
  record: (builder, names, _, { inputs, output }) => recordConcat(builder, names, { inputs, output }),
};

export const declarations: readonly KernelDeclaration[] = [
  { shader: 'concat.wgsl', kernels: [kernel], params: PARAMS },
];
