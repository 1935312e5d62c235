/** Networks from a list of layers (docs/formats.md, `layers`): parsed, checked and fused. */
import { ShapeError, WeightsError } from '../errors.js';
import { expectObject, refuse } from '../expect.js';
import { show } from '../show.js';
import { assertFeatureShape, type FeatureShape } from '../tensor.js';
import { LAYER_KINDS, type NetworkNode } from './kinds.js';
import type { LayerKind, LayerNode, NodeOf } from './layer.js';
import { LayerReader } from './reader.js';

/** A network, parsed: layers with shapes, in order. */
export interface NetworkGraph<Node extends LayerNode = NetworkNode> {
  /** In order of execution. */
  readonly nodes: readonly Node[];
  /** Shapes of what the caller gives, by name. */
  readonly inputs: ReadonlyMap<string, FeatureShape>;
  /** Name and shape of the last layer's result. */
  readonly output: { readonly name: string; readonly shape: FeatureShape };
  /** Shapes of all results that belong to the caller, by name; the last layer's is among them. */
  readonly outputs: ReadonlyMap<string, FeatureShape>;
  /** Multiplications for one item. */
  readonly macs: number;
}

/**
 * Parses and checks a list of layers, and fuses layers that one kernel computes (`LayerKind.fuse`).
 * @param layers the parsed JSON of `layers`
 * @param inputs shapes of the tensors that layers may name without any layer making them
 * @param outputs layers whose results are wanted beside the last one's
 * @param kinds the operators that layers may be of
 * @throws WeightsError for a damaged description; ShapeError, naming the layer, where shapes do not fit together.
 */
export function parseNetwork<Kinds extends readonly LayerKind[] = typeof LAYER_KINDS>(
  layers: unknown,
  inputs: Readonly<Record<string, FeatureShape>>,
  outputs: readonly string[] = [],
  kinds?: Kinds,
): NetworkGraph<NodeOf<Kinds[number]>> {
  expectObject(inputs, 'The inputs');
  if (!Array.isArray(outputs) || outputs.some((name) => typeof name !== 'string')) {
    refuse('The outputs', outputs, 'a list of names');
  }
  const shapes = new Map(Object.entries(inputs));
  for (const [name, shape] of shapes) assertFeatureShape(shape, `Network input '${name}'`);
  if (!Array.isArray(layers) || layers.length === 0) {
    throw new WeightsError(`The network's layers are ${show(layers)}; wanted a list of at least one.`);
  }
  const nodes: LayerNode[] = [];
  let macs = 0;
  for (const [index, layer] of layers.entries()) {
    const node = parseLayer(layer, index, shapes, kinds ?? LAYER_KINDS);
    shapes.set(node.name, node.shape);
    nodes.push(node);
    macs += node.kind.macs?.(node.spec) ?? 0;
  }
  const last = nodes.at(-1);
  if (last === undefined) throw new WeightsError('The network has no layers; wanted at least one.');
  const readers = countReaders(nodes);
  const wanted = new Map<string, FeatureShape>();
  for (const name of [...outputs, last.output]) {
    const node = nodes.find(({ output }) => output === name);
    if (node === undefined) throw new WeightsError(`No layer is named '${name}'; wanted an output of the network.`);
    wanted.set(name, node.shape);
  }
  for (const { output } of nodes) {
    if (!wanted.has(output) && !readers.has(output)) {
      throw new WeightsError(`No layer reads '${output}', and it is no output; wanted a network without loose ends.`);
    }
  }
  return {
    // A kind makes specs of its own layers only; the compiler does not know that.
    nodes: fuse(nodes, readers, wanted) as NodeOf<Kinds[number]>[],
    inputs: new Map(Object.entries(inputs)),
    output: { name: last.output, shape: last.shape },
    outputs: wanted,
    macs,
  };
}

/**
 * One layer, nothing fused.
 * @param index where it is in the list
 * @param shapes of what it may read: the layers before it, and the network's inputs
 * @throws as `parseNetwork`
 */
export function parseLayer(
  layer: unknown,
  index: number,
  shapes: ReadonlyMap<string, FeatureShape>,
  kinds: readonly LayerKind[],
): LayerNode {
  const reader = new LayerReader(layer, index, shapes);
  const { name } = reader;
  if (shapes.has(name)) {
    throw new WeightsError(`Layer ${index} is named '${name}', which is taken; wanted a name of its own.`);
  }
  const op = reader.oneOf(
    'op',
    kinds.flatMap(({ names }): readonly string[] => names),
  );
  const kind = kinds.find(({ names }) => names.includes(op))!;
  try {
    const { inputs, spec } = kind.read(reader);
    return { name, output: name, op: kind.op, kind, inputs, spec, shape: kind.shape(spec) };
  } catch (error) {
    if (error instanceof ShapeError) throw new ShapeError(`Layer '${name}': ${error.message}`);
    throw error;
  }
}

function countReaders(nodes: readonly LayerNode[]): Map<string, number> {
  const readers = new Map<string, number>();
  for (const { inputs } of nodes) {
    for (const input of inputs) readers.set(input, (readers.get(input) ?? 0) + 1);
  }
  return readers;
}

/** A layer whose own result is wanted, by another layer or the caller, stays apart. */
function fuse(
  nodes: readonly LayerNode[],
  readers: ReadonlyMap<string, number>,
  wanted: ReadonlyMap<string, FeatureShape>,
): LayerNode[] {
  const fused = new Set<LayerNode>();
  const result: LayerNode[] = [];
  for (const node of nodes) {
    if (fused.has(node)) continue;
    const isOwn = readers.get(node.output) === 1 && !wanted.has(node.output);
    const next = isOwn ? nodes.find(({ inputs }) => inputs.includes(node.output)) : undefined;
    const spec = next === undefined ? undefined : node.kind.fuse?.(node.spec, next);
    if (next === undefined || spec === undefined) {
      result.push(node);
      continue;
    }
    fused.add(next);
    result.push({ ...node, output: next.output, shape: next.shape, spec });
  }
  return result;
}
