import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { animatedWebp } from '../scripts/animated-webp.js';

/** Names and lengths of the chunks of a RIFF file. */
function chunksOf(file: Uint8Array): readonly (readonly [string, number])[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const found: (readonly [string, number])[] = [];
  for (let offset = 12; offset < file.length; ) {
    const length = view.getUint32(offset + 4, true);
    found.push([String.fromCharCode(...file.subarray(offset, offset + 4)), length]);
    offset += 8 + length + (length % 2);
  }
  return found;
}

const still = readFileSync('docs/images/output-depth.webp');

it('holds the frames, their size and how long they are shown', () => {
  const file = animatedWebp([still, still, still], 300, 224, 80);
  expect(new DataView(file.buffer).getUint32(4, true)).toBe(file.length - 8);
  const chunks = chunksOf(file);
  expect(chunks.map(([name]) => name)).toEqual(['VP8X', 'ANIM', 'ANMF', 'ANMF', 'ANMF']);
  // Flags: an animation. Then width and height, less 1.
  expect([...file.subarray(20, 30)]).toEqual([2, 0, 0, 0, 299 % 256, 1, 0, 223, 0, 0]);
  const frame = file.subarray(12 + 18 + 14 + 8);
  expect([...frame.subarray(6, 15)]).toEqual([299 % 256, 1, 0, 223, 0, 0, 80, 0, 0]);
  expect(chunks[2]?.[1]).toBeGreaterThan(0.8 * still.length);
  expect(chunks[2]?.[1]).toBeLessThan(still.length + 16);
});

it('refuses what is no WebP file', () => {
  expect(() => animatedWebp([new Uint8Array(40)], 1, 1, 80)).toThrow('no WebP file');
});
