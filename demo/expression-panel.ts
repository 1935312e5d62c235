/** Bars of ARKit's weights. The lines are made once: only their lengths change, in place. */
import { find, html } from '../pages/dom.js';
import { groupExpressions } from './expressions.js';

interface Bar {
  readonly key: string;
  readonly bar: HTMLElement;
  readonly value: HTMLElement;
}

export class ExpressionPanel {
  readonly #panel = find('#expression', HTMLElement);
  #names = '';
  #bars: readonly Bar[] = [];

  /** @param weights by name, 0 to 1; undefined where there is no face */
  show(weights: Readonly<Record<string, number>> | undefined): void {
    if (weights !== undefined && Object.keys(weights).join() !== this.#names) this.#build(Object.keys(weights));
    this.#panel.classList.toggle('empty', weights === undefined);
    for (const { key, bar, value } of this.#bars) {
      const weight = weights?.[key] ?? 0;
      bar.style.setProperty('--part', weight.toFixed(3));
      value.textContent = weights === undefined ? '\u2013' : weight.toFixed(2);
    }
  }

  #build(names: readonly string[]): void {
    this.#names = names.join();
    const bars: Bar[] = [];
    this.#panel.replaceChildren(
      ...groupExpressions(names).map(({ title, rows }) =>
        html(
          'section',
          {},
          html('h3', {}, title),
          html(
            'ul',
            { class: 'expressions' },
            ...rows.map(({ name, weights }) => {
              const sides = weights.map(({ side, key }) => {
                const bar = html('span', { class: 'bar', 'aria-hidden': 'true' });
                const value = html('span', { class: 'value' });
                bars.push({ key, bar, value });
                return html(
                  'span',
                  { class: 'side', 'data-key': key },
                  html('span', { class: 'hand' }, side),
                  bar,
                  value,
                );
              });
              return html('li', {}, html('span', { class: 'name' }, name), html('span', { class: 'sides' }, ...sides));
            }),
          ),
        ),
      ),
    );
    this.#bars = bars;
  }
}
