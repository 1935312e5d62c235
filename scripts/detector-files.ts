/**
 * From YuNet (an .onnx file) to the files that `fullpose/detect` loads (docs/formats.md): its operators as a list of
 * layers, its weights as they are, but for two changes that no result shows: the picture's channels are in the order
 * red, green, blue, and the four branches of a head, which read the same features, are one.
 */
import { createHash } from 'node:crypto';
import { WeightsError } from '../src/engine/errors.js';
import { type OnnxModel, type OnnxNode, type OnnxTensor, readOnnx } from './onnx.js';
import { encodeSafetensors, floats, type TensorToWrite } from './safetensors-writer.js';

/** Names and contents of the files, for `weights/`. */
export type DetectorFiles = ReadonlyMap<string, Uint8Array>;

/** Side of the network's input: the model takes any multiple of 32. */
const INPUT_SIZE = 256;

/** What the model was trained on, and its file does not say: BGR, 0 to 255. */
const INPUT_RANGE = [0, 255] as const;

const ORIGIN =
  'YuNet-n, by Wei Wu, Hanyang Peng and Shiqi Yu, from yunet_n.onnx of https://github.com/ShiqiYu/libfacedetection.train; ' +
  'changed: converted to safetensors and a list of layers';

/** The branches of a head, in the order of their channels in the layer that they become, and how many each has. */
const BRANCHES = [
  ['bbox', 4],
  ['kps', 10],
  ['cls', 1],
  ['obj', 1],
] as const;

const STRIDES = [8, 16, 32] as const;

/** Operators that only bring results into another shape, and what computes that shape. */
const SHAPES = ['Transpose', 'Reshape', 'Sigmoid', 'Shape', 'Gather', 'Unsqueeze', 'Concat'];

type Fields = Record<string, unknown>;

/** A layer of the list, with the weights that it has. */
interface Layer {
  readonly fields: Fields & { readonly name: string };
  readonly weight?: TensorToWrite;
  readonly bias?: TensorToWrite;
}

/**
 * Converts the model.
 * @throws WeightsError for a file that is damaged or is another network than the converter understands.
 */
