/**
 * One-Euro smoothing (Casiez, Roussel, Vogel, CHI 2012) of a face's parameters: a low-pass filter whose cutoff rises
 * with the speed, so that a face at rest does not tremble and one that moves is not late. Poses are filtered in the
 * picture, where a moving crop does not show.
 */
import { InputError } from '../engine/errors.js';
import { expectOptions, refuse } from '../engine/expect.js';
import { show } from '../engine/show.js';
import type { FaceModel } from '../mmm/model.js';
import { type ParameterLayout, quaternionOf } from '../mmm/parameters.js';
import type { Quaternion } from '../mmm/pose.js';
import { type Middle, middleOf, placeOf, putAt, rotationBetween, turned } from './poses.js';

/** How one part is filtered. */
export interface OneEuroOptions {
  /** Cutoff at rest, Hz: lower is smoother. */
  readonly minCutoff: number;
  /** Hz of cutoff for a unit of speed: higher is less late. */
  readonly beta: number;
}

/** How each part of the parameters is smoothed; parts left out take their default. */
export interface SmoothingOptions {
  /** Speed in radians a second. */
  readonly rotation?: OneEuroOptions;
  /**
   * Where the middle of the face is. Speed in decimetres of the face's own size a second, so that near and far faces
   * are smoothed alike.
   */
  readonly translation?: OneEuroOptions;
  /** Speed as the rate of growth: 1 is e times the size in a second. */
  readonly scale?: OneEuroOptions;
  /** Speed in standard deviations a second; each coefficient for itself. */
  readonly identity?: OneEuroOptions;
  /** Speed in weights a second; each expression for itself. */
  readonly expression?: OneEuroOptions;
  /** The same for what moves the lids (eyeBlink, eyeSquint, eyeWide): a blink lasts four frames. */
  readonly lids?: OneEuroOptions;
}

/** Tuned on three clips: docs/tracking.md. */
export const DEFAULT_SMOOTHING: Required<SmoothingOptions> = {
  rotation: { minCutoff: 1.4, beta: 2.5 },
  translation: { minCutoff: 3.6, beta: 0.8 },
  scale: { minCutoff: 2.7, beta: 1.1 },
  identity: { minCutoff: 0.6, beta: 0 },
  expression: { minCutoff: 2.3, beta: 3 },
  lids: { minCutoff: 2.3, beta: 15 },
};

/** Cutoff of the speeds themselves, Hz: the paper's. */
const SPEED_CUTOFF = 1;

/** Weight of a new value in an exponential mean with this cutoff (Hz) over `seconds`. */
function weightOf(cutoff: number, seconds: number): number {
  return 1 / (1 + 1 / (2 * Math.PI * cutoff * seconds));
}

/** One-Euro filter of a vector. */
export class OneEuro {
  readonly #options: OneEuroOptions;
  readonly #together: number;
  readonly #value: Float64Array<ArrayBuffer>;
  readonly #speed: Float64Array<ArrayBuffer>;
  #started = false;

  /**
   * @param length components
   * @param together so many components in a row share one cutoff, by the length of their common speed
   */
  constructor(length: number, options: OneEuroOptions, together = 1) {
    this.#options = options;
    this.#together = together;
    this.#value = new Float64Array(length);
    this.#speed = new Float64Array(length);
  }

  /**
   * Filters the next value.
   * @param seconds since the value before, more than 0
   * @param unit what speeds are measured in
   * @returns the filtered value; it belongs to the filter
   */
  filter(next: ArrayLike<number>, seconds: number, unit = 1): Float64Array<ArrayBuffer> {
    const value = this.#value;
    const speed = this.#speed;
    if (!this.#started) {
      value.set(next);
      this.#started = true;
      return value;
    }
    const { minCutoff, beta } = this.#options;
    const fresh = weightOf(SPEED_CUTOFF, seconds);
    for (let first = 0; first < value.length; first += this.#together) {
      const end = Math.min(value.length, first + this.#together);
      let square = 0;
      for (let i = first; i < end; i++) {
        speed[i] = speed[i]! + fresh * ((next[i]! - value[i]!) / seconds / unit - speed[i]!);
        square += speed[i]! ** 2;
      }
      const weight = weightOf(minCutoff + beta * Math.sqrt(square), seconds);
      for (let i = first; i < end; i++) value[i] = value[i]! + weight * (next[i]! - value[i]!);
    }
    return value;
  }
}

/** One-Euro filter of a rotation, along great arcs of the unit quaternions. */
export class RotationOneEuro {
  readonly #options: OneEuroOptions;
  /** Radians a second, in the frame of the rotation. */
  readonly #speed = new Float64Array(3);
  #value: Quaternion | undefined;

  constructor(options: OneEuroOptions) {
    this.#options = options;
  }

