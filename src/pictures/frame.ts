/**
 * Pictures in: every kind of source becomes a texture that crop.wgsl reads. One texture is kept and reused; it grows
 * when a picture is larger than any before it.
 */
import type { Turn } from '../calls/turns.js';
import type { Gpu } from '../engine/device.js';
import { InputError } from '../engine/errors.js';
import { refuse } from '../engine/expect.js';
import { isFirefox } from '../engine/firefox.js';
import { reason, show } from '../engine/show.js';
import { pixelWriter, type WritePixels } from './pixel-writer.js';

/** Pixels as the DOM's ImageData holds them: RGBA bytes, rows from the top. */
export interface PixelData {
  /** Pixels in a row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** [height, width, 4] RGBA bytes. */
  readonly data: Uint8ClampedArray | Uint8Array;
}

/**
 * What a picture may come as. Alpha is ignored. The EXIF orientation of an image is respected, and sizes and results
 * are those of the upright picture. A Blob or File is an encoded image. A GPUExternalTexture is none of these: it does
 * not tell its size and ends with the task that imported it; give the video or the VideoFrame. An UploadedPicture is
 * what `FaceAligner.upload` gave. A GPUTexture is of the device in use, has usage TEXTURE_BINDING and holds colours as
 * they are displayed (not linear).
 */
export type PictureSource =
  | HTMLImageElement
  | HTMLVideoElement
  | HTMLCanvasElement
  | OffscreenCanvas
  | ImageBitmap
  | Blob
  | ImageData
  | PixelData
  | VideoFrame
  | GPUTexture
  | UploadedPicture;

/** What a texture can be filled from. */
type Drawable = Exclude<PictureSource, GPUTexture | UploadedPicture | Blob>;

/** A picture in a texture, at its upper left corner. */
export interface Frame {
  readonly texture: GPUTexture;
  /** The texture's part that is the picture, in texels. */
  readonly texels: PictureSize;
  /** The picture as the caller knows it; larger than `texels` where it was drawn down. */
  readonly picture: PictureSize;
  /** Rejects with a typed error where the GPU refused the picture. */
  readonly accepted: Promise<void>;
}

export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/** A source that is ready to be put into a texture. */
export interface PreparedPicture {
  readonly picture: PictureSize;
  /**
   * Puts the picture into the texture, in queue order. Waits only where it makes a larger texture.
   * @throws OutOfMemoryError, InputError.
   */
  upload(): Promise<Frame>;
  /** Frees what `prepare` made. */
  release(): void;
}

/** Formats whose values crop.wgsl can read as they are. */
const TEXTURE_FORMATS: readonly GPUTextureFormat[] = ['rgba8unorm', 'bgra8unorm', 'rgba16float', 'rgb10a2unorm'];

/** Pictures of more texels than this (4 bytes each: 128 MiB) are drawn down to it. A photo of 32 megapixels is not. */
export const MOST_TEXELS = 2 ** 25;

export class FrameTexture {
  readonly #gpu: Gpu;
  readonly #most: number;
  /** Where that is faster than the browser's own way. */
  readonly #writePixels: WritePixels | undefined;
  #texture: GPUTexture | undefined;

  /** @param most texels of a picture; one of more is drawn down */
  constructor(gpu: Gpu, most = MOST_TEXELS) {
    this.#gpu = gpu;
    this.#most = most;
    // Firefox reads pixels on the processor whatever it copies.
    this.#writePixels = gpu.adapter.isSoftware && !isFirefox() ? pixelWriter() : undefined;
  }

