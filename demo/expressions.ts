/** Expression weights as they are shown: in a fixed order, by the part of the face, left and right on one line. */

/** One line: a weight, or the two of both sides. Sides are the subject's. */
export interface ExpressionRow {
  readonly name: string;
  readonly weights: readonly { readonly side: '' | 'L' | 'R'; readonly key: string }[];
}

export interface ExpressionGroup {
  readonly title: string;
  readonly rows: readonly ExpressionRow[];
}

/** Parts of the face from the top, by the beginning of names. */
const parts: readonly (readonly [title: string, names: RegExp])[] = [
  ['Brows', /^brow/],
  ['Eyes', /^eye/],
  ['Cheeks and nose', /^(cheek|nose)/],
  ['Jaw', /^jaw/],
  ['Mouth', /^mouth/],
  ['Other', /./],
];

/** Moves of a whole part to one side: no pair of the two sides. */
const whole = /^(jaw|mouth)(Left|Right)$/;

/** Always 0: the model has no eyeballs that turn, and no tongue. */
const still = /^(eyeLook|tongueOut)/;

/**
 * Lines of the weights that can move.
 * @param names of expression weights, `browDown_L` or `browDownLeft`; within a part they keep their order
 */
export function groupExpressions(names: readonly string[]): readonly ExpressionGroup[] {
  const groups = new Map<string, Map<string, ExpressionRow['weights'][number][]>>(
    parts.map(([title]) => [title, new Map()]),
  );
  for (const key of names.filter((name) => !still.test(name))) {
    const title = parts.find(([, pattern]) => pattern.test(key))?.[0] ?? 'Other';
    const [, name = key, side = ''] = whole.test(key) ? [] : (/^(.*?)_?(Left|Right|(?<=_)[LR])$/.exec(key) ?? []);
    const rows = groups.get(title);
    const row = rows?.get(name) ?? [];
    row.push({ side: side.startsWith('L') ? 'L' : side.startsWith('R') ? 'R' : '', key });
    rows?.set(name, row);
  }
  return [...groups].flatMap(([title, rows]) =>
    rows.size === 0 ? [] : [{ title, rows: [...rows].map(([name, weights]) => ({ name, weights })) }],
  );
}
