/**
 * What a caller may ask of an aligner, checked, and the weights that it names.
 */

import { checkMaxPending } from '../calls/turns.js';
import { fetchCascade, type LoadOptions } from '../cascade/manifest.js';
import { type CascadeWeights, parseWeights, type WeightBuffers } from '../cascade/weights.js';
import { InputError } from '../engine/errors.js';
import { expectNumber, expectObject, expectWhole, type Names, refuse } from '../engine/expect.js';
import { DTYPES, type DType } from '../engine/network.js';
import { checkDownloadOptions, type WeightUrls } from '../files/download.js';
import { weights as bundledWeights } from '../weights.js';
import { checkTextureSize, OUTPUT_NAMES, type OutputName, type Wanted } from './outputs.js';
import { TUNING_MODES, type TuningOptions } from './tuning.js';

/** Options of `FaceAligner.create`. */
export interface AlignerOptions extends LoadOptions, TuningOptions {
  /**
   * URL of the weights' manifest, or URLs of all files, or their contents, or weights already parsed. Default: the
   * weights of the package, from where the package's own module was loaded (`fullpose/weights`).
   */
  readonly weights?: string | URL | WeightUrls | WeightBuffers | CascadeWeights;
  /** The caller's device. It is never destroyed here. Without it the aligner makes one of its own. */
  readonly device?: GPUDevice;
  /** Which of several GPUs is asked for (default: the browser's choice). Of no effect with `device`. */
  readonly powerPreference?: GPUPowerPreference;
  /**
   * How the network's weights are held on the GPU (default `f16`). `f16`: in 16 bits where that changes none, as of the
   * package's weights, after a test on the device; where it fails, and with `f32`, in 32. Arithmetic is f32 either way.
   * `aligner.dtype` says which it is.
   */
  readonly dtype?: DType;
  /** Faces that travel together (default 4). More boxes than this are aligned in several frames. */
  readonly maxFaces?: number;
  /** Side of the textures that `outputs: ['texture']` gives, in texels (default 512). */
  readonly textureSize?: number;
  /**
   * Calls that may be unfinished at once (default 64); one more is refused, so that a caller who never waits fills no
   * memory.
   */
  readonly maxPending?: number;
}

/** Options of every call that aligns. */
export interface AlignOptions<Name extends OutputName = OutputName> {
  /**
   * Iterations of the cascade, 1 to `aligner.iterations` (the default). Fewer are faster and less exact, and where the
   * last that there are weights for is not run, every `confidence` is 0.5.
   */
  readonly iterations?: number;
  /**
   * What each face has beside the landmarks; everything comes in the same readback. Default: nothing, which is about 2
   * KB a face. `vertices`, `normals` or both add 107 KB with the shipped model, `depth` 66 KB, `pncc` 0.5 MB, `texture`
   * 1 MB at the default size.
   */
  readonly outputs?: readonly Name[];
  /** Whether the hidden half of a texture is filled from the other one (default false). */
  readonly mirror?: boolean;
}

/** Options of `FaceAligner.align`. */
export interface AlignBoxesOptions<Name extends OutputName = OutputName> extends AlignOptions<Name> {
  /**
   * Faces of less confidence are left out, 0 to 1, and of faces that come to lie on each other all but the surest. 0.5
   * is the usual limit for boxes that a detector found. Default: nothing is left out, and face i belongs to box i.
   */
  readonly minConfidence?: number;
}

/** Of what every call that aligns takes. */
export const ALIGN_NAMES: Names<AlignOptions> = { iterations: 1, outputs: 1, mirror: 1 };

export const DEFAULT_MAX_FACES = 4;
export const DEFAULT_TEXTURE_SIZE = 512;

/** The weights that the options name, as many iterations of them as are wanted. */
export async function loadWeights(options: AlignerOptions): Promise<CascadeWeights> {
  const { weights = bundledWeights, iterations } = options;
  if (typeof weights === 'string' || 'href' in weights || 'manifest' in weights) return fetchCascade(weights, options);
  const all = 'model' in weights ? weights : parseWeights(weights);
  if (iterations !== undefined) expectWhole('iterations', iterations, 1, all.iterations.length);
  return { ...all, iterations: all.iterations.slice(0, iterations) };
}

/** What the types say already, for callers without them. Numbers are checked where they are used. */
export function checkOptions(options: AlignerOptions): void {
  checkDownloadOptions(options, {
    weights: 1,
    iterations: 1,
    device: 1,
    powerPreference: 1,
    dtype: 1,
    maxFaces: 1,
    textureSize: 1,
    maxPending: 1,
    tuning: 1,
    tuningStorage: 1,
  });
  const { weights = bundledWeights, textureSize = DEFAULT_TEXTURE_SIZE, maxPending, dtype = 'f16' } = options;
  const { tuning = 'remembered', tuningStorage } = options;
  if (typeof weights !== 'string') {
    expectObject(weights, 'weights');
    if ('model' in weights) {
      for (const part of ['model', 'network', 'initialParameters', 'iterations'] as const) {
        expectObject(weights[part], `weights.${part}`);
      }
    }
  }
  checkTextureSize(textureSize);
  if (typeof tuning === 'string' ? !TUNING_MODES.includes(tuning) : typeof tuning !== 'object' || tuning === null) {
    refuse('tuning', tuning, `${TUNING_MODES.join(', ')} or an aligner's tuning`);
  }
  if (tuningStorage !== undefined) {
    expectObject(tuningStorage, 'tuningStorage');
    const { getItem, setItem } = tuningStorage;
    if (typeof getItem !== 'function' || typeof setItem !== 'function') {
      throw new InputError('tuningStorage has no getItem and setItem; wanted a storage as localStorage is.');
    }
  }
  if (!DTYPES.includes(dtype)) refuse('dtype', dtype, DTYPES.join(' or '));
  checkMaxPending(maxPending);
}

/** The outputs that a call asks for, in order, each once. @throws InputError for an unknown one. */
export function checkOutputs<Name extends OutputName>(options: AlignOptions<Name>): Wanted<Name> {
  const { outputs = [], mirror = false } = options;
  if (!Array.isArray(outputs) || !outputs.every((name) => OUTPUT_NAMES.includes(name))) {
    refuse('outputs', outputs, `a list of ${OUTPUT_NAMES.join(', ')}`);
  }
  if (typeof mirror !== 'boolean') refuse('mirror', mirror, 'true or false');
  const wanted: readonly Name[] = outputs;
  return { outputs: [...new Set(wanted)], mirror };
}

/** @throws InputError for what is no confidence. */
export function checkConfidence(minConfidence = 0): void {
  expectNumber('minConfidence', minConfidence, 0, 1);
}
