/**
 * Pictures to textures by way of the processor. A software adapter's browser draws a picture that it copies to a
 * texture, with shaders: of 640 x 480 pixels a third of what a look at it takes. A 2D canvas in memory gives the same
 * bytes in a tenth of that.
 */

/**
 * Writes a picture into a texture of RGBA bytes, at its upper left corner, in queue order. A canvas forgets the colours
 * of what is transparent: where a pixel is not opaque it returns false, and has perhaps written a part.
 * @throws DOMException for a source that is closed, or of another origin
 */
export type WritePixels = (
  queue: GPUQueue,
  texture: GPUTexture,
  source: CanvasImageSource,
  size: { readonly width: number; readonly height: number },
) => boolean;

/**
 * One canvas, kept for pictures of one size.
 * @param mostPixels that pass through it at a time, to the next whole row: 16 MiB by default, and as much again for
 * the bytes
 */
export function pixelWriter(mostPixels = 2 ** 22): WritePixels {
  let context: OffscreenCanvasRenderingContext2D | undefined;
  return (queue, texture, source, { width, height }) => {
    const most = Math.min(height, Math.ceil(mostPixels / width));
    if (context?.canvas.width !== width || context.canvas.height !== most) {
      context = new OffscreenCanvas(width, most).getContext('2d', { willReadFrequently: true })!;
      // What was drawn before must not show through.
      context.globalCompositeOperation = 'copy';
    }
    for (let top = 0; top < height; top += most) {
      const rows = Math.min(most, height - top);
      context.drawImage(source, 0, -top);
      const { data } = context.getImageData(0, 0, width, rows);
      let alpha = 255;
      for (let at = 3; at < data.length; at += 4) alpha &= data[at]!;
      if (alpha < 255) return false;
      queue.writeTexture({ texture, origin: [0, top] }, data, { bytesPerRow: width * 4 }, [width, rows]);
    }
    return true;
  };
}