  /**
   * Looks at a source and does what takes time: decoding an image, drawing down a picture that is too large.
   * @throws InputError for a source that is empty, not loaded, closed, of another device or of no known kind.
   */
  async prepare(source: PictureSource): Promise<PreparedPicture> {
    if (isTexture(source)) return prepared(textureFrame(source));
    if (source instanceof UploadedPicture) return prepared(source.frameOn(this.#gpu.device));
    if (isBlob(source)) {
      const bitmap = await copyPicture(source);
      try {
        const inner = await this.prepare(bitmap);
        return {
          ...inner,
          release: () => {
            inner.release();
            bitmap.close();
          },
        };
      } catch (error) {
        bitmap.close();
        throw error;
      }
    }
    const picture = sizeOf(source);
    const { width, height } = picture;
    const longest = this.#gpu.limits.maxTextureDimension2D;
    const shrink = Math.max(width / longest, height / longest, Math.sqrt((width * height) / this.#most));
    if (shrink > 1 || is(source, 'HTMLImageElement') || (isVideo(source) && isFirefox())) {
      const texels = {
        width: Math.max(1, Math.floor(width / shrink)),
        height: Math.max(1, Math.floor(height / shrink)),
      };
      const bitmap = await copyPicture(source, shrink > 1 ? texels : undefined);
      // Firefox copies no video to a texture, but bitmaps of one. Without shrinking the bitmap's size rules: it has
      // been turned upright.
      const size = { width: bitmap.width, height: bitmap.height };
      return {
        picture: shrink > 1 ? picture : size,
        upload: () => this.#upload(bitmap, size, shrink > 1 ? picture : size),
        release: () => bitmap.close(),
      };
    }
    return { picture, upload: () => this.#upload(source, picture, picture), release: () => {} };
  }

  /**
   * A picture on the GPU: prepared while the call before is at work, uploaded when it is the turn's.
   * @throws as `prepare` and `upload`; DeviceLostError
   */
  async fill(source: PictureSource, turn: Turn): Promise<Frame> {
    await turn.next();
    const prepared = await this.prepare(source);
    try {
      await turn.begin();
      this.#gpu.assertAlive();
      return await prepared.upload();
    } finally {
      prepared.release();
    }
  }

  destroy(): void {
    this.#texture?.destroy();
    this.#texture = undefined;
  }

  async #upload(source: Drawable, texels: PictureSize, picture: PictureSize): Promise<Frame> {
    const texture = await this.#ensure(texels);
    const { accepted } = this.#gpu.watch('The picture was refused', () => {
      if (isPixelData(source)) this.#write(texture, source);
      else this.#copy(texture, source, texels);
    });
    return { texture, texels, picture, accepted };
  }

  #copy(texture: GPUTexture, source: Exclude<Drawable, PixelData>, size: PictureSize): void {
    const { queue } = this.#gpu.device;
    try {
      if (this.#writePixels?.(queue, texture, source, size)) return;
      queue.copyExternalImageToTexture({ source }, { texture }, [size.width, size.height]);
    } catch (cause) {
      throw new InputError(`The picture could not be copied to the GPU: ${reason(cause)}`, { cause });
    }
  }

  #write(texture: GPUTexture, { width, height, data }: PixelData): void {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.#gpu.device.queue.writeTexture({ texture }, bytes, { bytesPerRow: width * 4 }, [width, height]);
  }

  async #ensure({ width, height }: PictureSize): Promise<GPUTexture> {
    const old = this.#texture;
    if (old !== undefined && old.width >= width && old.height >= height) return old;
    // Room for both, so that pictures that take turns make no texture each; but wide and high ones together may be far
    // more than either.
    const both: [number, number] = [Math.max(width, old?.width ?? 0), Math.max(height, old?.height ?? 0)];
    const size = both[0] * both[1] > this.#most ? [width, height] : both;
    // Work already submitted keeps the old texture's memory until it is done.
    this.destroy();
    const usage = GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST | GPUTextureUsage.RENDER_ATTACHMENT;
    const { value: texture, accepted } = this.#gpu.watch(`A frame of ${size.join(' x ')} could not be made`, () =>
      this.#gpu.device.createTexture({ label: 'fullpose.frame', size, format: 'rgba8unorm', usage }),
    );
    try {
      await accepted;
      this.#gpu.assertAlive();
    } catch (error) {
      texture.destroy();
      throw error;
    }
    this.#texture = texture;
    return texture;
  }
}

