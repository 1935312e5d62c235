/** The same picture gives the same bits, and on every adapter what PyTorch says. */
import { FaceAligner } from '../src/cascade/aligner.js';
import type { FaceBox } from '../src/cascade/boxes.js';
import { Cascade } from '../src/cascade/cascade.js';
import { parseWeights, type WeightBuffers } from '../src/cascade/weights.js';
import { Gpu } from '../src/engine/device.js';
import { readBuffer } from '../src/engine/readback.js';
import { parseSafetensors, requireTensor } from '../src/engine/safetensors.js';
import { packTensor } from '../src/engine/tensor.js';
import { bitsOf } from './losses.js';
import { waves } from './pictures.js';
import { listenToErrors } from './watch.js';

export async function loadFile(path: string): Promise<ArrayBuffer> {
  const response = await fetch(`/${path}`);
  if (!response.ok) throw new Error(`${path}: status ${response.status}`);
  return response.arrayBuffer();
}

export async function shippedWeights(): Promise<WeightBuffers> {
  const names = ['face_model.safetensors', ...[0, 1, 2].map((k) => `iteration${k}.safetensors`)];
  const [network, faceModel, ...iterations] = await Promise.all([
    loadFile('weights/network.json'),
    ...names.map((name) => loadFile(`weights/${name}`)),
  ]);
  if (faceModel === undefined) throw new Error('no face model');
  return { faceModel, network: new TextDecoder().decode(network), iterations };
}

export interface RepeatResult {
  readonly runs: number;
  readonly different: number;
  /** Of the first run, to compare pages and devices with. */
  readonly bits: string;
}

const BOX: FaceBox = { x0: 60, y0: 50, x1: 150, y1: 145, kind: 'landmarks' };
const OTHER: FaceBox = { x0: 10, y0: 20, x1: 90, y1: 120, kind: 'detector' };

/** Runs one picture again and again: alone, among other faces, beside other calls, on other aligners of the same device. */
export async function repeatPicture(repeats: number, onProgress: (done: number) => void): Promise<RepeatResult> {
  const weights = parseWeights(await shippedWeights());
  const first = await FaceAligner.create({ weights, maxFaces: 3 });
  const second = await FaceAligner.create({ weights, maxFaces: 1, device: first.device });
  const picture = waves(200, 180);
  const bits = bitsOf(await first.align(picture, [BOX]));
  let [runs, different] = [0, 0];
  const compare = (faces: Awaited<ReturnType<FaceAligner['align']>>, face: number) => {
    runs++;
    if (bitsOf(faces.slice(face, face + 1)) !== bits) different++;
  };
  while (runs < repeats) {
    compare(await first.align(picture, [OTHER, BOX, OTHER]), 1);
    const [one, two] = await Promise.all([first.align(picture, [BOX]), second.align(picture, [BOX, OTHER])]);
    compare(one, 0);
    compare(two, 0);
    onProgress(runs);
  }
  second.destroy();
  first.destroy();
  return { runs, different, bits };
}

export interface AdapterResult {
  readonly name: string;
  /** Crop pixels. */
  readonly maxError: number;
  readonly failures: readonly string[];
}

/** The golden crops on the default device, and on one with WebGPU's smallest limits and no features. */
export async function compareAdapters(): Promise<readonly AdapterResult[]> {
  const weights = parseWeights(await shippedWeights());
  const file = parseSafetensors(await loadFile('tests/fixtures/cascade.safetensors'));
  const adapter = await navigator.gpu.requestAdapter();
  const least = await adapter?.requestDevice();
  if (least === undefined) throw new Error('no GPU device');
  const results: AdapterResult[] = [];
  for (const [suffix, gpu] of [
    ['', await Gpu.create()],
    [' with the default limits', await Gpu.create({ device: least })],
  ] as const) {
    const { errors } = listenToErrors(gpu.device);
    const { vendor, architecture, description } = gpu.adapter;
    const size = weights.network.cropSize;
    const image = requireTensor(file, 'image', 'F32', [undefined, size, size, 3]).data;
    const faces = image.length / (size * size * 3);
    const expected = requireTensor(file, 'landmarks', 'F32', [faces, 68, 3]).data;
    const cascade = await Cascade.create(gpu, weights, { maxFaces: faces });
    gpu.device.queue.writeBuffer(cascade.image.buffer, 0, packTensor(image, cascade.image.shape));
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    cascade.plan(cascade.iterations).encode(pass, faces);
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
    const output = new Float32Array(await readBuffer(gpu, cascade.output));
    const stride = output.length / faces;
    let maxError = 0;
    for (const [i, value] of expected.entries()) {
      const [face, point] = [Math.floor(i / 204), Math.floor((i % 204) / 3)];
      const found = output[face * stride + weights.network.parameters.count + point * 4 + (i % 3)] ?? Number.NaN;
      maxError = Math.max(maxError, Math.abs(found - value));
    }
    gpu.destroy();
    const name = [vendor, architecture, description].filter((part) => part !== '').join(' ') + suffix;
    results.push({ name, maxError, failures: errors });
  }
  least.destroy();
  return results;
}
