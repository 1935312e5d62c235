/** Given crops in place of the crop pass. */
import type { Cascade, CascadePlan } from '../../src/cascade/cascade.js';
import type { CascadeWeights } from '../../src/cascade/weights.js';
import { readBuffer } from '../../src/engine/readback.js';
import { requireTensor, type SafeTensors } from '../../src/engine/safetensors.js';
import { packTensor, unpackTensor } from '../../src/engine/tensor.js';

/** Colours [n,size,size,3] in [0,1] as unorm16, r | g << 16, b, in a frame of four pixels of `frame`: what paf.wgsl reads, and crop.wgsl writes but for the frame. */
export function packPixels(image: ArrayLike<number>, size: number, frame = 0): Uint32Array<ArrayBuffer> {
  const pitch = size + 8;
  const words = new Uint32Array((image.length / (3 * size * size)) * pitch * pitch * 2).fill(frame);
  for (let pixel = 0; pixel * 3 < image.length; pixel++) {
    const row = Math.floor(pixel / size);
    const at = ((Math.floor(row / size) * pitch + (row % size) + 4) * pitch + (pixel % size) + 4) * 2;
    const [r = 0, g = 0, b = 0] = [0, 1, 2].map((c) => Math.round((image[pixel * 3 + c] ?? 0) * 65535));
    words.set([r + g * 65536, b], at);
  }
  return words;
}

/** Writes crops [n,S,S,3] where the cascade's iterations read them, the PNCC of p^0 beside them. */
export async function writeCrops({ gpu, start, stem, pixels }: Cascade, image: ArrayLike<number>): Promise<void> {
  const first = unpackTensor(new Float32Array(await readBuffer(gpu, start.buffer)), 8);
  const channels = Float32Array.from({ length: (image.length / 3) * 8 }, (_, i) =>
    i % 8 < 3 ? (image[Math.floor(i / 8) * 3 + (i % 8)] ?? 0) : (first[i % first.length] ?? 0),
  );
  gpu.device.queue.writeBuffer(stem.buffer, 0, packTensor(channels, stem.shape));
  gpu.device.queue.writeBuffer(pixels, 0, packPixels(image, stem.shape.width));
}

/**
 * Runs a plan on given crops, `faces` of them.
 * @param images of each part: one [n,S,S,3], or where the crop follows the face one an iteration
 */
export async function runOnCrops(
  cascade: Cascade,
  { parts }: CascadePlan,
  images: readonly ArrayLike<number>[],
  faces: number,
): Promise<void> {
  const { device } = cascade.gpu;
  if (images.length !== parts.length) throw new Error(`${images.length} lists of crops; wanted ${parts.length}`);
  for (const [k, part] of parts.entries()) {
    await writeCrops(cascade, images[k] ?? []);
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    part.encode(pass, faces);
    pass.end();
    device.queue.submit([encoder.finish()]);
  }
}

/** The crops of a golden fixture's cascade, part by part: `image` is [n,S,S,3], or where the crop follows the face [K,n,S,S,3]. */
export function goldenCrops(file: SafeTensors, { network, iterations }: CascadeWeights) {
  const size = network.cropSize;
  const follows = network.recrop !== undefined;
  const parts = follows ? iterations.length : 1;
  const shape = [undefined, size, size, 3];
  const { data } = requireTensor(file, 'image', 'F32', follows ? [parts, ...shape] : shape);
  const length = data.length / parts;
  const images = Array.from({ length: parts }, (_, k) => data.subarray(k * length, (k + 1) * length));
  return { images, faces: length / (size * size * 3) };
}
