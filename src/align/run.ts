/** What a frame runs: iterations, from where, and what it returns. */
import type { Cascade, CascadePlan } from '../cascade/cascade.js';
import { expectWhole } from '../engine/expect.js';
import { type AlignOptions, checkOutputs } from './options.js';
import type { OutputName, Wanted } from './outputs.js';

/** Which iterations a frame runs: the first ones, from the mean face, or the last ones, from faces that are known. */
export interface Run<Name extends OutputName = OutputName> {
  readonly iterations: number;
  readonly from: 'mean' | 'faces';
  readonly wanted: Wanted<Name>;
}

/**
 * A run from the mean face.
 * @param all iterations that there are weights for
 * @param usual iterations where the options do not say
 * @throws InputError for options that cannot be used
 */
export function runFromMean<Name extends OutputName>(options: AlignOptions<Name>, all: number, usual = all): Run<Name> {
  const wanted = checkOutputs(options);
  const { iterations = usual } = options;
  expectWhole('iterations', iterations, 1, all);
  return { iterations, from: 'mean', wanted };
}

/**
 * A run from known faces; all iterations but the first by default. One of all starts from the mean face again. As
 * `runFromMean`.
 */
export function runFromFaces<Name extends OutputName>(options: AlignOptions<Name>, all: number): Run<Name> {
  const run = runFromMean(options, all, Math.max(1, all - 1));
  return run.iterations === all ? run : { ...run, from: 'faces' };
}

/** The passes of a run. */
export function planOf(cascade: Cascade, { iterations, from }: Omit<Run, 'wanted'>): CascadePlan {
  return from === 'mean' ? cascade.plan(iterations) : cascade.refinement(iterations);
}

/**
 * The iterations whose crops a frame returns, the one that its end is given in last: those of all steps from the mean
 * face, otherwise the last alone. None where all are those that it was given.
 */
export function keptCrops(
  { followsFace, iterations: all }: Cascade,
  { iterations, from }: Omit<Run, 'wanted'>,
): readonly number[] {
  if (!followsFace) return [];
  if (from === 'mean') return Array.from({ length: Math.min(iterations, all - 1) }, (_, k) => k + 1);
  return iterations > 1 ? [all - 1] : [];
}
