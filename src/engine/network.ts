/**
 * Networks from a list of layers (docs/formats.md, `layers`): parsed and fused into a graph, its weights packed and uploaded, its
 * intermediates placed in an arena, its kernels recorded onto a plan of the caller's.
 *
 * The four parts are separate because they are shared differently: a cascade of K networks of one structure has one graph and one
 * workspace, K sets of weights, and records K times.
 */
import { type ArenaStep, planArena } from './arena.js';
import type { Gpu } from './device.js';
import { ShapeError, WeightsError } from './errors.js';
import { expectObject, refuse } from './expect.js';
import { addOutputShape, recordAdd } from './kernels/add.js';
import { ACTIVATIONS, type Activation, packBiasSlope, type Window } from './kernels/common.js';
import { concatOutputShape, recordConcat } from './kernels/concat.js';
import {
  type Conv2dSpec,
  conv2dMacs,
  packConv2dBiasSlope,
  packConv2dWeights,
  planConv2d,
  recordConv2d,
} from './kernels/conv2d.js';
import {
  type DepthwiseConv2dSpec,
  depthwiseConv2dMacs,
  depthwiseConv2dOutputShape,
  packDepthwiseConv2dWeights,
  recordDepthwiseConv2d,
} from './kernels/depthwiseConv2d.js';
import {
  type FullyConnectedSpec,
  fullyConnectedOutputShape,
  packFullyConnectedWeights,
  recordFullyConnected,
} from './kernels/fullyConnected.js';
import { packHalves } from './kernels/halves.js';
import { type PoolSpec, poolOutputShape, recordPool } from './kernels/pool.js';
import type { PlanBuilder } from './plan.js';
import { requireFloats, type SafeTensors } from './safetensors.js';
import { show } from './show.js';
import {
  assertFeatureShape,
  assertTensorShape,
  blocksOf,
  type FeatureShape,
  formatShape,
  type Tensor,
  tensorBytes,
} from './tensor.js';

/** One layer, or several that run as one kernel. */
export type NetworkNode = {
  /** The layer whose weights it uses; its own name where it has none. */
  readonly name: string;
  /** The layer whose result it writes. */
  readonly output: string;
  /** Shape of that result. */
  readonly shape: FeatureShape;
  /** Layers or network inputs that it reads. */
  readonly inputs: readonly string[];
} & (
  | { readonly op: 'conv2d'; readonly spec: Conv2dSpec }
  | { readonly op: 'depthwiseConv2d'; readonly spec: DepthwiseConv2dSpec }
  | { readonly op: 'pool'; readonly spec: PoolSpec }
  | { readonly op: 'fullyConnected'; readonly spec: FullyConnectedSpec }
  | { readonly op: 'concat' }
  | { readonly op: 'add'; readonly activation: Activation }
);

export interface NetworkGraph {
  /** In order of execution. */
  readonly nodes: readonly NetworkNode[];
  readonly inputs: ReadonlyMap<string, FeatureShape>;
  /** Name and shape of the last layer's result. */
  readonly output: { readonly name: string; readonly shape: FeatureShape };
  /** Shapes of all results that belong to the caller, by name; the last layer's is among them. */
  readonly outputs: ReadonlyMap<string, FeatureShape>;
  /** Multiplications for one item. */
  readonly macs: number;
}

/**
 * Parses and checks a list of layers, and fuses every convolution with the 2x2 max pool that alone reads it.
 * @param layers the parsed JSON of `layers`
 * @param inputs shapes of the tensors that layers may name without any layer making them
 * @param outputs layers whose results are wanted beside the last one's
 * @throws WeightsError for a damaged description; ShapeError, naming the layer, where shapes do not fit together.
 */
