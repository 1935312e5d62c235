/** The faces of a video, followed from frame to frame. */
import type { FaceDetector } from '../../src/detect/index.js';
import type { FaceAligner, UploadedPicture } from '../../src/index.js';
import { FaceTracker, type TrackedFace } from '../../src/track.js';

/** While some face is followed, the detector looks for others this often. */
const lookEvery = 0.5;

/** Below this, as `FaceTracker` has it, a face is in doubt: it keeps its id for some frames, but where it is now is not known. */
const doubt = 0.5;

export class FollowedFaces {
  readonly #tracker: FaceTracker;
  readonly #detector: FaceDetector;
  readonly #idsAbove: number;
  #followed = 0;
  #looked = Number.NEGATIVE_INFINITY;

  /** @param idsAbove ids start above this one */
  static async create(aligner: FaceAligner, detector: FaceDetector, smoothing: boolean, idsAbove: number) {
    const { maxFaces } = aligner;
    const tracker = await FaceTracker.create({ aligner, maxFaces, smoothing, lost: { confidence: doubt } });
    return new FollowedFaces(tracker, detector, idsAbove);
  }

  private constructor(tracker: FaceTracker, detector: FaceDetector, idsAbove: number) {
    this.#tracker = tracker;
    this.#detector = detector;
    this.#idsAbove = idsAbove;
  }

  /**
   * The faces of the next frame, without those in doubt. The detector is waited for, unlike by a tracker that has one: so the same video has the
   * same faces, however fast the machine.
   * @param time seconds, more than before
   */
  async next(picture: UploadedPicture, time: number): Promise<readonly TrackedFace[]> {
    const looks = this.#followed === 0 || time - this.#looked >= lookEvery;
    if (looks) this.#looked = time;
    const boxes = looks ? await this.#detector.detect(picture) : [];
    const faces = await this.#tracker.track(picture, 1000 * time, { boxes });
    this.#followed = faces.length;
    return faces
      .filter(({ confidence }) => confidence >= doubt)
      .map((face) => ({ ...face, id: face.id + this.#idsAbove }));
  }
}
