/**
 * `FaceTracker`: faces of a video, from frame to frame. A face that is known is found again from its own parameters
 * with one or two iterations; new ones come from a detector or the caller's boxes; those that are no face any more
 * leave. docs/tracking.md says how well that works.
 */

import type { FaceAligner } from '../align/aligner.js';
import { type Face, FaceReader } from '../align/face.js';
import { FullposeError, InputError } from '../engine/errors.js';
import { expectList, expectObject, expectOptions, refuse } from '../engine/expect.js';
import { show } from '../engine/show.js';
import { moveParameters, PICTURE_FRAME, poseFrame } from '../mmm/parameters.js';
import { checkBox, type FaceBox } from '../pictures/boxes.js';
import type { Detector } from '../pictures/detector.js';
import {
  copyPicture,
  isTexture,
  type PictureSize,
  type PictureSource,
  pictureSize,
  UploadedPicture,
} from '../pictures/frame.js';
import { Motion } from './motion.js';
import {
  checkFollowing,
  type Following,
  type FollowOptions,
  type TrackerOptions,
  type TrackingAligner,
} from './options.js';
import { type Middle, middleOf } from './poses.js';
import { FaceSmoother } from './smoothing.js';
import { distinct, jumped, movedFar, nearest, needsFullRun, newBoxes, type Track } from './tracks.js';

/** A face of a video. */
export interface TrackedFace extends Face {
  /** The same from frame to frame for one face; a face that was lost and is found again is another one. */
  readonly id: number;
  /** Frames since it was found; 0 where it is new. */
  readonly age: number;
}

/** A look of the detector that nobody waits for. */
interface Look {
  outcome?: { readonly boxes: readonly FaceBox[] } | { readonly error: unknown };
}

/** Names what a detector gave in messages. */
const DETECTED = "The detector's box";

/**
 * After more ms than these nothing says where a face is now: the whole cascade runs, and the detector
 * is asked where that leaves doubt.
 */
const LONGEST_GAP = 250;

/** Pictures of one shape are one source that changes its resolution. */
const SAME_SHAPE = 0.02;

/** No camera takes frames faster than this, in ms; seconds given for milliseconds look as if it did. */
const LEAST_INTERVAL = 1;

/** Follows the faces of one video. Make one with `create`, free it with `destroy`. */
export class FaceTracker {
  readonly #aligner: TrackingAligner;
  readonly #detector: Detector | undefined;
  /** What the tracker made itself. */
  readonly #own: { destroy(): void } | undefined;
  readonly #options: Following;
  readonly #reader: FaceReader;
  readonly #middle: Middle;
  #tracks: readonly Track[] = [];
  #nextId = 1;
  #lastMs = Number.NEGATIVE_INFINITY;
  /** Whether two frames were as far apart as frames are: from then on times are believed. */
  #timed = false;
  /** Of the frame before. */
  #size: PictureSize | undefined;
  /** Each frame in turn, on the GPU once for all that a call asks of the aligner and a detector on its device. */
  #picture: UploadedPicture | undefined;
  /** Where the next frame goes while a look of the detector reads the last one. */
  #spare: UploadedPicture | undefined;
  #look: Look | undefined;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #busy = false;
  #destroyed = false;
  /** Counts resets: what a frame found before one is not kept. */
  #era = 0;

  /**
   * A tracker on the caller's aligner, or on an aligner and a detector of its own.
   * @throws InputError for options that cannot be used; where it makes its own, as `FaceFinder.create`.
   */
  static async create(options: TrackerOptions = {}): Promise<FaceTracker> {
    expectOptions(options, {
      aligner: 1,
      detector: 1,
      finder: 1,
      maxFaces: 1,
      iterations: 1,
      smoothing: 1,
      detectEvery: 1,
      lost: 1,
    });
    const { aligner, detector, finder = {}, maxFaces } = options;
    if (aligner !== undefined) return new FaceTracker(options, aligner, detector);
    if (detector !== undefined) {
      throw new InputError(
        'There is a detector without an aligner; wanted both, or neither: the tracker then makes its own.',
      );
    }
    expectObject(finder, 'finder');
    // Apart, so that an app with a detector of its own does not carry this one's.
    const { FaceFinder } = await import('../find/finder.js');
    const own = await FaceFinder.create({ ...finder, aligner: { ...(maxFaces && { maxFaces }), ...finder.aligner } });
    try {
      return new FaceTracker(options, own.aligner, own.detector, own);
    } catch (error) {
      own.destroy();
      throw error;
    }
  }

