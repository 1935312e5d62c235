/**
 * What was found of labelled faces, put into figures: the same for every way of finding them. docs/training.md says
 * what each means.
 */
import { innerPoints, mean, normalisedMeanError, yawBin, yawBins } from './accuracy.js';
import {
  areaUnderCurve,
  correctedErrors,
  correlation,
  eyeRatio,
  eyeRoll,
  mouthOpening,
  type Pair,
  type Points,
  placeErrors,
  placeNames,
  pointErrors,
  regionError,
  regions,
  summarise,
} from './any-pose.js';
import type { LabelledFace } from './data/faces.js';

/** Figures by what they are of. */
export type Figures = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** What was found of one face. */
export interface Finding {
  readonly landmarks: Points;
  /** As {@link blinkOf}. */
  readonly blink: number;
}

/** Mean of the two blink weights, of weights by ARKit's names. */
export function blinkOf(blendshapes: Readonly<Record<string, number>>): number {
  return mean(['eyeBlinkLeft', 'eyeBlinkRight'].map((name) => blendshapes[name] ?? Number.NaN));
}

/** Undefined where no face was found. */
export type Found = Finding | undefined;

/** Mouths above this count as open, eyes above the other. */
const openMouth = 0.06;
const openEye = 0.25;

/** The markup, or what stands for it: a box of the label network's points. */
export function truthOf({ landmarks2d, landmarks3d, image }: LabelledFace): Points {
  if (landmarks2d !== undefined) return { values: landmarks2d, stride: 2 };
  if (landmarks3d !== undefined) return { values: landmarks3d, stride: 3 };
  throw new Error(`${image} has no points`);
}

/** Of the inner points, undefined where there is no face. */
export function error51(found: Found, truth: Points): number | undefined {
  return found && normalisedMeanError(found.landmarks.values, truth.values, innerPoints);
}

/** Of faces with markup: errors of the inner points, by region and by |yaw|, and mouths. */
export function markupFigures<T extends LabelledFace>(
  faces: readonly T[],
  findings: readonly Found[],
  yawOf: (face: T) => number,
): Figures {
  const errors = faces.map((face, i) => error51(findings[i], truthOf(face)));
  const seen = faces.flatMap((face, i) => {
    const found = findings[i];
    return found ? [{ found: found.landmarks, truth: truthOf(face), bin: yawBin(yawOf(face)) }] : [];
  });
  const [plain, corrected] = [pointErrors(seen), correctedErrors(seen)];
  const byYaw = yawBins.flatMap(({ label }, bin) => {
    const of = (all: typeof plain) => all.filter((_, i) => seen[i]!.bin === bin);
    const row = (all: typeof plain) => regionError(of(all), regions['inner 51']);
    return of(plain).length === 0
      ? []
      : [[`yaw ${label}`, { faces: of(plain).length, 'as they are': row(plain), corrected: row(corrected) }] as const];
  });
  return {
    NME51: { ...summarise(errors) },
    ...regionFigures(seen),
    ...Object.fromEntries(byYaw),
    ...mouthFigures(seen),
  };
}

/** Errors by region, as they are and with each point's own mean offset taken away. */
export function regionFigures(pairs: readonly Pair[]): Figures {
  const row = (errors: readonly (readonly number[])[]) =>
    Object.fromEntries(Object.entries(regions).map(([name, region]) => [name, regionError(errors, region)]));
  return { 'as they are': row(pointErrors(pairs)), corrected: row(correctedErrors(pairs)) };
}

/** How far the inner lips are apart, against the markup. */
export function mouthFigures(pairs: readonly Pair[]): Figures {
  const [found, truth] = [pairs.map((pair) => mouthOpening(pair.found)), pairs.map((pair) => mouthOpening(pair.truth))];
  const wide = truth.flatMap((opening, i) => (opening > openMouth ? [i] : []));
  const opened = mean(wide.map((i) => found[i]!)) / mean(wide.map((i) => truth[i]!));
  return {
    mouths: { correlation: correlation(found, truth), 'as open as they are, %': 100 * opened, open: wide.length },
  };
}

