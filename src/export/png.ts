/**
 * PNG, for textures: RGB or RGBA, 8 bits, no interlacing. Works wherever there is a CompressionStream: pages, workers,
 * Node.
 */
import { InputError } from '../engine/errors.js';
import { expectObject, expectOptions, refuse } from '../engine/expect.js';
import { show } from '../engine/show.js';

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10] as const;

/**
 * Encodes RGBA bytes.
 * @param options.alpha whether alpha is kept (default true)
 * @throws InputError for what is no picture, and where the bytes are not width x height x 4.
 */
export async function encodePng(
  picture: {
    readonly width: number;
    readonly height: number;
    readonly data: Uint8Array | Uint8ClampedArray;
  },
  options: { readonly alpha?: boolean } = {},
): Promise<Uint8Array<ArrayBuffer>> {
  expectObject(picture, 'The picture');
  expectOptions(options, { alpha: 1 });
  const { width, height, data } = picture;
  const { alpha = true } = options;
  if (typeof alpha !== 'boolean') refuse('alpha', alpha, 'true or false');
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) {
    refuse("The picture's data", data, 'a Uint8Array or Uint8ClampedArray');
  }
  if (!isSide(width) || !isSide(height) || data.length !== width * height * 4) {
    throw new InputError(`The pixels are ${show(data.length)} bytes; wanted ${show(width)} x ${show(height)} x 4.`);
  }
  const channels = alpha ? 4 : 3;
  const stride = 1 + width * channels;
  const rows = new Uint8Array(height * stride);
  for (let y = 0; y < height; y++) {
    // Filter 1: each byte less the one of the pixel to its left. Faces are smooth.
    rows[y * stride] = 1;
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++) {
        const at = (y * width + x) * 4 + c;
        rows[y * stride + 1 + x * channels + c] = data[at]! - (x > 0 ? data[at - 4]! : 0);
      }
    }
  }
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8);
  header.setUint8(9, alpha ? 6 : 2);
  const deflated = new Response(new Blob([rows]).stream().pipeThrough(new CompressionStream('deflate')));
  const chunks = [
    pngChunk('IHDR', new Uint8Array(header.buffer)),
    pngChunk('IDAT', new Uint8Array(await deflated.arrayBuffer())),
    pngChunk('IEND', new Uint8Array(0)),
  ];
  const file = new Uint8Array(SIGNATURE.length + chunks.reduce((sum, { length }) => sum + length, 0));
  file.set(SIGNATURE);
  let at: number = SIGNATURE.length;
  for (const bytes of chunks) {
    file.set(bytes, at);
    at += bytes.length;
  }
  return file;
}

function isSide(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value > 0;
}

/** A chunk of a PNG file: length, type, data, CRC of type and data. */
export function pngChunk(type: string, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
