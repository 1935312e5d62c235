/**
 * Weights of a cascade that is small enough to be run often: random numbers of a sensible size on the small face model.
 */
import type { WeightBuffers } from '../../src/cascade/weights.js';
import { randomFloats } from '../browser/numbers.js';
import { layoutJson, safetensorsFile, smallModelFile, type TensorSpecs } from '../mmm/files.js';

const CROP = 32;
const ANCHORS = [4, 6] as const;
const PAC_CHANNELS = 5;

export const SMALL_NETWORK = {
  format: 'fullpose-network/1',
  cropSize: CROP,
  parameters: layoutJson(5, 3),
  pac: {
    name: 'pac',
    patch: 3,
    anchors: ANCHORS,
    inChannels: 3,
    outChannels: PAC_CHANNELS,
    activation: 'relu',
    occludedScale: 0.5,
  },
  layers: [
    {
      name: 'conv',
      op: 'conv2d',
      input: 'stem',
      kernel: [3, 3],
      stride: [2, 2],
      padding: [1, 1],
      inChannels: 6,
      outChannels: 4,
      activation: 'relu',
    },
    { name: 'fc1', op: 'fullyConnected', input: 'conv', inFeatures: 1024, outFeatures: 8, activation: 'relu' },
    { name: 'fc2', op: 'fullyConnected', input: 'paf', inFeatures: 120, outFeatures: 8, activation: 'relu' },
    { name: 'both', op: 'concat', inputs: ['fc1', 'fc2'] },
    { name: 'out', op: 'fullyConnected', input: 'both', inFeatures: 16, outFeatures: 16, activation: 'none' },
  ],
} as const;

/** p^0: a frontal face that fills about half of the crop. */
const INITIAL = Float32Array.of(Math.sqrt(10), 0, 0, 0, 15.5, 15.5, ...new Array<number>(10).fill(0));

export const SMALL_METADATA = { format: 'fullpose-iteration/1' } as const;

/** Tensors of iteration k. */
export function smallIterationTensors(k: number): TensorSpecs {
  const tensor = (seed: number, shape: readonly number[], size: number) => ({
    shape,
    data: randomFloats(
      100 * k + seed,
      shape.reduce((product, axis) => product * axis, 1),
      -size,
      size,
    ),
  });
  const out = tensor(9, [16, 16], 0.15);
  // t2d's two padding floats stay 0, as training leaves them.
  out.data.fill(0, 6 * 16, 8 * 16);
  return {
    'pac.weight': tensor(1, [PAC_CHANNELS, 3, 3, 3], 0.3),
    'pac.bias': tensor(2, [PAC_CHANNELS], 0.3),
    'conv.weight': tensor(3, [4, 3, 3, 6], 0.3),
    'conv.bias': tensor(4, [4], 0.2),
    'fc1.weight': tensor(5, [8, 1024], 0.05),
    'fc1.bias': tensor(6, [8], 0.2),
    'fc2.weight': tensor(7, [8, 120], 0.1),
    'fc2.bias': tensor(8, [8], 0.2),
    'out.weight': out,
    'out.bias': { shape: [16], data: new Float32Array(16) },
    ...(k === 0 && { initial_parameters: { shape: [16], data: INITIAL } }),
  };
}

/** The same network with a crop that follows the face: one expression fewer makes room for the turn. */
export const SMALL_FOLLOWING_NETWORK = {
  ...SMALL_NETWORK,
  parameters: layoutJson(5, 2),
  recrop: { margin: 1.25 },
} as const;

/** Weights of the network whose crop follows the face: its updates turn heads, by up to half a turn in iteration 0. */
export function followingWeightBuffers(iterations = 3): WeightBuffers {
  return {
    faceModel: smallModelFile({ anchorRows: ANCHORS[0], anchorColumns: ANCHORS[1], expressionCount: 2, coarse: true }),
    network: JSON.stringify(SMALL_FOLLOWING_NETWORK),
    iterations: Array.from({ length: iterations }, (_, k) => {
      const tensors = smallIterationTensors(k);
      const size = k === 0 ? 0.6 : 0.1;
      const rows = { 6: randomFloats(100 * k + 31, 16, -size, size), 15: randomFloats(100 * k + 32, 16, -size, size) };
      const { weight, bias } = { weight: tensors['out.weight'], bias: tensors['out.bias'] };
      for (const [row, values] of Object.entries(rows)) weight?.data.set(values, 16 * Number(row));
      // Away from no direction at all.
      bias?.data.set([k === 0 ? -1 : 0], 6);
      return safetensorsFile(tensors, SMALL_METADATA);
    }),
  };
}

export function smallWeightBuffers(iterations = 3): WeightBuffers {
  return {
    faceModel: smallModelFile({ anchorRows: ANCHORS[0], anchorColumns: ANCHORS[1], coarse: true }),
    network: JSON.stringify(SMALL_NETWORK),
    iterations: Array.from({ length: iterations }, (_, k) => safetensorsFile(smallIterationTensors(k), SMALL_METADATA)),
  };
}
