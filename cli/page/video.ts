/** The frames of a video file, decoded one after the other. */
import {
  ALL_FORMATS,
  EncodedPacketSink,
  Input,
  type InputVideoTrack,
  UrlSource,
  type VideoSample,
  VideoSampleSink,
} from 'mediabunny';

/** A video could not be read. */
export class VideoError extends Error {
  readonly code = 'not-a-video';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'VideoError';
  }
}

export interface VideoPicture {
  /** Upright, as it is shown; the receiver closes it. */
  readonly picture: ImageBitmap;
  /** Presentation time in seconds. */
  readonly time: number;
}

/** An open video. It goes forward only. */
export class VideoFrames {
  readonly #input: Input;
  readonly #track: InputVideoTrack;
  readonly #samples: AsyncGenerator<VideoSample, void, unknown>;
  readonly #name: string;
  /** How many frames the whole video has. */
  readonly count: number;
  /** Frames that were decoded. */
  #decoded = 0;
  /** Time of the last frame that was given, or where the video was opened; undefined before the first. */
  time: number | undefined;

  /**
   * @param after the first frame given is the one after this time; undefined for the video's first.
   * @throws VideoError where it is no video, or of a codec that the browser does not decode.
   */
  static async open(url: string, name: string, after: number | undefined): Promise<VideoFrames> {
    const source = new UrlSource(url, { getRetryDelay: () => null });
    const input = new Input({ source, formats: ALL_FORMATS });
    try {
      const track = await input.getPrimaryVideoTrack();
      if (track === null) throw new VideoError(`${name} has no picture track`);
      if (!(await track.canDecode())) {
        throw new VideoError(
          `${name} is of codec ${(await track.getCodec()) ?? 'unknown'}, which the browser does not decode`,
        );
      }
      const { packetCount } = await track.computePacketStats();
      return new VideoFrames(input, track, name, packetCount, after);
    } catch (cause) {
      input.dispose();
      if (cause instanceof VideoError) throw cause;
      throw new VideoError(`${name} is not a video that can be read`, { cause });
    }
  }

  private constructor(input: Input, track: InputVideoTrack, name: string, count: number, after: number | undefined) {
    this.#input = input;
    this.#track = track;
    this.#samples = new VideoSampleSink(track).samples(after);
    this.#name = name;
    this.count = count;
    this.time = after;
  }

  /**
   * The next frame; undefined after the last. @throws VideoError where the video is damaged or cut off from here on.
   */
  async next(): Promise<VideoPicture | undefined> {
    for (;;) {
      const { value: sample, done } = await this.#samples.next().catch((cause: unknown) => {
        throw new VideoError(`${this.#name} cannot be decoded after ${this.time ?? 0} s`, { cause });
      });
      if (done || sample === undefined) {
        await this.#expectWhole();
        return undefined;
      }
      this.#decoded++;
      try {
        const time = sample.timestamp;
        // The sink starts with the frame that is shown at the time asked for.
        if (this.time !== undefined && time <= this.time) continue;
        this.time = time;
        return { picture: upright(sample), time };
      } finally {
        sample.close();
      }
    }
  }

  /**
   * What a file's index names and the file no longer holds ends the frames as the last one does. Packets that show no
   * frame are none of these.
   */
  async #expectWhole(): Promise<void> {
    if (this.#decoded >= this.count) return;
    let held = 0;
    for await (const _ of new EncodedPacketSink(this.#track).packets()) held++;
    if (held < this.count) {
      throw new VideoError(`${this.#name} is cut off: it holds ${held} of its ${this.count} frames`);
    }
  }

  close(): void {
    void this.#samples.return();
    this.#input.dispose();
  }
}

/** The frame as it is shown: turned, mirrored and stretched as the file says. */
function upright(sample: VideoSample): ImageBitmap {
  const canvas = new OffscreenCanvas(sample.displayWidth, sample.displayHeight);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (context === null) throw new Error('the browser gave no 2D canvas');
  sample.draw(context, 0, 0);
  return canvas.transferToImageBitmap();
}
