/** The page that a visitor opens: a photo or a video in, faces with landmarks, mesh, PNCC and pose out. */

import { DeviceLostError, type Face, WebGPUUnavailableError } from 'fullpose';
import type { FaceTracker } from 'fullpose/track';
import { adapterName } from '../pages/adapter.js';
import { find, html } from '../pages/dom.js';
import { keptForOffline } from '../pages/offline.js';
import { decodePicture, fetchPicture } from '../pages/pictures.js';
import { severalFaces } from '../pages/samples.js';
import { Capture, type CapturedFrame } from './capture.js';
import { download, type Format, formats, writeFace } from './files.js';
import { connectInputs } from './inputs.js';
import { ResultsPanel } from './results.js';
import { countFaces, type Layer, layers, type Picture, type Scene, type ShownFace } from './scene.js';
import { releaseDetails, Session } from './session.js';
import { TexturePanel } from './texture.js';
import { formatTime, TimingPanel } from './timing.js';
import { scaleOf, View } from './view.js';

const sampleUrl = new URL('../assets/astronaut.png', import.meta.url).href;

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
const playback = find('#playback', HTMLElement);
const pause = find('#pause', HTMLButtonElement);
const smoothing = find('#smoothing', HTMLInputElement);
const iterationsInput = find('#iterations', HTMLInputElement);
const iterationsValue = find('#iterations-value', HTMLOutputElement);
const exports = find('#exports', HTMLFieldSetElement);

