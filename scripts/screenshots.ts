/**
 * `npm run screenshots [-- PART ...]`: the pictures of README.md and of the guide, made from the bundled sample alone,
 * into docs/images/. Parts are turning, demo and bench; without any, all.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'puppeteer';
import { animatedWebp } from './animated-webp.js';
import { PageHost, repositoryRoot } from './page-host.js';

const folder = join(repositoryRoot, 'docs/images');

/** A busy machine may take its time. */
const timeoutMs = 300_000;

/** Height of an output's picture, in pixels. */
const tile = 224;

const aligned = (page: Page) => page.waitForFunction(() => window.fullposeDemo !== undefined, { timeout: timeoutMs });

async function setLayers(page: Page, wanted: readonly string[]): Promise<void> {
  await page.$$eval(
    '#layers input',
    (inputs, names) => {
      for (const input of inputs) if (input.checked !== names.includes(input.name)) input.click();
    },
    wanted,
  );
  await page.waitForFunction(() => document.querySelector('#view')?.getAttribute('aria-busy') !== 'true', {
    timeout: timeoutMs,
  });
}

interface Part {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A part of a canvas of the demo, `height` pixels high, as WebP. */
async function canvasPart(page: Page, selector: string, part: Part, height: number): Promise<string> {
  return page.$eval(
    selector,
    (element, { x, y, width, height: part }, pixels) => {
      if (!(element instanceof HTMLCanvasElement)) throw new Error('wanted a canvas');
      const [w, h] = [width * element.width, part * element.height];
      const canvas = document.createElement('canvas');
      canvas.width = Math.round((pixels * w) / h);
      canvas.height = pixels;
      const context = canvas.getContext('2d');
      if (context === null) throw new Error('the browser gave no 2D canvas');
      context.imageSmoothingQuality = 'high';
      context.drawImage(element, x * element.width, y * element.height, w, h, 0, 0, canvas.width, canvas.height);
      return canvas.toDataURL('image/webp', 0.82);
    },
    part,
    height,
  );
}

/** The middle of the demo's canvas, which opens on the face. */
function middleSquare(page: Page): Promise<Part> {
  return page.$eval('#view', (canvas) => {
    const { width, height } = canvas.getBoundingClientRect();
    const [w, h] = [Math.min(1, height / width), Math.min(1, width / height)];
    return { x: (1 - w) / 2, y: (1 - h) / 2, width: w, height: h };
  });
}

const bytesOf = (dataUrl: string): Uint8Array => Buffer.from(dataUrl.slice(dataUrl.indexOf(',') + 1), 'base64');

function save(name: string, bytes: Uint8Array): void {
  writeFileSync(join(folder, name), bytes);
  process.stdout.write(`docs/images/${name}\n`);
}

/** A desk and a phone. */
const windows = {
  '': { width: 1280, height: 800 },
  '-phone': { width: 390, height: 844 },
} as const;

/** What the page shows in its window: wide and on a phone, light and dark, as `NAME-phone-dark.webp`. */
async function saveWindows(page: Page, name: string): Promise<void> {
  // Nothing hovered or focused.
  await page.evaluate(() => document.activeElement instanceof HTMLElement && document.activeElement.blur());
  await page.mouse.move(0, 0);
  for (const [suffix, size] of Object.entries(windows)) {
    await page.setViewport(size);
    for (const scheme of ['light', 'dark'] as const) {
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
      save(`${name}${suffix}-${scheme}.webp`, await page.screenshot({ type: 'webp', quality: 72 }));
    }
  }
}

/** The demo with several faces, and each output of the sample's. */
async function drawDemo(host: PageHost): Promise<void> {
  const page = await host.openPage('/demo/', async (opened) => {
    opened.setDefaultTimeout(timeoutMs);
    await opened.setViewport({ width: 1280, height: 800 });
  });
  await aligned(page);
  for (const [name, layers] of [
    ['landmarks', ['landmarks', 'axes']],
    ['mesh', ['mesh']],
    ['pncc', ['pncc']],
    ['depth', ['depth']],
  ] as const) {
    await setLayers(page, layers);
    save(`output-${name}.webp`, bytesOf(await canvasPart(page, '#view', await middleSquare(page), tile)));
  }
  save('output-texture.webp', bytesOf(await canvasPart(page, '#texture', { x: 0, y: 0, width: 1, height: 1 }, tile)));
  await page.evaluate(() => {
    window.fullposeDemo = undefined;
  });
  await page.click('#several');
  await aligned(page);
  await setLayers(page, ['mesh', 'landmarks', 'axes']);
  // The texture has a picture of its own, and the times are those of a GPU in software.
  await page.addStyleTag({ content: '#notice, .below .card:not(.wide) { display: none }' });
  await saveWindows(page, 'demo');
  await page.close();
}

/** The sample's head, from profile to profile and back. */
async function drawTurningHead(host: PageHost): Promise<void> {
  const page = await host.openPage('/scripts/screenshots/');
  await page.waitForFunction(() => window.turningHead !== undefined, { timeout: timeoutMs });
  const turning = await page.evaluate(() => window.turningHead);
  if (turning === undefined) throw new Error('the page drew no head');
  const { side, frames } = turning;
  save('turning.webp', animatedWebp(frames.map(bytesOf), side, side, 100));
  await page.close();
}

/** The benchmark's page after a quick run. */
async function drawBenchmark(host: PageHost): Promise<void> {
  const page = await host.openPage('/bench/', (opened) => opened.setDefaultTimeout(timeoutMs));
  await page.waitForFunction(() => window.fullposeBench !== undefined);
  await page.evaluate(() => window.fullposeBench.run({ faces: 1, quick: true, rivals: false, dtype: 'f16' }));
  await saveWindows(page, 'bench');
  await page.close();
}

mkdirSync(folder, { recursive: true });
const host = await PageHost.open({ packages: ['three/webgpu', 'three/addons/loaders/GLTFLoader.js'] });
const parts = { turning: drawTurningHead, demo: drawDemo, bench: drawBenchmark } as const;
const wanted = process.argv.slice(2);
try {
  for (const [name, draw] of Object.entries(parts)) if (wanted.length === 0 || wanted.includes(name)) await draw(host);
} finally {
  await host.close();
}
