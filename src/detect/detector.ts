/** `FaceDetector`: pictures in, boxes for the aligner out. */

import { type OnDevice, Revivable } from '../calls/revivable.js';
import { checkMaxPending, Turns } from '../calls/turns.js';
import { Gpu } from '../engine/device.js';
import { InputError } from '../engine/errors.js';
import { expectOptions, type Names, refuse } from '../engine/expect.js';
import { show } from '../engine/show.js';
import { loadBesideAdapter } from '../files/beside-adapter.js';
import { checkDownloadOptions, type DownloadOptions, type WeightUrls } from '../files/download.js';
import type { Crop } from '../pictures/crop.js';
import type { Detector } from '../pictures/detector.js';
import { type Frame, FrameTexture, type PictureSource } from '../pictures/frame.js';
import { warmUp } from '../pictures/warm-up.js';
import { detectorWeights } from './bundled.js';
import { type DetectedFace, distinctFaces, isCutOff, suppress, toFace } from './faces.js';
import { fetchDetector } from './manifest.js';
import { searchSteps } from './regions.js';
import { MOST_REGIONS, Scanner } from './scanner.js';
import { type DetectorBuffers, type DetectorWeights, parseDetectorWeights } from './weights.js';

/**
 * Where to look:
 * - `whole`: at the picture as a whole, once. For video, and wherever heads are about upright (up to some 60 degrees)
 *   and at least a twentieth of the picture's longer side.
 * - `until-found` (the default): at the whole as it is; where that finds no face, or hints at one that it is not sure
 *   of, every other way up; then with a wide margin, then in ever smaller tiles, until a step finds faces.
 * - `everywhere`: all of that: every face of 20 pixels and up, small ones beside large ones. (20 texels, where the
 *   picture is larger than a texture of the device may be.) The number of looks grows with the picture: some 20 at 640
 *   x 480, 400 at 6000 x 4000.
 */
export type Search = 'whole' | 'until-found' | 'everywhere';

/** Options of `FaceDetector.create`. */
export interface FaceDetectorOptions extends DownloadOptions {
  /**
   * URL of the detector's manifest, or URLs of all files, or their contents, or weights already parsed. Default: those
   * of the package.
   */
  readonly weights?: string | URL | WeightUrls | DetectorBuffers | DetectorWeights;
  /**
   * The caller's device, for instance an aligner's. It is never destroyed here. Without it the detector makes one of
   * its own.
   */
  readonly device?: GPUDevice;
  /** Which of several GPUs is asked for (default: the browser's choice). Of no effect with `device`. */
  readonly powerPreference?: GPUPowerPreference;
  /** What has a lower `score` is no face: between 0 and 1, both excluded (default 0.5). */
  readonly minConfidence?: number;
  /** What `detect` does where it is not told (default `until-found`). */
  readonly search?: Search;
  /** Calls that may be unfinished at once (default 64); one more is refused. */
  readonly maxPending?: number;
}

/** Options of one search. */
export interface DetectOptions {
  /** Where to look (default: the detector's `search`). */
  readonly search?: Search;
  /** Called after every submit, of 32 looks at most. */
  readonly onProgress?: ((progress: SearchProgress) => void) | undefined;
  /** Ends the search before its next submit: `detect` rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** How far a search has come. */
export interface SearchProgress {
  /** Looks at the picture or a part of it that are done. */
  readonly done: number;
  /** Looks in all; `until-found` ends before where it finds faces. */
  readonly total: number;
}

/** What the detector has done so far. */
export interface DetectorCounters {
  /** Pictures that were searched. */
  readonly pictures: number;
  /** Submits to the GPU's queue. */
  readonly submits: number;
  /** Dispatches of compute shaders. */
  readonly dispatches: number;
  /** Bytes copied back from the GPU. */
  readonly bytesRead: number;
}

/** Of what a search takes. */
export const DETECT_NAMES: Names<DetectOptions> = { search: 1, onProgress: 1, signal: 1 };

const SEARCHES: readonly Search[] = ['whole', 'until-found', 'everywhere'];

const DEFAULT_MIN_CONFIDENCE = 0.5;

/**
 * The score from which a face in the first look is taken for an upright one: of 715 pictures whose face has it there,
 * infants among them, three show it with a higher one another way up. That of a head that lies is lower, its box worse
 * and its roll wrong.
 */
const UPRIGHT_SCORE = 0.85;

/**
 * The score from which what the first look shows is worth looking at another way up: of heads that lie it gives four in
 * five, where it takes two in five for a face, and of backgrounds without a face five in 24.
 */
const HINT_SCORE = 0.2;

/**
 * YuNet on WebGPU: faces at every yaw and, where the search looks every way up, at every roll, as boxes that carry the
 * roll.
 */
export class FaceDetector extends Revivable<Searching> implements Detector {
  readonly #inputSize: number;
  readonly #search: Search;
  readonly #turns: Turns;
  readonly #counters = { pictures: 0, submits: 0, dispatches: 0, bytesRead: 0 };

