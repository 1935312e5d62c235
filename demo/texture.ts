/** The face unrolled into its texture: a frontal view, whichever way the head is turned. */
import type { FaceTexture } from 'fullpose';
import { find } from '../pages/dom.js';

export class TexturePanel {
  readonly #card = find('#texture-card', HTMLElement);
  readonly #canvas = find('#texture', HTMLCanvasElement);
  readonly #mirror = find('#mirror', HTMLInputElement);

  /** @param change called when the visitor asks for the hidden half to be filled, or not */
  constructor(change: () => void) {
    this.#mirror.addEventListener('change', change);
  }

  get mirror(): boolean {
    return this.#mirror.checked;
  }

  /** Hides the panel where there is no texture. What the photo does not show is transparent. */
  show(texture: FaceTexture | undefined): void {
    this.#card.hidden = texture === undefined;
    if (texture === undefined) return;
    const { width, height, data } = texture;
    this.#canvas.width = width;
    this.#canvas.height = height;
    this.#canvas.getContext('2d')?.putImageData(new ImageData(data, width, height), 0, 0);
  }
}
