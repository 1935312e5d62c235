/** The page that a visitor opens. */
import { WebGPUUnavailableError } from 'fullpose';
import { adapterName } from '../pages/adapter.js';
import { find, html } from '../pages/dom.js';
import { keptForOffline } from '../pages/offline.js';
import { decodePicture, fetchPicture } from '../pages/pictures.js';
import { severalFaces } from '../pages/samples.js';
import { problemOf } from './advice.js';
import { Capture, listCameras } from './capture.js';
import { Demo } from './demo.js';
import { type Format, formats } from './files.js';
import { connectInputs } from './inputs.js';
import { LoadingPanel } from './loading.js';
import { loadRecorded } from './recorded.js';
import { Session } from './session.js';

const sampleUrl = new URL('../assets/astronaut.png', import.meta.url).href;

const notice = find('#notice', HTMLElement);

/** Shows `text` under the picture; an empty one hides what was shown. */
function warn(text: string): void {
  notice.textContent = text;
  notice.hidden = text === '';
}

/** The webcam comes first where there is one. */
async function offerCameras(): Promise<void> {
  const cameras = await listCameras();
  const [webcam, open] = [find('#webcam', HTMLButtonElement), find('#open', HTMLElement)];
  webcam.classList.toggle('primary', cameras.length > 0);
  open.classList.toggle('primary', cameras.length === 0);
}

/** Fills the choice of cameras, which have names once one was allowed. */
async function nameCameras(inUse: string | undefined): Promise<void> {
  const choice = find('#camera', HTMLSelectElement);
  const cameras = await listCameras();
  choice.replaceChildren(...cameras.map(({ id, name }) => html('option', { value: id }, name)));
  if (inUse !== undefined) choice.value = inUse;
  find('#camera-choice', HTMLElement).hidden = cameras.length < 2;
}

/** Makes the page's controls work on `demo`. */
function connect(demo: Demo): void {
  const said = (action: Promise<void>) => void action.catch((error: unknown) => demo.fail(error));
  const openWebcam = (camera?: string) =>
    said(
      demo.openVideo('the webcam', async () => {
        const capture = await Capture.webcam(camera);
        void nameCameras(capture.camera);
        return capture;
      }),
    );
  connectInputs({
    openFile: (file) =>
      said(
        file.type.startsWith('video/')
          ? demo.openVideo(file.name, () => Capture.file(file))
          : demo.openPhoto(file.name, () => decodePicture(file, file.name)),
      ),
    openWebcam: () => openWebcam(),
    openSample: () => said(openSample(demo)),
    openSeveral: () => said(demo.openPhoto('several.png', async () => severalFaces(await fetchPicture(sampleUrl)))),
  });
  const onClick = (selector: string, action: () => void) =>
    find(selector, HTMLElement).addEventListener('click', action);
  onClick('#pause', () => demo.togglePause());
  onClick('#stop', () => demo.stop());
  onClick('#record', () => said(demo.record()));
  onClick('#snapshot', () => said(demo.snapshot()));
  find('#camera', HTMLSelectElement).addEventListener('change', ({ target }) => {
    if (target instanceof HTMLSelectElement) openWebcam(target.value);
  });
  find('#mirror-video', HTMLInputElement).addEventListener('change', () => demo.mirrorVideo());
  for (const choices of ['#layers', '#effects']) {
    find(choices, HTMLFieldSetElement).addEventListener('change', () => said(demo.redraw()));
  }
  find('#view', HTMLCanvasElement).addEventListener('click', ({ clientX, clientY }) => demo.selectAt(clientX, clientY));
  const button = (name: string, label: string, save: () => Promise<void>) => {
    const element = html('button', { type: 'button', 'data-format': name }, label);
    element.addEventListener('click', () => said(save()));
    return element;
  };
  find('#exports .row', HTMLElement).append(
    button('png', 'PNG', () => demo.savePicture()),
    ...Object.entries(formats).map(([format, label]) => button(format, label, () => demo.save(format as Format))),
  );
}

function openSample(demo: Demo): Promise<void> {
  return demo.openPhoto('astronaut.png', () => fetchPicture(sampleUrl, 'astronaut.png'));
}

/** The page does without the head where it cannot be drawn. */
async function addHead(demo: Demo): Promise<void> {
  try {
    await demo.addHead();
  } catch (error) {
    console.warn('There is no head:', error);
    find('#head-pane', HTMLElement).hidden = true;
  }
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
      const reason = error instanceof Error ? error.message : String(error);
      warn(`The GPU was lost and did not come back: ${reason} Reload the page to go on.`);
    }
  });
}

async function start(demo: Demo): Promise<void> {
  const loading = new LoadingPanel();
  try {
    void offerCameras();
    loading.enter('download');
    const preview = fetchPicture(sampleUrl, 'astronaut.png').then((image) =>
      demo.preview({ name: 'astronaut.png', image }),
    );
    // Said by `openSample` below.
    preview.catch(() => {});
    const session = await Session.open((progress) => loading.download(progress));
    demo.attach(session);
    find('#adapter', HTMLElement).textContent = `GPU: ${adapterName(session.adapter)}`;
    if (session.adapter.isSoftware)
      warn('WebGPU runs on the processor here (a software adapter): the results are right, but slow.');
    watchDevice(session);
    connect(demo);
    // Until now, and for ever where there is no WebGPU, nothing would come of them.
    for (const controls of ['#sources', '#layers', '#effects', '#settings'])
      find(controls, HTMLFieldSetElement).disabled = false;
    loading.enter('first-run');
    await openSample(demo);
    await addHead(demo);
    void keptForOffline.then((kept) => {
      find('#offline', HTMLElement).hidden = !kept;
    });
  } finally {
    loading.done();
  }
}

/** Without WebGPU: what was found once, and what would bring it to life. */
async function showRecorded(demo: Demo, error: WebGPUUnavailableError): Promise<void> {
  const [recorded, image] = await Promise.all([loadRecorded(), fetchPicture(sampleUrl, 'astronaut.png')]);
  connect(demo);
  demo.showRecorded({ name: 'astronaut.png', image }, recorded);
  const { title, advice } = problemOf(error, navigator.userAgent);
  await addHead(demo);
  warn(`This is a recorded result. ${title}. ${advice}`);
  for (const choices of ['#layers', '#effects']) find(choices, HTMLFieldSetElement).disabled = false;
  // These are drawn by the GPU.
  for (const input of ['#layers [name="pncc"]', '#layers [name="depth"]', '#mirror']) {
    find(input, HTMLInputElement).disabled = true;
  }
  find('#time', HTMLElement).textContent = 'Nothing is measured without WebGPU.';
}

const demo = new Demo();
try {
  await start(demo).catch((error: unknown) => {
    if (error instanceof WebGPUUnavailableError) return showRecorded(demo, error);
    throw error;
  });
} catch (error) {
  demo.fail(error);
}
