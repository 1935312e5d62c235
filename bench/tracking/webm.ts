/**
 * Reads the coded frames of a WebM file (Matroska, https://www.rfc-editor.org/rfc/rfc9559), so that a video can be decoded frame by frame
 * whatever the time it takes. One video track, no lacing: what encoders make.
 */

export interface CodedFrame {
  readonly timestampMs: number;
  readonly isKey: boolean;
  readonly data: Uint8Array;
}

export interface CodedVideo {
  /** As Matroska names it: V_VP8, V_VP9. */
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  readonly frames: readonly CodedFrame[];
}

const ID = {
  segment: 0x18538067,
  cluster: 0x1f43b675,
  tracks: 0x1654ae6b,
  track: 0xae,
  video: 0xe0,
  blockGroup: 0xa0,
  codec: 0x86,
  width: 0xb0,
  height: 0xba,
  timestamp: 0xe7,
  simpleBlock: 0xa3,
  block: 0xa1,
} as const;

const CONTAINERS: ReadonlySet<number> = new Set([ID.segment, ID.cluster, ID.tracks, ID.track, ID.video, ID.blockGroup]);

/** @throws Error for what is no WebM file with one video track. */
export function readWebm(file: ArrayBuffer): CodedVideo {
  const bytes = new Uint8Array(file);
  const view = new DataView(file);
  let [codec, width, height, cluster] = ['', 0, 0, 0];
  const frames: CodedFrame[] = [];
  const tracks = new Set<number>();

  /** A variable-length integer; as an element's id it keeps its marker bits. */
  const integer = (at: number, keepMarker: boolean) => {
    const first = bytes[at] ?? 0;
    const length = Math.clz32(first) - 23;
    if (length > 8) throw new Error(`byte ${at} starts no number`);
    const marker = 0x80 >> (length - 1);
    let value = keepMarker ? first : first - marker;
    let unknown = first === 2 * marker - 1;
    for (let i = 1; i < length; i++) {
      const byte = bytes[at + i] ?? 0;
      value = value * 256 + byte;
      unknown &&= byte === 255;
    }
    return { value, next: at + length, unknown };
  };
  const unsigned = (from: number, to: number) =>
    bytes.subarray(from, to).reduce((value, byte) => value * 256 + byte, 0);
  const element = (id: number, from: number, to: number): void => {
    if (CONTAINERS.has(id)) walk(from, to);
    else if (id === ID.codec) codec = new TextDecoder().decode(bytes.subarray(from, to));
    else if (id === ID.width) width = unsigned(from, to);
    else if (id === ID.height) height = unsigned(from, to);
    else if (id === ID.timestamp) cluster = unsigned(from, to);
    else if (id === ID.simpleBlock || id === ID.block) {
      const { value: track, next } = integer(from, false);
      tracks.add(track);
      const flags = bytes[next + 2] ?? 0;
      if ((flags & 6) !== 0) throw new Error(`the block at byte ${from} is laced`);
      frames.push({
        timestampMs: cluster + view.getInt16(next),
        isKey: (flags & 0x80) !== 0,
        data: bytes.subarray(next + 3, to),
      });
    }
  };
  const walk = (from: number, to: number): void => {
    for (let at = from; at < to; ) {
      const id = integer(at, true);
      const size = integer(id.next, false);
      const end = size.unknown ? to : size.next + size.value;
      if (end > to) throw new Error(`the element at byte ${at} ends at ${end}, beyond ${to}`);
      element(id.value, size.next, end);
      at = end;
    }
  };
  walk(0, bytes.length);
  if (frames.length === 0 || tracks.size !== 1 || !codec.startsWith('V_')) {
    throw new Error(`${frames.length} frames in ${tracks.size} tracks of codec '${codec}'; wanted one video track`);
  }
  return { codec, width, height, frames };
}

/** What WebCodecs calls the codecs. */
const CODECS: Readonly<Record<string, string>> = { V_VP8: 'vp8', V_VP9: 'vp09.00.10.08' };

/** Decodes the first `count` frames in order. The caller closes each frame. */
export async function* decodeVideo(video: CodedVideo, count = video.frames.length): AsyncGenerator<VideoFrame> {
  const codec = CODECS[video.codec];
  if (codec === undefined) throw new Error(`codec ${video.codec}; wanted ${Object.keys(CODECS).join(' or ')}`);
  const decoded: VideoFrame[] = [];
  let failure: unknown;
  let wake = () => {};
  const decoder = new VideoDecoder({
    output: (frame) => {
      decoded.push(frame);
      wake();
    },
    error: (error) => {
      failure = error;
      wake();
    },
  });
  decoder.configure({ codec, codedWidth: video.width, codedHeight: video.height });
  let fed = 0;
  try {
    for (let given = 0; given < count; given++) {
      while (decoded.length === 0) {
        if (failure !== undefined) throw failure;
        const coming = new Promise<void>((resolve) => {
          wake = resolve;
        });
        // A few ahead, for decoders that hold some back; none is left for long, as each keeps a picture's memory.
        while (fed < video.frames.length && decoder.decodeQueueSize < 4 && fed < given + 8) {
          const { data, isKey, timestampMs } = video.frames[fed++]!;
          decoder.decode(
            new EncodedVideoChunk({ type: isKey ? 'key' : 'delta', timestamp: timestampMs * 1000, data: data.slice() }),
          );
        }
        if (fed === video.frames.length) void decoder.flush().catch(() => {});
        await coming;
      }
      yield decoded.shift()!;
    }
  } finally {
    for (const frame of decoded) frame.close();
    decoder.close();
  }
}
