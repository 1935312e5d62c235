/** Recording of a video that is followed: a film, its faces as JSON lines, and a head that moves as glTF. */
import type { FaceModel } from 'fullpose';
import { writeGlb } from 'fullpose/export';
import { find, html } from '../../pages/dom.js';
import { download } from '../files.js';
import { rotationOf } from '../head/puppet.js';
import type { ShownFace } from '../scene.js';
import { animateGlb } from './animation.js';
import { Film } from './film.js';
import { Take } from './take.js';

export class RecordingPanel {
  readonly #button = find('#record', HTMLButtonElement);
  readonly #results = find('#recordings', HTMLElement);
  readonly #model: FaceModel;
  readonly #canvases: () => readonly HTMLCanvasElement[];
  #running: { readonly film: Film; readonly take: Take } | undefined;

  /** @param canvases that are filmed, side by side */
  constructor(model: FaceModel, canvases: () => readonly HTMLCanvasElement[]) {
    this.#model = model;
    this.#canvases = canvases;
  }

  /** Begins, or ends and offers what there is. */
  async toggle(): Promise<void> {
    if (this.#running !== undefined) return this.stop();
    this.#results.replaceChildren();
    this.#running = { film: new Film(this.#canvases()), take: new Take() };
    this.#button.textContent = 'Stop recording';
    this.#button.setAttribute('aria-pressed', 'true');
  }

  /** The next frame, drawn already. */
  add(timeMs: number, faces: readonly ShownFace[]): void {
    this.#running?.film.add();
    this.#running?.take.add(timeMs, faces);
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    this.#button.textContent = 'Record';
    this.#button.setAttribute('aria-pressed', 'false');
    if (running === undefined) return;
    const { film, take } = running;
    const files: (readonly [string, string, Blob])[] = [
      ['Video', 'recording.webm', await film.finish()],
      ['JSON lines', 'recording.jsonl', new Blob([take.toLines()], { type: 'application/jsonl' })],
    ];
    const { lead } = take;
    if (lead !== undefined) {
      const names = this.#model.expressionNames;
      const moves = take.keyframes(names, (face) => rotationOf(face).toArray());
      files.push(['glTF animation', 'recording.glb', new Blob([animateGlb(writeGlb(this.#model, lead), moves)])]);
    }
    this.#results.replaceChildren(
      html('span', { class: 'fine' }, `Recorded ${take.length} frames:`),
      ...files.map(([label, name, blob]) => {
        const button = html('button', { type: 'button', 'data-recording': name }, label);
        button.addEventListener('click', () => download(name, blob));
        return button;
      }),
    );
  }
}
