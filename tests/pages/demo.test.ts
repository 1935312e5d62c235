import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ALL_FORMATS, BufferSource, Input } from 'mediabunny';
import type { Page } from 'puppeteer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contourColours } from '../../pages/overlay.js';
import { PageHost, repositoryRoot } from '../../scripts/page-host.js';
import type { Search } from '../../src/detect/index.js';
import { LANDMARK_CONTOURS } from '../../src/mmm/landmarks.js';
import { countUploads, takeUploads } from './uploads.js';

/** A busy machine may take its time. */
const readyTimeoutMs = 280_000;

let host: PageHost;

beforeAll(async () => {
  host = await PageHost.open();
});

afterAll(async () => {
  await host?.close();
});

interface Opened {
  readonly page: Page;
  /** Uncaught errors and console errors. */
  readonly errors: readonly string[];
}

async function openDemo(prepare?: (page: Page) => Promise<unknown>): Promise<Opened> {
  const errors: string[] = [];
  const page = await host.openPage('/demo/', async (opened) => {
    opened.setDefaultTimeout(readyTimeoutMs);
    await opened.setViewport({ width: 1280, height: 900 });
    opened.on('pageerror', (error) => errors.push(String(error)));
    opened.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text());
    });
    await prepare?.(opened);
  });
  return { page, errors };
}

const ready = (page: Page) =>
  page.waitForFunction(() => window.fullposeDemo !== undefined, { timeout: readyTimeoutMs });

const textOf = (page: Page, selector: string) => page.$eval(selector, (element) => element.textContent ?? '');

interface View {
  readonly width: number;
  readonly pixels: Buffer;
}

/** The canvas's RGBA pixels. */
async function pixelsOf(page: Page): Promise<View> {
  const { width, base64 } = await page.$eval('#view', async (canvas) => {
    if (!(canvas instanceof HTMLCanvasElement)) throw new Error('wanted a canvas');
    const { data } = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height) ?? {};
    if (data === undefined) throw new Error('no 2D canvas');
    const url = await new Promise<string>((resolve) => {
      const reader = new FileReader();
      reader.addEventListener('load', () => resolve(String(reader.result)));
      reader.readAsDataURL(new Blob([data]));
    });
    return { width: canvas.width, base64: url.slice(url.indexOf(',') + 1) };
  });
  return { width, pixels: Buffer.from(base64, 'base64') };
}

/**
 * Differences of a channel up to this are how a canvas scales the picture, which changes when Chromium moves the canvas
 * off the GPU.
 */
const scalingNoise = 12;

/** Number of pixels whose colour differs. */
function changed(before: View, after: View): number {
  expect(after.pixels.length).toBe(before.pixels.length);
  let count = 0;
  for (let i = 0; i < before.pixels.length; i += 4) {
    const differs = (at: number) => Math.abs((before.pixels[at] ?? 0) - (after.pixels[at] ?? 0)) > scalingNoise;
    if (differs(i) || differs(i + 1) || differs(i + 2)) count++;
  }
  return count;
}

const texts = (page: Page, selector: string) =>
  page.$$eval(selector, (elements) => elements.map((element) => element.textContent ?? ''));

/** Keeps what the page saves, instead of saving it. */
async function catchDownloads(page: Page): Promise<void> {
  await page.evaluateOnNewDocument(() => {
    const files: Record<string, Blob> = {};
    const blobs = new Map<string, Blob>();
    const createObjectURL = URL.createObjectURL;
    URL.createObjectURL = (blob) => {
      const url = createObjectURL.call(URL, blob);
      if (blob instanceof Blob) blobs.set(url, blob);
      return url;
    };
    HTMLAnchorElement.prototype.click = function () {
      const blob = blobs.get(this.href);
      if (blob !== undefined) files[this.download] = blob;
    };
    Object.assign(window, { savedFiles: files });
  });
}

/** Presses a button of the exports, and reads the file `name`. */
async function saved(page: Page, format: string, name: string): Promise<Buffer> {
  await page.click(`#exports [data-format="${format}"]`);
  await page.waitForFunction((file) => document.querySelector('#status')?.textContent === `Saved ${file}`, {}, name);
  return keptFile(page, name);
}

/** A file that the page has saved. */
async function keptFile(page: Page, name: string): Promise<Buffer> {
  const base64 = await page.evaluate(`new Promise((resolve) => {
    const reader = new FileReader();
    reader.addEventListener('load', () => resolve(reader.result.split(',')[1] ?? ''));
    reader.readAsDataURL(window.savedFiles[${JSON.stringify(name)}]);
  })`);
  return Buffer.from(String(base64), 'base64');
}

