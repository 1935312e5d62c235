/** What the command line and its page say to each other. Everything here survives JSON. */
import type { Search } from '../src/detect/index.js';
import type { DrawnFormat, FaceFormat } from './formats.js';
import type { BoxSpec } from './list.js';

export interface StartOptions {
  /** Undefined for all that the weights have. */
  readonly iterations?: number;
  /** Whether some job will come without boxes: the detector then starts together with the aligner. */
  readonly detector: boolean;
  /** Faces that travel together: of a video, how many are followed. Undefined for the library's default. */
  readonly maxFaces?: number;
  /** Where the detector looks. Undefined for the library's default. */
  readonly search?: Search;
}

export interface StartReply {
  readonly adapter: string;
  readonly isSoftware: boolean;
  /** Iterations that the weights have. */
  readonly iterations: number;
}

export interface AlignJob {
  /** The picture at `/pictures/<picture>`. */
  readonly picture: number;
  /** For messages. */
  readonly name: string;
  /** Where the faces are. Without boxes the detector looks. */
  readonly boxes?: readonly BoxSpec[];
  /** All of them, or the surest alone: of about equally sure ones the largest. */
  readonly faces: 'all' | 'surest';
  /** What the detector found and the aligner is less sure of is no face, 0 to 1 (default 0). */
  readonly minConfidence?: number;
  /**
   * The picture is put into the middle of a grey one, so many times as wide and high (default: as it is). Where boxes
   * and faces are, is told in that.
   */
  readonly canvas?: number;
  /** Degrees clockwise as seen by which the picture is turned on that, about its middle (default 0). */
  readonly turn?: number;
  readonly iterations?: number;
  /** Whether the landmarks after every iteration are wanted. */
  readonly steps?: boolean;
  /** What to draw and write beside the numbers: the overlay, and a mesh of each face. */
  readonly formats: readonly DrawnFormat[];
}

export interface PoseReply {
  /** Degrees, 300W-LP convention. */
  readonly yaw: number;
  readonly pitch: number;
  readonly roll: number;
  /** 3x4, row-major: model decimetres to picture pixels. */
  readonly matrix: readonly number[];
}

/** A square of the picture, in its pixels. */
export interface CropReply {
  readonly centreX: number;
  readonly centreY: number;
  readonly side: number;
  /** Degrees that it is turned clockwise as seen. */
  readonly roll: number;
}

export interface FaceReply {
  /** In a video: the same from frame to frame for one face. */
  readonly id?: number;
  /** Where it was looked for in a picture; where it is in a video. */
  readonly box: BoxSpec;
  /** The square that the network saw, and `pncc` and `depth` show. */
  readonly crop: CropReply;
  /** How sure it is that this is a face, 0 to 1. */
  readonly confidence: number;
  /** [68, 3] picture pixels. */
  readonly landmarks: readonly number[];
  /** The same after 1, 2, ... iterations; only where they were asked for. */
  readonly steps?: readonly (readonly number[])[];
  /** [68] 1 where the point can be seen, else 0. */
  readonly visibility: readonly number[];
  readonly pose: PoseReply;
  /** In standard deviations. */
  readonly identity: readonly number[];
  readonly expression: Readonly<Record<string, number>>;
  /** By ARKit's 52 names, 0 to 1. */
  readonly blendshapes: Readonly<Record<string, number>>;
  /** The files that were asked for, base64. */
  readonly files: Readonly<Partial<Record<FaceFormat, string>>>;
}

export type AlignReply =
  | {
      readonly status: 'aligned';
      readonly width: number;
      readonly height: number;
      readonly faces: readonly FaceReply[];
      /** PNG, base64; only where it was asked for. */
      readonly overlay?: string;
    }
  | { readonly status: 'failed'; readonly code: string; readonly message: string };

export interface FrameJob {
  /** The video at `/pictures/<video>`. */
  readonly video: number;
  /** For messages. */
  readonly name: string;
  /** The frame after this time, in seconds; without it the first. */
  readonly after?: number;
  /** Whether the faces' parameters are smoothed over time. */
  readonly smoothing: boolean;
  /**
   * The largest id given so far: faces that are found anew, because the page or the run is another one, get ids above
   * it.
   */
  readonly idsAbove: number;
  /** Faces of less confidence are left out, 0 to 1. */
  readonly minConfidence: number;
  readonly formats: readonly DrawnFormat[];
}

export type FrameReply =
  | { readonly status: 'end' }
  | {
      readonly status: 'frame';
      /** Presentation time in seconds. */
      readonly time: number;
      /** How many frames the video has. */
      readonly count: number;
      /** A frame without faces is aligned, with none. */
      readonly reply: AlignReply;
    }
  /** The video cannot be read on. */
  | { readonly status: 'failed'; readonly code: string; readonly message: string };

/** Set on the page's window when it is ready. */
export interface AlignPage {
  /** Loads the weights and compiles; rejects where that fails. */
  start(options: StartOptions): Promise<StartReply>;
  /** Never rejects for what is wrong with one picture. */
  align(job: AlignJob): Promise<AlignReply>;
  /**
   * Follows the faces of a video into its next frame; quick where the frames are asked for in their order. Never
   * rejects for what is wrong with the video.
   */
  alignFrame(job: FrameJob): Promise<FrameReply>;
}

declare global {
  interface Window {
    fullposeCli?: AlignPage;
    /** A line about what takes long, for people; there where somebody listens. */
    fullposeTell?: (line: string) => void;
  }
}
