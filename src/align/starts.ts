/** Where a frame's faces start from: a crop and, in a frame that refines, parameters there. */
import type { Cascade } from '../cascade/cascade.js';
import { InputError } from '../engine/errors.js';
import { expectNumbers, refuse } from '../engine/expect.js';
import type { Sequence } from '../engine/plan.js';
import { cropOf, cropsOf, type FaceBox, landmarksBox } from '../pictures/boxes.js';
import { type Crop, checkCrop } from '../pictures/crop.js';
import type { PictureSize } from '../pictures/frame.js';
import { type Face, type FacePath, startOf } from './face.js';
import type { OutputName, Wanted } from './outputs.js';

/** Which iterations a frame runs: the first ones, from the mean face, or the last ones, from faces that are known. */
export interface Run<Name extends OutputName = OutputName> {
  readonly iterations: number;
  readonly from: 'mean' | 'faces';
  readonly wanted: Wanted<Name>;
}

/** One face of a frame: where to look and, in a frame that refines, what to start from and how that came to be. */
export interface Start {
  readonly crop: Crop;
  readonly parameters?: ArrayLike<number>;
  readonly path?: FacePath;
}

/** The passes of a run. @throws InputError where there are no weights for so many iterations. */
export function sequenceOf(cascade: Cascade, { iterations, from }: Omit<Run, 'wanted'>): Sequence {
  return from === 'mean' ? cascade.plan(iterations) : cascade.refinement(iterations);
}

/** Starts from the mean face. @throws as `cropsOf` */
export function startsAt(boxes: readonly FaceBox[], picture: PictureSize, size: number): Start[] {
  return cropsOf(boxes, picture, size).map((crop) => ({ crop }));
}

/** The crop that a face's landmarks give and p^k there (p^0 is known); undefined where the picture has no such crop. */
export function startFrom(face: Face, picture: PictureSize, iteration: number): Start | undefined {
  try {
    const crop = cropOf(landmarksBox(face.landmarks), picture, face.crop.size);
    return iteration === 0 ? { crop } : { crop, parameters: startOf(face, crop, iteration), path: face.path };
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
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