/** By how far the face is turned in the plane. */
export function infantFigures(faces: readonly LabelledFace[], findings: readonly Found[]): Figures {
  const results = faces.map((face, i) => {
    const truth = truthOf(face);
    return { roll: eyeRoll(truth), error: error51(findings[i], truth) };
  });
  const row = (some: typeof results) => ({ ...summarise(some.map(({ error }) => error)) });
  return { NME51: row(results), ...byRoll(results, row) };
}

/** A row for each bin of `eyeRoll` that has faces. */
export function byRoll<T extends { readonly roll: number }>(
  results: readonly T[],
  row: (some: T[]) => Figures[string],
): Figures {
  return Object.fromEntries(
    rollBins.flatMap(([low, high]) => {
      const some = results.filter(({ roll }) => roll >= low && roll < high);
      return some.length === 0 ? [] : [[`roll ${low}-${Math.min(180, high)}`, row(some)]];
    }),
  );
}

const rollBins = [
  [0, 30],
  [30, 60],
  [60, 181],
] as const;

export function profileFigures(faces: readonly LabelledFace[], findings: readonly Found[]): Figures {
  const errors = faces.map(({ fiducials, image }, i) => {
    if (fiducials === undefined) throw new Error(`${image} has no fiducials`);
    const found = findings[i];
    return found && placeErrors(found.landmarks, { values: fiducials, stride: 2 });
  });
  const all = errors.map((one) => one && mean(placeNames.map((name) => one[name])));
  const found = errors.filter((one) => one !== undefined);
  return {
    'six places': { ...summarise(all) },
    ...Object.fromEntries(placeNames.map((name) => [name, { mean: mean(found.map((one) => one[name])) }])),
  };
}

/** The faces whose marked eyes are open. */
export function openEyed<T extends LabelledFace>(faces: readonly T[]): readonly T[] {
  return faces.filter((face) => face.landmarks2d !== undefined && eyeRatio(truthOf(face)) > openEye);
}

/** How well shut eyes are told from open ones, of the faces that were found. */
export function eyeFigures(shut: readonly Found[], open: readonly Found[]): Figures {
  const [closed, wide] = [shut.filter((one) => one !== undefined), open.filter((one) => one !== undefined)];
  const ratios = ({ landmarks }: Finding) => eyeRatio(landmarks);
  const [ratioShut, ratioOpen] = [closed.map(ratios), wide.map(ratios)];
  const [blinkShut, blinkOpen] = [closed.map(({ blink }) => blink), wide.map(({ blink }) => blink)];
  return {
    'eye aspect ratio': {
      shut: mean(ratioShut),
      open: mean(ratioOpen),
      'area under the curve': areaUnderCurve(ratioOpen, ratioShut),
    },
    'blink weights': {
      shut: mean(blinkShut),
      open: mean(blinkOpen),
      'area under the curve': areaUnderCurve(blinkShut, blinkOpen),
    },
    faces: { shut: closed.length, open: wide.length },
  };
}

const shown = (number: number) => (Number.isInteger(number) ? `${number}` : number.toFixed(2));

/** A line a row of figures. */
export function formatFigures(figures: Figures): string {
  const width = Math.max(...Object.keys(figures).map((name) => name.length));
  return Object.entries(figures)
    .map(([name, row]) => {
      const cells = Object.entries(row).map(([key, number]) => `${key} ${shown(number)}`);
      return `${name.padEnd(width)}  ${cells.join(', ')}`;
    })
    .join('\n');
}

/** A Markdown table with a column for each way; all have the same figures. */
export function formatBeside(ways: Readonly<Record<string, Figures>>): string {
  const [first = {}] = Object.values(ways);
  const rows = Object.entries(first).flatMap(([name, row]) =>
    Object.keys(row).map((key) => {
      return [`${name}: ${key}`, ...Object.values(ways).map((figures) => shown(figures[name]?.[key] ?? Number.NaN))];
    }),
  );
  const lines = [['', ...Object.keys(ways)], ['---', ...Object.keys(ways).map(() => '---')], ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