/**
 * A webcam that sees the sample's head at each place of `window.heads` (centres in a picture of 640 x 320), swaying a
 * little, 30 times a second.
 */
const fakeWebcamScript = `
  window.heads = [160, 480];
  navigator.mediaDevices.getUserMedia = async () => {
    const photo = new Image();
    photo.src = '/assets/astronaut.png';
    await photo.decode();
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [640, 320];
    const context = canvas.getContext('2d');
    setInterval(() => {
      context.fillRect(0, 0, 640, 320);
      for (const x of window.heads) {
        context.drawImage(photo, 124, 10, 200, 200, x - 150 + 3 * Math.sin(performance.now() / 500), 10, 300, 300);
      }
    }, 33);
    const stream = canvas.captureStream(30);
    window.webcamTrack = stream.getTracks()[0];
    return stream;
  };`;

async function fakeWebcam(page: Page): Promise<void> {
  await page.evaluateOnNewDocument(fakeWebcamScript);
}

/** Waits until these are the ids of the faces. */
const idsBecome = (page: Page, ids: readonly number[]) =>
  page.waitForFunction(
    (wanted) =>
      [...document.querySelectorAll<HTMLInputElement>('#faces input')].map(({ value }) => value).join() === wanted,
    { timeout: readyTimeoutMs },
    ids.join(),
  );

const withoutWebGpu = (page: Page) =>
  page.evaluateOnNewDocument(() => {
    Object.defineProperty(Navigator.prototype, 'gpu', { get: () => undefined });
  });

/** In the page: visible texts whose contrast with what lies under them is below 4.5. */
const faintTexts = `(() => {
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    return context.getImageData(0, 0, 1, 1).data;
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const groundOf = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return rgba('white');
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const faint = [];
  let checked = 0;
  while (walker.nextNode()) {
    const { textContent, parentElement: element } = walker.currentNode;
    if (textContent.trim() === '' || !element.checkVisibility() || element.closest(':disabled') !== null) continue;
    const [a, b] = [light(rgba(getComputedStyle(element).color)), light(groundOf(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    checked++;
    if (contrast < 4.5) faint.push(textContent.trim() + ': ' + contrast.toFixed(2));
  }
  return checked > 30 ? faint : ['only ' + checked + ' texts'];
})()`;

const faceOf = (page: Page) =>
  page.evaluate(() => {
    const shown = window.fullposeDemo;
    const [face] = shown?.faces ?? [];
    if (shown === undefined || face === undefined) throw new Error('no face is shown');
    return {
      matrix: shown.matrix,
      landmarks: [...face.landmarks],
      visibility: [...face.visibility],
      pose: face.pose,
      faces: shown.faces.length,
    };
  });

async function setLayers(page: Page, wanted: readonly string[]): Promise<void> {
  for (const handle of await page.$$('#layers input')) {
    const input = await handle.toElement('input');
    const [name, checked] = await input.evaluate((element) => [element.name, element.checked] as const);
    if (checked !== wanted.includes(name)) await input.evaluate((element) => element.click());
  }
  await page.waitForFunction(() => document.querySelector('#view')?.getAttribute('aria-busy') !== 'true');
}

/** Clicks, and waits until another picture is aligned. */
async function openAnother(page: Page, selector: string): Promise<void> {
  await page.evaluate(() => {
    window.fullposeDemo = undefined;
  });
  await page.click(selector);
  await ready(page);
}

