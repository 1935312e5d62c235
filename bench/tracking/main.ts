/** The page of `npm run track-video`: tracks a clip frame by frame, whatever the time it takes. */
import { VideoFrames } from '../../cli/page/video.js';
import { FaceAligner } from '../../src/align/aligner.js';
import { FaceDetector } from '../../src/detect/index.js';
import { type FaceBox, landmarksBox } from '../../src/pictures/boxes.js';
import type { Detector } from '../../src/pictures/detector.js';
import type { PictureSource } from '../../src/pictures/frame.js';
import type { TrackingAligner } from '../../src/track/options.js';
import { FaceTracker, type TrackedFace } from '../../src/track/tracker.js';

export interface ClipRequest {
  readonly url: string;
  /** Frames of the clip, [first, end). */
  readonly first: number;
  readonly end: number;
  readonly iterations: number;
  /** Whether every frame is also detected and aligned alone. */
  readonly alone: boolean;
  /** Cuts to background that are tried. */
  readonly cuts: number;
}

/** One frame's faces as each way sees them; landmarks [68,3] in picture pixels, null where there is none. */
export interface FrameRow {
  readonly timestampMs: number;
  /** Detected and aligned alone. */
  readonly alone: readonly number[] | null;
  readonly tracked: readonly number[] | null;
  readonly smoothed: readonly number[] | null;
  readonly id: number | null;
  readonly confidence: number | null;
}

export interface ClipReply {
  readonly adapter: string;
  readonly rows: readonly FrameRow[];
  /** For each cut to background: frames until the face was gone, or null where it was not within `CUT_FRAMES`. */
  readonly cuts: readonly (number | null)[];
}

declare global {
  interface Window {
    fullposeTracking?: { track(request: ClipRequest): Promise<ClipReply> };
    onTrackingProgress?: (text: string) => void;
  }
}

/** A face that stays longer than this after a cut was not lost. */
const CUT_FRAMES = 12;

const aligner = await FaceAligner.create({ weights: '/weights/manifest.json', maxFaces: 1 });
const faceDetector = await FaceDetector.create({ weights: '/weights/detector.json', device: aligner.device });

/** The faces of a frame, detected once, whoever asks. */
class FrameDetector implements Detector {
  #last: { readonly picture: PictureSource; readonly boxes: Promise<readonly FaceBox[]> } | undefined;

  detect(picture: PictureSource): Promise<readonly FaceBox[]> {
    if (this.#last?.picture !== picture) this.#last = { picture, boxes: faceDetector.detect(picture) };
    return this.#last.boxes;
  }
}

/**
 * Two aligners with one GPU's work: `follower` gives what `leader` gave for the same call before. Trackers that differ
 * in smoothing alone make the same calls, since it changes nothing of what they start from.
 */
function pairOfAligners(): { readonly leader: TrackingAligner; readonly follower: TrackingAligner } {
  const { maxFaces, iterations, model, layout } = aligner;
  const common = { maxFaces, iterations, model, layout };
  const aligned: ReturnType<TrackingAligner['align']>[] = [];
  const refined: ReturnType<TrackingAligner['refine']>[] = [];
  const next = async <T>(results: Promise<T>[]): Promise<T> => {
    const result = results.shift();
    if (result === undefined) throw new Error('the second tracker asked for more than the first');
    return result;
  };
  return {
    leader: {
      ...common,
      align(...args) {
        const result = aligner.align(...args);
        aligned.push(result);
        return result;
      },
      refine(...args) {
        const result = aligner.refine(...args);
        refined.push(result);
        return result;
      },
    },
    follower: { ...common, align: () => next(aligned), refine: () => next(refined) },
  };
}

/** The frame's larger side beside the face, over the whole frame. */
function backgroundOf(frame: ImageBitmap, landmarks: ArrayLike<number>): OffscreenCanvas {
  const { x0, x1 } = landmarksBox(landmarks);
  // Hair and ears reach beyond the landmarks.
  const margin = 0.35 * (x1 - x0);
  const left = Math.max(1, x0 - margin);
  const right = Math.min(frame.width - 1, x1 + margin);
  const [x, width] = left > frame.width - right ? [0, left] : [right, frame.width - right];
  const canvas = new OffscreenCanvas(frame.width, frame.height);
  canvas.getContext('2d')?.drawImage(frame, x, 0, width, frame.height, 0, 0, frame.width, frame.height);
  return canvas;
}

/** Frames that a face known in `frame` outlives a cut to the frame's background. */
async function framesToLose(frame: ImageBitmap, landmarks: ArrayLike<number>, iterations: number) {
  const tracker = await FaceTracker.create({ aligner, iterations });
  await tracker.track(frame, 0, { boxes: [landmarksBox(landmarks)] });
  const known = await tracker.track(frame, 40);
  if (known.length === 0) throw new Error('the face was lost before the cut');
  const background = backgroundOf(frame, landmarks);
  for (let i = 1; i <= CUT_FRAMES; i++) {
    if ((await tracker.track(background, 40 + 40 * i)).length === 0) return i;
  }
  return null;
}

async function track({ url, first, end, iterations, alone, cuts }: ClipRequest): Promise<ClipReply> {
  const video = await VideoFrames.open(url, url, undefined);
  const last = Math.min(end, video.count);
  const detector = new FrameDetector();
  const { leader, follower } = pairOfAligners();
  const options = { detector, iterations };
  const plain = await FaceTracker.create({ ...options, aligner: leader });
  const smooth = await FaceTracker.create({ ...options, aligner: follower, smoothing: true });
  const rows: FrameRow[] = [];
  const lost: (number | null)[] = [];
  const numbers = (face: Pick<TrackedFace, 'landmarks'> | undefined) => (face ? [...face.landmarks] : null);
  for (let index = 0; index < last; index++) {
    const next = await video.next();
    if (next === undefined) break;
    const { picture: frame, time } = next;
    if (index < first) {
      frame.close();
      continue;
    }
    const timestampMs = 1000 * time;
    const [tracked] = await plain.track(frame, timestampMs);
    const [smoothed] = await smooth.track(frame, timestampMs);
    const boxes = alone ? (await detector.detect(frame)).slice(0, 1) : [];
    const [single] = await aligner.align(frame, boxes);
    rows.push({
      timestampMs,
      alone: numbers(single),
      tracked: numbers(tracked),
      smoothed: numbers(smoothed),
      id: tracked?.id ?? null,
      confidence: tracked?.confidence ?? null,
    });
    if (tracked && cuts > 0 && (index - first) % Math.ceil((last - first) / cuts) === 0) {
      lost.push(await framesToLose(frame, tracked.landmarks, iterations));
    }
    frame.close();
    if ((index - first) % 25 === 24) window.onTrackingProgress?.(`${index - first + 1} of ${last - first} frames`);
  }
  video.close();
  const { vendor, architecture, description } = aligner.device.adapterInfo;
  return { adapter: [vendor, architecture, description].filter((part) => part !== '').join(' '), rows, cuts: lost };
}

window.fullposeTracking = { track };
