/** Animated WebP from still ones: the container alone is written here, the pictures are the browser's. */

/** A chunk of a RIFF file: its name, its length, its bytes, even. */
function chunk(name: string, bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(8 + bytes.length + (bytes.length % 2));
  whole.set([...name].map((char) => char.charCodeAt(0)));
  new DataView(whole.buffer).setUint32(4, bytes.length, true);
  whole.set(bytes, 8);
  return whole;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** A number of so many bytes, the lowest first. */
const little = (value: number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, i) => Math.floor(value / 256 ** i) % 256);

/** The picture itself of a still WebP file: the chunks `ALPH`, `VP8 ` and `VP8L`. */
function pictureChunks(file: Uint8Array): Uint8Array {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const name = (offset: number) => String.fromCharCode(...file.subarray(offset, offset + 4));
  if (name(0) !== 'RIFF' || name(8) !== 'WEBP') throw new Error('a frame is no WebP file');
  const found: Uint8Array[] = [];
  for (let offset = 12; offset + 8 <= file.length; ) {
    const length = view.getUint32(offset + 4, true);
    const end = offset + 8 + length + (length % 2);
    if (['ALPH', 'VP8 ', 'VP8L'].includes(name(offset))) found.push(file.subarray(offset, end));
    offset = end;
  }
  if (found.length === 0) throw new Error('a frame has no picture');
  return concat(found);
}

/**
 * @param frames still WebP files, all `width` x `height`
 * @param frameMs how long each is shown; the animation never ends
 */
export function animatedWebp(
  frames: readonly Uint8Array[],
  width: number,
  height: number,
  frameMs: number,
): Uint8Array {
  const animation = 0b10;
  const size = [...little(width - 1, 3), ...little(height - 1, 3)];
  // Each frame covers the one before: no blending, nothing cleared.
  const noBlend = 0b10;
  const body = concat([
    chunk('VP8X', Uint8Array.from([animation, 0, 0, 0, ...size])),
    chunk('ANIM', Uint8Array.from([...little(0, 4), ...little(0, 2)])),
    ...frames.map((frame) =>
      chunk(
        'ANMF',
        concat([Uint8Array.from([...little(0, 6), ...size, ...little(frameMs, 3), noBlend]), pictureChunks(frame)]),
      ),
    ),
  ]);
  return chunk('RIFF', concat([Uint8Array.from([...'WEBP'].map((char) => char.charCodeAt(0))), body]));
}
