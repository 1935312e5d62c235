/** What the page does: pictures in, faces found, followed, drawn, saved. */
import { DeviceLostError, type Face, type FaceModel } from 'fullpose';
import type { FaceTracker } from 'fullpose/track';
import { find } from '../pages/dom.js';
import type { Capture, CapturedFrame } from './capture.js';
import type { Wardrobe, Worn } from './effects/effects.js';
import { Trails } from './effects/trail.js';
import { ExpressionPanel } from './expression-panel.js';
import { download, type Format, writeFace } from './files.js';
import type { HeadPanel, HeadState } from './head/panel.js';
import { ProblemBox } from './problem-box.js';
import type { Recorded } from './recorded.js';
import type { RecordingPanel } from './recording/panel.js';
import { ResultsPanel } from './results.js';
import {
  countFaces,
  describeFaces,
  type Layer,
  layers,
  type Picture,
  type Scene,
  type ShownFace,
  splitByDoubt,
} from './scene.js';
import { maxFaces, releaseDetails, type Session } from './session.js';
import { SettingsPanel } from './settings.js';
import { TexturePanel } from './texture.js';
import { describeRate, formatTime, TimingPanel } from './timing.js';
import { View } from './view.js';

/** Frames of a video over which the rate is taken. */
const rateWindow = 10;

/** What is on the page, for the console and for tests. */
interface Published {
  /** Those beyond doubt. */
  readonly faces: readonly Face[];
  /** The canvas's transform from the picture's pixels. */
  readonly matrix: readonly number[];
  readonly head: HeadState | undefined;
}

/** Degrees nearer to the front for which a face's picture is taken again. */
const leastGain = 8;

declare global {
  interface Window {
    /** Undefined while a picture is being aligned. */
    fullposeDemo?: Published | undefined;
  }
}

/** What the wardrobe draws; the trail needs no depth. */
const worn: readonly Worn[] = ['glasses', 'mask'];

const status = find('#status', HTMLElement);
const playback = find('#playback', HTMLFieldSetElement);
const pause = find('#pause', HTMLButtonElement);
const mirror = find('#mirror-video', HTMLInputElement);
const exports = find('#exports', HTMLFieldSetElement);

export class Demo {
  readonly settings = new SettingsPanel({
    doubt: () => void this.redraw(),
    search: () => void this.search(),
    iterations: () => void this.realign(),
    tracking: () => this.retrack(),
  });
  #session: Session | undefined;
  #model: FaceModel | undefined;
  /** The head beside the picture, once its code is there; never where there is no WebGL. */
  #head: HeadPanel | undefined;
  /** What faces can wear, once it was first asked for. */
  #wardrobe: Wardrobe | undefined;
  readonly #trails = new Trails();
  /** Once its code is there. */
  #recording: RecordingPanel | undefined;
  /** Whose picture the head of a video has, and from how far aside; or that it is being taken. */
  #taken: { readonly id: number; readonly slant: number } | 'busy' | undefined;
  /** The face whose picture the head has. */
  #headFace: ShownFace | undefined;
  readonly #view = new View(() => this.#model?.triangles);
  readonly #results = new ResultsPanel((id) => this.select(id));
  readonly #expression = new ExpressionPanel();
  readonly #timing = new TimingPanel();
  readonly #texture = new TexturePanel(() => void this.realign());
  readonly #problem = new ProblemBox();
  #scene: Scene | undefined;
  /** Id of the face whose results are shown. */
  #selected = 1;
  #capture: Capture | undefined;
  /** Of the video that is shown, from its first frame on. */
  #tracker: FaceTracker | undefined;
  /** Rises with every picture: results of an older one are dropped. */
  #request = 0;
  /** Another request has begun since the scene was shown: drawn anew, it is no answer to that one. */
  #isOld = false;
  /**
   * The request whose photo is being decoded: what is shown until then is an older picture, which no control may bring
   * back.
   */
  #decoding: number | undefined;
  /** Rises with every change of the layers: only the last is drawn. */
  #redraws = 0;

