/** Where the time goes. */
import type { StageTime } from 'fullpose';
import { find } from '../pages/dom.js';
import { bars } from './bars.js';

/** Stages of a frame by the beginning of their names, as a visitor would call them. */
const groups: readonly (readonly [name: string, stage: RegExp])[] = [
  ['Crop', /^crop/],
  ['Mesh', /^decode/],
  ['Rasteriser', /^(clear|raster)/],
  ['PNCC', /^resolve/],
  ['Adaptive features', /^paf/],
  ['Convolutions', /^conv/],
  ['Pooling', /pool/],
  ['Fully connected', /^fully/],
  ['Other', /./],
];

/** Milliseconds per group, in the order of the frame; groups without a stage are left out. */
export function groupStages(stages: readonly StageTime[]): readonly (readonly [name: string, milliseconds: number])[] {
  const sums = new Map<string, number>();
  for (const { stage, milliseconds } of stages) {
    const name = groups.find(([, pattern]) => pattern.test(stage))?.[0] ?? 'Other';
    sums.set(name, (sums.get(name) ?? 0) + milliseconds);
  }
  return groups.flatMap(([name]) => {
    const sum = sums.get(name);
    return sum === undefined ? [] : [[name, sum] as const];
  });
}

export class TimingPanel {
  readonly #text = find('#time', HTMLElement);
  readonly #stages = find('#stages', HTMLOListElement);

  say(text: string): void {
    this.#text.textContent = text;
    this.#stages.replaceChildren();
  }

  /** @param stages undefined where the browser does not tell */
  show(text: string, stages: readonly StageTime[] | undefined): void {
    if (stages === undefined) {
      this.say(`${text} This browser does not tell the GPU's time per stage.`);
      return;
    }
    const grouped = groupStages(stages);
    const total = grouped.reduce((sum, [, milliseconds]) => sum + milliseconds, 0);
    this.#text.textContent = `${text} On the GPU ${formatTime(total)}:`;
    const longest = Math.max(...grouped.map(([, milliseconds]) => milliseconds), Number.MIN_VALUE);
    this.#stages.replaceChildren(
      ...bars(grouped.map(([name, ms]) => ({ name, part: ms / longest, value: formatTime(ms) }))),
    );
  }
}

/** Two or three digits: "0.4 ms", "12 ms", "1.8 s". */
export function formatTime(milliseconds: number): string {
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(1)}\u00a0s`;
  return `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)}\u00a0ms`;
}

/** @param recent frames of a video, each with its time in milliseconds and those that passed unseen before it */
export function describeRate(recent: readonly { readonly time: number; readonly skipped: number }[]): string {
  const [first, last] = [recent.at(0), recent.at(-1)];
  if (first === undefined || last === undefined || last.time <= first.time) return 'Measuring ...';
  const rate = (1000 * (recent.length - 1)) / (last.time - first.time);
  const skipped = recent.slice(1).reduce((sum, frame) => sum + frame.skipped, 0);
  const part = Math.round((100 * skipped) / (skipped + recent.length - 1));
  return `${rate.toFixed(1)} frames a second; ${part}% of the video's frames are skipped to keep up.`;
}