  /**
   * Loads weights, finds a GPU and prepares everything; `detect` then compiles and allocates nothing.
   * @throws WebGPUUnavailableError, LimitError, OutOfMemoryError, DeviceLostError, WeightsError, ShapeError,
   * KernelCompileError, InputError; the reason of `signal` where it aborts.
   */
  static async create(options: FaceDetectorOptions = {}): Promise<FaceDetector> {
    checkOptions(options);
    const weights = await loadBesideAdapter(options, loadWeights);
    return new FaceDetector(weights, options, await startSearching(weights, options));
  }

  private constructor(weights: DetectorWeights, options: FaceDetectorOptions, state: Searching) {
    // An aborted signal must not end a recovery.
    const { device, signal, ...kept } = options;
    super('detector', state, device === undefined, (_, next) =>
      startSearching(weights, { ...kept, ...(next !== undefined && { device: next }) }),
    );
    this.#inputSize = weights.inputSize;
    this.#search = options.search ?? 'until-found';
    this.#turns = new Turns(options.maxPending);
  }

  /** What this detector has done so far: pictures, submits, dispatches, bytes read. */
  get counters(): DetectorCounters {
    return { ...this.#counters };
  }

  /**
   * Finds the faces of a picture, the largest first, each with its roll. Calls may overlap; they are served in order.
   * Do not change the source before the promise resolves.
   * @throws InputError for a source or option that cannot be used; DeviceLostError; FullposeError `busy` where
   * `maxPending` calls are unfinished, `gpu-error` where the GPU refused the picture; OutOfMemoryError; the reason of
   * `signal` where it aborts; what `onProgress` throws.
   */
  async detect(source: PictureSource, options: DetectOptions = {}): Promise<readonly DetectedFace[]> {
    const turn = this.#turns.enter();
    try {
      expectOptions(options, DETECT_NAMES);
      const { search = this.#search, onProgress, signal } = options;
      checkSearch(search);
      if (onProgress !== undefined && typeof onProgress !== 'function') refuse('onProgress', onProgress, 'a function');
      if (signal !== undefined && !(signal instanceof AbortSignal)) refuse('signal', signal, 'an AbortSignal');
      const state = this.alive;
      const frame = await state.frame.fill(source, turn);
      this.#counters.pictures++;
      return await this.#find(state, frame, { search, onProgress, signal });
    } finally {
      turn.leave();
    }
  }

  async #find({ scanner, minConfidence }: Searching, frame: Frame, options: Wanted): Promise<readonly DetectedFace[]> {
    const steps = searchSteps(frame.picture, frame.texels, this.#inputSize);
    const looks = {
      whole: () => [steps.flat().slice(0, 1)],
      'until-found': () => steps,
      everywhere: () => [steps.flat()],
    }[options.search]();
    const total = looks.reduce((sum, { length }) => sum + length, 0);
    const seen: (readonly DetectedFace[])[] = [];
    let faces: readonly DetectedFace[] = [];
    for (const regions of looks) {
      await this.#look(scanner, frame, regions, options.signal, (faces) => {
        seen.push(...faces);
        options.onProgress?.({ done: seen.length, total });
      });
      const hints = distinctFaces(seen);
      faces = hints.filter(({ score }) => score >= minConfidence);
      const least = seen.length === 1 ? UPRIGHT_SCORE : 0;
      if (faces.length > 0 && hints.every(({ score }) => score >= least)) break;
    }
    return faces;
  }

