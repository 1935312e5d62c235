/** What the visitor has set. */
import type { Search } from 'fullpose/detect';
import { find } from '../pages/dom.js';

export interface Settings {
  /** Faces below this confidence are in doubt. */
  readonly leastConfidence: number;
  readonly search: Search;
  /** What the detector gives a lower score is no face. */
  readonly leastScore: number;
  readonly iterations: number;
  /** Faces of a video that are followed at once. */
  readonly mostFaces: number;
  readonly smoothing: boolean;
}

/** What a change of the settings asks for. */
export interface SettingsChanges {
  /** Another limit of doubt: the same faces, split anew. */
  doubt(): void;
  /** Another search, or another limit of it: faces are looked for again. */
  search(): void;
  /** Another number of iterations: the same boxes are aligned again. */
  iterations(): void;
  /** Other ways of following: videos begin anew. */
  tracking(): void;
}

export class SettingsPanel {
  readonly #confidence = find('#least-confidence', HTMLInputElement);
  readonly #search = find('#search', HTMLSelectElement);
  readonly #score = find('#least-score', HTMLInputElement);
  readonly #iterations = find('#iterations', HTMLInputElement);
  readonly #mostFaces = find('#most-faces', HTMLInputElement);
  readonly #smoothing = find('#smoothing', HTMLInputElement);

  constructor(changes: SettingsChanges) {
    for (const input of [this.#confidence, this.#score, this.#iterations, this.#mostFaces]) {
      input.addEventListener('input', () => this.#tell());
    }
    this.#confidence.addEventListener('input', () => changes.doubt());
    this.#search.addEventListener('change', () => changes.search());
    this.#score.addEventListener('change', () => {
      changes.search();
      changes.tracking();
    });
    this.#iterations.addEventListener('change', () => changes.iterations());
    this.#mostFaces.addEventListener('change', () => changes.tracking());
    this.#smoothing.addEventListener('change', () => changes.tracking());
    this.#tell();
  }

  get now(): Settings {
    return {
      leastConfidence: Number(this.#confidence.value),
      search: this.#search.value as Search,
      leastScore: Number(this.#score.value),
      iterations: Number(this.#iterations.value),
      mostFaces: Number(this.#mostFaces.value),
      smoothing: this.#smoothing.checked,
    };
  }

  /** @param iterations of the network at most @param faces that travel together at most */
  limit(iterations: number, faces: number): void {
    // The limit first: a value beyond it would be cut.
    this.#iterations.max = String(iterations);
    this.#iterations.value = String(iterations);
    this.#iterations.disabled = iterations === 1;
    this.#mostFaces.max = String(faces);
    this.#mostFaces.value = String(faces);
    this.#tell();
  }

  #tell(): void {
    find('#least-confidence-value', HTMLOutputElement).value = percent(this.#confidence);
    find('#least-score-value', HTMLOutputElement).value = percent(this.#score);
    find('#iterations-value', HTMLOutputElement).value = this.#iterations.value;
    find('#most-faces-value', HTMLOutputElement).value = this.#mostFaces.value;
  }
}

function percent({ value }: HTMLInputElement): string {
  return `${Math.round(100 * Number(value))}\u00a0%`;
}