/** A picture on the GPU, uploaded once for several calls: see `FaceAligner.upload`. */
export class UploadedPicture {
  /** The device it lies on; calls on another one refuse it. */
  readonly device: GPUDevice;
  readonly #texture: FrameTexture;
  #frame: Frame | undefined;

  private constructor(gpu: Gpu) {
    this.device = gpu.device;
    this.#texture = new FrameTexture(gpu);
  }

  /**
   * A source on the GPU: in `into`, where that is of the device, else in a new one.
   * @ignore
   */
  static async of(gpu: Gpu, source: PictureSource, turn: Turn, into?: UploadedPicture): Promise<UploadedPicture> {
    if (into !== undefined && !(into instanceof UploadedPicture)) refuse('into', into, "one of upload's pictures");
    const picture = into?.device === gpu.device ? into : new UploadedPicture(gpu);
    try {
      picture.#frame = await picture.#texture.fill(source, turn);
      return picture;
    } catch (error) {
      // Nobody else has it.
      if (picture !== into) picture.destroy();
      throw error;
    }
  }

  /** Its size in its own pixels, larger than its texture where it was drawn down; undefined once it is destroyed. */
  get size(): PictureSize | undefined {
    return this.#frame?.picture;
  }

  /** Frees its texture. Calling it twice does nothing. */
  destroy(): void {
    this.#frame = undefined;
    this.#texture.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  /** @ignore */
  frameOn(device: GPUDevice): Frame {
    if (this.#frame === undefined || this.device !== device) {
      const found = this.#frame === undefined ? 'was destroyed' : 'lies on another device';
      throw new InputError(`The uploaded picture ${found}; wanted one on the device in use.`);
    }
    return this.#frame;
  }
}

/**
 * The picture that a texture of the caller's is.
 * @throws InputError for a texture that crop.wgsl cannot read.
 */
export function pictureOfTexture(texture: GPUTexture): PictureSize {
  if (!isTexture(texture)) refuse('The texture', texture, 'a GPUTexture');
  const { width, height, format, dimension, usage, sampleCount, depthOrArrayLayers } = texture;
  if (!TEXTURE_FORMATS.includes(format)) {
    throw new InputError(`The texture's format is ${format}; wanted one of ${TEXTURE_FORMATS.join(', ')}.`);
  }
  if (dimension !== '2d' || depthOrArrayLayers !== 1 || sampleCount !== 1) {
    throw new InputError(
      `The texture is ${dimension} with ${depthOrArrayLayers} layers and ${sampleCount} samples; wanted 2d with one of each.`,
    );
  }
  if ((usage & GPUTextureUsage.TEXTURE_BINDING) === 0) {
    throw new InputError(`The texture's usage is ${usage}; wanted TEXTURE_BINDING among it.`);
  }
  return { width, height };
}

function textureFrame(texture: GPUTexture): Frame {
  const picture = pictureOfTexture(texture);
  return { texture, texels: picture, picture, accepted: Promise.resolve() };
}

/** A picture that is in a texture already. */
function prepared(frame: Frame): PreparedPicture {
  return { picture: frame.picture, upload: async () => frame, release: () => {} };
}

/**
 * A copy of a picture, upright, that its maker need not wait for.
 * @throws InputError for what cannot be decoded.
 */
export async function copyPicture(
  source: Exclude<PictureSource, GPUTexture | UploadedPicture>,
  resize?: PictureSize,
): Promise<ImageBitmap> {
  try {
    // The default `imageOrientation` turns the picture upright.
    const options: ImageBitmapOptions = {
      premultiplyAlpha: 'none',
      ...(resize && { resizeWidth: resize.width, resizeHeight: resize.height, resizeQuality: 'high' }),
    };
    if (isBlob(source)) return await decodeBlob(source, options);
    const image = isPixelData(source)
      ? new ImageData(Uint8ClampedArray.from(source.data), source.width, source.height)
      : source;
    return await createImageBitmap(image, options);
  } catch (cause) {
    throw new InputError(`The picture could not be decoded: ${reason(cause)}`, { cause });
  }
}

/**
 * An encoded image as a bitmap. Firefox refuses the Blob of a JPEG that its EXIF turns, and takes the same as an image,
 * which workers do not have.
 */
export async function decodeBlob(blob: Blob, options: ImageBitmapOptions): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(blob, options);
  } catch (cause) {
    if (!isFirefox() || typeof Image === 'undefined') throw cause;
    const image = new Image();
    image.src = URL.createObjectURL(blob);
    try {
      await image.decode();
      return await createImageBitmap(image, options);
    } finally {
      URL.revokeObjectURL(image.src);
    }
  }
}

