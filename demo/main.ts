/** The page that a visitor opens: a photo in, faces with landmarks, mesh, PNCC and pose out. */
import type { FaceDetector } from '../detectors/detector.js';
import { MediaPipeDetector } from '../detectors/mediapipe.js';
import { drawAxes, drawBox, drawImageOverCrop, drawLandmarks, drawMesh } from '../pages/overlay.js';
import { decodePicture, fetchPicture } from '../pages/pictures.js';
import { mediapipeBase } from '../pages/routes.js';
import { Gpu } from '../src/engine/device.js';
import { writeObj } from '../src/export.js';
import { type Face, FaceAligner, type FaceBox, WebGPUUnavailableError } from '../src/index.js';

const weightsUrl = '/weights/manifest.json';
const sampleUrl = '/assets/astronaut.png';

/** Small pictures are shown enlarged, so that thin lines stay thin. */
const wantedCanvasSide = 1200;

const layers = ['landmarks', 'mesh', 'pncc', 'axes', 'boxes'] as const;
type Layer = (typeof layers)[number];

/** A face with everything that the layers draw. */
interface ShownFace {
  readonly face: Face;
  readonly box: FaceBox;
  /** [V, 3] picture pixels. */
  readonly vertices: Float32Array;
  /** The network's PNCC, to be drawn over the crop. */
  readonly pncc: ImageBitmap;
}

interface Shown {
  readonly name: string;
  readonly picture: ImageBitmap;
  readonly faces: readonly ShownFace[];
}

declare global {
  interface Window {
    /** What is on the page, for the console and for tests; undefined while a picture is being aligned. */
    fullposeDemo?: { readonly faces: readonly Face[]; readonly scale: number } | undefined;
  }
}

function find<E extends Element>(selector: string, type: abstract new () => E): E {
  const element = document.querySelector(selector);
  if (!(element instanceof type)) throw new Error(`the page has no ${selector}`);
  return element;
}

const view = find('#view', HTMLCanvasElement);
const stage = find('#stage', HTMLElement);
const fileInput = find('#file', HTMLInputElement);
const notice = find('#notice', HTMLElement);
const status = find('#status', HTMLElement);
const progress = find('#progress', HTMLProgressElement);
const iterationsInput = find('#iterations', HTMLInputElement);
const iterationsValue = find('#iterations-value', HTMLOutputElement);
const facesList = find('#faces', HTMLOListElement);