  constructor() {
    this.#view.underlay = (context, viewport, canvas, width) => {
      const sure = this.#scene === undefined ? [] : this.#split(this.#scene).sure;
      const wanted = wantedEffects();
      const garments = worn.filter((garment) => wanted.has(garment));
      this.#wardrobe?.draw(context, sure, new Set(garments), viewport, canvas);
      if (wanted.has('trail')) for (const shown of sure) this.#trails.draw(context, shown, width);
    };
  }

  /** From now on there is a GPU to work with. */
  attach(session: Session): void {
    this.#session = session;
    this.#model = session.aligner.model;
    this.settings.limit(session.aligner.iterations, maxFaces);
  }

  /**
   * From now on there is a head to turn, things for it to wear, and recording. @throws Error where the browser has no
   * WebGL.
   */
  async addHead(): Promise<void> {
    if (this.#model === undefined) return;
    const [{ HeadPanel }, { Wardrobe }, { RecordingPanel }] = await Promise.all([
      import('./head/panel.js'),
      import('./effects/effects.js'),
      import('./recording/panel.js'),
    ]);
    const head = new HeadPanel(this.#model);
    this.#head = head;
    this.#wardrobe = new Wardrobe(this.#model);
    this.#recording = new RecordingPanel(this.#model, () => [this.#view.canvas, head.canvas]);
    if (this.#scene !== undefined) this.#show(this.#scene);
  }

  /** Shows a picture while there is nothing to find faces with. */
  preview(picture: Picture): void {
    if (this.#scene === undefined) this.#show({ picture, isVideo: false, faces: [] });
  }

  /** Shows what was found in a picture elsewhere. */
  showRecorded(picture: Picture, { model, shown }: Recorded): void {
    this.#model = model;
    this.#show({ picture, isVideo: false, faces: [shown] });
    this.#say(`Recorded: ${countFaces(1)} in ${picture.name}`);
  }

  /** Shows the picture at once, then its faces. */
  async openPhoto(name: string, load: () => Promise<ImageBitmap>): Promise<void> {
    const request = this.#begin(`Looking for faces in ${name} ...`);
    this.#mirror(false);
    await this.#report(request, async () => {
      this.#decoding = request;
      const image = await load().finally(() => {
        if (this.#decoding === request) this.#decoding = undefined;
      });
      if (request === this.#request) await this.#look(request, { name, image });
    });
  }

  /** Looks for faces again, as the settings say now. */
  async search(): Promise<void> {
    const scene = this.#photo();
    if (scene === undefined) return;
    const request = ++this.#request;
    await this.#report(request, () => this.#look(request, scene.picture));
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
      const isCamera = capture.camera !== undefined;
      mirror.checked = isCamera;
      this.#mirror(isCamera);
      this.#view.aim('whole');
      showPlayback(true, isCamera);
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

  /** Ends the video. Its last frame stays. */
  stop(): void {
    const scene = this.#scene;
    const shown = window.fullposeDemo;
    this.#begin(scene === undefined ? '' : `Stopped: ${this.#describe(scene)}`);
    window.fullposeDemo = shown;
    this.#isOld = false;
  }

  /** The frame that is shown, as a photo. */
  async snapshot(): Promise<void> {
    const image = this.#scene?.picture.image;
    if (this.#capture === undefined || image === undefined) return;
    // The next frame closes this one.
    const copy = await createImageBitmap(image);
    await this.openPhoto('snapshot.png', async () => copy);
  }

  /** Shows the video as a mirror does, or not. */
  mirrorVideo(): void {
    this.#mirror(mirror.checked);
  }

  /** Follows the faces of the video as the controls say now: they are found anew. */
  retrack(): void {
    this.#tracker = undefined;
  }

  /** Aligns the faces of a photo again, as the controls say now. */
  async realign(): Promise<void> {
    const scene = this.#photo();
    if (scene === undefined || scene.faces.length === 0) return;
    const boxes = scene.faces.map(({ box }) => box);
    const request = ++this.#request;
    await this.#report(request, () => this.#align(request, scene.picture, boxes, ''));
  }

  /** Begins to record the video, or ends it. */
  async record(): Promise<void> {
    await this.#recording?.toggle();
  }

  /** Draws what is there with the layers that are wanted now. */
  async redraw(): Promise<void> {
    const scene = this.#scene;
    if (scene === undefined) return;
    const redraw = ++this.#redraws;
    this.#view.setBusy(true);
    try {
      await this.#prepare(scene.faces);
      if (scene === this.#scene && redraw === this.#redraws) this.#show(scene);
      if (this.#capture === undefined && !this.#isOld && scene.faces.length > 0) this.#say(this.#describe(scene));
    } finally {
      if (redraw === this.#redraws) this.#view.setBusy(false);
    }
  }

  select(id: number): void {
    const scene = this.#scene;
    if (!scene?.faces.some((face) => face.id === id)) return;
    this.#selected = id;
    this.#show(scene);
  }

  selectAt(clientX: number, clientY: number): void {
    const id = this.#view.faceAt(clientX, clientY);
    if (id !== undefined) this.select(id);
  }

  /** Saves the chosen face. */
  async save(format: Format): Promise<void> {
    const [scene, aligner] = [this.#scene, this.#session?.aligner];
    if (scene === undefined || aligner === undefined) return;
    const { sure } = this.#split(scene);
    const shown = sure.find(({ id }) => id === this.#selected);
    if (shown === undefined) return;
    const { name, image } = scene.picture;
    // A copy: the next frame of a video closes this one.
    const picture = { name, image: await createImageBitmap(image) };
    try {
      const file = await writeFace(format, { picture, face: shown.face, aligner });
      this.#save(`${stemOf(name)}${sure.length > 1 ? `-${shown.id}` : ''}.${format}`, file);
    } finally {
      picture.image.close();
    }
  }

  /** Saves the picture with what is drawn over it. */
  async savePicture(): Promise<void> {
    const scene = this.#scene;
    if (scene !== undefined) this.#save(`${stemOf(scene.picture.name)}.overlay.png`, await this.#view.toPng());
  }

  /** Says what went wrong; the old result goes. */
  fail(error: unknown): void {
    this.#clear();
    this.#say('');
    this.#problem.show(error);
  }

  #mirror(mirrored: boolean): void {
    this.#view.mirrored = mirrored;
    if (this.#head !== undefined) this.#head.mirrored = mirrored;
  }

  #save(name: string, file: Blob): void {
    download(name, file);
    this.#say(`Saved ${name}`);
  }

  /** A live region: said again only where it changes. */
  #say(text: string): void {
    if (status.textContent !== text) status.textContent = text;
  }

  #split(scene: Scene) {
    return splitByDoubt(scene.faces, this.settings.now.leastConfidence);
  }

  #describe(scene: Scene): string {
    const { sure, doubtful } = this.#split(scene);
    return describeFaces(sure.length, doubtful.length, scene.picture.name);
  }

  /** The photo that is shown and may be looked at again. */
  #photo(): Scene | undefined {
    const isFree = this.#session !== undefined && this.#capture === undefined && this.#decoding !== this.#request;
    return isFree ? this.#scene : undefined;
  }

  /** Ends what is going on. @returns the number of the request that begins */
  #begin(text: string): number {
    this.#capture?.stop();
    this.#capture = undefined;
    this.#tracker = undefined;
    this.#trails.clear();
    this.#taken = undefined;
    void this.#recording?.stop();
    this.#problem.clear();
    showPlayback(false, false);
    pause.textContent = 'Pause';
    window.fullposeDemo = undefined;
    this.#isOld = true;
    this.#say(text);
    return ++this.#request;
  }

  /** Says what fails in a request, unless another has begun. */
  async #report(request: number, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (request !== this.#request) return;
      this.#begin('');
      this.fail(error);
    }
  }

  /** Finds the faces of a photo. */
  async #look(request: number, picture: Picture): Promise<void> {
    const session = this.#working();
    this.#show({ picture, isVideo: false, faces: [] });
    this.#view.aim('faces');
    const started = performance.now();
    const boxes = await session.detect(picture.image, this.settings.now);
    const detection = `Detection took ${formatTime(performance.now() - started)}.`;
    if (request !== this.#request) return;
    if (boxes.length > 0) return this.#align(request, picture, boxes, detection);
    this.#timing.say(detection);
    this.#say(describeFaces(0, 0, picture.name));
    this.#publish([]);
  }

  async #align(request: number, picture: Picture, boxes: ShownBoxes, timing: string): Promise<void> {
    const session = this.#working();
    const { iterations } = this.settings.now;
    const started = performance.now();
    const faces = await session.align(picture.image, boxes, iterations, this.#texture.mirror);
    const text = `${timing} Alignment took ${formatTime(performance.now() - started)}.`.trim();
    await this.#prepare(faces);
    if (request !== this.#request) return;
    const scene = { picture, isVideo: false, faces };
    this.#show(scene);
    this.#timing.say(text);
    this.#say(this.#describe(scene));
    void this.#report(request, async () => {
      const stages = await session.stages(picture.image, boxes, iterations);
      if (request === this.#request) this.#timing.show(text, stages);
    });
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
      const scene = { picture: { name, image }, isVideo: true, faces };
      const { sure } = this.#split(scene);
      this.#trails.follow(sure);
      this.#show(scene);
      this.#recording?.add(time, sure);
      void this.#takePicture(request, scene);
      before?.picture.image.close();
      this.#say(this.#describe(scene));
      recent.push({ time, skipped });
      if (recent.length > rateWindow) recent.shift();
      this.#timing.say(describeRate(recent));
    });
  }

  /**
   * The faces of a video's next frame, ready to be drawn; undefined for a frame that was lost with the GPU, which is
   * back by then.
   */
  async #track(image: ImageBitmap, time: number): Promise<readonly ShownFace[] | undefined> {
    const session = this.#working();
    const { device } = session.aligner;
    try {
      this.#tracker ??= await session.track(this.settings.now);
      const tracked = await this.#tracker.track(image, time);
      const faces = tracked.map((face) => ({ id: face.id, face, box: face.box, details: {} }));
      await this.#prepare(faces);
      return faces;
    } catch (error) {
      // A frame that began on the lost device and went on on the new one fails in other ways.
      if (!(error instanceof DeviceLostError) && device === session.aligner.device) throw error;
      await session.recover();
      return undefined;
    }
  }

  #working(): Session {
    if (this.#session === undefined) throw new Error('there is no GPU to find faces with');
    return this.#session;
  }

  async #prepare(faces: readonly ShownFace[]): Promise<void> {
    await this.#session?.prepare(faces, wantedLayers());
  }

  #show(scene: Scene): void {
    if (scene !== this.#scene) {
      releaseDetails((this.#scene?.faces ?? []).filter((face) => !scene.faces.includes(face)));
      this.#isOld = false;
    }
    this.#scene = scene;
    const { sure, doubtful } = this.#split(scene);
    if (!sure.some(({ id }) => id === this.#selected)) this.#selected = sure[0]?.id ?? 1;
    const selected = sure.find(({ id }) => id === this.#selected);
    const { picture, isVideo } = scene;
    this.#view.show({ picture, isVideo, faces: sure, doubtful, layers: wantedLayers(), selected: this.#selected });
    exports.disabled = selected === undefined;
    // Meshes are made by the aligner.
    for (const button of exports.querySelectorAll('button')) {
      button.disabled = this.#session === undefined && button.dataset.format !== 'png';
    }
    this.#texture.show(selected?.details.texture);
    this.#showHead(picture, selected);
    this.#expression.show(selected?.face.blendshapes);
    this.#results.show(sure, this.#selected);
    if (!this.#isOld && (scene.faces.length > 0 || isVideo)) this.#publish(sure);
  }

  /** A photo's head has its picture; in a video the last one moves on. */
  #showHead(picture: Picture, shown: ShownFace | undefined): void {
    const texture = shown?.details.texture;
    if (texture !== undefined && shown !== undefined && shown !== this.#headFace && this.#head !== undefined) {
      this.#head.showPicture(picture, shown, texture);
      this.#headFace = shown;
    }
    this.#head?.follow(shown?.face);
  }

  /** Gives the head of a video its face's picture: the first, and later ones that show the face more from the front. */
  async #takePicture(request: number, { picture, faces }: Scene): Promise<void> {
    const [head, session] = [this.#head, this.#session];
    const shown = faces.find(({ id }) => id === this.#selected);
    if (head === undefined || session === undefined || shown === undefined || this.#taken === 'busy') return;
    const { yaw, pitch } = shown.face.pose;
    const slant = Math.abs(yaw) + Math.abs(pitch);
    const taken = this.#taken;
    if (taken?.id === shown.id && slant > taken.slant - leastGain) return;
    this.#taken = 'busy';
    try {
      // The next frame closes this one.
      const image = await createImageBitmap(picture.image);
      const texture = await session.texture(image, shown.face);
      if (request === this.#request) head.showPicture({ name: picture.name, image }, shown, texture);
      image.close();
      this.#taken = { id: shown.id, slant };
    } catch {
      // The head keeps what it has; whatever is wrong is said where the faces are followed.
      this.#taken = taken;
    }
  }

  #clear(): void {
    if (this.#scene !== undefined) releaseDetails(this.#scene.faces);
    this.#scene = undefined;
    this.#view.clear();
    exports.disabled = true;
    this.#texture.show(undefined);
    this.#head?.follow(undefined);
    this.#expression.show(undefined);
    this.#results.show([], 0);
    this.#timing.say('Nothing measured yet.');
  }

  #publish(faces: readonly ShownFace[]): void {
    const [view, head] = [this.#view, () => this.#head?.state];
    window.fullposeDemo = {
      faces: faces.map(({ face }) => face),
      get matrix() {
        return view.matrix;
      },
      get head() {
        return head();
      },
    };
  }
}

function wantedEffects(): ReadonlySet<string> {
  const chosen = find('#effects', HTMLFieldSetElement).querySelectorAll<HTMLInputElement>('input:checked');
  return new Set([...chosen].map(({ name }) => name));
}

function wantedLayers(): ReadonlySet<Layer> {
  return new Set(layers.filter((layer) => find(`#layers input[name="${layer}"]`, HTMLInputElement).checked));
}

/** The controls of a video, or none. */
function showPlayback(isVideo: boolean, isCamera: boolean): void {
  playback.hidden = !isVideo;
  find('#camera-choice', HTMLElement).hidden = !isCamera;
  find('#mirror-choice', HTMLElement).hidden = !isCamera;
}

/** A file's name without its extension. */
function stemOf(name: string): string {
  return name.replace(/\.[^.]*$/, '');
}

type ShownBoxes = readonly ShownFace['box'][];