export function parseNetwork(
  layers: unknown,
  inputs: Readonly<Record<string, FeatureShape>>,
  outputs: readonly string[] = [],
): NetworkGraph {
  expectObject(inputs, 'The inputs');
  if (!Array.isArray(outputs) || outputs.some((name) => typeof name !== 'string')) {
    refuse('The outputs', outputs, 'a list of names');
  }
  const shapes = new Map(Object.entries(inputs));
  for (const [name, shape] of shapes) assertFeatureShape(shape, `Network input '${name}'`);
  if (!Array.isArray(layers) || layers.length === 0) {
    throw new WeightsError(`The network's layers are ${show(layers)}; wanted a list of at least one.`);
  }
  const nodes: NetworkNode[] = [];
  let macs = 0;
  for (const [index, layer] of layers.entries()) {
    const reader = new LayerReader(layer, index);
    if (shapes.has(reader.name)) {
      throw new WeightsError(`Layer ${index} is named '${reader.name}', which is taken; wanted a name of its own.`);
    }
    try {
      const node = parseLayer(reader, shapes);
      shapes.set(reader.name, node.shape);
      nodes.push(node);
      macs += nodeMacs(node);
    } catch (error) {
      if (error instanceof ShapeError) throw new ShapeError(`Layer '${reader.name}': ${error.message}`);
      throw error;
    }
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
    nodes: fusePools(nodes, readers, wanted),
    inputs: new Map(Object.entries(inputs)),
    output: { name: last.output, shape: last.shape },
    outputs: wanted,
    macs,
  };
}

/** What `op` may be. */
const OPS = ['conv2d', 'depthwiseConv2d', 'maxPool', 'averagePool', 'fullyConnected', 'concat', 'add'] as const;

function parseLayer(reader: LayerReader, shapes: ReadonlyMap<string, FeatureShape>): NetworkNode {
  const { name } = reader;
  const named = { name, output: name };
  const op = reader.oneOf('op', OPS);
  if (op === 'concat' || op === 'add') {
    const inputs = reader.inputs(shapes);
    const inputShapes = inputs.map(({ shape }) => shape);
    const names = inputs.map((input) => input.name);
    if (op === 'concat') return { ...named, op, inputs: names, shape: concatOutputShape(inputShapes) };
    const [first, second, ...others] = inputShapes;
    if (first === undefined || second === undefined || others.length > 0) {
      throw new WeightsError(`Layer '${name}' adds ${inputs.length} inputs; wanted two.`);
    }
    if (!reader.flag('padChannels') && first.channels !== second.channels) {
      throw new ShapeError(
        `add of ${formatShape(first)} and ${formatShape(second)}; wanted one shape, or padChannels.`,
      );
    }
    return { ...named, op, inputs: names, shape: addOutputShape(first, second), activation: reader.activation() };
  }
  const input = reader.input(shapes);
  const inputs = [input.name];
  if (op === 'fullyConnected') {
    const spec = { input: input.shape, outFeatures: reader.count('outFeatures'), activation: reader.activation() };
    const features = input.shape.height * input.shape.width * input.shape.channels;
    const inFeatures = reader.count('inFeatures');
    if (inFeatures !== features) {
      throw new ShapeError(
        `inFeatures is ${inFeatures}, but '${input.name}' ${formatShape(input.shape)} has ${features}.`,
      );
    }
    return { ...named, op, inputs, spec, shape: fullyConnectedOutputShape(spec) };
  }
  const window = {
    input: input.shape,
    kernel: reader.pair('kernel', 1),
    stride: reader.pair('stride', 1),
    padding: reader.padding(),
  };
  if (op === 'conv2d') {
    const spec = {
      ...window,
      inChannels: reader.count('inChannels'),
      outChannels: reader.count('outChannels'),
      activation: reader.activation(),
      pool: false,
    };
    return { ...named, op, inputs, spec, shape: planConv2d(spec).output };
  }
  if (op === 'depthwiseConv2d') {
    const spec = { ...window, activation: reader.activation() };
    return { ...named, op, inputs, spec, shape: depthwiseConv2dOutputShape(spec) };
  }
  const spec = { ...window, mode: op === 'maxPool' ? 'max' : 'average' } as const;
  return { ...named, op: 'pool', inputs, spec, shape: poolOutputShape(spec) };
}

