/** The page that a visitor opens: a photo or a video in, faces with landmarks, mesh, PNCC and pose out. */
import { type Face, type FaceAligner, WebGPUUnavailableError } from 'fullpose';
import { find, html } from '../pages/dom.js';
import { decodePicture, fetchPicture } from '../pages/pictures.js';
import { severalFaces } from '../pages/samples.js';
import { Capture, type CapturedFrame } from './capture.js';
import { download, formats, writeFace } from './files.js';
import { connectInputs } from './inputs.js';
import { keepForOffline } from './offline.js';
import { ResultsPanel } from './results.js';
import { countFaces, type Layer, layers, type Picture, type Scene, type ShownFace } from './scene.js';
import { releaseDetails, Session } from './session.js';
import { TexturePanel } from './texture.js';
import { formatTime, TimingPanel } from './timing.js';
import { scaleOf, View } from './view.js';

const sampleUrl = '/assets/astronaut.png';

/** Frames of a video over which the rate is taken. */
const rateWindow = 10;

declare global {
  interface Window {
    /** What is on the page, for the console and for tests; undefined while a picture is being aligned. */
    fullposeDemo?: { readonly faces: readonly Face[]; readonly scale: number } | undefined;
  }
}

const notice = find('#notice', HTMLElement);
const status = find('#status', HTMLElement);
const pause = find('#pause', HTMLButtonElement);
const iterationsInput = find('#iterations', HTMLInputElement);
const iterationsValue = find('#iterations-value', HTMLOutputElement);
const exports = find('#exports', HTMLFieldSetElement);

