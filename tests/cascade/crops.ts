/** Given crops in place of the crop pass. */
import type { Cascade } from '../../src/cascade/cascade.js';
import { readBuffer } from '../../src/engine/readback.js';
import { packTensor, unpackTensor } from '../../src/engine/tensor.js';

/** Colours [...,3] in [0,1] as unorm16, r | g << 16, b: what crop.wgsl writes for paf.wgsl. */
export function packPixels(image: ArrayLike<number>): Uint32Array<ArrayBuffer> {
  const halves = Uint16Array.from({ length: (image.length / 3) * 4 }, (_, i) =>
    i % 4 === 3 ? 0 : Math.round((image[Math.floor(i / 4) * 3 + (i % 4)] ?? 0) * 65535),
  );
  return new Uint32Array(halves.buffer);
}

/** Writes crops [n,S,S,3] where the cascade's iterations read them, the PNCC of p^0 beside them. */
export async function writeCrops({ gpu, start, stem, pixels }: Cascade, image: ArrayLike<number>): Promise<void> {
  const first = unpackTensor(new Float32Array(await readBuffer(gpu, start.buffer)), 8);
  const channels = Float32Array.from({ length: (image.length / 3) * 8 }, (_, i) =>
    i % 8 < 3 ? (image[Math.floor(i / 8) * 3 + (i % 8)] ?? 0) : (first[i % first.length] ?? 0),
  );
  gpu.device.queue.writeBuffer(stem.buffer, 0, packTensor(channels, stem.shape));
  gpu.device.queue.writeBuffer(pixels, 0, packPixels(image));
}
