/** Pictures for the checks: smooth ones of any size, and files that browsers find hard. */
import type { PixelData } from '../src/host/frame.js';
import { pngChunk } from '../src/mmm/png.js';

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

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** Two frames of one pixel. */
function animatedGif(): Uint8Array<ArrayBuffer> {
  const frame = [0x21, 0xf9, 4, 0, 10, 0, 0, 0, 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0];
  const head = [...new TextEncoder().encode('GIF89a'), 1, 0, 1, 0, 0x80, 0, 0, 255, 255, 255, 0, 0, 0];
  return Uint8Array.from([...head, ...frame, ...frame, 0x3b]);
}

/** A PNG with 16 bits a channel. */
async function deepPng(width: number, height: number): Promise<Blob> {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([16, 2], 8);
  const rows = new Uint8Array(height * (1 + width * 6));
  for (let i = 0; i < rows.length; i++) rows[i] = i % (1 + width * 6) === 0 ? 0 : (i * 37) & 0xff;
  const squeezed = new Response(new Blob([rows]).stream().pipeThrough(new CompressionStream('deflate')));
  const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
  const data = new Uint8Array(await squeezed.arrayBuffer());
  return new Blob([signature, pngChunk('IHDR', header), pngChunk('IDAT', data), pngChunk('IEND', new Uint8Array(0))]);
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
    ['no picture', new Blob(['<!doctype html>'])],
    ['nothing', new Blob([])],
  ]);
}
