import { readBuffer } from '../../src/engine/readback.js';
import { FrameTexture } from '../../src/pictures/frame.js';
import { pixelWriter } from '../../src/pictures/pixel-writer.js';
import { countCalls } from '../align/calls.js';
import { expectEqual, expectThat } from '../browser/numbers.js';
import { type GpuCaseContext, gpuSuite } from '../browser/suite.js';

type Gpu = GpuCaseContext['gpu'];

/** Bytes that differ from pixel to pixel. */
function pixels(width: number, height: number, alpha = 255): ImageData {
  const image = new ImageData(width, height);
  for (let at = 0; at < image.data.length; at++) image.data[at] = at % 4 === 3 ? alpha : (at * 37 + (at >> 5)) % 256;
  return image;
}

function newTexture(gpu: Gpu, width: number, height: number): GPUTexture {
  const usage = GPUTextureUsage.COPY_DST | GPUTextureUsage.COPY_SRC;
  return gpu.device.createTexture({ size: [width, height], format: 'rgba8unorm', usage });
}

/** RGBA bytes of a texture's upper left corner. */
async function bytesOf(gpu: Gpu, texture: GPUTexture, width: number, height: number): Promise<number[]> {
  const bytesPerRow = 256 * Math.ceil((4 * width) / 256);
  const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  const buffer = gpu.createBuffer('texels', bytesPerRow * height, usage);
  const encoder = gpu.device.createCommandEncoder();
  encoder.copyTextureToBuffer({ texture }, { buffer, bytesPerRow }, [width, height]);
  gpu.device.queue.submit([encoder.finish()]);
  const rows = new Uint8Array(await readBuffer(gpu, buffer));
  gpu.destroyBuffer(buffer);
  return Array.from({ length: height }, (_, y) => [
    ...rows.subarray(y * bytesPerRow, y * bytesPerRow + 4 * width),
  ]).flat();
}

export const reader = gpuSuite('pixels of pictures', (test) => {
  test('are the same bytes in a texture, whole or a few rows at a time', async ({ gpu }) => {
    const texture = newTexture(gpu, 71, 40);
    // Nine rows, ten, one, all.
    for (const most of [9 * 71, 10 * 71, 1, 71 * 40]) {
      const writePixels = pixelWriter(most);
      for (const [width, height] of [
        [71, 37],
        [13, 40],
        [71, 37],
      ] as const) {
        const image = pixels(width, height);
        const bitmap = await createImageBitmap(image);
        expectThat(writePixels(gpu.device.queue, texture, bitmap, { width, height }), 'not written');
        bitmap.close();
        expectEqual(await bytesOf(gpu, texture, width, height), [...image.data], `${width} x ${height} by ${most}`);
      }
    }
    texture.destroy();
  });

  test('that are not opaque keep their colours, which a canvas would forget', async ({ gpu }) => {
    const image = pixels(9, 7, 0);
    image.data[3] = 255;
    const bitmap = await createImageBitmap(image, { premultiplyAlpha: 'none' });
    const texture = newTexture(gpu, 9, 7);
    const isWritten = pixelWriter()(gpu.device.queue, texture, bitmap, { width: 9, height: 7 });
    expectThat(!isWritten, 'transparent pixels are written');
    texture.destroy();

    const frames = new FrameTexture(gpu);
    const prepared = await frames.prepare(bitmap);
    const { calls } = await countCalls(async () => (await prepared.upload()).accepted);
    expectEqual(calls.get('GPUQueue.copyExternalImageToTexture'), 1, 'copies by the browser');
    frames.destroy();
    bitmap.close();
  });
});