function warn(text: string): void {
  notice.textContent = text;
  notice.hidden = false;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function isShown(layer: Layer): boolean {
  return find(`#layers input[name="${layer}"]`, HTMLInputElement).checked;
}

class Demo {
  readonly #aligner: FaceAligner;
  readonly #detector: FaceDetector;
  #shown: Shown | undefined;
  /** Rises with every picture: results of an older one are dropped. */
  #request = 0;

  constructor(aligner: FaceAligner, detector: FaceDetector) {
    this.#aligner = aligner;
    this.#detector = detector;
    iterationsInput.max = String(aligner.iterations);
    iterationsInput.value = String(aligner.iterations);
    iterationsInput.disabled = aligner.iterations === 1;
    iterationsValue.value = iterationsInput.value;
  }

  /** Shows the picture at once, then its faces. */
  async open(name: string, load: () => Promise<ImageBitmap>): Promise<void> {
    const request = ++this.#request;
    window.fullposeDemo = undefined;
    status.textContent = `Looking for faces in ${name} ...`;
    try {
      const picture = await load();
      this.#show({ name, picture, faces: [] });
      const boxes = await this.#detector.detect(picture);
      if (request !== this.#request) return;
      if (boxes.length === 0) status.textContent = `No face found in ${name}.`;
      else await this.#align(request, name, picture, boxes);
    } catch (error) {
      if (request === this.#request) status.textContent = messageOf(error);
    }
  }

  /** Aligns the faces on the page again, with another number of iterations. */
  async realign(): Promise<void> {
    if (this.#shown === undefined || this.#shown.faces.length === 0) return;
    const { name, picture, faces } = this.#shown;
    await this.#align(
      ++this.#request,
      name,
      picture,
      faces.map(({ box }) => box),
    );
  }

  redraw(): void {
    if (this.#shown !== undefined) draw(this.#shown, this.#aligner.model.triangles);
  }

  async #align(request: number, name: string, picture: ImageBitmap, boxes: readonly FaceBox[]): Promise<void> {
    const aligned = await this.#aligner.align(picture, boxes, { iterations: Number(iterationsInput.value) });
    const faces: ShownFace[] = [];
    for (const [index, face] of aligned.entries()) {
      const box = boxes[index];
      if (box === undefined) continue;
      const [vertices, pncc] = [await this.#aligner.vertices(face), await this.#renderPncc(face)];
      faces.push({ face, box, vertices, pncc });
    }
    if (request !== this.#request) return;
    this.#show({ name, picture, faces });
    status.textContent = `${faces.length} ${faces.length === 1 ? 'face' : 'faces'} in ${name}`;
    window.fullposeDemo = { faces: aligned, scale: canvasScale(picture) };
  }

  async #renderPncc(face: Face): Promise<ImageBitmap> {
    const { size, pncc } = await this.#aligner.render(face);
    const image = new ImageData(size, size);
    for (let pixel = 0; pixel < size * size; pixel++) {
      const colour = [0, 1, 2].map((channel) => pncc[pixel * 3 + channel] ?? 0);
      image.data.set([...colour.map((value) => 255 * value), colour.some((value) => value > 0) ? 255 : 0], pixel * 4);
    }
    return createImageBitmap(image);
  }

  #show(shown: Shown): void {
    this.#shown = shown;
    this.redraw();
    facesList.replaceChildren(...shown.faces.map((face, index) => this.#describe(shown, face, index)));
  }

  #describe({ name, picture, faces }: Shown, { face, vertices }: ShownFace, index: number): HTMLLIElement {
    const item = document.createElement('li');
    const angles = document.createElement('dl');
    for (const angle of ['yaw', 'pitch', 'roll'] as const) {
      const pair = document.createElement('div');
      const [term, value] = [document.createElement('dt'), document.createElement('dd')];
      term.textContent = angle;
      value.textContent = `${face.pose[angle].toFixed(1)}\u00b0`;
      value.dataset.angle = angle;
      pair.append(term, value);
      angles.append(pair);
    }
    const row = document.createElement('div');
    row.className = 'row';
    const stem = `${name.replace(/\.[^.]*$/, '')}${faces.length > 1 ? `-${index + 1}` : ''}`;
    const save = (label: string, extension: string, content: () => string) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = label;
      button.addEventListener('click', () => download(`${stem}.${extension}`, content()));
      row.append(button);
    };
    const { triangles, uv } = this.#aligner.model;
    save('Save mesh (OBJ)', 'obj', () => writeObj({ vertices, triangles, uv, pictureHeight: picture.height }));
    save('Save numbers (JSON)', 'json', () =>
      JSON.stringify(face, (_, value) => (ArrayBuffer.isView(value) ? toList(value) : value)),
    );
    item.append(angles, row);
    return item;
  }
}

function toList(value: ArrayBufferView): readonly number[] {
  if (value instanceof Float32Array || value instanceof Uint8Array) return [...value];
  throw new Error(`cannot write a ${value.constructor.name}`);
}

function download(name: string, text: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text]));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Canvas pixels per picture pixel. */
function canvasScale(picture: ImageBitmap): number {
  return Math.max(1, Math.ceil(wantedCanvasSide / Math.max(picture.width, picture.height)));
}

function draw({ name, picture, faces }: Shown, triangles: Uint32Array): void {
  const scale = canvasScale(picture);
  view.width = picture.width * scale;
  view.height = picture.height * scale;
  const context = view.getContext('2d');
  if (context === null) throw new Error('the browser gave no 2D canvas');
  context.scale(scale, scale);
  context.drawImage(picture, 0, 0);
  for (const { face, box, vertices, pncc } of faces) {
    if (isShown('pncc')) drawImageOverCrop(context, pncc, face.crop);
    if (isShown('mesh')) drawMesh(context, vertices, triangles);
    if (isShown('boxes')) drawBox(context, box);
    if (isShown('landmarks')) drawLandmarks(context, face.landmarks, face.visibility);
    if (isShown('axes')) drawAxes(context, face.landmarks, face.pose.matrix);
  }
  view.setAttribute('aria-label', `${name}, ${faces.length} ${faces.length === 1 ? 'face' : 'faces'} aligned`);
}

/** Makes the page's controls work on `demo`. */
function connect(demo: Demo): void {
  const openFile = (file: File) => demo.open(file.name, () => decodePicture(file, file.name));
  const openSample = () => demo.open('astronaut.png', () => fetchPicture(sampleUrl));
  fileInput.addEventListener('change', () => {
    const [file] = fileInput.files ?? [];
    if (file !== undefined) void openFile(file);
    // Choosing the same file again is a change, too.
    fileInput.value = '';
  });
  find('#sample', HTMLButtonElement).addEventListener('click', () => void openSample());
  find('#layers', HTMLFieldSetElement).addEventListener('change', () => demo.redraw());
  iterationsInput.addEventListener('input', () => {
    iterationsValue.value = iterationsInput.value;
  });
  iterationsInput.addEventListener('change', () => {
    demo.realign().catch((error: unknown) => {
      status.textContent = messageOf(error);
    });
  });
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    stage.classList.add('dropping');
  });
  document.addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) stage.classList.remove('dropping');
  });
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    stage.classList.remove('dropping');
    const [file] = event.dataTransfer?.files ?? [];
    if (file !== undefined) void openFile(file);
  });
  document.addEventListener('paste', (event) => {
    const [file] = event.clipboardData?.files ?? [];
    if (file !== undefined) void openFile(file);
  });
  void openSample();
}

async function start(): Promise<void> {
  const gpu = await Gpu.create({ label: 'demo', powerPreference: 'high-performance' });
  const { vendor, architecture, description, isSoftware } = gpu.adapter;
  find('#adapter', HTMLElement).textContent = [vendor, architecture, description]
    .filter((part) => part !== '')
    .join(' ');
  if (isSoftware) warn('WebGPU runs on the processor here (a software adapter): the results are right, but slow.');
  void gpu.lost.then((error) => warn(`${messageOf(error)} Reload the page to go on.`));
  const [aligner, detector] = await Promise.all([
    FaceAligner.create({
      weights: weightsUrl,
      device: gpu.device,
      onProgress: ({ loaded, total }) => {
        progress.value = loaded / total;
      },
    }),
    MediaPipeDetector.create(new URL(mediapipeBase, location.href).href),
  ]);
  connect(new Demo(aligner, detector));
}

try {
  await start();
} catch (error) {
  status.textContent = '';
  warn(
    error instanceof WebGPUUnavailableError
      ? `This page needs WebGPU. ${error.message} Try a current Chrome, Edge, Safari or Firefox on a machine with a GPU.`
      : messageOf(error),
  );
} finally {
  progress.hidden = true;
}
