/**
 * Pictures to textures by way of the processor. A software adapter's browser draws a picture that it copies to a
 * texture, with shaders: of 640 x 480 pixels a third of what a look at it takes. A 2D canvas in memory gives the same
 * bytes in a tenth of that.
 */
import type { Gpu } from '../engine/device.js';
import { isFirefox } from '../engine/firefox.js';
import type { PictureSize } from './frame.js';

/** Pixels that pass through the canvas at a time, in whole rows: 16 MiB, and as much again for the bytes. */
const MOST_PIXELS = 2 ** 22;

const OPAQUE = 0xff;

/** Whether a device's pictures go this way. Firefox reads pixels on the processor whatever it copies. */
export function readsPixels({ adapter }: Pick<Gpu, 'adapter'>): boolean {
  return adapter.isSoftware && !isFirefox();
}

export class PixelReader {
  readonly #most: number;
  #context: OffscreenCanvasRenderingContext2D | undefined;

  /** @param most pixels that pass through the canvas at a time */
  constructor(most = MOST_PIXELS) {
    this.#most = most;
  }

  /**
   * Writes a picture into a texture of RGBA bytes, at its upper left corner, in queue order. A canvas forgets the
   * colours of what is transparent: where a pixel is not opaque it returns false, and has perhaps written a part.
   * @throws DOMException for a source that is closed, or of another origin
   */
  write(queue: GPUQueue, texture: GPUTexture, source: CanvasImageSource, { width, height }: PictureSize): boolean {
    const most = Math.max(1, Math.floor(this.#most / width));
    const context = this.#contextOf(width, Math.min(most, height));
    if (context === undefined) return false;
    for (let top = 0; top < height; top += most) {
      const rows = Math.min(most, height - top);
      context.drawImage(source, 0, -top);
      const { data } = context.getImageData(0, 0, width, rows);
      if (!isOpaque(data)) return false;
      queue.writeTexture({ texture, origin: [0, top] }, data, { bytesPerRow: width * 4 }, [width, rows]);
    }
    return true;
  }

  #contextOf(width: number, height: number): OffscreenCanvasRenderingContext2D | undefined {
    const { canvas } = this.#context ?? {};
    if (canvas?.width === width && canvas.height === height) return this.#context;
    this.#context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true }) ?? undefined;
    // What was drawn before must not show through.
    if (this.#context !== undefined) this.#context.globalCompositeOperation = 'copy';
    return this.#context;
  }
}

/** @param data RGBA bytes */
function isOpaque(data: Uint8ClampedArray): boolean {
  let all = OPAQUE;
  for (let at = 3; at < data.length; at += 4) all &= data[at]!;
  return all === OPAQUE;
}