function warn(text: string): void {
  notice.textContent = text;
  notice.hidden = false;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function wantedLayers(): ReadonlySet<Layer> {
  return new Set(layers.filter((layer) => find(`#layers input[name="${layer}"]`, HTMLInputElement).checked));
}

class Demo {
  readonly #session: Session;
  readonly #view: View;
  readonly #results = new ResultsPanel((index) => this.select(index));
  readonly #timing = new TimingPanel();
  readonly #texture = new TexturePanel(() => void this.realign());
  #scene: Scene | undefined;
  #selected = 0;
  #capture: Capture | undefined;
  /** Rises with every picture: results of an older one are dropped. */
  #request = 0;
  /** Rises with every change of the layers: only the last is drawn. */
  #redraws = 0;

  constructor(session: Session) {
    this.#session = session;
    this.#view = new View(find('#view', HTMLCanvasElement), session.aligner.model.triangles);
    const { iterations } = session.aligner;
    iterationsInput.max = String(iterations);
    iterationsInput.value = String(iterations);
    iterationsInput.disabled = iterations === 1;
    iterationsValue.value = iterationsInput.value;
  }

  /** Shows the picture at once, then its faces. */
  async openPhoto(name: string, load: () => Promise<ImageBitmap>): Promise<void> {
    const request = this.#begin(`Looking for faces in ${name} ...`);
    await this.#report(request, async () => {
      const picture = { name, image: await load() };
      if (request !== this.#request) return;
      this.#show({ picture, faces: [] });
      const started = performance.now();
      const boxes = await this.#session.detect(picture.image);
      const detection = performance.now() - started;
      if (request !== this.#request) return;
      if (boxes.length === 0) status.textContent = `No face found in ${name}.`;
      else await this.#align(request, picture, boxes, `Detection took ${formatTime(detection)}.`);
    });
  }

  async openVideo(name: string, open: () => Promise<Capture>): Promise<void> {
    const request = this.#begin(`Opening ${name} ...`);
    await this.#report(request, async () => {
      const capture = await open();
      if (request !== this.#request) {
        capture.stop();
        return;
      }
      this.#capture = capture;
      pause.hidden = false;
      this.#timing.say('Measuring ...');
      await this.#follow(request, name, capture);
    });
  }

  togglePause(): void {
    const video = this.#capture?.video;
    if (video === undefined) return;
    if (video.paused) void video.play();
    else video.pause();
    pause.textContent = video.paused ? 'Go on' : 'Pause';
  }

  /** Aligns the faces of a photo again, as the controls say now. */
  async realign(): Promise<void> {
    const scene = this.#scene;
    if (scene === undefined || scene.faces.length === 0 || this.#capture !== undefined) return;
    const boxes = scene.faces.map(({ box }) => box);
    const request = ++this.#request;
    await this.#report(request, () => this.#align(request, scene.picture, boxes, ''));
  }

  /** Draws what is there with the layers that are wanted now. */
  async redraw(): Promise<void> {
    const scene = this.#scene;
    if (scene === undefined) return;
    const wanted = wantedLayers();
    const redraw = ++this.#redraws;
    this.#view.setBusy(true);
    try {
      await this.#session.prepare(scene.faces, wanted);
      if (scene === this.#scene && redraw === this.#redraws) this.#view.draw(scene, wanted, this.#selected);
    } finally {
      if (redraw === this.#redraws) this.#view.setBusy(false);
    }
  }

  select(index: number): void {
    if (this.#scene === undefined || this.#scene.faces[index] === undefined) return;
    this.#selected = index;
    this.#view.draw(this.#scene, wantedLayers(), index);
    this.#showResults(this.#scene.faces);
  }

  selectAt(clientX: number, clientY: number): void {
    const index = this.#scene && this.#view.faceAt(this.#scene, clientX, clientY);
    if (index !== undefined) this.select(index);
  }

  async save(format: (typeof formats)[number]): Promise<void> {
    const scene = this.#scene;
    const shown = scene?.faces[this.#selected];
    if (scene === undefined || shown === undefined) return;
    const { picture, faces } = scene;
    const vertices = await this.#session.vertices(shown);
    const stem = `${picture.name.replace(/\.[^.]*$/, '')}${faces.length > 1 ? `-${this.#selected + 1}` : ''}`;
    const { model } = this.#session.aligner;
    download(`${stem}.${format}`, writeFace(format, { picture, face: shown.face, model, vertices }));
    status.textContent = `Saved ${stem}.${format}`;
  }

  /** Ends what is going on. @returns the number of the request that begins */
  #begin(text: string): number {
    this.#capture?.stop();
    this.#capture = undefined;
    pause.hidden = true;
    pause.textContent = 'Pause';
    window.fullposeDemo = undefined;
    status.textContent = text;
    this.#selected = 0;
    return ++this.#request;
  }

  /** Says what fails in a request, unless another has begun. */
  async #report(request: number, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (request === this.#request) status.textContent = messageOf(error);
    }
  }

  async #align(request: number, picture: Picture, boxes: ShownBoxes, timing: string): Promise<void> {
    const iterations = Number(iterationsInput.value);
    const started = performance.now();
    const faces = await this.#session.alignTextured(picture.image, boxes, iterations, this.#texture.mirror);
    const text = `${timing} Alignment took ${formatTime(performance.now() - started)}.`.trim();
    await this.#session.prepare(faces, wantedLayers());
    if (request !== this.#request) return;
    this.#show({ picture, faces });
    this.#timing.say(text);
    status.textContent = `${countFaces(faces.length)} in ${picture.name}`;
    this.#publish(picture, faces);
    const stages = await this.#session.stages(picture.image, boxes, iterations);
    if (request === this.#request) this.#timing.show(text, stages);
  }

  /** Works through a video until another request begins. */
  async #follow(request: number, name: string, capture: Capture): Promise<void> {
    const recent: { readonly time: number; readonly skipped: number }[] = [];
    let boxes: ShownBoxes = [];
    await capture.run(async ({ image, time, skipped }: CapturedFrame) => {
      if (boxes.length === 0) boxes = await this.#session.detect(image);
      const faces = boxes.length === 0 ? [] : await this.#session.align(image, boxes, Number(iterationsInput.value));
      await this.#session.prepare(faces, wantedLayers());
      if (request !== this.#request) {
        image.close();
        return;
      }
      const picture = { name, image };
      const before = this.#scene;
      this.#show({ picture, faces });
      before?.picture.image.close();
      const text = `${countFaces(faces.length)} in ${name}`;
      // A live region: said again only where it changes.
      if (status.textContent !== text) status.textContent = text;
      this.#publish(picture, faces);
      recent.push({ time, skipped });
      if (recent.length > rateWindow) recent.shift();
      this.#timing.say(describeRate(recent));
    });
  }

  #show(scene: Scene): void {
    if (this.#scene !== undefined) releaseDetails(this.#scene.faces.filter((face) => !scene.faces.includes(face)));
    this.#scene = scene;
    if (scene.faces[this.#selected] === undefined) this.#selected = 0;
    this.#view.draw(scene, wantedLayers(), this.#selected);
    this.#showResults(scene.faces);
  }

  #showResults(faces: readonly ShownFace[]): void {
    exports.disabled = faces.length === 0;
    this.#texture.show(faces[this.#selected]?.details.texture);
    this.#results.show(
      faces.map(({ face }) => face),
      this.#selected,
    );
  }

  #publish({ image }: Picture, faces: readonly ShownFace[]): void {
    window.fullposeDemo = { faces: faces.map(({ face }) => face), scale: scaleOf(image) };
  }
}

type ShownBoxes = readonly ShownFace['box'][];

function describeRate(recent: readonly { readonly time: number; readonly skipped: number }[]): string {
  const [first, last] = [recent.at(0), recent.at(-1)];
  if (first === undefined || last === undefined || last.time <= first.time) return 'Measuring ...';
  const rate = (1000 * (recent.length - 1)) / (last.time - first.time);
  const skipped = recent.slice(1).reduce((sum, frame) => sum + frame.skipped, 0);
  const part = Math.round((100 * skipped) / (skipped + recent.length - 1));
  return `${rate.toFixed(1)} frames a second; ${part}% of the video's frames are skipped to keep up.`;
}

/** Makes the page's controls work on `demo`. */
function connect(demo: Demo): void {
  const said = (action: Promise<void>) =>
    void action.catch((error: unknown) => {
      status.textContent = messageOf(error);
    });
  const openSample = () => said(demo.openPhoto('astronaut.png', () => fetchPicture(sampleUrl)));
  connectInputs({
    openFile: (file) =>
      said(
        file.type.startsWith('video/')
          ? demo.openVideo(file.name, () => Capture.file(file))
          : demo.openPhoto(file.name, () => decodePicture(file, file.name)),
      ),
    openWebcam: () => said(demo.openVideo('the webcam', () => Capture.webcam())),
    openSample,
    openSeveral: () => said(demo.openPhoto('several.png', async () => severalFaces(await fetchPicture(sampleUrl)))),
  });
  pause.addEventListener('click', () => demo.togglePause());
  find('#layers', HTMLFieldSetElement).addEventListener('change', () => said(demo.redraw()));
  find('#view', HTMLCanvasElement).addEventListener('click', ({ clientX, clientY }) => demo.selectAt(clientX, clientY));
  iterationsInput.addEventListener('input', () => {
    iterationsValue.value = iterationsInput.value;
  });
  iterationsInput.addEventListener('change', () => said(demo.realign()));
  find('#exports .row', HTMLElement).append(
    ...formats.map((format) => {
      const button = html('button', { type: 'button', 'data-format': format }, format.toUpperCase());
      button.addEventListener('click', () => said(demo.save(format)));
      return button;
    }),
  );
  openSample();
}

/** Brings the aligner back whenever its device is lost. */
function watchDevice(aligner: FaceAligner): void {
  void aligner.lost.then(async () => {
    warn('The GPU was lost; starting again ...');
    try {
      await aligner.recover();
      notice.hidden = true;
      watchDevice(aligner);
    } catch (error) {
      warn(`The GPU was lost and did not come back: ${messageOf(error)} Reload the page to go on.`);
    }
  });
}

async function start(): Promise<void> {
  const progress = find('#progress', HTMLProgressElement);
  const bytes = find('#bytes', HTMLElement);
  const megabytes = (count: number) => (count / 1e6).toFixed(1);
  const session = await Session.open(({ loaded, total }) => {
    progress.value = loaded / total;
    bytes.textContent = `${megabytes(loaded)} of ${megabytes(total)} MB`;
  });
  const { vendor, architecture, description, isSoftware } = session.adapter;
  find('#adapter', HTMLElement).textContent = `GPU: ${[vendor, architecture, description]
    .filter((part) => part !== '')
    .join(' ')}`;
  if (isSoftware) warn('WebGPU runs on the processor here (a software adapter): the results are right, but slow.');
  watchDevice(session.aligner);
  connect(new Demo(session));
  void keepForOffline([sampleUrl]).then((kept) => {
    find('#offline', HTMLElement).hidden = !kept;
  });
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
  find('#loading', HTMLElement).hidden = true;
}
