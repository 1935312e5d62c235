/** A detector that is small enough to be run often: two layers of random numbers on 8 x 8 pixels, which find something somewhere. */
import type { DetectorBuffers } from '../../src/detect/weights.js';
import { randomFloats } from '../browser/numbers.js';
import { safetensorsFile } from '../mmm/files.js';

export const SMALL_DETECTOR = {
  format: 'fullpose-detector/1',
  inputSize: 8,
  inputRange: [-1, 1],
  layers: [layer('scores', 2), layer('boxes', 32)],
  heads: [{ scores: 'scores', boxes: 'boxes' }],
} as const;

function layer(name: string, outChannels: number) {
  const window = { kernel: [1, 1], stride: [2, 2], padding: [0, 0] };
  return { name, op: 'conv2d', input: 'picture', ...window, inChannels: 3, outChannels, activation: 'none' } as const;
}

/** Its files; every call makes them anew. */
export function smallDetectorBuffers(): DetectorBuffers {
  const convolution = (name: string, channels: number, seed: number, size: number) => ({
    [`${name}.weight`]: { shape: [channels, 1, 1, 3], data: randomFloats(seed, channels * 3, -size, size) },
    [`${name}.bias`]: { shape: [channels], data: randomFloats(seed + 1, channels, 0, size) },
  });
  const tensors = { ...convolution('scores', 2, 1, 2), ...convolution('boxes', 32, 3, 2) };
  return {
    network: JSON.stringify(SMALL_DETECTOR),
    weights: safetensorsFile(tensors, { format: 'fullpose-detector-weights/1' }),
  };
}