  /**
   * Filters the next rotation.
   * @param next a unit quaternion, of either sign
   * @param seconds since the rotation before, more than 0
   * @returns a unit quaternion
   */
  filter(next: Quaternion, seconds: number): Quaternion {
    const last = this.#value;
    if (last === undefined) {
      this.#value = next;
      return next;
    }
    const turn = rotationBetween(last, next);
    const { minCutoff, beta } = this.#options;
    const fresh = weightOf(SPEED_CUTOFF, seconds);
    for (let i = 0; i < 3; i++) this.#speed[i] = this.#speed[i]! + fresh * (turn[i]! / seconds - this.#speed[i]!);
    const weight = weightOf(minCutoff + beta * Math.hypot(...this.#speed), seconds);
    this.#value = turned(
      last,
      turn.map((angle) => angle * weight),
    );
    return this.#value;
  }
}

/** Filters the parameters of one face, frame by frame. */
export class FaceSmoother {
  readonly #layout: ParameterLayout;
  readonly #middle: Middle;
  readonly #rotation: RotationOneEuro;
  readonly #translation: OneEuro;
  readonly #scale: OneEuro;
  readonly #identity: OneEuro;
  readonly #expression: OneEuro;
  readonly #lids: OneEuro;
  /** Where the weights of the lids are among the parameters. */
  readonly #lidsAt: readonly number[];
  #lastMs: number | undefined;

  constructor(
    layout: ParameterLayout,
    model: Pick<FaceModel, 'expressionNames' | 'landmarks' | 'mean'>,
    options: SmoothingOptions = {},
  ) {
    const { rotation, translation, scale, identity, expression, lids } = { ...DEFAULT_SMOOTHING, ...options };
    const names = model.expressionNames;
    this.#layout = layout;
    this.#middle = middleOf(model);
    this.#rotation = new RotationOneEuro(rotation);
    this.#translation = new OneEuro(2, translation, 2);
    this.#scale = new OneEuro(1, scale);
    this.#identity = new OneEuro(layout.identity[1], identity);
    this.#expression = new OneEuro(layout.expression[1], expression);
    this.#lidsAt = names.flatMap((name, i) => (/^eye(Blink|Squint|Wide)/.test(name) ? [layout.expression[0] + i] : []));
    this.#lids = new OneEuro(this.#lidsAt.length, lids);
  }

  /**
   * Filters the next parameters.
   * @param parameters [count] in `PICTURE_FRAME`
   * @param timestampMs later than the last
   * @returns [count], in the same frame
   */
  smooth(parameters: Float64Array<ArrayBuffer>, timestampMs: number): Float64Array<ArrayBuffer> {
    const seconds = (timestampMs - (this.#lastMs ?? timestampMs)) / 1000;
    this.#lastMs = timestampMs;
    const smoothed = Float64Array.from(parameters);
    const q = quaternionOf(parameters);
    const length = Math.hypot(...q);
    // |q|^2 is the scale.
    const [growth] = this.#scale.filter([2 * Math.log(length)], seconds);
    const root = Math.exp((growth ?? 0) / 2);
    const unit: Quaternion = [q[0] / length, q[1] / length, q[2] / length, q[3] / length];
    smoothed.set(this.#rotation.filter(unit, seconds).map((value) => value * root));
    const place = placeOf(parameters, this.#middle);
    putAt(smoothed, this.#middle, this.#translation.filter(place, seconds, root * root));
    for (const [filter, [offset, count]] of [
      [this.#identity, this.#layout.identity],
      [this.#expression, this.#layout.expression],
    ] as const) {
      smoothed.set(filter.filter(parameters.subarray(offset, offset + count), seconds), offset);
    }
    const lids = this.#lids.filter(
      this.#lidsAt.map((at) => parameters[at]!),
      seconds,
    );
    for (const [i, at] of this.#lidsAt.entries()) smoothed[at] = lids[i]!;
    return smoothed;
  }
}

/** @throws InputError where they are no object, or a part has no positive cutoff or a negative beta. */
export function checkSmoothing(options: SmoothingOptions): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    refuse('smoothing', options, 'true, false or an object');
  }
  expectOptions(options, DEFAULT_SMOOTHING);
  for (const [part, value] of Object.entries(options)) {
    expectOptions(value, { minCutoff: 1, beta: 1 }, `smoothing.${part}`);
    const { minCutoff, beta } = value;
    if (!(Number.isFinite(minCutoff) && minCutoff > 0 && Number.isFinite(beta) && beta >= 0)) {
      throw new InputError(
        `smoothing.${part} is { minCutoff: ${show(minCutoff)}, beta: ${show(beta)} }; wanted minCutoff > 0 and beta >= 0.`,
      );
    }
  }
}
