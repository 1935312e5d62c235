/**
 * How far the page is: the model's download, the GPU's preparation, the first run. It lies over the picture and moves
 * nothing.
 */
import type { LoadProgress } from 'fullpose';
import { find } from '../pages/dom.js';

const phases = ['download', 'prepare', 'first-run'] as const;
export type Phase = (typeof phases)[number];

export class LoadingPanel {
  readonly #panel = find('#loading', HTMLElement);
  readonly #progress = find('#progress', HTMLProgressElement);

  download({ loaded, total }: LoadProgress): void {
    this.#progress.value = loaded / total;
    const megabytes = (count: number) => (count / 1e6).toFixed(1);
    find('#bytes', HTMLElement).textContent = `${megabytes(loaded)} of ${megabytes(total)} MB`;
    if (loaded === total) this.enter('prepare');
  }

  enter(phase: Phase): void {
    // How long these take nobody knows: a bar without an end.
    if (phase !== 'download') this.#progress.removeAttribute('value');
    for (const [i, name] of phases.entries()) {
      const item = find(`#loading [data-phase="${name}"]`, HTMLElement);
      item.classList.toggle('done', i < phases.indexOf(phase));
      if (name === phase) item.setAttribute('aria-current', 'step');
      else item.removeAttribute('aria-current');
    }
  }

  done(): void {
    this.#panel.hidden = true;
  }
}