  async #look(
    scanner: Scanner,
    frame: Frame,
    regions: readonly Crop[],
    signal: AbortSignal | undefined,
    tell: (faces: readonly (readonly DetectedFace[])[]) => void,
  ): Promise<void> {
    for (let first = 0; first < regions.length; first += MOST_REGIONS) {
      signal?.throwIfAborted();
      const part = regions.slice(first, first + MOST_REGIONS);
      const { candidates, dispatches, bytesRead } = await scanner.scan(frame, part);
      this.#counters.submits++;
      this.#counters.dispatches += dispatches;
      this.#counters.bytesRead += bytesRead;
      const faces = part.map((region, item) => {
        const found = suppress(candidates.filter((candidate) => candidate.item === item));
        return found.map((face) => toFace(face, region)).filter((face) => !isCutOff(face, region, frame.picture));
      });
      tell(faces);
    }
  }
}

/** What a call of `detect` asks for. */
interface Wanted {
  readonly search: Search;
  readonly onProgress: DetectOptions['onProgress'] | undefined;
  readonly signal: AbortSignal | undefined;
}

/** What lives and dies with one device. */
interface Searching extends OnDevice {
  readonly scanner: Scanner;
  readonly frame: FrameTexture;
  readonly minConfidence: number;
}

async function startSearching(
  weights: DetectorWeights,
  { device, powerPreference, signal, minConfidence = DEFAULT_MIN_CONFIDENCE }: FaceDetectorOptions,
): Promise<Searching> {
  const gpu = await Gpu.create({ label: 'fullpose detector', device, powerPreference });
  try {
    const scanner = await Scanner.create(gpu, weights, Math.min(minConfidence, HINT_SCORE));
    await warmUp(gpu, signal, (frame) =>
      scanner.scan(frame, [{ centreX: 0, centreY: 0, side: 1, size: weights.inputSize, roll: 0 }]),
    );
    const frame = new FrameTexture(gpu);
    const destroy = () => {
      frame.destroy();
      gpu.destroy();
    };
    return { gpu, scanner, frame, minConfidence, destroy };
  } catch (error) {
    gpu.destroy();
    throw error;
  }
}

async function loadWeights(options: FaceDetectorOptions): Promise<DetectorWeights> {
  const { weights = detectorWeights } = options;
  if (typeof weights === 'string' || 'href' in weights || 'manifest' in weights) {
    return fetchDetector(weights, options);
  }
  return 'views' in weights ? weights : parseDetectorWeights(weights);
}

/** What the types say already, for callers without them. */
function checkOptions(options: FaceDetectorOptions): void {
  checkDownloadOptions(options, {
    weights: 1,
    device: 1,
    powerPreference: 1,
    minConfidence: 1,
    search: 1,
    maxPending: 1,
  });
  const { weights, minConfidence, search, maxPending } = options;
  if (weights !== undefined && typeof weights !== 'string' && (typeof weights !== 'object' || weights === null)) {
    throw new InputError(`weights is ${show(weights)}; wanted URLs, contents or parsed weights.`);
  }
  if (minConfidence !== undefined && !(Number.isFinite(minConfidence) && minConfidence > 0 && minConfidence < 1)) {
    refuse('minConfidence', minConfidence, 'a number between 0 and 1, both excluded');
  }
  if (search !== undefined) checkSearch(search);
  checkMaxPending(maxPending);
}

function checkSearch(search: Search): void {
  if (!SEARCHES.includes(search)) refuse('search', search, SEARCHES.map(show).join(', '));
}
