/** Expressions that are set, and how what is read from their pictures compares with them. */
import { mean } from '../accuracy.js';
import { correlation } from '../any-pose.js';

/** Expression weights by ARKit's names; those left out are 0. */
export type Weights = Readonly<Record<string, number>>;

/** One picture: what was set and what was found, both as the picture shows it. */
export interface Reading {
  readonly set: Weights;
  readonly found: Weights;
}

const both = (...names: readonly string[]) => names.flatMap((name) => [`${name}Left`, `${name}Right`]);

/** What people would ask for, as the weights that make it. Left is the person's left. */
export const expressions: Readonly<Record<string, readonly string[]>> = {
  blink: both('eyeBlink'),
  'wink, left': ['eyeBlinkLeft'],
  'wink, right': ['eyeBlinkRight'],
  'eyes wide': both('eyeWide'),
  'brows up': ['browInnerUp', ...both('browOuterUp')],
  'brows down': both('browDown'),
  'jaw open': ['jawOpen'],
  smile: both('mouthSmile'),
  'smile, left': ['mouthSmileLeft'],
  frown: both('mouthFrown'),
  pucker: ['mouthPucker'],
  'mouth left': ['mouthLeft'],
  'mouth right': ['mouthRight'],
};

/** How much of an expression is set, beside nothing. */
export const strengths = [0.5, 1] as const;

/** The name of a weight on the other side of the face. */
export function otherSide(name: string): string {
  return name.replace(/Left$|Right$/, (side) => (side === 'Left' ? 'Right' : 'Left'));
}

/** The weights of the mirrored picture. */
export function mirrored(weights: Weights): Weights {
  return Object.fromEntries(Object.entries(weights).map(([name, value]) => [otherSide(name), value]));
}

/** How an expression is read: its own weights are the mean of those that make it. */
export interface Report {
  /** Mean of its own weights where nothing, half and all of it is set. */
  readonly none: number;
  readonly half: number;
  readonly full: number;
  /** Of set and found over all strengths. */
  readonly correlation: number;
  /** Of one-sided expressions: by how much the same weights on the other side change from nothing to all of it. */
  readonly other: number | undefined;
  /** The weight beside its own that changes most from nothing to all of it, and by how much. */
  readonly stray: readonly [name: string, change: number];
}

/** @param readings pictures in which nothing but some of this expression is set. */
export function reportOf(names: readonly string[], readings: readonly Reading[]): Report {
  const level = ({ set }: Reading) => set[names[0]!] ?? 0;
  const own = (weights: Weights, of = names) => mean(of.map((name) => weights[name] ?? 0));
  const at = (strength: number) => readings.filter((reading) => Math.abs(level(reading) - strength) < 1e-6);
  const meanAt = (strength: number, of = names) => mean(at(strength).map(({ found }) => own(found, of)));
  const opposite = names.map(otherSide);
  const isOneSided = opposite.every((name) => !names.includes(name));
  const others = Object.keys(readings[0]?.found ?? {}).filter((name) => !names.includes(name));
  const changes = others.map((name) => [name, meanAt(1, [name]) - meanAt(0, [name])] as const);
  return {
    none: meanAt(0),
    half: meanAt(0.5),
    full: meanAt(1),
    correlation: correlation(
      readings.map(level),
      readings.map(({ found }) => own(found)),
    ),
    other: isOneSided ? meanAt(1, opposite) - meanAt(0, opposite) : undefined,
    stray: changes.reduce((most, next) => (Math.abs(next[1]) > Math.abs(most[1]) ? next : most)),
  };
}

const two = (value: number) => value.toFixed(2);
const moved = ([name, change]: Report['stray']) => `${name} ${change > 0 ? '+' : ''}${two(change)}`;

/** A Markdown table, a row a report. */
export function formatReports(reports: Readonly<Record<string, Report>>): string {
  const head = ['', 'none', 'half', 'all', 'gain', 'correlation', 'gain of the other side', 'what else moves most'];
  const rows = Object.entries(reports).map(([name, { none, half, full, correlation, other, stray }]) => {
    const side = other === undefined ? '' : two(other);
    // What reads the same throughout has none.
    const follows = Number.isNaN(correlation) ? '' : two(correlation);
    return [name, two(none), two(half), two(full), two(full - none), follows, side, moved(stray)];
  });
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** How one weight alone is read. */
export interface Gain {
  /** Found where nothing is set, and where all of it is. */
  readonly none: number;
  readonly full: number;
  readonly stray: Report['stray'];
}

/** A Markdown table, a row a weight and the rows that follow best first. */
export function formatGains(gains: Readonly<Record<string, Gain>>): string {
  const rows = Object.entries(gains)
    .sort(([, a], [, b]) => b.full - b.none - (a.full - a.none))
    .map(([name, { none, full, stray }]) => [name, two(none), two(full), two(full - none), moved(stray)]);
  const head = ['set alone', 'none', 'all', 'gain', 'what else moves most'];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** From which part of what is set a weight counts as followed, and as followed in part. */
const [followed, partly] = [0.5, 0.2];

/** Which of them follow, in words. */
export function formatSummary(gains: Readonly<Record<string, Pick<Gain, 'none' | 'full'>>>): string {
  const names = (from: number, to: number) => {
    const some = Object.entries(gains).filter(([, { none, full }]) => full - none >= from && full - none < to);
    return some.map(([name]) => name).join('; ') || 'none';
  };
  return [
    `- Followed (half of what is set, or more): ${names(followed, Infinity)}.`,
    `- In part (a fifth to a half): ${names(partly, followed)}.`,
    `- Hardly or not: ${names(-Infinity, partly)}.`,
  ].join('\n');
}

/** The largest weights of a face, as a list. */
export function formatLargest(weights: Weights, count: number): string {
  return Object.entries(weights)
    .sort(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([name, value]) => `${name} ${two(value)}`)
    .join(', ');
}

/** The text with what stands between the two marks of `name` replaced. @throws Error where the marks are missing. */
export function replaceBlock(text: string, name: string, block: string): string {
  const [start, end] = [`<!-- ${name} -->\n`, `<!-- end of ${name} -->`];
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`no block "${name}"; wanted ${start.trim()} and ${end}`);
  return `${text.slice(0, from + start.length)}\n${block}\n\n${text.slice(to)}`;
}
