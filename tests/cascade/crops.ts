/** Given crops in place of the crop pass. */
import type { Cascade } from '../../src/cascade/cascade.js';
import { readBuffer } from '../../src/engine/readback.js';
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
