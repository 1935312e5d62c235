/** The numbers of one face: which face, pose, how sure it is. */
import { find, html } from '../pages/dom.js';
import type { ShownFace } from './scene.js';

const angles = ['yaw', 'pitch', 'roll'] as const;

export class ResultsPanel {
  readonly #faces = find('#faces', HTMLFieldSetElement);
  readonly #pose = find('#pose', HTMLDListElement);

  /** @param select called with the id of the face that the visitor chose */
  constructor(select: (id: number) => void) {
    this.#faces.addEventListener('change', ({ target }) => {
      if (target instanceof HTMLInputElement) select(Number(target.value));
    });
    this.show([], 0);
  }

  /** @param selected id of the face whose numbers are shown */
  show(faces: readonly ShownFace[], selected: number): void {
    this.#showChoice(
      faces.map(({ id }) => `${id}`),
      `${selected}`,
    );
    const { pose, confidence } = faces.find(({ id }) => id === selected)?.face ?? {};
    this.#pose.replaceChildren(
      ...angles.map((angle) =>
        gauge(angle, pose && `${pose[angle].toFixed(1)}\u00b0`, ((pose?.[angle] ?? 0) + 90) / 180),
      ),
      gauge(
        'confidence',
        confidence === undefined ? undefined : `${Math.round(100 * confidence)}\u00a0%`,
        confidence ?? 0,
      ),
    );
  }

  #showChoice(ids: readonly string[], selected: string): void {
    this.#faces.hidden = ids.length < 2;
    const row = find('#faces .row', HTMLElement);
    const inputs = () => [...row.querySelectorAll('input')];
    // Made anew only where the faces change: a choice in progress keeps its focus.
    if (
      inputs()
        .map(({ value }) => value)
        .join() !== ids.join()
    ) {
      const choice = (id: string) =>
        html('label', { class: 'chip' }, html('input', { type: 'radio', name: 'face', value: id }), ` ${id}`);
      row.replaceChildren(...ids.map(choice));
    }
    for (const input of inputs()) input.checked = input.value === selected;
  }
}

/** @param value undefined where there is no face @param part where the mark is, 0 to 1 */
function gauge(name: string, value: string | undefined, part: number): HTMLElement {
  const mark = html('div', { class: `gauge ${name}`, 'aria-hidden': 'true' });
  mark.style.setProperty('--part', `${Math.min(1, Math.max(0, part))}`);
  return html('div', {}, html('dt', {}, name), html('dd', { 'data-name': name }, value ?? '\u2013'), mark);
}
