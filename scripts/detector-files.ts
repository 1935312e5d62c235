/**
 * From MediaPipe's short-range face detector (BlazeFace, a .tflite file) to the files that `fullpose/detect` loads (docs/formats.md): its operators
 * as a list of layers, its f16 weights as they are.
 */
import { createHash } from 'node:crypto';
import { WeightsError } from '../src/engine/errors.js';
import { encodeSafetensors, type TensorToWrite } from './safetensors-writer.js';
import { readTflite, type TfliteModel, type TfliteOperator, type TfliteTensor } from './tflite.js';

/** Names and contents of the files, for `weights/`. */
export type DetectorFiles = ReadonlyMap<string, Uint8Array>;

/** What the graph of MediaPipe's solution says, and the model file does not. */
const INPUT_RANGE = [-1, 1] as const;

const ORIGIN =
  'BlazeFace short range, by Google, from face_detection_short_range.tflite in the npm package @mediapipe/face_detection 0.4.1646425229; ' +
  'changed: converted to safetensors and a list of layers';

type Fields = Record<string, unknown>;

/**
 * Converts the model.
 * @throws WeightsError for a file that is damaged or is another network than the converter understands.
 */
export function detectorFiles(tflite: Uint8Array): DetectorFiles {
  const model = readTflite(tflite);
  const { layers, weights, heads, inputSize } = new Converter(model).convert();
  const description = {
    format: 'fullpose-detector/1',
    origin: ORIGIN,
    licence: 'Apache-2.0',
    inputSize,
    inputRange: INPUT_RANGE,
    heads,
  };
  const tensors = encodeSafetensors(weights, {
    format: 'fullpose-detector-weights/1',
    origin: ORIGIN,
    licence: 'Apache-2.0',
  });
  const network = `${pretty(description, layers)}\n`;
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
  readonly #model: TfliteModel;
  readonly #layers: Fields[] = [];
  readonly #weights: Record<string, TensorToWrite> = {};
  /** The layer (or the network's input) that makes a tensor. */
  readonly #sources = new Map<number, string>();
  /** The constant that a tensor is a dequantised copy of. */
  readonly #constants = new Map<number, TfliteTensor>();
  /** Tensors that an operator padded with channels, and what it padded. */
  readonly #padded = new Map<number, number>();

  constructor(model: TfliteModel) {
    this.#model = model;
  }

  convert() {
    const { inputs, outputs, operators } = this.#model;
    const [input, ...others] = inputs;
    const [batch, height, width, channels] = input === undefined ? [] : this.#tensor(input).shape;
    if (input === undefined || others.length > 0 || batch !== 1 || height !== width || channels !== 3) {
      throw new WeightsError(`The model's inputs are [${inputs.join(', ')}]; wanted one square RGB picture.`);
    }
    this.#sources.set(input, 'picture');
    const joins = new Map<number, readonly number[]>();
    const reshapes = new Map<number, number>();
    for (const operator of operators) {
      const [first, output] = [one(operator.inputs), one(operator.outputs)];
      if (operator.op === 'reshape') reshapes.set(output, first);
      else if (operator.op === 'concatenation') joins.set(output, operator.inputs);
      else this.#convert(operator, first, output);
    }
    // The outputs are the heads' results, reshaped to a row an anchor and put one after the other.
    const ends = outputs.map((output) => {
      const parts = joins.get(output) ?? [];
      return parts
        .map((part) => reshapes.get(part) ?? part)
        .map((part) => ({
          layer: this.#source(part),
          channels: this.#tensor(part).shape.at(-1) ?? 0,
          row: this.#tensor(output).shape.at(-1) ?? 0,
        }));
    });
    const [boxes = [], scores = []] = [...ends].sort((a, b) => (b[0]?.row ?? 0) - (a[0]?.row ?? 0));
    if (ends.length !== 2 || boxes.length === 0 || boxes.length !== scores.length) {
      throw new WeightsError(
        `The model has ${ends.length} outputs; wanted boxes and scores, from as many layers each.`,
      );
    }
    const heads = boxes.map((box, index) => ({ scores: scores[index]?.layer, boxes: box.layer }));
    return { layers: this.#layers, weights: this.#weights, heads, inputSize: height };
  }

  #convert(
    operator: Exclude<TfliteOperator, { op: 'reshape' | 'concatenation' }>,
    first: number,
    output: number,
  ): void {
    const { shape } = this.#tensor(first);
    switch (operator.op) {
      case 'dequantize':
        this.#constants.set(output, this.#tensor(first));
        return;
      case 'pad':
        this.#padded.set(output, this.#channelPadding(operator, first));
        return;
      case 'relu':
        this.#fuseRelu(first, output);
        return;
      case 'maxPool': {
        const { kernel, stride, padding } = operator;
        this.#add(output, 'maxPool', {
          input: this.#source(first),
          kernel,
          stride,
          padding: paddingOf(shape, kernel, stride, padding),
        });
        return;
      }
      case 'add': {
        const { inputs, activation } = operator;
        const sources = inputs.map((input) => this.#padded.get(input) ?? input).map((input) => this.#source(input));
        const pads = inputs.some((input) => this.#padded.has(input));
        this.#add(output, 'add', { inputs: sources, activation, ...(pads && { padChannels: true }) });
        return;
      }
      case 'conv2d':
      case 'depthwiseConv2d':
        this.#convolution(operator, first, output, shape);
    }
  }

  #convolution(
    operator: Extract<TfliteOperator, { op: 'conv2d' | 'depthwiseConv2d' }>,
    first: number,
    output: number,
    shape: readonly number[],
  ): void {
    const { op, stride, padding, activation } = operator;
    const [, weightIndex = -1, biasIndex = -1] = operator.inputs;
    const [weight, bias] = [this.#constant(weightIndex), this.#constant(biasIndex)];
    const [outer = 0, height = 0, width = 0, inner = 0] = weight.shape;
    const kernel = [height, width] as const;
    const window = { input: this.#source(first), kernel, stride, padding: paddingOf(shape, kernel, stride, padding) };
    if (op === 'depthwiseConv2d' && outer !== 1) {
      throw new WeightsError(`'${weight.name}' has shape [${weight.shape.join(', ')}]; wanted 1 in front.`);
    }
    const name =
      op === 'conv2d'
        ? this.#add(output, op, { ...window, inChannels: inner, outChannels: outer, activation })
        : this.#add(output, op, { ...window, activation });
    this.#weights[`${name}.weight`] = toWrite(weight, op === 'conv2d' ? weight.shape : [height, width, inner]);
    this.#weights[`${name}.bias`] = toWrite(bias, bias.shape);
  }

  /** Adds a layer that makes tensor `output`, and returns its name. */
  #add(output: number, op: string, fields: Fields): string {
    // The file marks some names of sums for its own compiler.
    const name = this.#tensor(output).name.replace(/__xeno_compat__.*$/, '');
    if ([...this.#sources.values()].includes(name)) throw new WeightsError(`Two operators are named '${name}'.`);
    this.#layers.push({ name, op, ...fields });
    this.#sources.set(output, name);
    return name;
  }

  /** ReLU becomes the activation of the layer before it, whose result nobody else may want. */
  #fuseRelu(input: number, output: number): void {
    const name = this.#source(input);
    const layer = this.#layers.find((candidate) => candidate.name === name);
    const readers = this.#model.operators.filter(({ inputs }) => inputs.includes(input)).length;
    if (layer?.activation !== 'none' || readers !== 1) {
      throw new WeightsError(`A ReLU reads '${name}'; wanted a layer without activation that nothing else reads.`);
    }
    layer.activation = 'relu';
    this.#sources.set(output, name);
  }

  /** The padded tensor, where only channels are added behind, and only sums read the result. */
  #channelPadding({ inputs, outputs }: TfliteOperator, first: number): number {
    const paddings = this.#tensor(inputs[1] ?? -1);
    const { data } = paddings;
    if (paddings.type !== 'I32' || data?.length !== 32) {
      throw new WeightsError(`'${paddings.name}' pads [${paddings.shape.join(', ')}]; wanted the constant [4, 2].`);
    }
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const values = Array.from({ length: 8 }, (_, index) => view.getInt32(4 * index, true));
    const readers = this.#model.operators.filter((reader) => reader.inputs.includes(one(outputs)));
    if (values.slice(0, 7).some((value) => value !== 0) || readers.some(({ op }) => op !== 'add')) {
      throw new WeightsError(`'${paddings.name}' pads [${values.join(', ')}]; wanted channels of a summand only.`);
    }
    return first;
  }

  #tensor(index: number): TfliteTensor {
    const tensor = this.#model.tensors[index];
    if (tensor === undefined) throw new WeightsError(`There is no tensor ${index}.`);
    return tensor;
  }

  #constant(index: number): TfliteTensor {
    const tensor = this.#constants.get(index) ?? this.#tensor(index);
    if (tensor.data === undefined) throw new WeightsError(`'${tensor.name}' is computed; wanted a constant.`);
    return tensor;
  }

  #source(index: number): string {
    const source = this.#sources.get(index);
    if (source === undefined)
      throw new WeightsError(`'${this.#tensor(index).name}' is made by no operator that is read.`);
    return source;
  }
}

