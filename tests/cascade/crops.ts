/** Given crops in place of the crop pass. */
import type { Cascade } from '../../src/cascade/cascade.js';
import { packTensor } from '../../src/engine/tensor.js';

/** Colours [...,3] in [0,1] as unorm16, r | g << 16, b: what crop.wgsl writes for paf.wgsl. */
export function packPixels(image: ArrayLike<number>): Uint32Array<ArrayBuffer> {
  const halves = Uint16Array.from({ length: (image.length / 3) * 4 }, (_, i) =>
    i % 4 === 3 ? 0 : Math.round((image[Math.floor(i / 4) * 3 + (i % 4)] ?? 0) * 65535),
  );
  return new Uint32Array(halves.buffer);
}

/** Writes crops [n,S,S,3] where the cascade's iterations read them. */
export function writeCrops({ gpu, stem, pixels }: Cascade, image: ArrayLike<number>): void {
  const channels = Float32Array.from({ length: (image.length / 3) * 8 }, (_, i) =>
    i % 8 < 3 ? (image[Math.floor(i / 8) * 3 + (i % 8)] ?? 0) : 0,
  );
  gpu.device.queue.writeBuffer(stem.buffer, 0, packTensor(channels, stem.shape));
  gpu.device.queue.writeBuffer(pixels, 0, packPixels(image));
}