function nodeMacs(node: NetworkNode): number {
  if (node.op === 'conv2d') return conv2dMacs(node.spec);
  if (node.op === 'depthwiseConv2d') return depthwiseConv2dMacs(node.spec);
  if (node.op !== 'fullyConnected') return 0;
  const { height, width, channels } = node.spec.input;
  return height * width * channels * node.spec.outFeatures;
}

function countReaders(nodes: readonly NetworkNode[]): Map<string, number> {
  const readers = new Map<string, number>();
  for (const { inputs } of nodes) {
    for (const input of inputs) readers.set(input, (readers.get(input) ?? 0) + 1);
  }
  return readers;
}

/** A convolution whose own result is wanted, by another layer or the caller, stays apart. */
function fusePools(
  nodes: readonly NetworkNode[],
  readers: ReadonlyMap<string, number>,
  wanted: ReadonlyMap<string, FeatureShape>,
): NetworkNode[] {
  const poolOf = new Map<string, NetworkNode>();
  for (const node of nodes) {
    if (node.op !== 'pool' || node.spec.mode !== 'max') continue;
    const { kernel, stride, padding } = node.spec;
    const [input] = node.inputs;
    const isPlainHalving = [...kernel, ...stride].every((size) => size === 2) && padding.every((size) => size === 0);
    if (!isPlainHalving || input === undefined) continue;
    if (readers.get(input) === 1 && !wanted.has(input)) poolOf.set(input, node);
  }
  const fused = new Set<NetworkNode>();
  const result: NetworkNode[] = [];
  for (const node of nodes) {
    if (fused.has(node)) continue;
    const pool = node.op === 'conv2d' ? poolOf.get(node.output) : undefined;
    if (node.op === 'conv2d' && pool !== undefined) {
      fused.add(pool);
      result.push({ ...node, output: pool.output, shape: pool.shape, spec: { ...node.spec, pool: true } });
    } else {
      result.push(node);
    }
  }
  return result;
}

/** Typed access to the fields of one layer's JSON. Every error says which layer and field. */
class LayerReader {
  readonly name: string;
  readonly #fields: ReadonlyMap<string, unknown>;

  constructor(layer: unknown, index: number) {
    if (typeof layer !== 'object' || layer === null || Array.isArray(layer)) {
      throw new WeightsError(`Layer ${index} is ${show(layer)}; wanted an object.`);
    }
    this.#fields = new Map(Object.entries(layer));
    const name = this.#fields.get('name');
    if (typeof name !== 'string' || name === '') {
      throw new WeightsError(`Layer ${index} has name ${show(name)}; wanted a non-empty string.`);
    }
    this.name = name;
  }

  oneOf<T extends string>(field: string, allowed: readonly T[]): T {
    const value = this.#fields.get(field);
    const found = allowed.find((candidate) => candidate === value);
    return found ?? this.#refuse(field, `one of ${allowed.join(', ')}`);
  }

  activation(): Activation {
    return this.oneOf('activation', ACTIVATIONS);
  }

  count(field: string): number {
    const value = this.#fields.get(field);
    return isWhole(value, 1) ? value : this.#refuse(field, `a whole number >= 1 and <= ${MOST}`);
  }

  pair(field: string, least: number): readonly [number, number] {
    const value = this.#fields.get(field);
    const [vertical, horizontal, ...others] = Array.isArray(value) ? value : [];
    if (isWhole(vertical, least) && isWhole(horizontal, least) && others.length === 0) return [vertical, horizontal];
    return this.#refuse(field, `two whole numbers >= ${least} and <= ${MOST}: vertical, horizontal`);
  }

  /** Two numbers pad both sides of an axis alike; four are top, left, bottom, right. */
  padding(): Window['padding'] {
    const value = this.#fields.get('padding');
    const sizes: unknown[] = Array.isArray(value) ? value : [];
    const [top, left, bottom, right] = sizes.length === 2 ? [...sizes, ...sizes] : sizes;
    const isKnown = sizes.length === 2 || sizes.length === 4;
    if (isKnown && isWhole(top, 0) && isWhole(left, 0) && isWhole(bottom, 0) && isWhole(right, 0)) {
      return [top, left, bottom, right];
    }
    return this.#refuse('padding', `two or four whole numbers >= 0 and <= ${MOST}`);
  }