/** The first of a list that must not be empty. */
function one(list: readonly number[]): number {
  const [first] = list;
  if (first === undefined) throw new WeightsError('An operator has no input or no output.');
  return first;
}

function toWrite({ name, type, data }: TfliteTensor, shape: readonly number[]): TensorToWrite {
  if (data === undefined) throw new WeightsError(`'${name}' has no values.`);
  return { dtype: type, shape, bytes: data };
}

/**
 * Top, left, bottom, right. `same` makes the result `ceil(size / stride)` long, and puts an odd pixel of padding behind.
 * @param shape [1, height, width, channels] of the input
 */
function paddingOf(
  shape: readonly number[],
  kernel: readonly [number, number],
  stride: readonly [number, number],
  padding: 'same' | 'valid',
): readonly number[] {
  const [, height = 0, width = 0] = shape;
  if ([...kernel, ...stride].some((size) => size < 1)) {
    throw new WeightsError(`A window of ${kernel.join(' x ')} has stride ${stride.join(' x ')}; wanted at least 1.`);
  }
  const total = [height, width].map((size, axis) => {
    const [window = 0, step = 0] = [kernel[axis], stride[axis]];
    return padding === 'valid' ? 0 : Math.max(0, (Math.ceil(size / step) - 1) * step + window - size);
  });
  const before = total.map((sum) => Math.floor(sum / 2));
  return [...before, ...total.map((sum, axis) => sum - (before[axis] ?? 0))];
}
