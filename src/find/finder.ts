/** `FaceFinder`: pictures in, faces out. A detector and an aligner on one device. */
import { FaceAligner } from '../align/aligner.js';
import { ALIGN_NAMES, type AlignerOptions, type AlignOptions } from '../align/options.js';
import type { FaceWith, OutputName } from '../align/outputs.js';
import { type OnDevice, Revivable } from '../calls/revivable.js';
import { DETECT_NAMES, type DetectOptions, FaceDetector, type FaceDetectorOptions } from '../detect/detector.js';
import { Gpu } from '../engine/device.js';
import { expectObject, expectOptions } from '../engine/expect.js';
import { checkDownloadOptions, type DownloadOptions, type LoadProgress } from '../files/download.js';
import { isTexture, type PictureSource, UploadedPicture } from '../pictures/frame.js';

/** What both parts share. */
type Shared = keyof DownloadOptions | 'device' | 'powerPreference';

/** Options of `FaceFinder.create`. `findFaces` takes none of them: it makes its finder with the defaults. */
export interface FaceFinderOptions extends DownloadOptions {
  /** The caller's device. It is never destroyed here. Without it the finder makes one of its own. */
  readonly device?: GPUDevice;
  /** Which of several GPUs is asked for (default: the browser's choice). Of no effect with `device`. */
  readonly powerPreference?: GPUPowerPreference;
  /** Options of `FaceAligner.create`, as `weights` or `maxFaces`. */
  readonly aligner?: Omit<AlignerOptions, Shared>;
  /** Options of `FaceDetector.create`, as `weights` or `minConfidence`. */
  readonly detector?: Omit<FaceDetectorOptions, Shared>;
}

/** Options of one search. */
export interface FindOptions<Name extends OutputName = OutputName> extends DetectOptions, AlignOptions<Name> {
  /**
   * Faces of less confidence are left out, 0 to 1 (default 0.5). 0 keeps all that the detector took for a face, each of
   * them once.
   */
  readonly minConfidence?: number;
}

const DEFAULT_MIN_CONFIDENCE = 0.5;

/**
 * Finds and aligns the faces of pictures. Make one with `create`, free it with `destroy`; `findFaces` keeps one for
 * whoever needs no more.
 */
export class FaceFinder extends Revivable<OnDevice> {
  /** The finder's own, freed with it. */
  readonly aligner: FaceAligner;
  /** The finder's own, freed with it. */
  readonly detector: FaceDetector;

  /**
   * Finds a GPU, loads both parts' weights at once and prepares everything; `find` then compiles nothing.
   * @throws as `FaceAligner.create` and `FaceDetector.create`.
   */
  static async create(options: FaceFinderOptions = {}): Promise<FaceFinder> {
    checkDownloadOptions(options, { device: 1, powerPreference: 1, aligner: 1, detector: 1 });
    const { device, powerPreference, signal, cache, onProgress, aligner = {}, detector = {} } = options;
    expectObject(aligner, 'aligner');
    expectObject(detector, 'detector');
    const open = async (given: GPUDevice | undefined): Promise<OnDevice> => {
      const gpu = await Gpu.create({ label: 'fullpose finder', device: given, powerPreference });
      return { gpu, destroy: () => gpu.destroy() };
    };
    const state = await open(device);
    const tell = onProgress && sumProgress(onProgress, 2);
    const shared = (part: number) => ({
      device: state.gpu.device,
      ...(signal !== undefined && { signal }),
      ...(cache !== undefined && { cache }),
      ...(tell && { onProgress: tell(part) }),
    });
    const parts = await Promise.allSettled([
      FaceAligner.create({ ...aligner, ...shared(0) }),
      FaceDetector.create({ ...detector, ...shared(1) }),
    ]);
    const [alignerPart, detectorPart] = parts;
    if (alignerPart.status === 'fulfilled' && detectorPart.status === 'fulfilled') {
      return new FaceFinder(alignerPart.value, detectorPart.value, state, device === undefined, open);
    }
    for (const part of parts) if (part.status === 'fulfilled') part.value.destroy();
    state.destroy();
    throw parts.find((part) => part.status === 'rejected')?.reason;
  }

  private constructor(
    aligner: FaceAligner,
    detector: FaceDetector,
    state: OnDevice,
    ownsDevice: boolean,
    open: (device: GPUDevice | undefined) => Promise<OnDevice>,
  ) {
    super('finder', state, ownsDevice, async (_, given) => {
      const next = await open(given);
      try {
        for (const part of [aligner, detector]) await part.recover({ device: next.gpu.device });
        return next;
      } catch (error) {
        next.destroy();
        throw error;
      }
    });
    this.aligner = aligner;
    this.detector = detector;
  }

  /**
   * The faces of a picture, the largest first; none is an empty list. The picture is uploaded once. Calls may overlap.
   * Do not change the source before the promise resolves.
   * @param options.search where the detector looks (default `everywhere`: faces of every size and roll)
   * @throws as `FaceDetector.detect` and `FaceAligner.align`.
   */
  async find<Name extends OutputName = never>(
    source: PictureSource,
    options: FindOptions<Name> = {},
  ): Promise<FaceWith<Name>[]> {
    expectOptions(options, { ...DETECT_NAMES, ...ALIGN_NAMES, minConfidence: 1 });
    // Apart: either refuses the other's options.
    const { search = 'everywhere', onProgress, signal, minConfidence = DEFAULT_MIN_CONFIDENCE, ...aligning } = options;
    const isUploaded = isTexture(source) || source instanceof UploadedPicture;
    const picture = isUploaded ? source : await this.aligner.upload(source);
    try {
      const boxes = await this.detector.detect(picture, { search, onProgress, signal });
      return await this.aligner.align(picture, boxes, { ...aligning, minConfidence });
    } finally {
      if (picture !== source && picture instanceof UploadedPicture) picture.destroy();
    }
  }

  /** As of all three: frees the aligner and the detector, too. */
  override destroy(): void {
    this.aligner.destroy();
    this.detector.destroy();
    super.destroy();
  }
}

/**
 * One progress of several downloads: told once each of them has told its total, so that the share that is done only
 * rises.
 */
export function sumProgress(
  onProgress: (progress: LoadProgress) => void,
  downloads: number,
): (download: number) => (progress: LoadProgress) => void {
  const latest = new Map<number, LoadProgress>();
  const sum = (part: 'loaded' | 'total') => [...latest.values()].reduce((all, progress) => all + progress[part], 0);
  return (download) => (progress) => {
    latest.set(download, progress);
    if (latest.size === downloads) onProgress({ ...progress, loaded: sum('loaded'), total: sum('total') });
  };
}
