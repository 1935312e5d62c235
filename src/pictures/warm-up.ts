/**
 * The first frame, before there is a picture: drivers compile kernels, and browsers what copies pictures, when they are
 * first used.
 */
import type { Gpu } from '../engine/device.js';
import { copyPicture, type Frame, FrameTexture } from './frame.js';

const PIXEL = { width: 1, height: 1, data: new Uint8ClampedArray(4) } as const;

/**
 * Runs `action` on a black picture of one pixel, so that the caller's first picture finds everything compiled.
 * @throws the reason of `signal` as soon as it aborts; what the frame rejects with.
 */
export async function warmUp(
  gpu: Gpu,
  signal: AbortSignal | undefined,
  action: (frame: Frame) => Promise<unknown>,
): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const abort = () => reject(signal?.reason);
    signal?.addEventListener('abort', abort);
    onPixel(gpu, action)
      .then(resolve, reject)
      .finally(() => signal?.removeEventListener('abort', abort));
  });
}

async function onPixel(gpu: Gpu, action: (frame: Frame) => Promise<unknown>): Promise<void> {
  const texture = new FrameTexture(gpu);
  // Node has no bitmaps.
  const picture = await texture.prepare(typeof createImageBitmap === 'undefined' ? PIXEL : await copyPicture(PIXEL));
  try {
    const frame = await picture.upload();
    await Promise.all([frame.accepted, action(frame)]);
  } finally {
    picture.release();
    texture.destroy();
  }
}
