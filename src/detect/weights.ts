/** The detector's files (docs/formats.md): a description of its network and the weights, parsed and checked. */
import { WeightsError } from '../engine/errors.js';
import type { LayerNode } from '../engine/network/layer.js';
import { type NetworkGraph, parseNetwork } from '../engine/network.js';
import { parseSafetensors, type SafeTensors } from '../engine/safetensors.js';
import { show } from '../engine/show.js';
import type { FeatureShape } from '../engine/tensor.js';
import { expectValue, inFile, isPositive, parseJson } from '../files/json.js';
import { HEAD_CHANNELS } from './kernels/candidates.js';
import { DETECTOR_KINDS } from './kinds.js';

/** The files' contents, where the caller has them already. */
export interface DetectorBuffers {
  /** The text of face_detector.json. */
  readonly network: string;
  /** face_detector.safetensors. */
  readonly weights: ArrayBuffer;
}

/**
 * A layer [rows, columns, 16] that says of every cell of a grid how likely a face has its middle there, and where its
 * box and points are (candidates.wgsl).
 */
export interface DetectorHead {
  /** The layer's name. */
  readonly name: string;
  /** Rows, columns, 16 channels. */
  readonly shape: FeatureShape;
}

/** The network for the middle of a region: all of it, or the part that shows something. */
export interface DetectorView {
  /** Rows of the network's input. */
  readonly height: number;
  /** Columns. */
  readonly width: number;
  /** From `picture` [height, width, 3] to the heads. */
  readonly graph: NetworkGraph<LayerNode>;
  /** The network's outputs, one for every size of face. */
  readonly heads: readonly DetectorHead[];
}

/** Everything that a detector is made from. */
export interface DetectorWeights {
  /** Side of a region in pixels of the network's input. */
  readonly inputSize: number;
  /** What black and white are to it. */
  readonly inputRange: readonly [number, number];
  /** The first sees whole regions, inputSize x inputSize pixels; those of fewer rows or columns follow. */
  readonly views: readonly [DetectorView, ...DetectorView[]];
  /** The tensors of the layers. */
  readonly file: SafeTensors;
}

const NETWORK_FORMAT = 'fullpose-detector/2';
const WEIGHTS_FORMAT = 'fullpose-detector-weights/1';

/** A larger input is damage. */
const MAX_INPUT_SIZE = 1024;

/**
 * Rows or columns of the views that show less than a whole region: all of a picture of 4:3 or longer. Inputs of other
 * sizes than multiples of `NARROW_UNIT` have none, so that every cell of a grid is whole.
 */
const NARROW = 3 / 4;
const NARROW_UNIT = 128;

/**
 * Parses and checks the files.
 * @throws WeightsError, naming the file, for anything damaged; ShapeError where layers do not fit each other.
 */
export function parseDetectorWeights(buffers: DetectorBuffers): DetectorWeights {
  if (typeof buffers !== 'object' || buffers === null) {
    throw new WeightsError(`The detector's weights are ${show(buffers)}; wanted network and weights.`);
  }
  const description = inFile("the detector's network description", () => parseDescription(buffers.network));
  const file = inFile("the detector's weights", () => {
    const parsed = parseSafetensors(buffers.weights);
    const format = parsed.metadata.get('format');
    if (format !== WEIGHTS_FORMAT) {
      throw new WeightsError(`Metadata 'format' is ${show(format)}; wanted '${WEIGHTS_FORMAT}'.`);
    }
    return parsed;
  });
  return { ...description, file };
}

function parseDescription(text: unknown): Omit<DetectorWeights, 'file'> {
  const json = parseJson(text);
  expectValue(json, 'format', NETWORK_FORMAT);
  const { inputSize, inputRange } = json;
  if (!isPositive(inputSize) || inputSize > MAX_INPUT_SIZE) {
    throw new WeightsError(`inputSize is ${show(inputSize)}; wanted a whole number, 1 to ${MAX_INPUT_SIZE}.`);
  }
  const [black, white, ...more]: unknown[] = Array.isArray(inputRange) ? inputRange : [];
  if (!isNumber(black) || !isNumber(white) || more.length > 0) {
    throw new WeightsError(`inputRange is ${show(inputRange)}; wanted two numbers, those of black and white.`);
  }
  if (!Array.isArray(json.heads) || json.heads.length === 0) {
    throw new WeightsError(`heads is ${show(json.heads)}; wanted a list of at least one.`);
  }
  const names = json.heads.map((name: unknown, index) => {
    if (typeof name !== 'string') throw new WeightsError(`heads[${index}] is ${show(name)}; wanted a layer's name.`);
    return name;
  });
  const view = (height: number, width: number) => parseView(json.layers, names, height, width);
  const narrow = inputSize % NARROW_UNIT === 0 ? [inputSize * NARROW] : [];
  const views = [
    view(inputSize, inputSize),
    ...narrow.flatMap((side) => [view(side, inputSize), view(inputSize, side)]),
  ];
  return { inputSize, inputRange: [black, white], views: views as [DetectorView, ...DetectorView[]] };
}

function parseView(layers: unknown, names: readonly string[], height: number, width: number): DetectorView {
  const graph = parseNetwork(layers, { picture: { height, width, channels: 3 } }, names, DETECTOR_KINDS);
  const heads = names.map((name): DetectorHead => {
    const shape = graph.outputs.get(name);
    if (shape === undefined || shape.height * width !== shape.width * height || shape.channels !== HEAD_CHANNELS) {
      throw new WeightsError(
        `Layer '${name}' ${show(shape)} is no head; wanted a grid of square cells and ${HEAD_CHANNELS} channels.`,
      );
    }
    return { name, shape };
  });
  return { height, width, graph, heads };
}

function isNumber(value: unknown): value is number {
  return Number.isFinite(value);
}
