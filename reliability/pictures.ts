/** Pictures for the checks: smooth ones of any size, and files that browsers find hard. */

import { pngChunk } from '../src/export/png.js';
import type { PixelData } from '../src/pictures/frame.js';

export type Pixels = PixelData & { readonly data: Uint8ClampedArray<ArrayBuffer> };

/** A smooth coloured picture. */
export function waves(width: number, height: number, phase = 0): Pixels {
  const data = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const wave = (a: number, b: number) => 127.5 + 120 * Math.sin(a * x + b * y + phase);
      const at = (y * width + x) * 4;
      data[at] = wave(0.19, 0.05);
      data[at + 1] = wave(-0.07, 0.23);
      data[at + 2] = wave(0.11, 0.13);
      data[at + 3] = 255;
    }
  }
  return { width, height, data };
}

export function toCanvas({ width, height, data }: Pixels): OffscreenCanvas {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext('2d')?.putImageData(new ImageData(data, width, height), 0, 0);
  return canvas;
}

/** 16 x 16 pixels in four inks. */
const CMYK_JPEG =
  '/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAbEhQXFBEbFxYXHhwbIChCKyglJShROj0wQmBVZWRfVV1baniZgWpxkHNbXYW1hpCeo6utq2eAvMm6pseZqKuk/8AAFAgA' +
  'EAAQBEMRAE0RAFkRAEsRAP/EAB8AAAEFAQEBAQEBAAAAAAAAAAABAgMEBQYHCAkKC//EALUQAAIBAwMCBAMFBQQEAAABfQECAwAEEQUSITFBBhNRYQcicRQygZGh' +
  'CCNCscEVUtHwJDNicoIJChYXGBkaJSYnKCkqNDU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6g4SFhoeIiYqSk5SVlpeYmZqio6Slpqeoqaqy' +
  's7S1tre4ubrCw8TFxsfIycrS09TV1tfY2drh4uPk5ebn6Onq8fLz9PX29/j5+v/aAA4EQwBNAFkASwAAPwDV1DvWr9v96K6CuZ1DvR9v96KK6bUO9cz9v96KK5nU' +
  'O9H2/wB6KK//2Q==';

/** Two frames of 2 x 2 pixels. */
const ANIMATED_WEBP =
  'UklGRsQAAABXRUJQVlA4WAoAAAACAAAAAQAAAQAAQU5JTQYAAAAAAAAAAABBTk1GSgAAAAAAAAAAAAEAAAEAAGQAAAJWUDggMgAAADABAJ0BKgIAAgABQCYloAAD' +
  'cAD+8ut///mwP/bz/wR6Af//0uD//pcH//S4P/SkAAAAQU5NRkYAAAAAAAAAAAABAAABAABkAAAAVlA4IC4AAAA0AQCdASoCAAIAAAAmJaAAA3AA/vtV4///S4P/' +
  '+lwf/9Lg/9Lg//rV5Vesq6AA';

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

export const animatedWebp = (): Blob => new Blob([fromBase64(ANIMATED_WEBP)]);

/** Two frames of one pixel. */
function animatedGif(): Uint8Array<ArrayBuffer> {
  const frame = [0x21, 0xf9, 4, 0, 10, 0, 0, 0, 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0];
  const head = [...new TextEncoder().encode('GIF89a'), 1, 0, 1, 0, 0x80, 0, 0, 255, 255, 255, 0, 0, 0];
  return Uint8Array.from([...head, ...frame, ...frame, 0x3b]);
}

const PNG_SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** Chunk of a PNG whose data are big-endian words, then bytes. */
function wordsChunk(type: string, words: readonly number[], bytes: readonly number[] = []): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(words.length * 4 + bytes.length);
  const view = new DataView(data.buffer);
  for (const [i, word] of words.entries()) view.setUint32(i * 4, word);
  data.set(bytes, words.length * 4);
  return pngChunk(type, data);
}

/** The packed rows of an RGB picture of `bits` a channel, whose bytes go on by `step`. */
async function packedRows(
  [width, height]: readonly [number, number],
  bits: 8 | 16,
  step: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const stride = 1 + (width * 3 * bits) / 8;
  const rows = new Uint8Array(height * stride).map((_, i) => (i % stride === 0 ? 0 : (90 + i * step) & 0xff));
  const squeezed = new Response(new Blob([rows]).stream().pipeThrough(new CompressionStream('deflate')));
  return new Uint8Array(await squeezed.arrayBuffer());
}

/** A PNG with 16 bits a channel. */
async function deepPng(width: number, height: number): Promise<Blob> {
  const header = wordsChunk('IHDR', [width, height], [16, 2, 0, 0, 0]);
  const rows = pngChunk('IDAT', await packedRows([width, height], 16, 37));
  return new Blob([PNG_SIGNATURE, header, rows, wordsChunk('IEND', [])]);
}

/** Two frames of 4 x 4 pixels. */
export async function animatedPng(): Promise<Blob> {
  const rows = await packedRows([4, 4], 8, 0);
  const control = (number: number) => wordsChunk('fcTL', [number, 4, 4, 0, 0], [0, 1, 0, 10, 0, 0]);
  return new Blob([
    PNG_SIGNATURE,
    wordsChunk('IHDR', [4, 4], [8, 2, 0, 0, 0]),
    wordsChunk('acTL', [2, 0]),
    control(0),
    pngChunk('IDAT', rows),
    control(1),
    wordsChunk('fdAT', [2], [...rows]),
    wordsChunk('IEND', []),
  ]);
}

/** Files by what is hard about them. Some no browser decodes. */
export async function hardFiles(): Promise<ReadonlyMap<string, Blob>> {
  const canvas = toCanvas(waves(64, 48));
  const jpeg = await canvas.convertToBlob({ type: 'image/jpeg' });
  const png = await canvas.convertToBlob({ type: 'image/png' });
  return new Map([
    ['a JPEG', jpeg],
    ['a JPEG in four inks', new Blob([fromBase64(CMYK_JPEG)])],
    ['half a JPEG', jpeg.slice(0, jpeg.size / 2)],
    ['ten bytes of a JPEG', jpeg.slice(0, 10)],
    ['a PNG of 16 bits', await deepPng(33, 21)],
    ['half a PNG', png.slice(0, png.size / 2)],
    ['a PNG of one row', await toCanvas(waves(9000, 1)).convertToBlob()],
    ['an animated GIF', new Blob([animatedGif()])],
    ['an animated WebP', animatedWebp()],
    ['an animated PNG', await animatedPng()],
    ['no picture', new Blob(['<!doctype html>'])],
    ['nothing', new Blob([])],
  ]);
}
