/** The numbers of one face: which face, pose, expression. */
import type { Face } from 'fullpose';
import { find, html } from '../pages/dom.js';
import { bars } from './bars.js';

const angles = ['yaw', 'pitch', 'roll'] as const;

/** Expressions shown before the visitor asks for all. */
const fewExpressions = 8;

export class ResultsPanel {
  readonly #faces = find('#faces', HTMLFieldSetElement);
  readonly #pose = find('#pose', HTMLDListElement);
  readonly #expression = find('#expression', HTMLOListElement);
  readonly #all = find('#all-expressions', HTMLButtonElement);
  #shown: Face | undefined;

  /** @param select called with the index of the face that the visitor chose */
  constructor(select: (index: number) => void) {
    this.#faces.addEventListener('change', ({ target }) => {
      if (target instanceof HTMLInputElement) select(Number(target.value));
    });
    this.#all.addEventListener('click', () => {
      const all = this.#all.getAttribute('aria-expanded') !== 'true';
      this.#all.setAttribute('aria-expanded', `${all}`);
      this.#all.textContent = all ? 'Show fewer' : 'Show all';
      this.#showExpression();
    });
    this.show([], 0);
  }

  show(faces: readonly Face[], selected: number): void {
    this.#shown = faces[selected];
    this.#showChoice(faces.length, selected);
    this.#pose.replaceChildren(
      ...angles.map((angle) => {
        const degrees = this.#shown?.pose[angle];
        const value = html(
          'dd',
          { 'data-angle': angle },
          degrees === undefined ? '\u2013' : `${degrees.toFixed(1)}\u00b0`,
        );
        const gauge = html('div', { class: 'gauge', 'aria-hidden': 'true' });
        gauge.style.setProperty('--part', `${Math.min(1, Math.max(0, ((degrees ?? 0) + 90) / 180))}`);
        return html('div', {}, html('dt', {}, angle), value, gauge);
      }),
    );
    this.#showExpression();
  }

  #showChoice(count: number, selected: number): void {
    this.#faces.hidden = count < 2;
    const row = find('#faces .row', HTMLElement);
    // Made anew only where their number changes: a choice in progress keeps its focus.
    if (row.children.length !== count) {
      const choice = (i: number) =>
        html('label', { class: 'chip' }, html('input', { type: 'radio', name: 'face', value: `${i}` }), ` ${i + 1}`);
      row.replaceChildren(...Array.from({ length: count }, (_, i) => choice(i)));
    }
    for (const [i, input] of [...row.querySelectorAll('input')].entries()) input.checked = i === selected;
  }

  #showExpression(): void {
    const weights = Object.entries(this.#shown?.expression ?? {}).sort(([, a], [, b]) => b - a);
    const all = this.#all.getAttribute('aria-expanded') === 'true';
    const shown = all ? weights : weights.slice(0, fewExpressions);
    this.#all.hidden = weights.length <= fewExpressions;
    this.#expression.replaceChildren(
      ...bars(shown.map(([name, weight]) => ({ name, part: weight, value: weight.toFixed(2) }))),
    );
  }
}
