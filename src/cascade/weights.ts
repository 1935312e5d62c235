/**
 * The cascade's weights (docs/formats.md): face model, network description and one file per iteration, parsed and
 * checked.
 */
import { WeightsError } from '../engine/errors.js';
import { type NetworkGraph, parseNetwork } from '../engine/network.js';
import { parseSafetensors, requireFloats, requireTensor, type SafeTensors } from '../engine/safetensors.js';
import { show } from '../engine/show.js';
import { asRecord, expectValue, inFile, isPositive, parseJson } from '../files/json.js';
import { BLENDSHAPE_NAMES, BlendshapeReadout } from '../mmm/blendshapes.js';
import { type FaceModel, loadFaceModel } from '../mmm/model.js';
import { type ParameterLayout, parseParameterLayout } from '../mmm/parameters.js';

/** weights/network.json, checked. */
export interface NetworkDescription {
  /** S: the network sees S x S pixels. Even. */
  readonly cropSize: number;
  /** Where each part of the parameters p sits. */
  readonly parameters: ParameterLayout;
  /** The pose adaptive convolution that makes the second stream's input. */
  readonly pac: {
    readonly name: string;
    readonly rows: number;
    readonly columns: number;
    readonly outChannels: number;
  };
  /**
   * Where the network turns heads upright and wants its crop made anew between iterations: how wide that is over the
   * longer side of the landmarks' box. A network without it sees one crop throughout.
   */
  readonly recrop: { readonly margin: number } | undefined;
  /** The layers after it, from `stem` [S,S,8] and `paf` [rows,columns,outChannels] to the parameter update. */
  readonly graph: NetworkGraph;
}

/** Everything that a cascade is made from. */
export interface CascadeWeights {
  /** The morphable model. */
  readonly model: FaceModel;
  /** What the network is, the same in every iteration. */
  readonly network: NetworkDescription;
  /** p^0 in crop space. */
  readonly initialParameters: Float32Array;
  /** How ARKit's expression weights follow from the model's. */
  readonly blendshapes: BlendshapeReadout;
  /** One file per iteration. */
  readonly iterations: readonly SafeTensors[];
}

/** The files' contents, where the caller has them already. */
export interface WeightBuffers {
  /** face_model.safetensors. */
  readonly faceModel: ArrayBuffer;
  /** The text of network.json. */
  readonly network: string;
  /** The first one also holds p^0, and may hold `blendshapes`. */
  readonly iterations: readonly ArrayBuffer[];
}

/** A larger crop would leave the rasteriser's range. */
const MAX_CROP_SIZE = 1024;

const NETWORK_FORMAT = 'fullpose-network/1';
const ITERATION_FORMAT = 'fullpose-iteration/1';

/**
 * Parses and checks weights.
 * @throws WeightsError, naming the file, for anything damaged, or files that do not fit each other.
 */
