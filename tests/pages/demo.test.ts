import { join } from 'node:path';
import type { Page } from 'puppeteer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { landmarkParts } from '../../pages/overlay.js';
import { PageHost, repositoryRoot } from '../../scripts/page-host.js';

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
  const { width, base64 } = await page.$eval('canvas', async (canvas) => {
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

/** Differences of a channel up to this are how a canvas scales the picture, which changes when Chromium moves the canvas off the GPU. */
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

const faceOf = (page: Page) =>
  page.evaluate(() => {
    const shown = window.fullposeDemo;
    const [face] = shown?.faces ?? [];
    if (shown === undefined || face === undefined) throw new Error('no face is shown');
    return {
      scale: shown.scale,
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
    if (checked !== wanted.includes(name)) await input.click();
  }
}

describe('the demo', () => {
  it('aligns the sample, draws each layer, and reports the pose', async () => {
    const { page, errors } = await openDemo();
    await ready(page);
    const { landmarks, visibility, pose, scale, faces } = await faceOf(page);
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
    expect(await textOf(page, '#faces [data-angle="yaw"]')).toBe(`${pose.yaw.toFixed(1)}\u00b0`);

    await setLayers(page, []);
    const bare = await pixelsOf(page);
    await setLayers(page, ['landmarks']);
    const dotted = await pixelsOf(page);
    for (const { first, last, colour, name } of landmarkParts) {
      const wanted = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
      for (let point = first; point <= last; point++) {
        if ((visibility[point] ?? 0) === 0) continue;
        const x = Math.floor(((landmarks[point * 3] ?? 0) + 0.5) * scale);
        const y = Math.floor(((landmarks[point * 3 + 1] ?? 0) + 0.5) * scale);
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
    expect(errors).toEqual([]);
    await page.close();
  });

  it('can be worked by keyboard: iterations, and a photo of the visitor', async () => {
    const { page, errors } = await openDemo();
    await ready(page);
    const all = await faceOf(page);
    await page.focus('#iterations');
    await page.keyboard.press('Home');
    await page.waitForFunction(() => document.querySelector('output')?.textContent === '1');
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

    await input.uploadFile(join(repositoryRoot, 'package.json'));
    await page.waitForFunction(() => document.querySelector('#status')?.textContent?.startsWith('package.json'));
    expect(await textOf(page, '#status')).toBe('package.json is not a picture that the browser can decode');
    expect(errors).toEqual([]);
    await page.close();
  });

  it('says so where WebGPU is missing, and where there is no adapter', async () => {
    const missing = await openDemo((page) =>
      page.evaluateOnNewDocument(() => {
        Object.defineProperty(Navigator.prototype, 'gpu', { get: () => undefined });
      }),
    );
    await missing.page.waitForFunction(() => document.querySelector('#notice')?.textContent !== '');
    expect(await textOf(missing.page, '#notice')).toMatch(/^This page needs WebGPU\. .*Try a current Chrome/);
    await missing.page.close();

    const none = await openDemo((page) =>
      page.evaluateOnNewDocument(() => {
        GPU.prototype.requestAdapter = async () => null;
      }),
    );
    await none.page.waitForFunction(() => document.querySelector('#notice')?.textContent !== '');
    expect(await textOf(none.page, '#notice')).toMatch(/^This page needs WebGPU\. .*no adapter/);
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