export function detectorFiles(onnx: Uint8Array): DetectorFiles {
  const { layers, heads } = new Converter(readOnnx(onnx)).convert();
  const description = {
    format: 'fullpose-detector/2',
    origin: ORIGIN,
    licence: 'Apache-2.0',
    inputSize: INPUT_SIZE,
    inputRange: INPUT_RANGE,
    heads,
  };
  const weights: Record<string, TensorToWrite> = {};
  for (const { fields, weight, bias } of layers) {
    if (weight !== undefined) weights[`${fields.name}.weight`] = weight;
    if (bias !== undefined) weights[`${fields.name}.bias`] = bias;
  }
  const tensors = encodeSafetensors(weights, {
    format: 'fullpose-detector-weights/1',
    origin: ORIGIN,
    licence: 'Apache-2.0',
  });
  const network = `${pretty(
    description,
    layers.map(({ fields }) => fields),
  )}\n`;
  const files = new Map([
    ['face_detector.json', new TextEncoder().encode(network)],
    ['face_detector.safetensors', new Uint8Array(tensors)],
  ]);
  const manifest = {
    format: 'fullpose-detector-manifest/1',
    network: 'face_detector.json',
    weights: 'face_detector.safetensors',
    files: Object.fromEntries(
      [...files].map(([name, bytes]) => [
        name,
        { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') },
      ]),
    ),
  };
  return files.set('detector.json', new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`));
}

/** JSON with a line for every field and every layer. */
function pretty(fields: Fields, layers: readonly Fields[]): string {
  const lines = Object.entries(fields).map(([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  const list = layers.map((layer) => `    ${JSON.stringify(layer)}`).join(',\n');
  return `{\n${[...lines, `  "layers": [\n${list}\n  ]`].join(',\n')}\n}`;
}

class Converter {
  readonly #model: OnnxModel;
  readonly #layers: Layer[] = [];
  /** The layer (or the network's input) that makes a tensor. */
  readonly #sources = new Map<string, string>();

  constructor(model: OnnxModel) {
    this.#model = model;
  }

  convert(): { readonly layers: readonly Layer[]; readonly heads: readonly string[] } {
    const { nodes, inputs } = this.#model;
    const [input, ...others] = inputs.filter((name) => !this.#model.constants.has(name));
    if (input === undefined || others.length > 0) {
      throw new WeightsError(`The model's inputs are [${inputs.join(', ')}]; wanted one, the picture.`);
    }
    this.#sources.set(input, 'picture');
    for (const node of nodes) {
      const [first = '', output = ''] = [node.inputs[0], node.outputs[0]];
      if (SHAPES.includes(node.op)) {
        const source = this.#sources.get(first);
        if (source !== undefined) this.#sources.set(output, source);
      } else this.#convert(node, first, output);
    }
    const heads = STRIDES.map((stride) => this.#joinBranches(stride));
    return { layers: this.#layers, heads };
  }

  #convert(node: OnnxNode, first: string, output: string): void {
    switch (node.op) {
      case 'Conv':
        this.#convolution(node, output);
        return;
      case 'Relu':
        this.#fuseRelu(first, output);
        return;
      case 'MaxPool': {
        const kernel = numbersOf(node, 'kernel_shape', 2);
        const input = this.#source(first);
        this.#add(output, {
          fields: {
            name: `${input}.pool`,
            op: 'maxPool',
            input,
            kernel,
            stride: numbersOf(node, 'strides', 2),
            padding: numbersOf(node, 'pads', 4),
          },
        });
        return;
      }
      case 'Resize': {
        const modes = ['mode', 'coordinate_transformation_mode', 'nearest_mode'].map((name) => node.words.get(name));
        const [, , vertical = 0, horizontal = 0] = this.#constant(node.inputs[2] ?? '').values;
        if (modes.join() !== 'nearest,asymmetric,floor') {
          throw new WeightsError(`A resize is ${modes.join(', ')}; wanted the nearest pixel, asymmetric, floor.`);
        }
        const input = this.#source(first);
        const scale = [vertical, horizontal];
        this.#add(output, { fields: { name: `${input}.resize`, op: 'resizeNearest', input, scale } });
        return;
      }
      case 'Add': {
        const inputs = node.inputs.map((name) => this.#source(name));
        this.#add(output, { fields: { name: `${inputs[0]}.sum`, op: 'add', inputs, activation: 'none' } });
        return;
      }
      default:
        throw new WeightsError(`The model has the operator ${node.op}, which the converter does not know.`);
    }
  }

  #convolution(node: OnnxNode, output: string): void {
    const [first = '', weightName = '', biasName = ''] = node.inputs;
    const [weight, bias] = [this.#constant(weightName), this.#constant(biasName)];
    const [outChannels = 0, inChannels = 0, height = 0, width = 0] = weight.shape;
    const [groups = 0] = numbersOf(node, 'group', 1);
    const input = this.#source(first);
    const window = {
      input,
      kernel: [height, width],
      stride: numbersOf(node, 'strides', 2),
      padding: numbersOf(node, 'pads', 4),
    };
    if (numbersOf(node, 'dilations', 2).some((size) => size !== 1)) throw new WeightsError('A convolution is dilated.');
    // Names of weights that a normalisation was folded into are numbers: those layers follow a `conv1`, or the picture.
    const name = weightName.endsWith('.weight')
      ? weightName.slice(0, -'.weight'.length)
      : input === 'picture'
        ? 'backbone.model0.conv1'
        : input.replace(/conv1$/, 'conv2');
    // Of one channel to one, it is both.
    if (groups === outChannels && inChannels === 1) {
      this.#add(output, {
        fields: { name, op: 'depthwiseConv2d', ...window, activation: 'none' },
        weight: floats(
          [height, width, outChannels],
          channelsLast({ ...weight, shape: [1, outChannels, height, width] }),
        ),
        bias: floats(bias.shape, bias.values),
      });
    } else if (groups === 1) {
      this.#add(output, {
        fields: { name, op: 'conv2d', ...window, inChannels, outChannels, activation: 'none' },
        weight: floats([outChannels, height, width, inChannels], channelsLast(weight, input === 'picture')),
        bias: floats(bias.shape, bias.values),
      });
    } else {
      throw new WeightsError(`'${name}' has ${groups} groups of ${inChannels} channels; wanted one, or one a channel.`);
    }
  }

  #add(output: string, layer: Layer): void {
    const { name } = layer.fields;
    if (this.#layers.some(({ fields }) => fields.name === name)) {
      throw new WeightsError(`Two operators are named '${name}'.`);
    }
    this.#layers.push(layer);
    this.#sources.set(output, name);
  }

  /** ReLU becomes the activation of the layer before it, whose result nobody else may want. */
  #fuseRelu(input: string, output: string): void {
    const name = this.#source(input);
    const layer = this.#layers.find(({ fields }) => fields.name === name);
    const readers = this.#model.nodes.filter(({ inputs }) => inputs.includes(input)).length;
    if (layer?.fields.activation !== 'none' || readers !== 1) {
      throw new WeightsError(`A ReLU reads '${name}'; wanted a layer without activation that nothing else reads.`);
    }
    layer.fields.activation = 'relu';
    this.#sources.set(output, name);
  }

  /**
   * Makes of the branches of one stride, each a 1x1 convolution and a depthwise one, two layers: a head of all their
   * channels.
   * @returns its name
   */
  #joinBranches(stride: number): string {
    const last = BRANCHES.map(([branch]) => this.#layer(this.#source(`${branch}_${stride}`)));
    const first = last.map(({ fields }) => this.#layer(String(fields.input)));
    const inputs = new Set(first.map(({ fields }) => fields.input));
    const counts: readonly number[] = BRANCHES.map(([, count]) => count);
    const isBranch = last.every(
      ({ fields, bias }, i) => fields.op === 'depthwiseConv2d' && bias?.shape[0] === counts[i],
    );
    const isMixed = first.every(({ fields }, i) => fields.op === 'conv2d' && fields.outChannels === counts[i]);
    if (!isBranch || !isMixed || inputs.size !== 1) {
      throw new WeightsError(`The branches of stride ${stride} are not a 1x1 and a depthwise convolution each.`);
    }
    const name = `head${stride}`;
    const mixed: Layer = {
      fields: { ...first[0]?.fields, name: `${name}.mixed`, outChannels: counts.reduce((sum, count) => sum + count) },
      ...joined(first, 'weight', 0),
      ...joined(first, 'bias', 0),
    };
    const head: Layer = {
      fields: { ...last[0]?.fields, name, input: mixed.fields.name },
      ...joined(last, 'weight', 2),
      ...joined(last, 'bias', 0),
    };
    for (const layer of [...first, ...last]) this.#layers.splice(this.#layers.indexOf(layer), 1);
    this.#layers.push(mixed, head);
    return name;
  }

  #layer(name: string): Layer {
    const layer = this.#layers.find(({ fields }) => fields.name === name);
    if (layer === undefined) throw new WeightsError(`No operator makes '${name}'.`);
    return layer;
  }

  #constant(name: string): OnnxTensor {
    const tensor = this.#model.constants.get(name);
    if (tensor === undefined) throw new WeightsError(`'${name}' is no constant of the model.`);
    return tensor;
  }

  #source(name: string): string {
    const source = this.#sources.get(name);
    if (source === undefined) throw new WeightsError(`'${name}' is made by no operator that is read.`);
    return source;
  }
}