/**
 * The size of a picture in its own pixels, where that is known without decoding it. @throws InputError as
 * `FrameTexture.prepare`.
 */
export function pictureSize(source: PictureSource): PictureSize | undefined {
  if (source instanceof UploadedPicture) return source.size;
  if (isTexture(source)) return source;
  return isBlob(source) ? undefined : sizeOf(source);
}

function sizeOf(source: Drawable): PictureSize {
  if (is(source, 'HTMLImageElement')) {
    const { naturalWidth: width, naturalHeight: height } = source;
    if (!source.complete)
      throw new InputError(`The image '${source.src.slice(0, 80)}' is not loaded yet; await decode().`);
    return positive({ width, height }, `The image '${source.src.slice(0, 80)}'`);
  }
  if (is(source, 'HTMLVideoElement')) {
    // 2 is HAVE_CURRENT_DATA: there is a frame to show.
    if (source.readyState < 2)
      throw new InputError(`The video's readyState is ${source.readyState}; wanted at least 2.`);
    return positive({ width: source.videoWidth, height: source.videoHeight }, 'The video');
  }
  if (is(source, 'VideoFrame')) {
    return positive({ width: source.displayWidth, height: source.displayHeight }, 'The video frame (closed?)');
  }
  if (is(source, 'ImageBitmap')) return positive(source, 'The bitmap (closed?)');
  if (is(source, 'HTMLCanvasElement') || is(source, 'OffscreenCanvas')) return positive(source, 'The canvas');
  if (isPixelData(source)) {
    const { width, height, data } = source;
    if (typeof width === 'number' && typeof height === 'number' && data.length !== width * height * 4) {
      throw new InputError(`The pixels are ${data.length} bytes; wanted ${show(width)} x ${show(height)} x 4.`);
    }
    return positive(source, 'The pixel data');
  }
  throw new InputError(
    `The picture is ${Object.prototype.toString.call(source)}; wanted an image, video, canvas, ImageBitmap, ImageData, Blob, VideoFrame or GPUTexture.`,
  );
}

function positive({ width, height }: PictureSize, what: string): PictureSize {
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    throw new InputError(`${what} is ${show(width)} x ${show(height)} pixels; wanted at least one.`);
  }
  return { width, height };
}

interface DomSources {
  readonly HTMLImageElement: HTMLImageElement;
  readonly HTMLVideoElement: HTMLVideoElement;
  readonly HTMLCanvasElement: HTMLCanvasElement;
  readonly OffscreenCanvas: OffscreenCanvas;
  readonly ImageBitmap: ImageBitmap;
  readonly VideoFrame: VideoFrame;
}

/**
 * By the name that the object itself states, so that sources of other windows and hosts without some of the classes
 * work.
 */
function is<K extends keyof DomSources>(source: unknown, name: K): source is DomSources[K] {
  return Object.prototype.toString.call(source) === `[object ${name}]`;
}

function isVideo(source: unknown): boolean {
  return is(source, 'HTMLVideoElement') || is(source, 'VideoFrame');
}

export function isTexture(source: unknown): source is GPUTexture {
  return Object.prototype.toString.call(source) === '[object GPUTexture]';
}

/** Files, too. */
function isBlob(source: unknown): source is Blob {
  return /^\[object (Blob|File)\]$/.test(Object.prototype.toString.call(source));
}

function isPixelData(source: unknown): source is PixelData {
  return (
    typeof source === 'object' &&
    source !== null &&
    'data' in source &&
    (source.data instanceof Uint8ClampedArray || source.data instanceof Uint8Array)
  );
}
