/**
 * From an ONNX model to the files that `Network.load` takes (docs/formats.md, "Networks of others"): its operators as a
 * list of layers, with normalisations and activations in the layers before them, and its weights in the engine's
 * layout.
 *
 * Every tensor of the model is seen as a layer's result, its numbers in the order channel, height, width or height,
 * width, channel: what only brings numbers into another shape costs nothing, as long as that order is known.
 */
import { createHash } from 'node:crypto';
import { type OnnxModel, type OnnxNode, readOnnx } from '../scripts/onnx.js';
import { encodeSafetensors, floats, type TensorToWrite } from '../scripts/safetensors-writer.js';
import { WeightsError } from '../src/engine/errors.js';
import type { Activation } from '../src/engine/kernels/common.js';
import { parseLayer } from '../src/engine/network/graph.js';
import type { FeatureShape } from '../src/engine/tensor.js';
import { MANIFEST_FORMAT, NETWORK_FORMAT, parseDescription } from '../src/networks/description.js';
import { ALL_LAYER_KINDS, type NetworkLayer } from '../src/networks/kinds.js';
import { permute } from '../src/networks/layout.js';
import type { PictureInput } from '../src/networks/picture.js';

export interface ConvertOptions {
  /** Of the input, where the model leaves them open. */
  readonly size?: readonly [height: number, width: number];
  /** How pictures become the input, which models do not say. */
  readonly picture?: PictureInput;
  /** What the files say of where they come from. */
  readonly origin?: string;
}

/** Names and contents of the files. */
export type NetworkFiles = ReadonlyMap<string, Uint8Array>;

type Numbers = Float32Array<ArrayBuffer>;

/** A layer of the list, its fields still open, and its weights. */
interface Layer {
  fields: Record<string, unknown> & { name: string; readonly op: string };
  weight?: { readonly shape: readonly number[]; values: Numbers };
  bias?: Numbers;
  slope?: Numbers;
}

/** A tensor of the model. */
interface Value {
  /** The layer, or the network's input, whose result it is. */
  readonly source: string;
  /** In which order the numbers lie, as the model sees them. */
  readonly order: 'chw' | 'hwc';
  /** Its shape in the model, the batch of one included. */
  readonly dims: readonly number[];
  /** Zeros round it, which a convolution takes in. */
  readonly padding?: readonly [number, number, number, number];
}

/**
 * Converts a model.
 * @throws WeightsError for a file that is damaged, and, naming the node, for what the engine cannot compute.
 */
