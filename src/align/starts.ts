/** Where a frame's faces start from: a crop and, in a frame that refines, parameters there. */
import type { Cascade, CascadePlan } from '../cascade/cascade.js';
import { InputError } from '../engine/errors.js';
import { expectNumbers, refuse } from '../engine/expect.js';
import { cropsOf, type FaceBox } from '../pictures/boxes.js';
import { checkCrop } from '../pictures/crop.js';
import type { PictureSize } from '../pictures/frame.js';
import type { Face, Start } from './face.js';
import type { OutputName, Wanted } from './outputs.js';

/** Which iterations a frame runs: the first ones, from the mean face, or the last ones, from faces that are known. */
export interface Run<Name extends OutputName = OutputName> {
  readonly iterations: number;
  readonly from: 'mean' | 'faces';
  readonly wanted: Wanted<Name>;
}

/** The passes of a run. @throws InputError where there are no weights for so many iterations. */
export function planOf(cascade: Cascade, { iterations, from }: Omit<Run, 'wanted'>): CascadePlan {
  return from === 'mean' ? cascade.plan(iterations) : cascade.refinement(iterations);
}

/** Starts from the mean face. @throws as `cropsOf` */
export function startsAt(boxes: readonly FaceBox[], picture: PictureSize, size: number): Start[] {
  return cropsOf(boxes, picture, size).map((crop) => ({ crop }));
}

/**
 * @param count of the model's parameters
 * @throws InputError for what is no face of that model.
 */
export function checkFace(face: Face, count: number): void {
  const parameters: unknown = face?.parameters;
  if (!(parameters instanceof Float32Array)) refuse('The face', face, "one of align's");
  if (parameters.length !== count) {
    throw new InputError(`The face has ${parameters.length} parameters; this aligner's model has ${count}.`);
  }
  expectNumbers("The face's parameters", parameters);
  checkCrop(face.crop);
}

/**
 * The iterations whose crops a frame returns, the one that its end is given in last: those of all steps from the mean face, otherwise the last
 * alone. None where all are those that it was given.
 */
export function keptCrops(
  { followsFace, iterations: all }: Cascade,
  { iterations, from }: Omit<Run, 'wanted'>,
): readonly number[] {
  if (!followsFace) return [];
  if (from === 'mean') return Array.from({ length: Math.min(iterations, all - 1) }, (_, k) => k + 1);
  return iterations > 1 ? [all - 1] : [];
}

/** @throws InputError for what is no face to go on from, as `checkFace` and beyond. */
export function checkStart(face: Face, count: number): void {
  checkFace(face, count);
  const { landmarks, path }: Record<string, unknown> = { ...face };
  if (!(landmarks instanceof Float32Array)) {
    refuse("The face's landmarks", landmarks, 'those of align');
  }
  const steps: unknown[] = Array.isArray(path) ? path : [];
  if (steps.length === 0 || !steps.every((step) => step instanceof Float32Array && step.length === count)) {
    refuse("The face's path", path, 'the one of align');
  }
}