/** One tensor of several layers put one after the other along `axis`, which is its first or its last. */
function joined(layers: readonly Layer[], part: 'weight' | 'bias', axis: number): Partial<Layer> {
  const tensors = layers.map((layer) => layer[part]).filter((tensor) => tensor !== undefined);
  const values = tensors.map(({ bytes }) => new Float32Array(Uint8Array.from(bytes ?? []).buffer));
  const shapes = tensors.map(({ shape }) => shape);
  const size = shapes.reduce((sum, shape) => sum + (shape[axis] ?? 0), 0);
  const shape = shapes[0]?.map((length, at) => (at === axis ? size : length)) ?? [];
  const rows = axis === 0 ? 1 : shape.slice(0, axis).reduce((product, length) => product * length, 1);
  const all = new Float32Array(shape.reduce((product, length) => product * length, 1));
  let at = 0;
  for (let row = 0; row < rows; row++) {
    for (const part of values) {
      const length = part.length / rows;
      all.set(part.subarray(row * length, (row + 1) * length), at);
      at += length;
    }
  }
  return { [part]: floats(shape, all) };
}

function numbersOf({ op, numbers }: OnnxNode, name: string, count: number): readonly number[] {
  const found = numbers.get(name);
  if (found?.length === count) return found;
  throw new WeightsError(`A ${op} has ${name} [${found?.join(', ') ?? ''}]; wanted ${count} whole numbers.`);
}

/** [outer, channels, height, width] to [outer, height, width, channels]. */
function channelsLast({ shape, values }: Pick<OnnxTensor, 'shape' | 'values'>, reversed = false): Float32Array {
  const [outer = 0, channels = 0, height = 0, width = 0] = shape;
  const moved = new Float32Array(values.length);
  const pixels = height * width;
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < channels; c++) {
      const target = reversed ? channels - 1 - c : c;
      for (let p = 0; p < pixels; p++) {
        moved[(o * pixels + p) * channels + target] = values[(o * channels + c) * pixels + p] ?? 0;
      }
    }
  }
  return moved;
}
