/**
 * `npm run demo:record`: the sample's face, as the demo shows it where there is no WebGPU, into demo/recorded/. Run it
 * after every change of weights.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PageHost, repositoryRoot } from './page-host.js';

const folder = join(repositoryRoot, 'demo/recorded');

/** A busy machine may take its time. */
const timeoutMs = 300_000;

const host = await PageHost.open();
try {
  const page = await host.openPage('/demo/', (opened) => opened.setDefaultTimeout(timeoutMs));
  await page.waitForFunction(() => window.fullposeDemo !== undefined);
  const face = await page.evaluate(() => {
    const [found] = window.fullposeDemo?.faces ?? [];
    if (found === undefined) throw new Error('no face was found');
    const { path, texture, ...kept } = found as typeof found & { readonly texture?: unknown };
    // Hundred-thousandths of pixels, millionths of the rest: as much as anybody sees.
    return JSON.stringify(kept, (_, value: unknown) => {
      if (ArrayBuffer.isView(value)) return [...(value as Float32Array)].map((number) => Number(number.toFixed(5)));
      return typeof value === 'number' ? Number(value.toFixed(6)) : value;
    });
  });
  const texture = await page.$eval('#texture', (canvas) => {
    if (!(canvas instanceof HTMLCanvasElement)) throw new Error('wanted a canvas');
    return canvas.toDataURL('image/webp', 0.9);
  });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'face.json'), `${face}\n`);
  writeFileSync(join(folder, 'texture.webp'), Buffer.from(texture.slice(texture.indexOf(',') + 1), 'base64'));
  process.stdout.write('demo/recorded/face.json\ndemo/recorded/texture.webp\n');
} finally {
  await host.close();
}