  private constructor(
    options: FollowOptions,
    aligner: TrackingAligner,
    detector: Detector | undefined,
    own?: { destroy(): void },
  ) {
    this.#aligner = aligner;
    this.#detector = detector;
    this.#own = own;
    this.#options = checkFollowing(options, aligner, detector);
    this.#middle = middleOf(aligner.model);
    this.#reader = new FaceReader(aligner.model, aligner.layout, { blendshapes: aligner.blendshapes });
  }

  /**
   * The faces of the next frame, longest known first. Await it before the next call; do not change the frame meanwhile.
   * @param timestampMs when the frame was taken in milliseconds, later than the one before; where a film starts anew,
   * call `reset` first. A video's
   * `currentTime` is in seconds
   * @param options.boxes where new faces may be, in place of the detector's; those over known faces are passed over
   * @throws InputError for a frame, time or box that cannot be used; FullposeError `busy` while a call is unfinished;
   * what the detector throws, be it while it looked at an earlier frame; otherwise as `FaceAligner.align`. The tracker
   * goes on with the next call.
   */
  async track(
    frame: PictureSource,
    timestampMs: number,
    options: { readonly boxes?: readonly FaceBox[] } = {},
  ): Promise<TrackedFace[]> {
    if (this.#destroyed) throw new InputError('The tracker was destroyed; wanted one that was not.');
    if (this.#busy) {
      throw new FullposeError('busy', 'The tracker is at work on a frame; await it, or drop this one.');
    }
    this.#checkTime(timestampMs);
    // Boxes by themselves would be options without any.
    if (Array.isArray(options)) refuse('The options', options, 'an object with boxes');
    expectOptions(options, { boxes: 1 });
    const { boxes } = options;
    if (boxes !== undefined) checkBoxes(boxes, 'The box');
    this.#busy = true;
    try {
      return await this.#track(frame, timestampMs, boxes);
    } finally {
      this.#busy = false;
      if (this.#destroyed) this.#free();
    }
  }

  /**
   * Forgets all faces and times, as for another video. A call in flight still gives its faces, and they are forgotten
   * too.
   */
  reset(): void {
    this.#era++;
    this.#tracks = [];
    this.#look = undefined;
    this.#lastMs = Number.NEGATIVE_INFINITY;
    this.#timed = false;
    this.#size = undefined;
    this.#lookedMs = Number.NEGATIVE_INFINITY;
  }

  /** What aligns: the caller's, or the tracker's own, whose `model` the writers of meshes take. */
  get aligner(): TrackingAligner {
    return this.#aligner;
  }

  /**
   * Ends the tracker, after the call in flight if there is one, with the aligner and the detector that it made. The
   * caller's go on. Twice does nothing.
   */
  destroy(): void {
    this.reset();
    this.#destroyed = true;
    if (!this.#busy) this.#free();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  #free(): void {
    this.#picture?.destroy();
    this.#spare?.destroy();
    this.#own?.destroy();
  }

  /** @throws InputError for a time that is no number, does not increase, or is not in milliseconds. */
  #checkTime(timestampMs: number): void {
    const last = this.#lastMs;
    if (!Number.isFinite(timestampMs) || timestampMs <= last) {
      throw new InputError(
        `The timestamp is ${show(timestampMs)} ms; wanted more than ${show(last)} ms, or reset() before another video or its start.`,
      );
    }
    if (!this.#timed && timestampMs - last < LEAST_INTERVAL) {
      throw new InputError(
        `The timestamps are ${show(last)} and ${show(timestampMs)} ms; wanted milliseconds, ${LEAST_INTERVAL} apart or more (currentTime is in seconds).`,
      );
    }
  }

  async #track(
    frame: PictureSource,
    timestampMs: number,
    boxes: readonly FaceBox[] | undefined,
  ): Promise<TrackedFace[]> {
    const [era, before] = [this.#era, this.#tracks];
    const { upload } = this.#aligner;
    const picture = upload === undefined ? frame : await this.#upload(frame, upload);
    const size = sizeOf(picture instanceof UploadedPicture ? picture : frame) ?? this.#size;
    const known = size === undefined ? before : this.#fitted(before, size);
    const isGap = this.#isGap(timestampMs);
    const expected = new Map(known.map((track) => [track, this.#expected(track, timestampMs)]));
    const looking = boxes ?? this.#lookFor(frame, picture, timestampMs, known.length);
    const [seen, found] = await Promise.all([looking, this.#refine(picture, expected, isGap)]);
    const isShaken = known.some(({ good }, i) => {
      const face = found[i];
      return jumped(good, face) || (isGap && (face === undefined || !this.#isSure(face)));
    });
    const candidates = isShaken && boxes === undefined ? await this.#lookNow(frame, picture, timestampMs) : seen;
    const results = isShaken ? await this.#correct(picture, known, found, candidates) : found;
    const kept = distinct(
      [...expected].flatMap(([track, face], i) => this.#next(track, face, results[i], timestampMs) ?? []),
    );
    const room = this.#options.maxFaces - kept.length;
    const joined = await this.#join(picture, newBoxes(candidates, kept).slice(0, room), timestampMs);
    const tracks = [...kept, ...joined];
    if (this.#era === era) {
      this.#tracks = tracks;
      this.#size = size;
      this.#timed ||= timestampMs - this.#lastMs >= LEAST_INTERVAL && this.#lastMs !== Number.NEGATIVE_INFINITY;
      this.#lastMs = timestampMs;
    }
    return tracks.map(({ id, age, shown }) => ({ ...shown, id, age }));
  }

  async #upload(frame: PictureSource, upload: FaceAligner['upload']): Promise<PictureSource> {
    const last = this.#picture;
    const picture = await upload.call(this.#aligner, frame, last);
    this.#picture = picture;
    if (last !== picture) last?.destroy();
    return picture;
  }

  /**
   * Where the source has another resolution than before, known faces are where they were in it; where it has another
   * shape, it is another picture.
   */
  #fitted(tracks: readonly Track[], size: PictureSize): readonly Track[] {
    const last = this.#size ?? size;
    const [across, down] = [size.width / last.width, size.height / last.height];
    if (across === 1 && down === 1) return tracks;
    // What the detector sees just now is in the old pixels.
    this.#look = undefined;
    const isSame = Math.abs(across / down - 1) < SAME_SHAPE;
    return isSame ? tracks.map((track) => this.#scaled(track, Math.sqrt(across * down))) : [];
  }

  #scaled(track: Track, scale: number): Track {
    const moved = (value: number) => (value + 0.5) * scale - 0.5;
    const cropOf = ({ crop }: Face) => ({
      ...crop,
      centreX: moved(crop.centreX),
      centreY: moved(crop.centreY),
      side: crop.side * scale,
    });
    const { good: before, shown, smoother } = track;
    const { box } = before;
    const good = {
      ...before,
      crop: cropOf(before),
      landmarks: before.landmarks.map((value, i) => (i % 3 === 2 ? value * scale : moved(value))),
      box: { ...box, x0: moved(box.x0), y0: moved(box.y0), x1: moved(box.x1), y1: moved(box.y1) },
    };
    return {
      ...track,
      good,
      motion: Motion.of(this.#middle, inPicture(good), this.#lastMs),
      shown: this.#reader.repose({ ...shown, crop: cropOf(shown) }, shown.parameters),
      // Its past is in the old pixels.
      smoother: smoother && this.#newSmoother(),
    };
  }

  #newSmoother(): FaceSmoother | undefined {
    const { layout, model } = this.#aligner;
    const { smoothing } = this.#options;
    return smoothing && new FaceSmoother(layout, model, smoothing);
  }

  /**
   * After a jump or a gap the fit may have come to rest beside the face. Where the detector sees a face nearby, the
   * face is aligned from there; where that is sure, it is the face.
   */
  async #correct(
    picture: PictureSource,
    known: readonly Track[],
    found: readonly (Face | undefined)[],
    boxes: readonly FaceBox[],
  ): Promise<readonly (Face | undefined)[]> {
    const near = nearest(known, found, boxes);
    if (near.size === 0) return found;
    const pairs = [...near];
    const faces = await this.#aligner.align(
      picture,
      pairs.map(([, box]) => box),
    );
    const corrected = [...found];
    for (const [k, [i]] of pairs.entries()) {
      const face = faces[k];
      if (face !== undefined && this.#isSure(face)) corrected[i] = face;
    }
    return corrected;
  }

  /**
   * Finds known faces again: in one batch, and in another those that the whole cascade is needed for, known before or
   * seen by what was found.
   * @param expected where they may be
   * @param isGap whether all of them need it
   */
  async #refine(
    frame: PictureSource,
    expected: ReadonlyMap<Track, Face>,
    isGap: boolean,
  ): Promise<readonly (Face | undefined)[]> {
    const { iterations: all } = this.#aligner;
    const known = [...expected.keys()];
    const found = new Map<Track, Face | undefined>();
    const refine = async (tracks: readonly Track[], iterations: number) => {
      if (tracks.length === 0) return;
      const faces = tracks.map((track) => expected.get(track) ?? track.good);
      const refined = await this.#aligner.refine(frame, faces, { iterations });
      for (const [i, track] of tracks.entries()) found.set(track, refined[i]);
    };
    const isWhole = (track: Track) => isGap || needsFullRun(track);
    const others = known.filter((track) => !isWhole(track));
    await Promise.all([refine(known.filter(isWhole), all), refine(others, this.#options.iterations)]);
    const unsettled = (track: Track) => {
      const face = found.get(track);
      return face === undefined || !this.#isSure(face) || movedFar(expected.get(track) ?? track.good, face);
    };
    await refine(others.filter(unsettled), all);
    return known.map((track) => found.get(track));
  }

  #isGap(timestampMs: number): boolean {
    return timestampMs - this.#lastMs > LONGEST_GAP;
  }

  /** A known face where it may be in a frame. In doubt or after a gap nothing says that it went on. */
  #expected({ good, motion, doubt }: Track, timestampMs: number): Face {
    if (doubt > 0 || this.#isGap(timestampMs)) return good;
    const parameters = moveParameters(motion.at(timestampMs), PICTURE_FRAME, poseFrame(good.crop));
    return this.#reader.repose(good, Float32Array.from(parameters));
  }

  #isSure({ confidence }: Face): boolean {
    return confidence >= this.#options.confidence;
  }

  /**
   * A known face after this frame; undefined where it is lost. In doubt it stays where it was: what was found is not
   * shown.
   */
  #next(track: Track, expected: Face, found: Face | undefined, timestampMs: number): Track | undefined {
    const age = track.age + 1;
    if (found !== undefined && this.#isSure(found)) {
      const fast = movedFar(expected, found);
      const pose = inPicture(found);
      // A jump is no speed.
      const isNew = this.#isGap(timestampMs) || jumped(track.good, found);
      const motion = isNew ? Motion.of(this.#middle, pose, timestampMs) : track.motion.after(pose, timestampMs);
      const shown = this.#smooth(found, track.smoother, timestampMs);
      return { ...track, age, fast, doubt: 0, good: found, motion, shown };
    }
    const doubt = track.doubt + 1;
    if (doubt >= this.#options.frames) return undefined;
    return { ...track, age, doubt, shown: { ...track.shown, confidence: found?.confidence ?? 0 } };
  }

  /** Aligns the faces in new boxes, and takes those that are faces. */
  async #join(frame: PictureSource, boxes: readonly FaceBox[], timestampMs: number): Promise<readonly Track[]> {
    if (boxes.length === 0) return [];
    const faces = await this.#aligner.align(frame, boxes);
    const sure = faces.filter((face) => this.#isSure(face));
    return sure.map((face) => {
      const smoother = this.#newSmoother();
      const shown = this.#smooth(face, smoother, timestampMs);
      const motion = Motion.of(this.#middle, inPicture(face), timestampMs);
      return { id: this.#nextId++, age: 0, good: face, motion, shown, fast: false, doubt: 0, smoother };
    });
  }

  #smooth(face: Face, smoother: FaceSmoother | undefined, timestampMs: number): Face {
    if (smoother === undefined) return face;
    const smooth = smoother.smooth(inPicture(face), timestampMs);
    return this.#reader.repose(face, Float32Array.from(moveParameters(smooth, PICTURE_FRAME, poseFrame(face.crop))));
  }

  /** What the detector sees in this frame. */
  async #lookNow(frame: PictureSource, picture: PictureSource, timestampMs: number): Promise<readonly FaceBox[]> {
    const detector = this.#detector;
    if (detector === undefined) return [];
    this.#look = undefined;
    this.#lookedMs = timestampMs;
    return checkBoxes(await detector.detect(this.#isShared() ? picture : frame), DETECTED);
  }

  /** Whether the detector reads what the aligner uploads. */
  #isShared(): boolean {
    const device = this.#detector?.device;
    return device !== undefined && device === this.#aligner.device;
  }

  /** A frame that stays as it is until it is released: the one on the GPU, or a copy. */
  async #keep(
    frame: Parameters<typeof copyPicture>[0],
    picture: PictureSource,
  ): Promise<{ readonly view: PictureSource; readonly release: () => void }> {
    if (!(picture instanceof UploadedPicture && this.#isShared())) {
      const copy = await copyPicture(frame);
      return { view: copy, release: () => copy.close() };
    }
    this.#picture = this.#spare;
    this.#spare = undefined;
    const release = () => {
      this.#spare?.destroy();
      this.#spare = picture;
      if (this.#destroyed && !this.#busy) this.#free();
    };
    return { view: picture, release };
  }

  /**
   * Boxes where new faces may be. With no face to follow the detector is awaited: there is nothing else to give.
   * Otherwise it looks at the frame while the video goes on, and its boxes serve the frame after.
   */
  async #lookFor(
    frame: PictureSource,
    picture: PictureSource,
    timestampMs: number,
    known: number,
  ): Promise<readonly FaceBox[]> {
    const detector = this.#detector;
    const { maxFaces, detectEvery } = this.#options;
    if (detector === undefined || known >= maxFaces) return [];
    if (known === 0) return this.#lookNow(frame, picture, timestampMs);
    const look = this.#look;
    if (look !== undefined) {
      if (look.outcome === undefined) return [];
      this.#look = undefined;
      if ('error' in look.outcome) throw look.outcome.error;
      return checkBoxes(look.outcome.boxes, DETECTED);
    }
    if (timestampMs - this.#lookedMs < detectEvery) return [];
    this.#lookedMs = timestampMs;
    // A texture cannot be copied here; the caller may write to it as soon as this call ends.
    if (isTexture(frame) || frame instanceof UploadedPicture) return checkBoxes(await detector.detect(frame), DETECTED);
    const { view, release } = await this.#keep(frame, picture);
    const started: Look = {};
    this.#look = started;
    // In a promise even where it throws at once: a look without an outcome would be the last.
    void Promise.resolve(view)
      .then((kept) => detector.detect(kept))
      .then(
        (boxes) => {
          started.outcome = { boxes };
        },
        (error: unknown) => {
          started.outcome = { error };
        },
      )
      .finally(release);
    return [];
  }
}

/** A face's parameters in `PICTURE_FRAME`. */
function inPicture({ parameters, crop }: Face): Float64Array<ArrayBuffer> {
  return moveParameters(parameters, poseFrame(crop), PICTURE_FRAME);
}

/** A copy: what it is of may change. */
function sizeOf(picture: PictureSource): PictureSize | undefined {
  const size = pictureSize(picture);
  return size && { width: size.width, height: size.height };
}

/** @param what a box's name in messages. @throws InputError */
function checkBoxes(boxes: readonly FaceBox[], what: string): readonly FaceBox[] {
  expectList(`${what}es`, boxes);
  for (const box of boxes) checkBox(box, what);
  return boxes;
}
