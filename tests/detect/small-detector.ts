/**
 * A detector that is small enough to be run often: one layer of random numbers on 4 x 4 of 64 x 64 pixels, which finds
 * something somewhere.
 */
import type { DetectorBuffers } from '../../src/detect/weights.js';
import { randomFloats } from '../browser/numbers.js';
import { safetensorsFile } from '../mmm/files.js';

export const SMALL_DETECTOR = {
  format: 'fullpose-detector/2',
  inputSize: 64,
  inputRange: [-1, 1],
  layers: [
    {
      name: 'head',
      op: 'conv2d',
      input: 'picture',
      kernel: [1, 1],
      stride: [16, 16],
      padding: [0, 0],
      inChannels: 3,
      outChannels: 16,
      activation: 'none',
    },
  ],
  heads: ['head'],
} as const;

/** Its files; every call makes them anew. */
export function smallDetectorBuffers(): DetectorBuffers {
  const tensors = {
    'head.weight': { shape: [16, 1, 1, 3], data: randomFloats(1, 48, -2, 2) },
    'head.bias': { shape: [16], data: randomFloats(2, 16, 0, 2) },
  };
  return {
    network: JSON.stringify(SMALL_DETECTOR),
    weights: safetensorsFile(tensors, { format: 'fullpose-detector-weights/1' }),
  };
}