describe('the demo', () => {
  it('aligns the sample, draws each layer, and reports the pose', async () => {
    const { page, errors } = await openDemo(countUploads);
    await ready(page);
    const { landmarks, visibility, pose, matrix, faces } = await faceOf(page);
    const [scale = 0, , , , left = 0, top = 0] = matrix;
    expect(faces).toBe(1);
    expect(await textOf(page, '#status')).toBe('1 face in astronaut.png');

    // She looks at the camera; her face is in the upper middle of the 512 px picture.
    for (const angle of [pose.yaw, pose.pitch, pose.roll]) expect(Math.abs(angle)).toBeLessThan(25);
    const xs = landmarks.filter((_, i) => i % 3 === 0);
    const ys = landmarks.filter((_, i) => i % 3 === 1);
    expect(Math.min(...xs)).toBeGreaterThan(150);
    expect(Math.max(...xs)).toBeLessThan(300);
    expect(Math.min(...ys)).toBeGreaterThan(50);
    expect(Math.max(...ys)).toBeLessThan(220);
    expect(await textOf(page, '#pose [data-name="yaw"]')).toBe(`${pose.yaw.toFixed(1)}\u00b0`);

    await setLayers(page, []);
    const bare = await pixelsOf(page);
    await setLayers(page, ['landmarks']);
    const dotted = await pixelsOf(page);
    for (const [name, { points }] of Object.entries(LANDMARK_CONTOURS)) {
      const wanted = [1, 3, 5].map((at) => Number.parseInt(contourColours[name]?.slice(at, at + 2) ?? '', 16));
      for (const point of points) {
        if ((visibility[point] ?? 0) === 0) continue;
        const x = Math.floor(((landmarks[point * 3] ?? 0) + 0.5) * scale + left);
        const y = Math.floor(((landmarks[point * 3 + 1] ?? 0) + 0.5) * scale + top);
        const at = (y * dotted.width + x) * 4;
        const found = [...dotted.pixels.subarray(at, at + 3)];
        // Points of the inner and outer lips may lie on each other, but have one colour.
        expect(found, `${name}, point ${point} at canvas pixel ${x}, ${y}`).toEqual(wanted);
      }
    }

    const faceArea = (Math.max(...xs) - Math.min(...xs)) * (Math.max(...ys) - Math.min(...ys)) * scale * scale;
    for (const [layer, least, most] of [
      ['landmarks', 0.005, 0.5],
      ['mesh', 0.1, 2],
      ['pncc', 0.5, 2],
      ['depth', 0.5, 2],
      ['axes', 0.0005, 0.2],
      ['boxes', 0.001, 0.2],
    ] as const) {
      await setLayers(page, [layer]);
      const part = changed(bare, await pixelsOf(page)) / faceArea;
      expect(part, `${layer}: part of the face's area that it paints`).toBeGreaterThan(least);
      expect(part, `${layer}: part of the face's area that it paints`).toBeLessThan(most);
    }
    await setLayers(page, []);
    expect(changed(bare, await pixelsOf(page))).toBe(0);

    // What is shown where there is no WebGPU is still what the weights give: `npm run demo:record` after a change of
    // theirs.
    const recorded = JSON.parse(await readFile(join(repositoryRoot, 'demo/recorded/face.json'), 'utf8')).landmarks;
    const apart = landmarks.reduce((sum, value, i) => sum + (i % 3 < 2 ? Math.abs(value - recorded[i]) : 0), 0) / 136;
    expect(apart).toBeLessThan(2.5);

    // It opens on the face, which fills some 62 % of the canvas; the whole picture is a click away, and so is the face
    // again.
    const span = (Math.max(...ys) - Math.min(...ys)) * scale;
    const canvasHeight = await page.$eval('#view', (canvas) => (canvas as HTMLCanvasElement).height);
    expect(span / canvasHeight).toBeGreaterThan(0.45);
    await page.click('#whole');
    const [whole = 0] = (await faceOf(page)).matrix;
    expect(whole).toBeLessThan(scale / 2);
    await page.click('#zoom-in');
    expect((await faceOf(page)).matrix[0]).toBeCloseTo(whole * 1.5, 4);
    await page.click('#whole');
    await page.click('#whole');
    expect((await faceOf(page)).matrix).toEqual(matrix);

    // The unrolled face: opaque where the photo shows it, which is most of it.
    const opaque = await page.$eval('#texture', (canvas) => {
      if (!(canvas instanceof HTMLCanvasElement)) throw new Error('no canvas');
      const { data } = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height) ?? { data: [] };
      return [...data].filter((value, i) => i % 4 === 3 && value > 128).length / (canvas.width * canvas.height);
    });
    expect(opaque).toBeGreaterThan(0.3);
    await page.waitForFunction(() => document.querySelectorAll('#stages li').length > 0);
    const stages = await texts(page, '#stages .name');
    for (const stage of ['Crop', 'Rasteriser', 'PNCC', 'Adaptive features', 'Convolutions'])
      expect(stages).toContain(stage);

    // Found, aligned, unrolled and timed from one upload; aligned again from the same one.
    expect(await takeUploads(page)).toBe(1);
    const before = await page.evaluateHandle(() => window.fullposeDemo?.faces[0]);
    await page.$eval('#mirror', (input) => (input as HTMLInputElement).click());
    await page.waitForFunction((before) => window.fullposeDemo?.faces[0] !== before, {}, before);
    await before.dispose();
    expect(await takeUploads(page)).toBe(0);
    await openAnother(page, '#several');
    expect(await takeUploads(page)).toBe(1);
    expect(errors).toEqual([]);
    await page.close();
  });

  it('shows several faces, one at a time in numbers, and saves the chosen one', async () => {
    const { page, errors } = await openDemo(catchDownloads);
    await ready(page);
    expect(await page.$eval('#faces', (element) => element.hasAttribute('hidden'))).toBe(true);
    // The old picture, drawn anew meanwhile, is no answer.
    await page.evaluate(() => {
      const click = (selector: string) => document.querySelector<HTMLElement>(selector)?.click();
      click('#several');
      for (let i = 0; i < 2; i++) click('#layers [name="boxes"]');
    });
    await ready(page);
    const faces = await page.evaluate(() => window.fullposeDemo?.faces.map(({ pose }) => pose.roll) ?? []);
    expect(faces).toHaveLength(3);
    expect(await textOf(page, '#status')).toBe('3 faces in several.png');
    // One is upright, one turned by 14 degrees, one by -20.
    const sorted = [...faces].sort((p, q) => p - q);
    for (const [i, wanted] of [-20, 0, 14].entries()) expect(Math.abs((sorted[i] ?? 90) - wanted)).toBeLessThan(7);

    // With the keyboard: the arrow keys walk through the faces.
    await page.focus('#faces input');
    for (const index of [0, 1, 2]) {
      expect(await textOf(page, '#faces label:has(:checked)')).toContain(`${index + 1}`);
      expect(await textOf(page, '#pose [data-name="roll"]')).toBe(`${faces[index]?.toFixed(1)}\u00b0`);
      await page.keyboard.press('ArrowRight');
    }
    await page.keyboard.press('ArrowLeft');
    expect(await textOf(page, '#pose [data-name="roll"]')).toBe(`${faces[2]?.toFixed(1)}\u00b0`);

    // Faces in doubt are not counted and cannot be saved.
    const slide = (slider: string, value: string) =>
      page.$eval(
        slider,
        (input, wanted) => {
          (input as HTMLInputElement).value = wanted;
          for (const event of ['input', 'change']) input.dispatchEvent(new Event(event));
        },
        value,
      );
    const status = (text: string) =>
      page.waitForFunction((wanted) => document.querySelector('#status')?.textContent === wanted, {}, text);
    await slide('#least-confidence', '1');
    await status('No face in several.png, and 3 in doubt');
    expect(await page.evaluate(() => window.fullposeDemo?.faces.length)).toBe(0);
    expect(await page.$$('#exports button:enabled')).toEqual([]);
    await slide('#least-confidence', '0.5');
    await status('3 faces in several.png');

    // What the detector is not sure enough of is not even looked at. (One look: a search till faces are found is long.)
    const search = (value: Search) =>
      page.$eval('#search', (select, wanted) => ((select as HTMLSelectElement).value = wanted), value);
    await search('whole');
    await slide('#least-score', '0.95');
    await status('No face in several.png');
    expect(await textOf(page, '#least-score-value')).toBe('95\u00a0%');
    await search('until-found');
    await slide('#least-score', '0.5');
    await status('3 faces in several.png');
    await page.$eval('#faces input[value="3"]', (input) => (input as HTMLInputElement).click());

    // Sunglasses sit on every face as it is turned: what is behind them gets darker, and mouths do not.
    const places = await page.evaluate(() => {
      const { faces = [], matrix: [a = 1, , , d = 1, e = 0, f = 0] = [] } = window.fullposeDemo ?? {};
      const middle = (points: Float32Array, from: number, to: number, axis: number) =>
        points.filter((_, i) => i % 3 === axis && i >= from * 3 && i < to * 3).reduce((sum, x) => sum + x, 0) /
        (to - from);
      return faces.flatMap(({ landmarks }) => {
        // The skin below the eyes, on the way to the nose; and the mouth.
        const below = (from: number, axis: number) =>
          0.7 * middle(landmarks, from, from + 6, axis) + 0.3 * middle(landmarks, 31, 36, axis);
        const points = [36, 42].map((from) => [below(from, 0), below(from, 1)]);
        points.push([middle(landmarks, 48, 60, 0), middle(landmarks, 48, 60, 1)]);
        return points.map(([x = 0, y = 0]) => [Math.round(a * (x + 0.5) + e), Math.round(d * (y + 0.5) + f)]);
      });
    });
    expect(places).toHaveLength(9);
    /** Mean brightness round each place. */
    const lights = async () => {
      const { width, pixels } = await pixelsOf(page);
      return places.map(([x = 0, y = 0]) => {
        let sum = 0;
        for (let dy = -2; dy <= 2; dy++)
          for (let dx = -2; dx <= 2; dx++) sum += pixels[((y + dy) * width + x + dx) * 4 + 1] ?? 0;
        return sum / 25;
      });
    };
    const wear = async (name: string) => {
      await page.$eval(`#effects [name="${name}"]`, (input) => (input as HTMLInputElement).click());
      await page.waitForFunction(() => document.querySelector('#view')?.getAttribute('aria-busy') !== 'true');
    };
    await setLayers(page, []);
    const bare = await lights();
    await wear('glasses');
    for (const [i, light] of (await lights()).entries()) {
      if (i % 3 === 2) expect(Math.abs(light - (bare[i] ?? 0)), `mouth ${i}`).toBeLessThan(2);
      else expect(light, `eye ${i}`).toBeLessThan((bare[i] ?? 0) - 15);
    }
    await wear('glasses');
    await setLayers(page, ['landmarks', 'axes']);

    const third = await page.evaluate(() => [...(window.fullposeDemo?.faces[2]?.landmarks ?? [])]);
    const json = JSON.parse((await saved(page, 'json', 'several-3.json')).toString());
    expect(json).toMatchObject({ image: 'several.png', width: 1260, height: 420, pose: { roll: faces[2] } });
    expect(json.landmarks.flat()).toEqual(third);
    expect(json.pose.matrix).toHaveLength(3);
    expect(Object.keys(json.box)).toEqual(['x0', 'y0', 'x1', 'y1', 'kind', 'roll']);
    expect(Object.keys(json.crop)).toEqual(['centreX', 'centreY', 'side', 'roll']);
    expect(Object.keys(json.expression)).toHaveLength(47);

    const obj = (await saved(page, 'obj', 'several-3.obj')).toString().split('\n');
    const vertices = obj.filter((line) => line.startsWith('v '));
    expect(vertices.length).toBeGreaterThan(5000);
    expect(obj.filter((line) => line.startsWith('f ')).length).toBeGreaterThan(10_000);
    // The mesh lies over the picture: its middle is the face's.
    const middle = (values: readonly number[]) => (Math.min(...values) + Math.max(...values)) / 2;
    const x = middle(vertices.map((line) => Number(line.split(' ')[1])));
    expect(Math.abs(x - middle(third.filter((_, i) => i % 3 === 0)))).toBeLessThan(25);

    const ply = await saved(page, 'ply', 'several-3.ply');
    const header = ply.subarray(0, ply.indexOf('end_header')).toString();
    expect(header).toMatch(/^ply\nformat binary_little_endian 1\.0\n/);
    expect(header).toContain(`element vertex ${vertices.length}`);
    expect(header).toContain('property uchar red');

    const glb = await saved(page, 'glb', 'several-3.glb');
    expect(glb.toString('latin1', 0, 4)).toBe('glTF');
    expect(glb.readUInt32LE(8)).toBe(glb.length);
    const gltf = JSON.parse(glb.toString('utf8', 20, 20 + glb.readUInt32LE(12)));
    expect(gltf.images).toHaveLength(1);
    expect(gltf.meshes[0].weights).toEqual(Object.values(json.expression));
    const png = await saved(page, 'png', 'several.overlay.png');
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([1260, 420]);
    expect(await textOf(page, '#status')).toBe('Saved several.overlay.png');
    expect(errors).toEqual([]);
    await page.close();
  });

  it('can be worked by keyboard, and opens a photo of the visitor', async () => {
    const { page, errors } = await openDemo();
    await ready(page);
    const order: string[] = [];
    for (let i = 0; i < 40 && order.at(-1) !== 'settings-summary'; i++) {
      await page.keyboard.press('Tab');
      order.push(
        await page.evaluate(() => {
          const { activeElement } = document;
          const format = activeElement instanceof HTMLElement ? activeElement.dataset.format : undefined;
          return activeElement?.id || (activeElement?.getAttribute('name') ?? format ?? '');
        }),
      );
    }
    const layerNames = ['landmarks', 'mesh', 'pncc', 'depth', 'axes', 'boxes'];
    const sources = ['webcam', 'file', 'sample', 'several'];
    const stage = ['zoom-out', 'zoom-in', 'whole', 'head-skin', 'head-follows', 'head-front'];
    const exports = ['png', 'json', 'obj', 'ply', 'glb'];
    // Before them, the header's links.
    const wanted = [...sources, ...stage, ...layerNames, 'glasses', 'mask', 'trail', ...exports, 'settings-summary'];
    expect(order.filter((name) => name !== '')).toEqual(wanted);
    await page.keyboard.press('Enter');

    // Every weight has its bar, in an order that the picture does not change.
    const keys = () =>
      page.$$eval('#expression [data-key]', (sides) => sides.map((side) => side.getAttribute('data-key')));
    const before = await keys();
    expect(new Set(before).size).toBe(43);

    await setLayers(page, []);
    const bare = await pixelsOf(page);
    await page.focus('#layers input[name="boxes"]');
    await page.keyboard.press('Space');
    expect(changed(bare, await pixelsOf(page))).toBeGreaterThan(100);

    const all = await faceOf(page);
    await page.focus('#iterations');
    await page.keyboard.press('Home');
    await page.waitForFunction(() => document.querySelector('#iterations-value')?.textContent === '1');
    await page.waitForFunction(
      (x) => window.fullposeDemo?.faces[0] !== undefined && window.fullposeDemo.faces[0].landmarks[0] !== x,
      { timeout: readyTimeoutMs },
      all.landmarks[0] ?? 0,
    );

    const input = await (await page.$('#file'))?.toElement('input');
    if (input === undefined) throw new Error('the page has no file input');
    await page.evaluate(() => {
      window.fullposeDemo = undefined;
    });
    await input.uploadFile(join(repositoryRoot, 'assets/astronaut.png'));
    await ready(page);
    expect((await faceOf(page)).faces).toBe(1);

    // The slider moves while the next photo is decoded: that photo is aligned, not the one before.
    await page.evaluate(async () => {
      const photo = await (await fetch('/assets/astronaut.png')).blob();
      const list = new DataTransfer();
      list.items.add(new File([photo], 'again.png', { type: 'image/png' }));
      const file = document.querySelector<HTMLInputElement>('#file');
      if (file) file.files = list.files;
      for (const selector of ['#file', '#iterations'])
        document.querySelector(selector)?.dispatchEvent(new Event('change'));
    });
    await page.waitForFunction(() => document.querySelector('#status')?.textContent === '1 face in again.png');

    expect(await keys()).toEqual(before);

    // What cannot be opened is said in place of the old result, with what to do.
    await input.uploadFile(join(repositoryRoot, 'package.json'));
    await page.waitForSelector('#problem:not([hidden])');
    expect(await textOf(page, '#problem-title')).toBe('package.json is not a picture that the browser can decode.');
    expect(await textOf(page, '#problem-advice')).toContain('JPEG');
    expect(await page.$$('#exports button:enabled')).toEqual([]);
    expect(await textOf(page, '#pose [data-name="yaw"]')).toBe('\u2013');
    expect(errors).toEqual([]);
    await page.close();
  });

  it('follows the faces of a webcam by their ids, and lets go of it', async () => {
    const { page, errors } = await openDemo(async (opened) => {
      await fakeWebcam(opened);
      await catchDownloads(opened);
    });
    await ready(page);
    await openAnother(page, '#webcam');
    await page.waitForFunction(() => /frames a second/.test(document.querySelector('#time')?.textContent ?? ''));
    expect(await textOf(page, '#time')).toMatch(/^[\d.]+ frames a second; \d+% of the video's frames are skipped/);
    await idsBecome(page, [1, 2]);
    expect(await textOf(page, '#status')).toBe('2 faces in the webcam');
    // The canvas shows it as a mirror does.
    expect((await faceOf(page)).matrix[0]).toBeLessThan(0);
    const noses = await page.evaluate(
      () => window.fullposeDemo?.faces.map(({ landmarks }) => landmarks[90] ?? 0) ?? [],
    );
    expect([...noses].sort((p, q) => p - q).map((x) => Math.floor(x / 320))).toEqual([0, 1]);
    expect(await textOf(page, '#pose [data-name="confidence"]')).toMatch(/^(9\d|100)\u00a0%$/);

    // The head follows the face that is chosen; a puppet of a glTF file does, too.
    await page.waitForFunction(() => window.fullposeDemo?.head !== undefined);
    await page.select('#head-skin', 'avatar');
    const followed = await page.evaluate(() => ({
      head: window.fullposeDemo?.head,
      face: window.fullposeDemo?.faces[0],
    }));
    expect(followed.head?.skin).toBe('avatar');
    expect(followed.head?.weights).toEqual(followed.face?.expression);

    // Recorded while it goes on: what is drawn, the faces of every frame, and a head that moves.
    await page.click('#record');
    for (let frame = 0; frame < 3; frame++) {
      const before = await page.evaluateHandle(() => window.fullposeDemo?.faces[0]);
      await page.waitForFunction((face) => window.fullposeDemo?.faces[0] !== face, {}, before);
    }
    await page.click('#record');
    await page.waitForSelector('#recordings [data-recording="recording.glb"]');
    await page.$$eval('#recordings button', (buttons) => {
      for (const button of buttons) button.click();
    });
    const film = new Input({ formats: ALL_FORMATS, source: new BufferSource(await keptFile(page, 'recording.webm')) });
    expect(await film.getMimeType()).toMatch(/^video\/webm/);
    const track = await film.getPrimaryVideoTrack();
    expect(track?.codedWidth).toBeGreaterThan(600);
    const lines = (await keptFile(page, 'recording.jsonl')).toString().trimEnd().split('\n');
    expect(lines.length).toBeGreaterThanOrEqual(3);
    expect(JSON.parse(lines[0] ?? '').faces.map(({ id }: { id: number }) => id)).toEqual([1, 2]);
    const moving = await keptFile(page, 'recording.glb');
    const gltf = JSON.parse(moving.toString('utf8', 20, 20 + moving.readUInt32LE(12)));
    expect(gltf.accessors[gltf.animations[0].samplers[0].input].count).toBe(lines.length);

    // The one that stays keeps its id and its place in the results; the other is found again as another.
    await page.click('#faces label:has([value="2"])');
    await page.evaluate(`window.heads = [${(noses[1] ?? 0) < 320 ? 160 : 480}]`);
    await idsBecome(page, [2]);
    // In doubt first, then lost for good.
    await page.waitForFunction(() => document.querySelector('#status')?.textContent === '1 face in the webcam');
    expect(await textOf(page, '#faces label:has(:checked)')).toContain('2');
    await page.evaluate('window.heads = [160, 480]');
    await idsBecome(page, [2, 3]);
    expect(await textOf(page, '#faces label:has(:checked)')).toContain('2');

    // Without smoothing they are found anew.
    await page.$eval('#smoothing', (input) => (input as HTMLInputElement).click());
    await idsBecome(page, [1, 2]);

    await page.click('#pause');
    expect(await textOf(page, '#pause')).toBe('Go on');
    const playback = await page.$('#playback');
    expect(await playback?.isVisible()).toBe(true);
    await openAnother(page, '#snapshot');
    expect(await textOf(page, '#status')).toBe('2 faces in snapshot.png');
    expect(await playback?.isVisible()).toBe(false);
    expect(await page.evaluate('window.webcamTrack.readyState')).toBe('ended');
    expect(errors).toEqual([]);
    await page.close();
  });

  it('follows the faces of a video file, also after the GPU was lost', async () => {
    const { page, errors } = await openDemo((opened) =>
      opened.evaluateOnNewDocument(`
        const { requestDevice } = GPUAdapter.prototype;
        GPUAdapter.prototype.requestDevice = async function (...args) {
          return (window.lastDevice = await requestDevice.apply(this, args));
        };`),
    );
    await ready(page);
    await page.evaluate(() => {
      window.fullposeDemo = undefined;
    });
    const input = await (await page.$('#file'))?.toElement('input');
    await input?.uploadFile(join(repositoryRoot, 'tests/fixtures/videos/turned.mp4'));
    await page.waitForFunction(() => (window.fullposeDemo?.faces.length ?? 0) > 0, { timeout: readyTimeoutMs });
    await page.waitForFunction(() => document.querySelector('#status')?.textContent === '1 face in turned.mp4');
    // The video is 160 x 192 where it is shown upright; the head moves from 75 on.
    const { landmarks } = await faceOf(page);
    expect(Math.abs((landmarks[90] ?? 0) - 80)).toBeLessThan(10);

    await page.evaluate(() => {
      window.fullposeDemo = undefined;
      Reflect.get(window, 'lastDevice').destroy();
    });
    await page.waitForFunction(() => (window.fullposeDemo?.faces.length ?? 0) > 0, { timeout: readyTimeoutMs });
    await page.waitForFunction(() => document.querySelector('#status')?.textContent === '1 face in turned.mp4');
    await page.waitForFunction(() => !document.querySelector('#notice')?.textContent?.includes('lost'));
    expect(errors).toEqual([]);
    await page.close();
  });

  it('drops frames instead of queueing them', async () => {
    // No aligner is needed, and without one the machine is free.
    const { page } = await openDemo(async (opened) => {
      await withoutWebGpu(opened);
      await fakeWebcam(opened);
    });
    const { atOnce, skipped, worked } = (await page.evaluate(`import('/demo/capture.ts').then(async ({ Capture }) => {
      const capture = await Capture.webcam();
      let [running, atOnce, skipped, worked] = [0, 0, 0, 0];
      await capture.run(async (frame) => {
        atOnce = Math.max(atOnce, ++running);
        frame.image.close();
        await new Promise((resolve) => setTimeout(resolve, 400));
        skipped += frame.skipped;
        running--;
        if (++worked === 4) capture.stop();
      });
      return { atOnce, skipped, worked };
    })`)) as Record<string, number>;
    expect(worked).toBe(4);
    expect(atOnce).toBe(1);
    expect(skipped).toBeGreaterThan(3);
    await page.close();
  });

  it('fits a phone, and its text can be read in light and dark', async () => {
    const { page } = await openDemo((opened) => opened.setViewport({ width: 390, height: 844 }));
    await ready(page);
    // The first screen shows the face, and fingers hit what they press.
    const { landmarks, matrix } = await faceOf(page);
    const top = await page.$eval('#view', (canvas) => canvas.getBoundingClientRect().top);
    const chin = top + ((landmarks[8 * 3 + 1] ?? 0) + 0.5) * (matrix[3] ?? 0) + (matrix[5] ?? 0);
    expect(chin).toBeLessThan(844);
    const small = await page.$$eval('.demo :is(button, .button, .chip, select, summary)', (targets) =>
      targets.flatMap((target) => {
        const { width, height } = target.getBoundingClientRect();
        return height > 0 && (width < 44 || height < 44) ? [`${target.textContent}: ${width} x ${height}`] : [];
      }),
    );
    expect(small).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
    for (const scheme of ['light', 'dark']) {
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
      const faint = await page.evaluate(faintTexts);
      expect(faint, `text of a contrast below 4.5 in ${scheme}`).toEqual([]);
    }
    await page.close();
  });

  it('says so where WebGPU is missing, and where there is no adapter', async () => {
    const missing = await openDemo(withoutWebGpu);
    await ready(missing.page);
    await missing.page.waitForSelector('#notice:not([hidden])');
    expect(await textOf(missing.page, '#notice')).toMatch(/^This is a recorded result\. WebGPU is missing: .*chrome:/);
    expect(await missing.page.$$('#sources :is(input, button):enabled')).toEqual([]);
    expect(await missing.page.$$('#exports button:enabled')).toHaveLength(1);
    // What is shown is drawn, and the head is there to turn: it needs no WebGPU.
    const { landmarks, faces } = await faceOf(missing.page);
    expect(faces).toBe(1);
    expect(await textOf(missing.page, '#status')).toBe('Recorded: 1 face in astronaut.png');
    await setLayers(missing.page, []);
    const bare = await pixelsOf(missing.page);
    await setLayers(missing.page, ['mesh']);
    expect(changed(bare, await pixelsOf(missing.page))).toBeGreaterThan(10_000);
    expect([landmarks[90], landmarks[91]].map((value) => Math.round((value ?? 0) / 40))).toEqual([6, 3]);
    const head = () =>
      missing.page.$eval('#head', (canvas) => {
        const { width, height } = canvas as HTMLCanvasElement;
        const copy = new OffscreenCanvas(width, height).getContext('2d');
        copy?.drawImage(canvas as HTMLCanvasElement, 0, 0);
        return [...(copy?.getImageData(0, 0, width, height).data ?? [])];
      });
    const place = await (await missing.page.$('#head'))?.boundingBox();
    if (place === null || place === undefined) throw new Error('there is no head');
    const front = await head();
    await missing.page.mouse.move(place.x + place.width / 2, place.y + place.height / 2);
    await missing.page.mouse.down();
    await missing.page.mouse.move(place.x + place.width / 4, place.y + place.height / 2, { steps: 3 });
    await missing.page.mouse.up();
    await missing.page.evaluate(
      () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
    );
    const turned = await head();
    const opaque = (pixels: readonly number[]) => pixels.filter((value, i) => i % 4 === 3 && value > 200).length;
    // The head fills some of its pane from every side, without holes, and another view is another picture.
    for (const view of [front, turned]) expect(opaque(view) / (view.length / 4)).toBeGreaterThan(0.15);
    const differ = turned.filter((value, i) => i % 4 !== 3 && Math.abs(value - (front[i] ?? 0)) > 24).length;
    expect(differ / (3 * opaque(front))).toBeGreaterThan(0.2);
    await missing.page.close();

    const none = await openDemo((page) =>
      page.evaluateOnNewDocument(() => {
        GPU.prototype.requestAdapter = async () => null;
      }),
    );
    await none.page.waitForFunction(() => document.querySelector('#notice')?.textContent !== '');
    expect(await textOf(none.page, '#notice')).toMatch(/^This is a recorded result\. WebGPU is missing: .*no adapter/);
    await none.page.close();
  });

  it('warns where WebGPU is a software adapter', async () => {
    const { page } = await openDemo();
    await page.waitForFunction(() => document.querySelector('#adapter')?.textContent !== '');
    const isSoftware = /swiftshader|llvmpipe|lavapipe/i.test(await textOf(page, '#adapter'));
    const warned = /software adapter/.test(await textOf(page, '#notice'));
    expect(warned).toBe(isSoftware);
    await page.close();
  });
});
