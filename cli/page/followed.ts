/** The faces of a video, followed from frame to frame. */
import type { FaceDetector } from '../../src/detect/index.js';
import type { FaceAligner, UploadedPicture } from '../../src/index.js';
import { FaceTracker, type TrackedFace } from '../../src/track.js';
import type { FrameJob } from '../protocol.js';

/** While some face is followed, the detector looks for others this often. */
const lookEvery = 0.5;

export class FollowedFaces {
  readonly #tracker: FaceTracker;
  readonly #detector: FaceDetector;
  readonly #idsAbove: number;
  readonly #minConfidence: number;
  #followed = 0;
  #looked = Number.NEGATIVE_INFINITY;

  /**
   * @param wanted.idsAbove ids start above this one
   * @param wanted.minConfidence below this a face is in doubt: it keeps its id for some frames, but where it is now is
   * not known
   */
  static async create(
    aligner: FaceAligner,
    detector: FaceDetector,
    { smoothing, idsAbove, minConfidence }: Pick<FrameJob, 'smoothing' | 'idsAbove' | 'minConfidence'>,
  ): Promise<FollowedFaces> {
    const { maxFaces } = aligner;
    const lost = { confidence: minConfidence };
    const tracker = await FaceTracker.create({ aligner, maxFaces, smoothing, lost });
    return new FollowedFaces(tracker, detector, idsAbove, minConfidence);
  }

  private constructor(tracker: FaceTracker, detector: FaceDetector, idsAbove: number, minConfidence: number) {
    this.#tracker = tracker;
    this.#detector = detector;
    this.#idsAbove = idsAbove;
    this.#minConfidence = minConfidence;
  }

  /**
   * The faces of the next frame, without those in doubt. The detector is waited for, unlike by a tracker that has one:
   * so the same video has the same faces, however fast the machine.
   * @param time seconds, more than before
   */
  async next(picture: UploadedPicture, time: number): Promise<readonly TrackedFace[]> {
    const looks = this.#followed === 0 || time - this.#looked >= lookEvery;
    if (looks) this.#looked = time;
    const boxes = looks ? await this.#detector.detect(picture) : [];
    const faces = await this.#tracker.track(picture, 1000 * time, { boxes });
    this.#followed = faces.length;
    return faces
      .filter(({ confidence }) => confidence >= this.#minConfidence)
      .map((face) => ({ ...face, id: face.id + this.#idsAbove }));
  }
}
