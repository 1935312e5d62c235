/**
 * What a caller may ask of an aligner, checked, and the weights that it names.
 */
import { InputError } from '../engine/errors.js';
import { show } from '../engine/show.js';
import type { WeightUrls } from '../host/download.js';
import { weights as bundledWeights } from '../weights.js';
import { fetchWeights, type LoadOptions } from './manifest.js';
import { type CascadeWeights, parseWeights, type WeightBuffers } from './weights.js';

export interface AlignerOptions extends LoadOptions {
  /**
   * URL of the weights' manifest, or URLs of all files, or their contents, or weights already parsed. Default: the weights of the package,
   * from where the package's own module was loaded (`fullpose/weights`).
   */
  readonly weights?: string | URL | WeightUrls | WeightBuffers | CascadeWeights;
  /** The caller's device. It is never destroyed here. Without it the aligner makes one of its own. */
  readonly device?: GPUDevice;
  readonly powerPreference?: GPUPowerPreference;
  /** Faces that travel together (default 4). More boxes than this are aligned in several frames. */
  readonly maxFaces?: number;
  /** Calls that may be unfinished at once (default 64); one more is refused, so that a caller who never waits fills no memory. */
  readonly maxPending?: number;
}

export interface AlignOptions {
  /** Iterations of the cascade, 1 to `aligner.iterations` (the default). Fewer are faster and less exact. */
  readonly iterations?: number;
}

export const DEFAULT_MAX_FACES = 4;
export const DEFAULT_MAX_PENDING = 64;

/** The weights that the options name, as many iterations of them as are wanted. */
export async function loadWeights(options: AlignerOptions): Promise<CascadeWeights> {
  const { weights = bundledWeights, iterations } = options;
  if (typeof weights === 'string' || 'href' in weights || 'manifest' in weights) return fetchWeights(weights, options);
  const all = 'model' in weights ? weights : parseWeights(weights);
  const wanted = iterations ?? all.iterations.length;
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > all.iterations.length) {
    throw new InputError(`iterations is ${show(wanted)}; the weights have ${all.iterations.length}.`);
  }
  return { ...all, iterations: all.iterations.slice(0, wanted) };
}

/** What the types say already, for callers without them. Numbers are checked where they are used. */
export function checkOptions(options: AlignerOptions): void {
  expectObject(options, 'The options');
  const { weights, onProgress, signal, cache, maxPending } = options;
  if (weights !== undefined && typeof weights !== 'string') {
    expectObject(weights, 'weights');
    if ('files' in weights && weights.files !== undefined) expectObject(weights.files, 'weights.files');
    if ('model' in weights) {
      for (const part of ['model', 'network', 'initialParameters', 'iterations'] as const) {
        expectObject(weights[part], `weights.${part}`);
      }
    }
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw new InputError(`onProgress is ${show(onProgress)}; wanted a function.`);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new InputError(`signal is ${show(signal)}; wanted an AbortSignal.`);
  }
  if (cache !== undefined && typeof cache !== 'boolean') {
    throw new InputError(`cache is ${show(cache)}; wanted true or false.`);
  }
  if (maxPending !== undefined && (!Number.isInteger(maxPending) || maxPending < 1)) {
    throw new InputError(`maxPending is ${show(maxPending)}; wanted a whole number, at least 1.`);
  }
}

/** @throws InputError where `value` is no object. */
export function expectObject(value: unknown, what: string): void {
  if (typeof value !== 'object' || value === null) {
    throw new InputError(`${what} ${what.endsWith('s') ? 'are' : 'is'} ${show(value)}; wanted an object.`);
  }
}
