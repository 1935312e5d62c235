/** A network's kernels on a plan. */
import { ShapeError } from '../errors.js';
import type { PlanBuilder } from '../plan.js';
import { assertTensorShape, formatShape, type Tensor } from '../tensor.js';
import type { NetworkGraph } from './graph.js';
import type { LayerNode } from './layer.js';
import type { NetworkWeights } from './weights.js';
import type { NetworkWorkspace } from './workspace.js';

/** What a network is recorded with. */
export interface NetworkRecording {
  /** The network. */
  readonly graph: NetworkGraph<LayerNode>;
  /** Packed for this graph. */
  readonly weights: NetworkWeights;
  /** Made for this graph, with room for the batch. */
  readonly workspace: NetworkWorkspace;
  /** A tensor for every input of the graph. */
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** Where the last layer writes. */
  readonly output: Tensor;
  /** Where the layers of further outputs write. */
  readonly outputs?: Readonly<Record<string, Tensor>>;
  /**
   * Put before every step's label, so that labels stay unique when a plan holds several networks. Stages go without it.
   */
  readonly labelPrefix?: string;
}

/**
 * Adds one run of the network to a plan. Stages are called by kind and layer: `conv pncc.conv1`.
 * @throws ShapeError where a tensor is missing or has another shape or batch; WeightsError for weights of another
 * network.
 */
export function recordNetwork(builder: PlanBuilder, recording: NetworkRecording): void {
  const { graph, weights, workspace, inputs, output, outputs = {} } = recording;
  for (const [name, shape] of graph.inputs) {
    const tensor = inputs[name];
    if (tensor === undefined) throw new ShapeError(`The network's input '${name}' ${formatShape(shape)} is missing.`);
    assertTensorShape(tensor, shape, `Network input '${name}'`);
  }
  const tensorOf = (name: string): Tensor => {
    if (name === graph.output.name) return output;
    const given = Object.hasOwn(inputs, name) ? inputs[name] : Object.hasOwn(outputs, name) ? outputs[name] : undefined;
    if (given === undefined && graph.outputs.has(name))
      throw new ShapeError(`The network's output '${name}' is missing.`);
    return given ?? workspace.tensor(name);
  };
  for (const node of graph.nodes) {
    const { kind } = node;
    const stage = [kind.stage(node.spec), node.name, ...(node.output === node.name ? [] : ['+', node.output])].join(
      ' ',
    );
    const [first, ...others] = node.inputs.map(tensorOf);
    if (first === undefined) throw new ShapeError(`Layer '${node.name}' has no input.`);
    kind.record(builder, { label: `${recording.labelPrefix ?? ''}${stage}`, stage }, node.spec, {
      inputs: [first, ...others],
      output: tensorOf(node.output),
      weights: weights.of(node.name),
    });
  }
}