  /** False where it is missing. */
  flag(field: string): boolean {
    const value = this.#fields.get(field) ?? false;
    return typeof value === 'boolean' ? value : this.#refuse(field, 'true or false');
  }

  input(shapes: ReadonlyMap<string, FeatureShape>): { readonly name: string; readonly shape: FeatureShape } {
    return this.#lookUp('input', this.#fields.get('input'), shapes);
  }

  inputs(shapes: ReadonlyMap<string, FeatureShape>): { readonly name: string; readonly shape: FeatureShape }[] {
    const value = this.#fields.get('inputs');
    if (!Array.isArray(value) || value.length === 0) return this.#refuse('inputs', 'a list of names');
    return value.map((name: unknown) => this.#lookUp('inputs', name, shapes));
  }

  #lookUp(field: string, name: unknown, shapes: ReadonlyMap<string, FeatureShape>) {
    const shape = typeof name === 'string' ? shapes.get(name) : undefined;
    if (typeof name === 'string' && shape !== undefined) return { name, shape };
    return this.#refuse(field, `a layer before it or an input, one of ${[...shapes.keys()].join(', ')}`);
  }

  #refuse(field: string, wanted: string): never {
    throw new WeightsError(`Layer '${this.name}' has ${field} ${show(this.#fields.get(field))}; wanted ${wanted}.`);
  }
}

/** Larger sizes are damage: no product of a few of them may leave the integers that a double holds. */
const MOST = 2 ** 20;

function isWhole(value: unknown, least: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= MOST;
}

/** How weights may be held on the GPU. Arithmetic is f32. */
export const DTYPES: readonly string[] & readonly ['f16', 'f32'] = ['f16', 'f32'];
export type DType = (typeof DTYPES)[number];

/** A network's weights in the kernels' layouts, in one block. */
export interface PackedWeights {
  readonly data: Uint8Array<ArrayBuffer>;
  /** Each tensor (`<layer>.weight`, `<layer>.bias`, `<layer>.slope`): its bytes, starting at a multiple of 256, and whether they are halves. */
  readonly slices: ReadonlyMap<string, WeightSlice>;
}

interface WeightSlice {
  readonly offset: number;
  readonly bytes: number;
  readonly halves: boolean;
}

/**
 * Takes the tensors that `graph` needs from a weights file and packs them. `bias` holds biases and slopes where a kernel wants both.
 * @param dtype `f16`: the weights of a convolution or fully connected layer become halves where that changes none of them, as of any file in 16 bits;
 * see `halvesWork`
 * @throws WeightsError where one is missing or has another shape or type.
 */