export function parseWeights(buffers: WeightBuffers): CascadeWeights {
  if (typeof buffers !== 'object' || buffers === null || !Array.isArray(buffers.iterations)) {
    throw new WeightsError(`The weights are ${show(buffers)}; wanted faceModel, network and a list of iterations.`);
  }
  const model = inFile('the face model', () => loadFaceModel(buffers.faceModel));
  const network = inFile('the network description', () => parseNetworkDescription(buffers.network));
  const iterations = buffers.iterations.map((buffer, k) =>
    inFile(`the weights of iteration ${k}`, () => {
      const file = parseSafetensors(buffer);
      const format = file.metadata.get('format');
      if (format !== ITERATION_FORMAT) {
        throw new WeightsError(`Metadata 'format' is ${show(format)}; wanted '${ITERATION_FORMAT}'.`);
      }
      return file;
    }),
  );
  const [first] = iterations;
  if (first === undefined) throw new WeightsError('There are weights for 0 iterations; wanted at least one.');
  const { parameters, pac } = network;
  const [identity, expression] = [parameters.identity[1], parameters.expression[1]];
  if (model.identity.count !== identity || model.expression.count !== expression) {
    throw new WeightsError(
      `The face model has ${model.identity.count} identity and ${model.expression.count} expression columns; ` +
        `the network has ${identity} and ${expression}.`,
    );
  }
  if (model.anchors.rows !== pac.rows || model.anchors.columns !== pac.columns) {
    throw new WeightsError(
      `The face model has ${model.anchors.rows} x ${model.anchors.columns} anchors; the network ${pac.rows} x ${pac.columns}.`,
    );
  }
  const initialParameters = inFile(
    'the weights of iteration 0',
    () => requireTensor(first, 'initial_parameters', 'F32', [parameters.count]).data,
  );
  if (!initialParameters.every(Number.isFinite)) throw new WeightsError("'initial_parameters' are not all finite.");
  const blendshapes = inFile('the weights of iteration 0', () =>
    first.tensors.has('blendshapes')
      ? new BlendshapeReadout(requireFloats(first, 'blendshapes', [BLENDSHAPE_NAMES.length, expression + 1]))
      : BlendshapeReadout.named(model.expressionNames),
  );
  return { model, network, initialParameters, blendshapes, iterations };
}

/**
 * Reads network.json.
 * @throws WeightsError for a missing or impossible field; ShapeError where layers do not fit each other.
 */
export function parseNetworkDescription(text: string): NetworkDescription {
  const json = parseJson(text);
  expectValue(json, 'format', NETWORK_FORMAT);
  const { cropSize } = json;
  if (
    typeof cropSize !== 'number' ||
    !Number.isInteger(cropSize) ||
    cropSize < 2 ||
    cropSize > MAX_CROP_SIZE ||
    cropSize % 2 !== 0
  ) {
    throw new WeightsError(`cropSize is ${show(cropSize)}; wanted an even number, 2 to ${MAX_CROP_SIZE}.`);
  }
  const parameters = parseParameterLayout(json.parameters);
  const pac = asRecord(json.pac, 'pac');
  expectValue(pac, 'patch', 3);
  expectValue(pac, 'inChannels', 3);
  expectValue(pac, 'activation', 'relu');
  expectValue(pac, 'occludedScale', 0.5);
  const [rows, columns]: unknown[] = Array.isArray(pac.anchors) ? pac.anchors : [];
  const { name, outChannels } = pac;
  if (typeof name !== 'string' || !isPositive(rows) || !isPositive(columns) || !isPositive(outChannels)) {
    throw new WeightsError(`pac is ${show(pac)}; wanted a name, anchors [rows, columns] and outChannels.`);
  }
  const graph = parseNetwork(json.layers, {
    stem: { height: cropSize, width: cropSize, channels: 8 },
    paf: { height: rows, width: columns, channels: outChannels },
  });
  const { height, width, channels } = graph.output.shape;
  if (height !== 1 || width !== 1 || channels !== parameters.count) {
    throw new WeightsError(
      `The network's output is [${height}, ${width}, ${channels}]; wanted an update of ${parameters.count} parameters.`,
    );
  }
  const recrop = json.recrop === undefined ? undefined : parseRecrop(json.recrop, parameters);
  return { cropSize, parameters, pac: { name, rows, columns, outChannels }, recrop, graph };
}

/** A crop less wide than the landmarks, or much wider, is damage. */
const MARGINS = [1, 4] as const;

function parseRecrop(value: unknown, { count, identity, expression }: ParameterLayout): { readonly margin: number } {
  const { margin } = asRecord(value, 'recrop');
  if (typeof margin !== 'number' || !(margin >= MARGINS[0] && margin <= MARGINS[1])) {
    throw new WeightsError(`recrop.margin is ${show(margin)}; wanted a number from ${MARGINS.join(' to ')}.`);
  }
  if (Math.max(identity[0] + identity[1], expression[0] + expression[1]) >= count) {
    throw new WeightsError(
      `recrop wants the last of the ${count} parameters free, for a turn; a coefficient is there.`,
    );
  }
  return { margin };
}
