/** What went wrong, in a style of its own, where the picture would be. */
import { find } from '../pages/dom.js';
import { problemOf } from './advice.js';

export class ProblemBox {
  readonly #box = find('#problem', HTMLElement);
  readonly #title = find('#problem-title', HTMLElement);
  readonly #advice = find('#problem-advice', HTMLElement);

  show(error: unknown): void {
    const { title, advice } = problemOf(error, navigator.userAgent);
    this.#title.textContent = `${title}.`;
    this.#advice.textContent = advice;
    this.#box.hidden = false;
  }

  clear(): void {
    this.#box.hidden = true;
    this.#title.textContent = '';
    this.#advice.textContent = '';
  }
}