export function packNetworkWeights(graph: NetworkGraph, file: SafeTensors, dtype: DType = 'f32'): PackedWeights {
  if (!Array.isArray(graph?.nodes)) refuse('The graph', graph, 'what parseNetwork gives');
  const parts: { readonly name: string; readonly values: Float32Array; readonly halves?: boolean }[] = [];
  const slopeOf = (name: string, activation: Activation, channels: number) =>
    activation === 'prelu' ? requireFloats(file, `${name}.slope`, [channels]) : undefined;
  for (const node of graph.nodes) {
    const { name } = node;
    const weight = `${name}.weight`;
    const bias = `${name}.bias`;
    if (node.op === 'conv2d') {
      const { outChannels, kernel, inChannels, activation } = node.spec;
      const values = requireFloats(file, weight, [outChannels, ...kernel, inChannels]);
      const slope = slopeOf(name, activation, outChannels);
      const halves = planConv2d(node.spec).variant !== 'general';
      parts.push({ name: weight, values: packConv2dWeights(node.spec, values), halves });
      parts.push({
        name: bias,
        values: packConv2dBiasSlope(node.spec, requireFloats(file, bias, [outChannels]), slope),
      });
    } else if (node.op === 'depthwiseConv2d') {
      const { kernel, activation } = node.spec;
      const { channels } = node.shape;
      const values = requireFloats(file, weight, [...kernel, channels]);
      const slope = slopeOf(name, activation, channels);
      parts.push({ name: weight, values: packDepthwiseConv2dWeights(node.spec, values) });
      parts.push({ name: bias, values: packBiasSlope(requireFloats(file, bias, [channels]), slope, channels) });
    } else if (node.op === 'fullyConnected') {
      const { outFeatures, input, activation } = node.spec;
      const values = requireFloats(file, weight, [outFeatures, input.height * input.width * input.channels]);
      const slope = slopeOf(name, activation, outFeatures);
      parts.push({ name: weight, values: packFullyConnectedWeights(node.spec, values), halves: true });
      parts.push({ name: bias, values: packBiasSlope(requireFloats(file, bias, [outFeatures]), slope, outFeatures) });
    } else if (node.op === 'add') {
      const slope = slopeOf(name, node.activation, node.shape.channels);
      if (slope === undefined) continue;
      const values = new Float32Array(blocksOf(node.shape.channels) * 4);
      values.set(slope);
      parts.push({ name: `${name}.slope`, values });
    }
  }
  const slices = new Map<string, WeightSlice>();
  const stored: { readonly offset: number; readonly array: ArrayBufferView }[] = [];
  let end = 0;
  for (const { name, values, halves } of parts) {
    const packed = halves === true && dtype === 'f16' ? packHalves(values) : undefined;
    const array = packed ?? values;
    const offset = alignUp(end);
    slices.set(name, { offset, bytes: array.byteLength, halves: packed !== undefined });
    stored.push({ offset, array });
    end = offset + array.byteLength;
  }
  const data = new Uint8Array(end);
  for (const { offset, array } of stored) {
    data.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), offset);
  }
  return { data, slices };
}

/** WebGPU's largest possible minStorageBufferOffsetAlignment. */
function alignUp(bytes: number): number {
  return Math.ceil(bytes / 256) * 256;
}

/** One set of weights on the GPU, in one buffer, uploaded when made. */
export class NetworkWeights {
  readonly #gpu: Gpu;
  readonly #buffer: GPUBuffer;
  readonly #slices: PackedWeights['slices'];

  constructor(gpu: Gpu, label: string, { data, slices }: PackedWeights) {
    this.#gpu = gpu;
    this.#buffer = gpu.uploadBuffer(label, data);
    this.#slices = slices;
  }

  /** Bytes on the GPU. */
  get bytes(): number {
    return this.#buffer.size;
  }

  /** @throws WeightsError where these weights were packed for another network. */
  binding(name: string): GPUBufferBinding {
    const { offset, bytes } = this.#slice(name);
    return { buffer: this.#buffer, offset, size: bytes };
  }

  /** Whether a tensor is stored in halves. @throws as `binding` */
  areHalves(name: string): boolean {
    return this.#slice(name).halves;
  }

  #slice(name: string): WeightSlice {
    const slice = this.#slices.get(name);
    if (slice === undefined) {
      throw new WeightsError(
        `'${this.#buffer.label}' has no '${name}'; it has ${[...this.#slices.keys()].join(', ')}.`,
      );
    }
    return slice;
  }

  destroy(): void {
    this.#gpu.destroyBuffer(this.#buffer);
  }
}

/** Memory of a network's intermediate results for a batch. Networks of one graph that run one after the other share it. */
export class NetworkWorkspace {
  readonly batch: number;
  readonly #gpu: Gpu;
  readonly #banks: readonly GPUBuffer[];
  readonly #tensors = new Map<string, Tensor>();

  constructor(gpu: Gpu, label: string, graph: NetworkGraph, batch = 1) {
    this.#gpu = gpu;
    this.batch = batch;
    const { sizes, steps } = arenaSteps(graph, batch);
    const arena = planArena(sizes, steps);
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    this.#banks = arena.banks.map((bytes, bank) => gpu.createBuffer(`${label}.bank${bank}`, bytes, usage));
    for (const { output, shape } of graph.nodes) {
      const placement = arena.placements.get(output);
      const buffer = placement === undefined ? undefined : this.#banks[placement.bank];
      if (placement === undefined || buffer === undefined) continue;
      this.#tensors.set(output, { label: output, buffer, offset: placement.offset, shape, batch });
    }
  }

