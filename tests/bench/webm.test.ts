import { describe, expect, it } from 'vitest';
import { readWebm } from '../../bench/tracking/webm.js';

const bytes = (text: string) => [...new TextEncoder().encode(text)];
/** An element with a size of one byte. */
const element = (id: readonly number[], body: readonly number[]) => [...id, 0x80 + body.length, ...body];
const SEGMENT = [0x18, 0x53, 0x80, 0x67];
/** A size that is not known yet, as live recorders write it. */
const UNKNOWN = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

const header = element([0x1a, 0x45, 0xdf, 0xa3], element([0x42, 0x82], bytes('webm')));
const tracks = (codec: string) =>
  element(
    [0x16, 0x54, 0xae, 0x6b],
    element(
      [0xae],
      [
        ...element([0x86], bytes(codec)),
        ...element([0xe0], [...element([0xb0], [0x01, 0x90]), ...element([0xba], [0x01, 0x2c])]),
      ],
    ),
  );
const block = (track: number, time: readonly [number, number], flags: number, data: readonly number[]) =>
  element([0xa3], [0x80 + track, ...time, flags, ...data]);
const cluster = (time: number, blocks: readonly number[]) =>
  element([0x1f, 0x43, 0xb6, 0x75], [...element([0xe7], [time >> 8, time & 255]), ...blocks]);

const file = (...parts: readonly (readonly number[])[]) =>
  Uint8Array.from([...header, ...SEGMENT, ...UNKNOWN, ...parts.flat()]).buffer;

describe('readWebm', () => {
  it('reads codec, size, and the frames with their times', () => {
    const video = readWebm(
      file(
        tracks('V_VP8'),
        cluster(1000, [...block(1, [0, 0], 0x80, [1, 2, 3]), ...block(1, [0, 40], 0, [4])]),
        cluster(2000, element([0xa0], element([0xa1], [0x81, 0xff, 0xd8, 0, 5, 6]))),
      ),
    );
    expect({ ...video, frames: video.frames.map((frame) => ({ ...frame, data: [...frame.data] })) }).toEqual({
      codec: 'V_VP8',
      width: 400,
      height: 300,
      frames: [
        { timestampMs: 1000, isKey: true, data: [1, 2, 3] },
        { timestampMs: 1040, isKey: false, data: [4] },
        // Times of blocks are signed.
        { timestampMs: 1960, isKey: false, data: [5, 6] },
      ],
    });
  });

  it.each([
    ['no frames', file(tracks('V_VP8')), /0 frames in 0 tracks/],
    [
      'two tracks',
      file(tracks('V_VP8'), cluster(0, [...block(1, [0, 0], 0, [1]), ...block(2, [0, 0], 0, [1])])),
      /2 frames in 2 tracks/,
    ],
    ['sound', file(tracks('A_OPUS'), cluster(0, block(1, [0, 0], 0, [1]))), /codec 'A_OPUS'; wanted one video track/],
    ['laced blocks', file(tracks('V_VP8'), cluster(0, block(1, [0, 0], 0x02, [1]))), /is laced/],
    ['an element beyond the end', file([0xae, 0x9f, 1]), /ends at .*, beyond/],
    ['no number', file([0, 0]), /starts no number/],
  ])('refuses %s', (_, broken, message) => {
    expect(() => readWebm(broken)).toThrow(message);
  });
});
