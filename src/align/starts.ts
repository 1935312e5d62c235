/** Where a frame's faces start from: a crop and, in a frame that refines, parameters there. */
import { InputError } from '../engine/errors.js';
import { expectNumbers, refuse } from '../engine/expect.js';
import { cropsOf, type FaceBox } from '../pictures/boxes.js';
import { checkCrop } from '../pictures/crop.js';
import type { PictureSize } from '../pictures/frame.js';
import type { Face, Start } from './face.js';

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

/** @throws InputError for what is no face to go on from, as `checkFace` and beyond. */
export function checkStart(face: Face, count: number): void {
  checkFace(face, count);
  const { landmarks, path }: { readonly landmarks: unknown; readonly path: unknown } = face;
  if (!(landmarks instanceof Float32Array)) {
    refuse("The face's landmarks", landmarks, 'those of align');
  }
  const steps: unknown[] = Array.isArray(path) ? path : [];
  if (steps.length === 0 || !steps.every((step) => step instanceof Float32Array && step.length === count)) {
    refuse("The face's path", path, 'the one of align');
  }
}