  /** Bytes on the GPU. */
  get bytes(): number {
    return this.#banks.reduce((sum, { size }) => sum + size, 0);
  }

  /**
   * The result of a layer; it holds that layer's values only until its memory is used again.
   * @throws ShapeError for a layer that is fused into another, is an output of the network, or does not exist.
   */
  tensor(name: string): Tensor {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) {
      throw new ShapeError(`The workspace has no '${name}'; it has ${[...this.#tensors.keys()].join(', ')}.`);
    }
    return tensor;
  }

  destroy(): void {
    for (const bank of this.#banks) this.#gpu.destroyBuffer(bank);
  }
}

/** What the arena has to place: every result but the outputs, which belong to the caller. */
function arenaSteps(graph: NetworkGraph, batch: number): { sizes: Map<string, number>; steps: ArenaStep[] } {
  const sizes = new Map<string, number>();
  for (const { output, shape } of graph.nodes) {
    if (!graph.outputs.has(output)) sizes.set(output, tensorBytes(shape, batch));
  }
  const inArena = (name: string): boolean => sizes.has(name);
  const steps = graph.nodes.map(({ inputs, output }) => ({
    reads: inputs.filter(inArena),
    writes: [output].filter(inArena),
  }));
  return { sizes, steps };
}

export interface NetworkRecording {
  readonly graph: NetworkGraph;
  readonly weights: NetworkWeights;
  readonly workspace: NetworkWorkspace;
  /** A tensor for every input of the graph. */
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** Where the last layer writes. */
  readonly output: Tensor;
  /** Where the layers of further outputs write. */
  readonly outputs?: Readonly<Record<string, Tensor>>;
  /** Put before every step's label, so that labels stay unique when a plan holds several networks. Stages go without it. */
  readonly labelPrefix?: string;
}

/**
 * Adds one run of the network to a plan. Stages are called `<op> <layer>`: `conv pncc.conv1`.
 * @throws ShapeError where a tensor is missing or has another shape or batch; WeightsError for weights of another network.
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
    const stage = stageOf(node);
    const names = { label: `${recording.labelPrefix ?? ''}${stage}`, stage };
    const sources = node.inputs.map(tensorOf);
    const [input, second] = sources;
    const target = tensorOf(node.output);
    if (input === undefined) throw new ShapeError(`Layer '${node.name}' has no input.`);
    const layer = (part: string): GPUBufferBinding => weights.binding(`${node.name}.${part}`);
    if (node.op === 'pool') {
      recordPool(builder, names, node.spec, { input, output: target });
    } else if (node.op === 'conv2d' || node.op === 'depthwiseConv2d' || node.op === 'fullyConnected') {
      const halves = weights.areHalves(`${node.name}.weight`);
      const args = { input, output: target, weights: layer('weight'), biasSlope: layer('bias'), halves };
      if (node.op === 'conv2d') recordConv2d(builder, names, node.spec, args);
      else if (node.op === 'fullyConnected') recordFullyConnected(builder, names, node.spec, args);
      else recordDepthwiseConv2d(builder, names, node.spec, args);
    } else if (node.op === 'concat') {
      recordConcat(builder, names, { inputs: sources, output: target });
    } else if (second !== undefined) {
      const args = { left: input, right: second, output: target };
      recordAdd(
        builder,
        names,
        node.activation,
        node.activation === 'prelu' ? { ...args, slope: layer('slope') } : args,
      );
    }
  }
}

function stageOf(node: NetworkNode): string {
  switch (node.op) {
    case 'conv2d':
      return node.output === node.name ? `conv ${node.name}` : `conv ${node.name} + ${node.output}`;
    case 'depthwiseConv2d':
      return `depthwise conv ${node.name}`;
    case 'pool':
      return `${node.spec.mode} pool ${node.name}`;
    case 'fullyConnected':
      return `fully connected ${node.name}`;
    case 'concat':
    case 'add':
      return `${node.op} ${node.name}`;
  }
}
