import { html } from '../pages/dom.js';

/** One line of a list of bars. */
export interface Bar {
  readonly name: string;
  /** Length, 0 to 1; cut off beyond. */
  readonly part: number;
  readonly value: string;
}

/** Items of an `ol.bars`. */
export function bars(lines: readonly Bar[]): readonly HTMLLIElement[] {
  return lines.map(({ name, part, value }) => {
    const bar = html('span', { class: 'bar', 'aria-hidden': 'true' });
    bar.style.setProperty('--part', `${Math.min(1, Math.max(0, part))}`);
    return html(
      'li',
      {},
      html('span', { class: 'name', title: name }, name),
      bar,
      html('span', { class: 'value' }, value),
    );
  });
}
