/** What one adapter makes of the golden crops and of the sample picture. Runs on the page and in Node. */
import { adapterName } from '../pages/adapter.js';
import { FaceAligner } from '../src/align/aligner.js';
import { Cascade } from '../src/cascade/cascade.js';
import { type CascadeWeights, parseWeights } from '../src/cascade/weights.js';
import { Gpu } from '../src/engine/device.js';
import type { DType } from '../src/engine/network.js';
import { parseSafetensors } from '../src/engine/safetensors.js';
import type { FaceBox } from '../src/pictures/boxes.js';
import type { PixelData } from '../src/pictures/frame.js';
import { goldenRuns, runOnPicture } from '../tests/cascade/crops.js';
import { shippedWeights } from '../tests/cascade/shipped-weights.js';
import { largestDifference } from './report.js';
import { listenToErrors } from './watch.js';

/** Gives a file of the repository, by its path from the root. */
export type Load = (path: string) => Promise<ArrayBuffer>;

export interface AdapterResult {
  readonly name: string;
  /**
   * Of the golden crops' landmarks from PyTorch's: largest difference of a coordinate, in crop pixels, with weights in
   * f32 and in f16.
   */
  readonly maxError: number;
  /** [68,3] of the sample's face in crop pixels, to compare adapters with. */
  readonly landmarks: readonly number[];
  readonly failures: readonly string[];
}

/** The face in assets/astronaut.png, and the part of the picture round it that is compared. */
export const SAMPLE = { path: 'assets/astronaut.png', x: 112, y: 0, width: 224, height: 224 } as const;
const SAMPLE_BOX: FaceBox = { x0: 69, y0: 66, x1: 153, y1: 178, kind: 'landmarks' };

/** What a device has that was asked for nothing: the smallest limits that WebGPU promises. */
const LEAST_LIMITS = {
  maxTextureDimension2D: 8192,
  maxStorageBuffersPerShaderStage: 8,
  maxStorageBufferBindingSize: 2 ** 27,
  maxBufferSize: 2 ** 28,
  maxComputeWorkgroupStorageSize: 16_384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupsPerDimension: 65_535,
} as const;

/** The default device, with all that helps, and one with the smallest limits and no features. */
export async function measureAdapters(load: Load, sample: PixelData): Promise<readonly AdapterResult[]> {
  const weights = parseWeights(await shippedWeights(load));
  const golden = await load('tests/fixtures/cascade.safetensors');
  const least = await (await navigator.gpu.requestAdapter())?.requestDevice();
  if (least === undefined) throw new Error('no GPU device');
  const results: AdapterResult[] = [];
  for (const [suffix, gpu] of [
    ['', await Gpu.create()],
    [' with the smallest limits', await Gpu.create({ device: least })],
  ] as const) {
    const { errors } = listenToErrors(gpu.device);
    const failures = gpu.device === least ? leastFailures(least) : [];
    const [wide, halved] = [
      await goldenLandmarks(gpu, weights, golden, 'f32'),
      await goldenLandmarks(gpu, weights, golden, 'f16'),
    ];
    // Halves are what the files hold, so they change no result.
    if (largestDifference(wide.found, halved.found) > 0)
      failures.push('weights in f16 and f32 give different landmarks');
    const maxError = Math.max(...[wide, halved].map(({ found, expected }) => largestDifference(found, expected)));
    const landmarks = await sampleLandmarks(gpu.device, weights, sample);
    gpu.destroy();
    const name = `${adapterName(gpu.adapter)}${suffix}`;
    results.push({ name, maxError, landmarks, failures: [...failures, ...errors] });
  }
  least.destroy();
  return results;
}

/** A device that has more than the least would test nothing. */
function leastFailures({ limits, features }: GPUDevice): string[] {
  const raised = Object.entries(LEAST_LIMITS).filter(([name, value]) => Reflect.get(limits, name) !== value);
  const useful = ['shader-f16', 'subgroups', 'timestamp-query'].filter((name) => features.has(name));
  return [
    ...raised.map(([name, value]) => `${name} is ${String(Reflect.get(limits, name))}; wanted ${value}`),
    ...useful.map((name) => `the device has ${name}`),
  ];
}

/** Landmarks of the golden pictures, as found here and by PyTorch: crop pixels. */
async function goldenLandmarks(gpu: Gpu, weights: CascadeWeights, golden: ArrayBuffer, dtype: DType) {
  const cascade = await Cascade.create(gpu, weights, { maxFaces: 1, dtype });
  const [found, expected]: [number[], number[]] = [[], []];
  for (const { picture, crops, landmarks } of goldenRuns(parseSafetensors(golden), weights)) {
    const [start] = crops;
    if (start === undefined) throw new Error('the fixture has no crop');
    found.push(...(await runOnPicture(cascade, picture, start)).landmarks.filter((_, i) => i % 4 !== 3));
    expected.push(...landmarks);
  }
  return { found, expected };
}

async function sampleLandmarks(device: GPUDevice, weights: CascadeWeights, sample: PixelData): Promise<number[]> {
  const aligner = await FaceAligner.create({ weights, device, maxFaces: 1 });
  try {
    const [face] = await aligner.align(sample, [SAMPLE_BOX]);
    if (face === undefined) throw new Error('the sample has no face');
    const { side, size } = face.crop;
    return Array.from(face.landmarks, (value) => (value * size) / side);
  } finally {
    aligner.destroy();
  }
}
