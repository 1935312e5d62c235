/** The ways in which a picture comes to the page. */
import { find } from '../pages/dom.js';

/** What the visitor asks for. */
export interface Requests {
  openFile(file: File): void;
  openWebcam(): void;
  openSample(): void;
  openSeveral(): void;
}

export function connectInputs({ openFile, openWebcam, openSample, openSeveral }: Requests): void {
  const stage = find('#stage', HTMLElement);
  const sources = find('#sources', HTMLFieldSetElement);
  const input = find('#file', HTMLInputElement);
  const openFirst = (files: FileList | undefined) => {
    const [file] = files ?? [];
    // Pictures that are dropped or pasted go the way of the controls.
    if (file !== undefined && !sources.disabled) openFile(file);
  };
  input.addEventListener('change', () => {
    openFirst(input.files ?? undefined);
    // Choosing the same file again is a change, too.
    input.value = '';
  });
  find('#webcam', HTMLButtonElement).addEventListener('click', openWebcam);
  find('#sample', HTMLButtonElement).addEventListener('click', openSample);
  find('#several', HTMLButtonElement).addEventListener('click', openSeveral);
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    if (!sources.disabled) stage.classList.add('dropping');
  });
  document.addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) stage.classList.remove('dropping');
  });
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    stage.classList.remove('dropping');
    openFirst(event.dataTransfer?.files);
  });
  document.addEventListener('paste', (event) => openFirst(event.clipboardData?.files));
}