export function convertOnnx(onnx: Uint8Array, options: ConvertOptions = {}): NetworkFiles {
  const model = readOnnx(onnx);
  const { inputs, layers, outputs } = new Converter(model, options).convert();
  const description = {
    inputs,
    outputs,
    ...(options.picture !== undefined && { picture: options.picture }),
    layers: layers.map(({ fields }) => fields as unknown as NetworkLayer),
  };
  // What was written is what can be read.
  parseDescription(description);
  const weights: Record<string, TensorToWrite> = {};
  for (const { fields, weight, bias, slope } of layers) {
    if (weight !== undefined) weights[`${fields.name}.weight`] = floats(weight.shape, weight.values);
    if (bias !== undefined) weights[`${fields.name}.bias`] = floats([bias.length], bias);
    if (slope !== undefined) weights[`${fields.name}.slope`] = floats([slope.length], slope);
  }
  const origin = options.origin ?? 'an ONNX model';
  const { layers: list, ...others } = { format: NETWORK_FORMAT, origin, ...description };
  const lines = Object.entries(others).map(([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  const rows = list.map((layer) => `    ${JSON.stringify(layer)}`).join(',\n');
  const files = new Map([
    ['network.json', new TextEncoder().encode(`{\n${[...lines, `  "layers": [\n${rows}\n  ]`].join(',\n')}\n}\n`)],
    ['network.safetensors', new Uint8Array(encodeSafetensors(weights, { layout: 'ohwi', origin }))],
  ]);
  const manifest = {
    format: MANIFEST_FORMAT,
    network: 'network.json',
    weights: 'network.safetensors',
    files: Object.fromEntries(
      [...files].map(([name, bytes]) => [
        name,
        { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') },
      ]),
    ),
  };
  return files.set('manifest.json', new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`));
}

/** What converts one operator. */
type Rule = (converter: Converter, node: OnnxNode) => void;

/** The activations that are one operator, without a number of their own. */
const ACTIVATION_OPS: Readonly<Record<string, Activation>> = {
  Relu: 'relu',
  Sigmoid: 'sigmoid',
  Tanh: 'tanh',
  HardSwish: 'hardSwish',
};

/** Operators of numbers that are known beforehand, as the shapes that frameworks compute. */
const KNOWN_OPS = [
  'Shape',
  'Gather',
  'Slice',
  'Concat',
  'Unsqueeze',
  'Squeeze',
  'Cast',
  'Floor',
  'Add',
  'Sub',
  'Mul',
  'Div',
];

/** Lists of numbers that are computed beforehand are shapes; what is longer is weights. */
const MOST_KNOWN = 64;

class Converter {
  readonly #model: OnnxModel;
  readonly #options: ConvertOptions;
  readonly #layers: Layer[] = [];
  readonly #shapes = new Map<string, FeatureShape>();
  readonly #values = new Map<string, Value>();
  readonly #known = new Map<string, readonly number[]>();
  readonly #constants: Map<string, { readonly shape: readonly number[]; readonly values: Numbers }>;
  /** How many nodes and outputs take a tensor. */
  readonly #readers = new Map<string, number>();
  #node: OnnxNode | undefined;

  constructor(model: OnnxModel, options: ConvertOptions) {
    this.#model = model;
    this.#options = options;
    this.#constants = new Map(
      [...model.constants].map(([name, { shape, values }]) => [name, { shape, values: Float32Array.from(values) }]),
    );
    for (const [name, numbers] of model.whole) this.#known.set(name, numbers);
    const read = model.nodes.filter(({ op }) => op !== 'Shape').flatMap(({ inputs }) => inputs);
    for (const name of [...read, ...model.outputs]) this.#readers.set(name, (this.#readers.get(name) ?? 0) + 1);
  }

  convert(): {
    readonly inputs: Readonly<Record<string, FeatureShape>>;
    readonly layers: readonly Layer[];
    readonly outputs: readonly string[];
  } {
    const inputs = this.#model.inputs.filter((name) => !this.#constants.has(name) && !this.#known.has(name));
    if (inputs.length === 0) throw new WeightsError('The model has no inputs; wanted at least one.');
    for (const name of inputs) this.#addInput(name);
    const named = new Map(inputs.map((name): [string, FeatureShape] => [name, this.#shapes.get(name)!]));
    for (const node of this.#model.nodes) {
      this.#node = node;
      if (this.#compute(node)) continue;
      const activation = ACTIVATION_OPS[node.op];
      const rule = RULES[node.op];
      if (activation !== undefined) this.activate(activation);
      else if (rule !== undefined) rule(this, node);
      else {
        const known = [...Object.keys(RULES), ...Object.keys(ACTIVATION_OPS)].sort();
        this.refuse(`is of an operator that is not known; wanted ${known.join(', ')}`);
      }
    }
    this.#node = undefined;
    const outputs = this.#model.outputs.map((name): string => {
      const value = this.#values.get(name);
      if (value === undefined || named.has(value.source)) {
        throw new WeightsError(`The model's output '${name}' is no layer's result.`);
      }
      return value.source;
    });
    const layers = this.#needed(outputs);
    // Where two outputs are one layer's result, it has the first one's name.
    const names = new Map(outputs.map((source) => [source, this.#model.outputs[outputs.indexOf(source)] ?? source]));
    rename(layers, names);
    return { inputs: Object.fromEntries(named), layers, outputs: [...names.values()] };
  }

  /** Layers that lead to an output. */
  #needed(outputs: readonly string[]): Layer[] {
    const wanted = new Set(outputs);
    const needed: Layer[] = [];
    for (const layer of this.#layers.toReversed()) {
      if (!wanted.has(layer.fields.name)) continue;
      for (const input of inputsOf(layer)) wanted.add(input);
      needed.unshift(layer);
    }
    return needed;
  }

  #addInput(name: string): void {
    const declared = this.#model.inputShapes.get(name) ?? [];
    const consumers = this.#model.nodes.filter(({ inputs }) => inputs.includes(name));
    const isHwc =
      consumers.length > 0 &&
      consumers.every(({ op, numbers }) => op === 'Transpose' && numbers.get('perm')?.join() === '0,3,1,2');
    const [, ...sizes] = declared;
    const { size: [givenHeight, givenWidth] = [] } = this.#options;
    const [a, b, c] = sizes;
    const shape =
      sizes.length === 1
        ? { height: 1, width: 1, channels: a }
        : isHwc
          ? { height: a ?? givenHeight, width: b ?? givenWidth, channels: c }
          : { height: b ?? givenHeight, width: c ?? givenWidth, channels: a };
    const { height, width, channels } = shape;
    const isOpen = height === undefined || width === undefined || channels === undefined;
    if (isOpen || (sizes.length !== 1 && sizes.length !== 3)) {
      const found = declared.map((size) => size ?? '?').join(', ');
      throw new WeightsError(
        `The input '${name}' is [${found}]; wanted [batch, channels, height, width], and the option size where those are open.`,
      );
    }
    const order = isHwc ? 'hwc' : 'chw';
    const dims =
      sizes.length === 1 ? [1, channels] : isHwc ? [1, height, width, channels] : [1, channels, height, width];
    this.#shapes.set(name, { height, width, channels });
    this.#values.set(name, { source: name, order, dims });
  }

  // What rules use.

  /** @throws WeightsError that names the node. */
  refuse(problem: string): never {
    const { name = '', op = '', outputs = [] } = this.#node ?? {};
    throw new WeightsError(`Node '${name || outputs[0]}' (${op}) ${problem}.`);
  }

  /** The value that the node's input `index` is. */
  input(index = 0): Value {
    const value = this.#values.get(this.#node?.inputs[index] ?? '');
    return value ?? this.refuse(`has no result of a layer for its input ${index}`);
  }

  isValue(index: number): boolean {
    return this.#values.has(this.#node?.inputs[index] ?? '');
  }

  /** A value that is [1, channels, height, width]. */
  picture(index = 0): Value & { readonly shape: FeatureShape } {
    const value = this.input(index);
    const shape = this.shapeOf(value);
    const { height, width, channels } = shape;
    if (!this.#lies(value, 'chw') || !isSame(value.dims, [1, channels, height, width])) {
      this.refuse(`reads [${value.dims.join(', ')}] (${value.order}); wanted [1, channels, height, width]`);
    }
    return { ...value, shape };
  }

  shapeOf({ source }: Value): FeatureShape {
    return this.#shapes.get(source)!;
  }

  /** Whether the numbers lie in an order: with one pixel, or one channel, it is either. */
  #lies(value: Value, order: Value['order']): boolean {
    const { height, width, channels } = this.shapeOf(value);
    return value.order === order || channels === 1 || height * width === 1;
  }

  /** The order in which `value`'s axis `axis` is the channels, whole; undefined where it is not. */
  isChannelAxis(value: Value, axis: number): boolean {
    const { height, width, channels } = this.shapeOf(value);
    const at = axis < 0 ? axis + value.dims.length : axis;
    if (value.dims[at] !== channels) return false;
    const before = value.dims.slice(0, at).reduce((product, size) => product * size, 1);
    return this.#lies(value, 'chw') && before === 1
      ? true
      : this.#lies(value, 'hwc') && before === height * width && at === value.dims.length - 1;
  }

  numbers(index: number): readonly number[] | undefined {
    return this.#numbersOf(this.#node?.inputs[index] ?? '');
  }

  #numbersOf(name: string): readonly number[] | undefined {
    return this.#known.get(name) ?? (this.#constants.has(name) ? [...this.#constants.get(name)!.values] : undefined);
  }

  /** A constant input. */
  constant(index: number): { readonly shape: readonly number[]; readonly values: Numbers } {
    const found = this.#constants.get(this.#node?.inputs[index] ?? '');
    return found ?? this.refuse(`has no constant for its input ${index}`);
  }

  /** An attribute that is a whole number or a list of them. */
  attribute(name: string, usual: readonly number[]): readonly number[] {
    return this.#node?.numbers.get(name) ?? usual;
  }

  float(name: string, usual: number): number {
    return this.#node?.floats.get(name)?.[0] ?? usual;
  }

  word(name: string, usual: string): string {
    return this.#node?.words.get(name) ?? usual;
  }

  get opset(): number {
    return this.#model.opset;
  }

  get inputCount(): number {
    return this.#node?.inputs.filter((name) => name !== '').length ?? 0;
  }

  /** The node's result is `value`. */
  set(value: Value): void {
    this.#values.set(this.#node?.outputs[0] ?? '', value);
  }

  /** The node's result is a layer's. */
  add(
    layer: Omit<Layer, 'fields'> & { fields: Record<string, unknown> & { readonly op: string } },
    like?: Value,
  ): void {
    const wanted = this.#node?.name || this.#node?.outputs[0] || `layer${this.#layers.length}`;
    // Outputs' names are given in the end.
    const isTaken = (name: string) => this.#shapes.has(name) || this.#model.outputs.includes(name);
    let name = wanted;
    for (let suffix = 2; isTaken(name); suffix++) name = `${wanted}.${suffix}`;
    const added: Layer = { ...layer, fields: { name, ...layer.fields } };
    let shape: FeatureShape;
    try {
      ({ shape } = parseLayer(added.fields, this.#layers.length, this.#shapes, ALL_LAYER_KINDS));
    } catch (cause) {
      this.refuse(`cannot be computed: ${cause instanceof Error ? cause.message : String(cause)}`);
    }
    this.#layers.push(added);
    this.#shapes.set(name, shape);
    const { height, width, channels } = shape;
    this.set(
      like === undefined
        ? { source: name, order: 'chw', dims: [1, channels, height, width] }
        : { ...like, source: name },
    );
  }

  /** The layer that makes `value`, where the node alone reads it, in `readings` of its inputs. */
  producer(value: Value, readings = 1): Layer | undefined {
    const names = [...this.#values].filter(([, { source }]) => source === value.source).map(([name]) => name);
    // Every reader of every shape that it is seen in, but those that only make other shapes of it.
    const readers = names.reduce((sum, name) => sum + (this.#readers.get(name) ?? 0), 0);
    const layer = this.#layers.find(({ fields }) => fields.name === value.source);
    return readers - (names.length - 1) === readings ? layer : undefined;
  }

  /** The node's result is its input through an activation, which the layer before it takes in where it can. */
  activate(activation: Activation, slope?: Numbers, value = this.input(), readings = 1): void {
    if (value.padding !== undefined) this.refuse('reads padding, which only a convolution does');
    const layer = this.producer(value, readings);
    const canTake = layer?.fields.activation === 'none' && !(layer.fields.op === 'multiply' && activation === 'prelu');
    if (layer !== undefined && canTake) {
      layer.fields.activation = activation;
      if (slope !== undefined) layer.slope = slope;
      this.set(value);
      return;
    }
    const fields = { op: 'activation', input: value.source, activation };
    this.add({ fields, ...(slope !== undefined && { slope }) }, value);
  }

  /** The activation layer that makes a value, if one does. */
  activationLayer(value: Value): Layer | undefined {
    return this.#layers.find(({ fields }) => fields.name === value.source && fields.op === 'activation');
  }

  /** The node's result is scale * value + shift, for every channel. */
  scale(value: Value, scale: Numbers, shift: Numbers): void {
    if (value.padding !== undefined) this.refuse('reads padding, which only a convolution does');
    const layer = this.producer(value);
    const { weight, bias } = layer ?? {};
    if (layer?.fields.activation !== 'none' || weight === undefined || bias === undefined) {
      const fields = {
        op: 'depthwiseConv2d',
        input: value.source,
        kernel: [1, 1],
        stride: [1, 1],
        padding: [0, 0],
        activation: 'none',
      };
      this.add({ fields, weight: { shape: [1, 1, scale.length], values: scale }, bias: shift }, value);
      return;
    }
    const outputs = scale.length;
    const isDepthwise = layer.fields.op === 'depthwiseConv2d';
    const perOutput = weight.values.length / outputs;
    weight.values = weight.values.map(
      (number, index) => number * (scale[isDepthwise ? index % outputs : Math.floor(index / perOutput)] ?? 0),
    );
    layer.bias = bias.map((number, index) => number * (scale[index] ?? 0) + (shift[index] ?? 0));
    this.set(value);
  }

  /** A constant input as one number for every channel of `value`. */
  perChannel(index: number, value: Value): Numbers {
    const { shape, values } = this.constant(index);
    const { channels } = this.shapeOf(value);
    if (values.length === 1) return new Float32Array(channels).fill(values[0] ?? 0);
    // As broadcasting has it: axes are counted from the last.
    const axis = shape.findIndex((size) => size !== 1);
    const axisOfValue = axis - shape.length + value.dims.length;
    const isVector = values.length === channels && axis >= 0 && this.isChannelAxis(value, axisOfValue);
    return isVector ? values : this.refuse(`has a constant [${shape.join(', ')}]; wanted one number for every channel`);
  }

  /** Numbers that are known beforehand, and constants that nodes make. Whether the node is one of those. */
  #compute(node: OnnxNode): boolean {
    const [output = ''] = node.outputs;
    if (node.op === 'Constant') {
      const tensor = node.tensors.get('value');
      const scalars = [...node.numbers.values(), ...node.floats.values()][0];
      if (tensor !== undefined && 'whole' in tensor) this.#known.set(output, tensor.whole);
      else if (tensor !== undefined)
        this.#constants.set(output, { ...tensor, values: Float32Array.from(tensor.values) });
      else if (scalars !== undefined) this.#known.set(output, scalars);
      return tensor !== undefined || scalars !== undefined;
    }
    if (node.op === 'ConstantOfShape') {
      const shape = this.numbers(0);
      if (shape === undefined) return false;
      const tensor = node.tensors.get('value');
      const fill = (tensor === undefined ? 0 : 'whole' in tensor ? tensor.whole[0] : tensor.values[0]) ?? 0;
      const count = shape.reduce((product, size) => product * size, 1);
      this.#constants.set(output, { shape, values: new Float32Array(count).fill(fill) });
      return true;
    }
    const constant = this.#constants.get(node.inputs[0] ?? '');
    const reshaped = constant === undefined ? undefined : RESHAPED[node.op]?.(constant.shape, this);
    if (constant !== undefined && reshaped !== undefined) {
      this.#constants.set(output, { shape: reshaped, values: constant.values });
      return true;
    }
    if (!KNOWN_OPS.includes(node.op)) return false;
    if (node.op === 'Shape') {
      this.#known.set(output, this.input().dims);
      return true;
    }
    const inputs = node.inputs.filter((name) => name !== '').map((name) => this.#numbersOf(name));
    const numbers = inputs.filter((list) => list !== undefined);
    if (numbers.length !== inputs.length || numbers.some((list) => list.length > MOST_KNOWN)) return false;
    const [first = [], second = []] = numbers;
    const pairs = (combine: (a: number, b: number) => number) =>
      Array.from({ length: Math.max(first.length, second.length) }, (_, index) =>
        combine(first[first.length === 1 ? 0 : index] ?? 0, second[second.length === 1 ? 0 : index] ?? 0),
      );
    const results: Readonly<Record<string, () => readonly number[]>> = {
      Gather: () => second.map((index) => first.at(index) ?? 0),
      Slice: () => first.slice(second[0], numbers[2]?.[0]),
      Concat: () => numbers.flat(),
      Floor: () => first.map(Math.floor),
      Add: () => pairs((a, b) => a + b),
      Sub: () => pairs((a, b) => a - b),
      Mul: () => pairs((a, b) => a * b),
      Div: () => pairs((a, b) => a / b),
    };
    this.#known.set(output, results[node.op]?.() ?? first);
    return true;
  }
}

/** Gives layers other names, everywhere. */
function rename(layers: readonly Layer[], names: ReadonlyMap<string, string>): void {
  const newName = (name: unknown): string => names.get(String(name)) ?? String(name);
  for (const layer of layers) {
    const { name, input, inputs } = layer.fields;
    layer.fields = {
      ...layer.fields,
      name: newName(name),
      ...(input !== undefined && { input: newName(input) }),
      ...(Array.isArray(inputs) && { inputs: inputs.map(newName) }),
    };
  }
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

function inputsOf({ fields: { input, inputs } }: Layer): readonly string[] {
  return Array.isArray(inputs) ? inputs : [String(input)];
}

/** What Reshape makes of `shape`: 0 keeps a size, -1 takes what is left. */
function resolveShape(target: readonly number[], shape: readonly number[]): number[] {
  const sizes = target.map((size, axis) => (size === 0 ? (shape[axis] ?? 1) : size));
  const count = shape.reduce((product, size) => product * size, 1);
  const rest = sizes.filter((size) => size !== -1).reduce((product, size) => product * size, 1);
  return sizes.map((size) => (size === -1 ? count / rest : size));
}

/** What operators that only bring numbers into another shape make of one. */
const RESHAPED: Readonly<Record<string, (dims: readonly number[], converter: Converter) => readonly number[]>> = {
  Identity: (dims) => dims,
  // Weights of 16 bits are read as floats already.
  Cast: (dims) => dims,
  Reshape: (dims, converter) => resolveShape(converter.numbers(1) ?? converter.attribute('shape', []), dims),
  Squeeze(dims, converter) {
    const axes = axesOf(converter)?.map((axis) => (axis < 0 ? axis + dims.length : axis));
    return dims.filter((size, axis) => (axes === undefined ? size !== 1 || axis === 0 : !axes.includes(axis)));
  },
  Unsqueeze(dims, converter) {
    const axes = axesOf(converter) ?? [];
    const length = dims.length + axes.length;
    const added = axes.map((axis) => (axis < 0 ? axis + length : axis));
    const rest = [...dims];
    return Array.from({ length }, (_, axis) => (added.includes(axis) ? 1 : (rest.shift() ?? 1)));
  },
};

/** The window of a convolution or pool on `shape`, its padding as four numbers. */
function windowOf(converter: Converter, { height, width }: FeatureShape, kernel: readonly number[]) {
  const stride = converter.attribute('strides', [1, 1]);
  if (converter.attribute('dilations', [1, 1]).some((size) => size !== 1)) {
    converter.refuse(`has dilations ${converter.attribute('dilations', []).join(', ')}; wanted 1, 1`);
  }
  if (kernel.length !== 2) converter.refuse(`has a kernel of ${kernel.length} axes; wanted two`);
  const auto = converter.word('auto_pad', 'NOTSET');
  let padding = converter.attribute('pads', [0, 0, 0, 0]);
  if (auto.startsWith('SAME')) {
    const ends = [height, width].map((size, axis) => {
      const [step = 1, window = 1] = [stride[axis], kernel[axis]];
      const total = Math.max(0, (Math.ceil(size / step) - 1) * step + window - size);
      const less = Math.floor(total / 2);
      return auto === 'SAME_UPPER' ? [less, total - less] : [total - less, less];
    });
    padding = [ends[0]?.[0] ?? 0, ends[1]?.[0] ?? 0, ends[0]?.[1] ?? 0, ends[1]?.[1] ?? 0];
  }
  return { kernel, stride, padding };
}

function pool(converter: Converter, op: 'maxPool' | 'averagePool'): void {
  const { source, shape, padding: before } = converter.picture();
  if (before !== undefined) converter.refuse('reads padding, which only a convolution does');
  const { kernel, stride, padding } = windowOf(converter, shape, converter.attribute('kernel_shape', []));
  const ends = [...padding];
  if (converter.attribute('ceil_mode', [0])[0] === 1) {
    for (const [axis, size] of [shape.height, shape.width].entries()) {
      const [step = 1, window = 1, start = 0, end = 0] = [stride[axis], kernel[axis], padding[axis], padding[axis + 2]];
      const room = size + start + end - window;
      // A last window that would begin beyond the picture is none.
      const last = Math.ceil(room / step) * step >= size + start ? Math.floor(room / step) : Math.ceil(room / step);
      ends[axis + 2] = Math.max(end, end + last * step - room);
    }
    if (op === 'averagePool' && !isSame(ends, padding)) converter.refuse('has ceil_mode 1; wanted 0');
  }
  const counts = converter.attribute('count_include_pad', [0])[0] === 1;
  if (op === 'averagePool' && !counts && padding.some((size) => size > 0)) {
    converter.refuse('has padding that does not count (count_include_pad 0); wanted 1, or no padding');
  }
  converter.add({ fields: { op, input: source, kernel, stride, padding: ends } });
}

function fullyConnected(converter: Converter, weights: Numbers, outFeatures: number, bias: Numbers): void {
  const value = converter.input();
  const { height, width, channels } = converter.shapeOf(value);
  const inFeatures = height * width * channels;
  if (!isSame(value.dims, [1, inFeatures])) {
    converter.refuse(`reads [${value.dims.join(', ')}]; wanted [1, ${inFeatures}]: flattened`);
  }
  const values =
    value.order === 'chw' ? permute(weights, [outFeatures, channels, height, width], [0, 2, 3, 1]) : weights;
  converter.add(
    {
      fields: { op: 'fullyConnected', input: value.source, inFeatures, outFeatures, activation: 'none' },
      weight: { shape: [outFeatures, inFeatures], values },
      bias,
    },
    { ...value, order: 'chw', dims: [1, outFeatures] },
  );
}

/** [rows, columns] to [columns, rows]. */
function transposed(values: Numbers, rows: number, columns: number): Numbers {
  return permute(values, [rows, columns], [1, 0]);
}

/** Adds or multiplies; `combine` makes scale and shift of a constant, of which `isSecond` says on which side it is. */
function arithmetic(
  converter: Converter,
  op: 'add' | 'multiply' | undefined,
  affine: (constant: Numbers, isSecond: boolean) => { readonly scale: Numbers; readonly shift: Numbers } | undefined,
): void {
  if (converter.isValue(0) && converter.isValue(1)) {
    if (op === undefined) converter.refuse('is of two results of layers; wanted a constant for one');
    const [left, right] = [converter.input(0), converter.input(1)];
    if (op === 'multiply' && selfGated(converter, left, right)) return;
    const isGate = (value: Value) => converter.shapeOf(value).height * converter.shapeOf(value).width === 1;
    const [first, second] = op === 'multiply' && isGate(left) && !isGate(right) ? [right, left] : [left, right];
    if (!isSame(first.dims, second.dims) && !(op === 'multiply' && isGate(second) && first.dims.length === 4)) {
      converter.refuse(`is of [${left.dims.join(', ')}] and [${right.dims.join(', ')}]; wanted one shape`);
    }
    if (first.order !== second.order && !isGate(second)) converter.refuse('is of tensors in different orders');
    converter.add({ fields: { op, inputs: [first.source, second.source], activation: 'none' } }, first);
    return;
  }
  const isSecond = converter.isValue(0);
  const value = converter.input(isSecond ? 0 : 1);
  const made = affine(converter.perChannel(isSecond ? 1 : 0, value), isSecond);
  if (made === undefined) converter.refuse('divides a constant; wanted one for its second input');
  converter.scale(value, made.scale, made.shift);
}

const GATED: Readonly<Record<string, Activation>> = { sigmoid: 'silu', hardSigmoid: 'hardSwish' };

/** x * sigmoid(x) and x * hardSigmoid(x) are activations of their own. Whether the node is one. */
function selfGated(converter: Converter, left: Value, right: Value): boolean {
  for (const [value, gate] of [
    [left, right],
    [right, left],
  ] as const) {
    const fields = converter.activationLayer(gate)?.fields;
    const whole = GATED[String(fields?.activation)];
    if (fields?.input !== value.source || whole === undefined) continue;
    // Both of its readers are this activation.
    converter.activate(whole, undefined, value, 2);
    return true;
  }
  return false;
}

function all(value: Numbers, number: number): Numbers {
  return new Float32Array(value.length).fill(number);
}

/** The node's result is its input in another shape. */
function reshape(converter: Converter, dims: readonly number[]): void {
  const value = converter.input();
  const count = (sizes: readonly number[]) => sizes.reduce((product, size) => product * size, 1);
  if (value.padding !== undefined) converter.refuse('reads padding, which only a convolution does');
  if (dims[0] !== 1 || count(dims) !== count(value.dims)) {
    converter.refuse(
      `makes [${dims.join(', ')}] of [${value.dims.join(', ')}]; wanted as many numbers, and a batch of one`,
    );
  }
  converter.set({ ...value, dims });
}

function axesOf(converter: Converter, index = 1): readonly number[] | undefined {
  return (
    converter.numbers(index) ??
    (converter.attribute('axes', []).length > 0 ? converter.attribute('axes', []) : undefined)
  );
}

const RULES: Readonly<Record<string, Rule>> = {
  Conv(converter, node) {
    const { source, shape, padding: before } = converter.picture();
    const weight = converter.constant(1);
    const [outChannels = 0, inChannels = 0, height = 0, width = 0] = weight.shape;
    const { kernel, stride, padding } = windowOf(converter, shape, weight.shape.slice(2));
    const window = {
      input: source,
      kernel,
      stride,
      padding: padding.map((size, side) => size + (before?.[side] ?? 0)),
      activation: 'none',
    };
    const bias = node.inputs[2] ? converter.constant(2).values : new Float32Array(outChannels);
    const groups = converter.attribute('group', [1])[0];
    if (groups === 1) {
      converter.add({
        fields: { op: 'conv2d', ...window, inChannels, outChannels },
        weight: {
          shape: [outChannels, height, width, inChannels],
          values: permute(weight.values, weight.shape, [0, 2, 3, 1]),
        },
        bias,
      });
    } else if (groups === outChannels && inChannels === 1 && shape.channels === outChannels) {
      converter.add({
        fields: { op: 'depthwiseConv2d', ...window },
        weight: { shape: [height, width, outChannels], values: permute(weight.values, weight.shape, [2, 3, 1, 0]) },
        bias,
      });
    } else {
      return converter.refuse(
        `has ${groups} groups of ${inChannels} channels to ${outChannels}; wanted one group, or one to one for every channel`,
      );
    }
  },
  Gemm(converter, node) {
    const { shape, values } = converter.constant(1);
    const [rows = 0, columns = 0] = shape;
    if (converter.attribute('transA', [0])[0] === 1) return converter.refuse('has transA 1; wanted 0');
    const isTransposed = converter.attribute('transB', [0])[0] === 1;
    const outFeatures = isTransposed ? rows : columns;
    const [alpha, beta] = [converter.float('alpha', 1), converter.float('beta', 1)];
    const weights = (isTransposed ? values : transposed(values, rows, columns)).map((number) => number * alpha);
    const bias = new Float32Array(outFeatures);
    if (node.inputs[2]) {
      const given = converter.constant(2).values;
      bias.forEach((_, index) => {
        bias[index] = beta * (given[given.length === 1 ? 0 : index] ?? 0);
      });
    }
    fullyConnected(converter, weights, outFeatures, bias);
  },
  MatMul(converter) {
    const { shape, values } = converter.constant(1);
    const [rows = 0, columns = 0] = shape;
    if (shape.length !== 2) return converter.refuse(`has a matrix [${shape.join(', ')}]; wanted two axes`);
    fullyConnected(converter, transposed(values, rows, columns), columns, new Float32Array(columns));
  },
  BatchNormalization(converter) {
    const value = converter.input();
    const [scale, shift, mean, variance] = [1, 2, 3, 4].map((index) => converter.constant(index).values);
    if (!converter.isChannelAxis(value, 1))
      return converter.refuse(`reads [${value.dims.join(', ')}]; wanted channels second`);
    const epsilon = converter.float('epsilon', 1e-5);
    const factor = scale!.map((number, index) => number / Math.sqrt((variance![index] ?? 0) + epsilon));
    converter.scale(
      value,
      factor,
      factor.map((number, index) => (shift![index] ?? 0) - number * (mean![index] ?? 0)),
    );
  },
  Add: (converter) => arithmetic(converter, 'add', (constant) => ({ scale: all(constant, 1), shift: constant })),
  Sub: (converter) =>
    arithmetic(converter, undefined, (constant, isSecond) =>
      isSecond
        ? { scale: all(constant, 1), shift: constant.map((number) => -number) }
        : { scale: all(constant, -1), shift: constant },
    ),
  Mul: (converter) => arithmetic(converter, 'multiply', (constant) => ({ scale: constant, shift: all(constant, 0) })),
  Div: (converter) =>
    arithmetic(converter, undefined, (constant, isSecond) =>
      isSecond ? { scale: constant.map((number) => 1 / number), shift: all(constant, 0) } : undefined,
    ),
  LeakyRelu(converter) {
    const { channels } = converter.shapeOf(converter.input());
    converter.activate('prelu', new Float32Array(channels).fill(converter.float('alpha', 0.01)));
  },
  PRelu: (converter) => converter.activate('prelu', converter.perChannel(1, converter.input())),
  Clip(converter) {
    const least = converter.numbers(1)?.[0] ?? converter.float('min', Number.NEGATIVE_INFINITY);
    const most = converter.numbers(2)?.[0] ?? converter.float('max', Number.POSITIVE_INFINITY);
    if (least === 0 && most === 6) converter.activate('relu6');
    else if (least === 0 && most > 3e38) converter.activate('relu');
    else converter.refuse(`clips to ${least} and ${most}; wanted 0 and 6, or 0 and nothing`);
  },
  HardSigmoid(converter) {
    const [alpha, beta] = [converter.float('alpha', 0.2), converter.float('beta', 0.5)];
    if (Math.abs(alpha - 1 / 6) > 1e-6 || beta !== 0.5) {
      return converter.refuse(`has alpha ${alpha} and beta ${beta}; wanted 1/6 and 0.5`);
    }
    converter.activate('hardSigmoid');
  },
  MaxPool: (converter) => pool(converter, 'maxPool'),
  AveragePool: (converter) => pool(converter, 'averagePool'),
  GlobalAveragePool: (converter) =>
    converter.add({ fields: { op: 'globalAveragePool', input: converter.picture().source } }),
  GlobalMaxPool(converter) {
    const { source, shape } = converter.picture();
    const kernel = [shape.height, shape.width];
    converter.add({ fields: { op: 'maxPool', input: source, kernel, stride: [1, 1], padding: [0, 0] } });
  },
  ReduceMean(converter) {
    const value = converter.input();
    const { source, shape } = converter.picture();
    const axes = axesOf(converter)?.map((axis) => (axis + 4) % 4);
    if (axes?.toSorted().join() !== '2,3') return converter.refuse(`is over the axes ${axes?.join(', ')}; wanted 2, 3`);
    const keeps = converter.attribute('keepdims', [1])[0] === 1;
    const dims = keeps ? [1, shape.channels, 1, 1] : [1, shape.channels];
    converter.add({ fields: { op: 'globalAveragePool', input: source } }, { ...value, dims });
  },
  Concat(converter, node) {
    const values = node.inputs.map((_, index) => converter.input(index));
    const [axis = 0] = converter.attribute('axis', []);
    const [first] = values;
    const fits = values.every((value) => converter.isChannelAxis(value, axis) && value.order === first?.order);
    if (first === undefined || !fits) return converter.refuse(`joins along axis ${axis}; wanted the channels`);
    const at = axis < 0 ? axis + first.dims.length : axis;
    const channels = values.reduce((sum, value) => sum + converter.shapeOf(value).channels, 0);
    const dims = first.dims.map((size, index) => (index === at ? channels : size));
    converter.add({ fields: { op: 'concat', inputs: values.map(({ source }) => source) } }, { ...first, dims });
  },
  Resize: (converter) =>
    resize(converter, converter.inputCount > 1 ? converter.numbers(2) : undefined, converter.numbers(3)),
  Upsample: (converter) => resize(converter, converter.numbers(1), undefined),
  Softmax(converter) {
    const value = converter.input();
    const [axis = -1] = converter.attribute('axis', [converter.opset >= 13 ? -1 : 1]);
    const { height, width } = converter.shapeOf(value);
    const isAll = converter.opset < 13 && height * width > 1;
    if (!converter.isChannelAxis(value, axis) || isAll)
      return converter.refuse(`is along axis ${axis}; wanted the channels`);
    converter.add({ fields: { op: 'softmax', input: value.source } }, value);
  },
  Pad(converter) {
    const { shape: _, ...value } = converter.picture();
    const pads = converter.numbers(1) ?? converter.attribute('pads', []);
    const [, , top = 0, left = 0, , , bottom = 0, right = 0] = pads;
    const others = [pads[0], pads[1], pads[4], pads[5]].some((size) => size !== 0);
    const isZero = converter.word('mode', 'constant') === 'constant' && (converter.numbers(2)?.[0] ?? 0) === 0;
    if (pads.length !== 8 || others || !isZero) {
      return converter.refuse(
        `pads with ${pads.join(', ')} (${converter.word('mode', 'constant')}); wanted zeros round pictures`,
      );
    }
    converter.set({ ...value, padding: [top, left, bottom, right] });
  },
  Transpose(converter) {
    const value = converter.input();
    const perm = converter.attribute('perm', []);
    const { height, width, channels } = converter.shapeOf(value);
    const dims = perm.map((axis) => value.dims[axis] ?? 0);
    const moves = { '0,2,3,1': 'hwc', '0,3,1,2': 'chw' } as const;
    const order = moves[perm.join() as keyof typeof moves];
    const wanted = order === 'hwc' ? [1, channels, height, width] : [1, height, width, channels];
    if (value.padding !== undefined || order === undefined || !isSame(value.dims, wanted)) {
      return converter.refuse(
        `moves [${value.dims.join(', ')}] to [${perm.join(', ')}]; wanted channels last, or back`,
      );
    }
    converter.set({ ...value, order, dims });
  },
  Flatten(converter) {
    const { dims } = converter.input();
    const axis = converter.attribute('axis', [1])[0];
    if (axis !== 1) return converter.refuse(`has axis ${axis}; wanted 1`);
    reshape(converter, [1, dims.reduce((product, size) => product * size, 1)]);
  },
  ...Object.fromEntries(
    Object.entries(RESHAPED).map(([op, reshaped]): [string, Rule] => [
      op,
      (converter) => reshape(converter, reshaped(converter.input().dims, converter)),
    ]),
  ),
  Dropout: (converter) => converter.set(converter.input()),
};

function resize(
  converter: Converter,
  scales: readonly number[] | undefined,
  sizes: readonly number[] | undefined,
): void {
  const { source, shape } = converter.picture();
  const [, , height = 0, width = 0] = sizes?.length
    ? sizes
    : [1, 1, Math.floor(shape.height * (scales?.[2] ?? 0)), Math.floor(shape.width * (scales?.[3] ?? 0))];
  const mode = converter.word('mode', 'nearest');
  const isOld = converter.opset < 11;
  const coordinates = isOld ? 'asymmetric' : converter.word('coordinate_transformation_mode', 'half_pixel');
  if (mode === 'nearest') {
    const scale = [height / shape.height, width / shape.width];
    const nearest = isOld ? 'floor' : converter.word('nearest_mode', 'round_prefer_floor');
    // Each pixel becomes a block: from the corner, rounded down, or from the middle, rounded to the nearest.
    const isBlock =
      (coordinates === 'asymmetric' && nearest === 'floor') ||
      (coordinates.endsWith('half_pixel') && nearest.startsWith('round'));
    if (!isBlock || !scale.every(Number.isInteger)) {
      converter.refuse(
        `is nearest, ${coordinates}, ${nearest}, by ${scale.join(' x ')}; wanted whole factors, and asymmetric and floor or half_pixel and round`,
      );
    }
    converter.add({ fields: { op: 'resizeNearest', input: source, scale } });
    return;
  }
  const known = {
    half_pixel: 'halfPixel',
    pytorch_half_pixel: 'halfPixel',
    align_corners: 'alignCorners',
    asymmetric: 'asymmetric',
  };
  const found = known[coordinates as keyof typeof known];
  if (mode !== 'linear' || found === undefined) {
    converter.refuse(`is ${mode}, ${coordinates}; wanted nearest or linear, and ${Object.keys(known).join(', ')}`);
  }
  converter.add({ fields: { op: 'resizeBilinear', input: source, size: [height, width], coordinates: found } });
}
