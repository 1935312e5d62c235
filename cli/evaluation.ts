import { innerPoints, mean, normalisedMeanError, yawBin, yawBins } from './accuracy.js';

/** Predicted and true points of one crop. */
export interface Prediction {
  /** [68, 3] crop pixels. */
  readonly landmarks: ArrayLike<number>;
  /** [68, 2] crop pixels. */
  readonly truth: ArrayLike<number>;
  /** Degrees; chooses the bin. */
  readonly yaw: number;
}

/** Mean errors in percent of sqrt(w h). */
export interface Errors {
  readonly count: number;
  readonly nme68: number;
  readonly nme51: number;
}

/** Errors of all crops and by bin of |yaw|; a bin without crops is null. */
export interface Accuracy extends Errors {
  readonly byYaw: readonly ((Errors & { readonly bin: string }) | null)[];
}

export function measure(predictions: readonly Prediction[]): Accuracy {
  const bins = yawBins.map(({ label }, index) => {
    const some = predictions.filter(({ yaw }) => yawBin(yaw) === index);
    return some.length === 0 ? null : { bin: label, ...errorsOf(some) };
  });
  return { ...errorsOf(predictions), byYaw: bins };
}

function errorsOf(predictions: readonly Prediction[]): Errors {
  return {
    count: predictions.length,
    nme68: mean(predictions.map(({ landmarks, truth }) => normalisedMeanError(landmarks, truth))),
    nme51: mean(predictions.map(({ landmarks, truth }) => normalisedMeanError(landmarks, truth, innerPoints))),
  };
}

/** A table for people: a row each of `rows`, errors with two decimals. */
export function formatTable(rows: readonly { readonly label: string; readonly accuracy: Accuracy }[]): string {
  const first = rows[0];
  if (first === undefined) return '';
  const percent = (value: number | undefined) => (value === undefined ? '-' : value.toFixed(2));
  const cells = [
    ['', 'NME68', 'NME51', ...yawBins.map(({ label }) => label)],
    ['crops', String(first.accuracy.count), '', ...first.accuracy.byYaw.map((bin) => String(bin?.count ?? 0))],
    ...rows.map(({ label, accuracy }) => [
      label,
      percent(accuracy.nme68),
      percent(accuracy.nme51),
      ...accuracy.byYaw.map((bin) => percent(bin?.nme68)),
    ]),
  ];
  const widths = cells[0]?.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0))) ?? [];
  return cells
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  '),
    )
    .map((line) => line.trimEnd())
    .join('\n');
}