/** Shows `text` under the picture; an empty one hides what was shown. */
function warn(text: string): void {
  notice.textContent = text;
  notice.hidden = text === '';
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
  readonly #results = new ResultsPanel((id) => this.select(id));
  readonly #timing = new TimingPanel();
  readonly #texture = new TexturePanel(() => void this.realign());
  #scene: Scene | undefined;
  /** Id of the face whose results are shown. */
  #selected = 1;
  #capture: Capture | undefined;
  /** Of the video that is shown, from its first frame on. */
  #tracker: FaceTracker | undefined;
  /** Rises with every picture: results of an older one are dropped. */
  #request = 0;
  /** The request whose photo is being decoded: what is shown until then is an older picture, which no control may bring back. */
  #decoding: number | undefined;
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
      this.#decoding = request;
      const image = await load().finally(() => {
        if (this.#decoding === request) this.#decoding = undefined;
      });
      const picture = { name, image };
      if (request !== this.#request) return;
      this.#show({ picture, isVideo: false, faces: [] });
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
      showPlayback(true);
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

  /** Follows the faces of the video as the controls say now: they are found anew. */
  retrack(): void {
    this.#tracker = undefined;
  }

  /** Aligns the faces of a photo again, as the controls say now. */
  async realign(): Promise<void> {
    const scene = this.#scene;
    if (scene === undefined || scene.faces.length === 0 || this.#capture !== undefined) return;
    if (this.#decoding === this.#request) return;
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

  select(id: number): void {
    const scene = this.#scene;
    if (!scene?.faces.some((face) => face.id === id)) return;
    this.#selected = id;
    this.#view.draw(scene, wantedLayers(), id);
    this.#showResults(scene.faces);
  }

  selectAt(clientX: number, clientY: number): void {
    const id = this.#scene && this.#view.faceAt(this.#scene, clientX, clientY);
    if (id !== undefined) this.select(id);
  }

  /** Saves the chosen face. */
  async save(format: Format): Promise<void> {
    const scene = this.#scene;
    const shown = scene && this.#selectedOf(scene.faces);
    if (scene === undefined || shown === undefined) return;
    const { name, image } = scene.picture;
    const { aligner } = this.#session;
    // A copy: the next frame of a video closes this one.
    const picture = { name, image: await createImageBitmap(image) };
    try {
      const file = await writeFace(format, { picture, face: shown.face, aligner });
      this.#save(`${stemOf(name)}${scene.faces.length > 1 ? `-${shown.id}` : ''}.${format}`, file);
    } finally {
      picture.image.close();
    }
  }

  /** Saves the picture with what is drawn over it. */
  async savePicture(): Promise<void> {
    const scene = this.#scene;
    if (scene !== undefined) this.#save(`${stemOf(scene.picture.name)}.overlay.png`, await this.#view.toPng());
  }

  #save(name: string, file: Blob): void {
    download(name, file);
    status.textContent = `Saved ${name}`;
  }

  #selectedOf(faces: readonly ShownFace[]): ShownFace | undefined {
    return faces.find(({ id }) => id === this.#selected);
  }

  /** Ends what is going on. @returns the number of the request that begins */
  #begin(text: string): number {
    this.#capture?.stop();
    this.#capture = undefined;
    this.#tracker = undefined;
    showPlayback(false);
    pause.textContent = 'Pause';
    window.fullposeDemo = undefined;
    status.textContent = text;
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
    const faces = await this.#session.align(picture.image, boxes, iterations, this.#texture.mirror);
    const text = `${timing} Alignment took ${formatTime(performance.now() - started)}.`.trim();
    await this.#session.prepare(faces, wantedLayers());
    if (request !== this.#request) return;
    this.#show({ picture, isVideo: false, faces });
    this.#timing.say(text);
    status.textContent = `${countFaces(faces.length)} in ${picture.name}`;
    this.#publish(picture, faces);
    const stages = await this.#session.stages(picture.image, boxes, iterations);
    if (request === this.#request) this.#timing.show(text, stages);
  }

  /** Works through a video until another request begins. */
  async #follow(request: number, name: string, capture: Capture): Promise<void> {
    const recent: { readonly time: number; readonly skipped: number }[] = [];
    await capture.run(async ({ image, time, skipped }: CapturedFrame) => {
      const faces = await this.#track(image, time);
      if (faces === undefined || request !== this.#request) {
        image.close();
        return;
      }
      const before = this.#scene;
      const picture = { name, image };
      this.#show({ picture, isVideo: true, faces });
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

  /** The faces of a video's next frame, ready to be drawn; undefined for a frame that was lost with the GPU, which is back by then. */
  async #track(image: ImageBitmap, time: number): Promise<readonly ShownFace[] | undefined> {
    const { device } = this.#session.aligner;
    try {
      this.#tracker ??= await this.#session.track(smoothing.checked);
      const tracked = await this.#tracker.track(image, time);
      const faces = tracked.map((face) => ({ id: face.id, face, box: face.box, details: {} }));
      await this.#session.prepare(faces, wantedLayers());
      return faces;
    } catch (error) {
      // A frame that began on the lost device and went on on the new one fails in other ways.
      if (!(error instanceof DeviceLostError) && device === this.#session.aligner.device) throw error;
      await this.#session.recover();
      return undefined;
    }
  }

  #show(scene: Scene): void {
    if (this.#scene !== undefined) releaseDetails(this.#scene.faces.filter((face) => !scene.faces.includes(face)));
    this.#scene = scene;
    if (this.#selectedOf(scene.faces) === undefined) this.#selected = scene.faces[0]?.id ?? 1;
    this.#view.draw(scene, wantedLayers(), this.#selected);
    this.#showResults(scene.faces);
  }

  #showResults(faces: readonly ShownFace[]): void {
    exports.disabled = faces.length === 0;
    this.#texture.show(this.#selectedOf(faces)?.details.texture);
    this.#results.show(faces, this.#selected);
  }

  #publish({ image }: Picture, faces: readonly ShownFace[]): void {
    window.fullposeDemo = { faces: faces.map(({ face }) => face), scale: scaleOf(image) };
  }
}

/** The controls of a video in place of those of a photo, or the other way round. */
function showPlayback(isVideo: boolean): void {
  playback.hidden = !isVideo;
  find('#iterations-row', HTMLElement).hidden = isVideo;
}

/** A file's name without its extension. */
function stemOf(name: string): string {
  return name.replace(/\.[^.]*$/, '');
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
  smoothing.addEventListener('change', () => demo.retrack());
  const button = (name: string, label: string, save: () => Promise<void>) => {
    const element = html('button', { type: 'button', 'data-format': name }, label);
    element.addEventListener('click', () => said(save()));
    return element;
  };
  find('#exports .row', HTMLElement).append(
    button('png', 'PNG', () => demo.savePicture()),
    ...Object.entries(formats).map(([format, label]) => button(format, label, () => demo.save(format as Format))),
  );
  // Until now, and for ever where there is no WebGPU, nothing would come of them.
  for (const controls of ['#sources', '#layers']) find(controls, HTMLFieldSetElement).disabled = false;
  openSample();
}

/** Brings everything back whenever the device is lost. */
function watchDevice(session: Session): void {
  void session.aligner.lost.then(async () => {
    const before = notice.textContent;
    warn('The GPU was lost; starting again ...');
    try {
      await session.recover();
      warn(before);
      watchDevice(session);
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
  find('#adapter', HTMLElement).textContent = `GPU: ${adapterName(session.adapter)}`;
  if (session.adapter.isSoftware)
    warn('WebGPU runs on the processor here (a software adapter): the results are right, but slow.');
  watchDevice(session);
  connect(new Demo(session));
  void keptForOffline.then((kept) => {
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
