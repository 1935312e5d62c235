/** `npm run screenshots`: the README's pictures of the demo, of the bundled sample alone, into docs/images/. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'puppeteer';
import { PageHost, repositoryRoot } from './page-host.js';

const folder = join(repositoryRoot, 'docs/images');

/** A busy machine may take its time. */
const timeoutMs = 300_000;

/** Round the sample's face, in parts of the picture. */
const portrait = { x: 0.24, y: 0.04, side: 0.42 } as const;

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

/** A part of the demo's canvas, `height` pixels high, as WebP. */
async function canvasPart(
  page: Page,
  part: { readonly x: number; readonly y: number; readonly width: number; readonly height: number },
  height: number,
): Promise<string> {
  return page.$eval(
    '#view',
    (element, { x, y, width, height: part }, pixels) => {
      if (!(element instanceof HTMLCanvasElement)) throw new Error('the demo has no canvas');
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

function save(name: string, dataUrl: string): void {
  writeFileSync(join(folder, name), Buffer.from(dataUrl.slice(dataUrl.indexOf(',') + 1), 'base64'));
  process.stdout.write(`docs/images/${name}\n`);
}

mkdirSync(folder, { recursive: true });
const host = await PageHost.open();
try {
  const page = await host.openPage('/demo/', (opened) => opened.setViewport({ width: 1280, height: 800 }));
  await aligned(page);
  const { x, y, side } = portrait;
  for (const [name, layers] of [
    ['landmarks', ['landmarks', 'axes']],
    ['mesh', ['mesh']],
    ['pncc', ['pncc']],
    ['depth', ['depth']],
  ] as const) {
    await setLayers(page, layers);
    save(`demo-${name}.webp`, await canvasPart(page, { x, y, width: side, height: side }, 320));
  }
  await setLayers(page, ['landmarks', 'axes']);
  for (const scheme of ['light', 'dark'] as const) {
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    const path = join(folder, `demo-${scheme}.webp`);
    await page.screenshot({ path, type: 'webp', quality: 80 });
    process.stdout.write(`docs/images/demo-${scheme}.webp\n`);
  }
  await page.evaluate(() => {
    window.fullposeDemo = undefined;
  });
  await page.click('#several');
  await aligned(page);
  await setLayers(page, ['mesh', 'landmarks']);
  save('demo-several.webp', await canvasPart(page, { x: 0, y: 0, width: 1, height: 1 }, 320));
} finally {
  await host.close();
}
