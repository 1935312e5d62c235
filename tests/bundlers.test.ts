import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as esbuild from 'esbuild';
import { rollup } from 'rollup';
import { build } from 'vite';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

/** The app that docs/loading.md has for bundlers which do not copy what `new URL(..., import.meta.url)` names. */
const recipe = /```ts recipe\n([\s\S]*?)```/.exec(readFileSync('docs/loading.md', 'utf8'))?.[1] ?? '';

/** A folder with the built package in its node_modules, and the app. */
let app: string;

beforeAll(async () => {
  app = mkdtempSync(join(tmpdir(), 'fullpose-bundlers-'));
  const installed = join(app, 'node_modules/fullpose');
  mkdirSync(installed, { recursive: true });
  await build({ configFile: 'vite.config.ts', logLevel: 'error', build: { outDir: join(installed, 'dist') } });
  cpSync('package.json', join(installed, 'package.json'));
  symlinkSync(resolve('weights'), join(installed, 'weights'), 'dir');
  writeFileSync(join(app, 'package.json'), '{"type":"module"}');
  writeFileSync(join(app, 'main.js'), recipe);
}, 120_000);

afterAll(() => {
  rmSync(app, { recursive: true });
});

afterEach(() => {
  vi.unstubAllGlobals();
});

const bundlers = {
  esbuild: async (file: string) => {
    await esbuild.build({ entryPoints: [join(app, 'main.js')], bundle: true, format: 'esm', outfile: file });
  },
  // Its plugin for npm packages reads `exports`, as this does for one.
  Rollup: async (file: string) => {
    const { exports } = JSON.parse(readFileSync('package.json', 'utf8'));
    const resolveId = (id: string) => {
      const entry = exports[id.replace(/^fullpose/, '.')]?.default;
      return entry === undefined ? undefined : join(app, 'node_modules/fullpose', entry);
    };
    const made = await rollup({ input: join(app, 'main.js'), plugins: [{ name: 'packages', resolveId }] });
    await made.write({ file, format: 'es' });
  },
} as const;

describe.each(Object.entries(bundlers))('%s', (name, bundle) => {
  it('makes an app that loads the weights from the folder that was copied', async () => {
    const file = join(app, `${name}.mjs`);
    await bundle(file);
    const asked: string[] = [];
    vi.stubGlobal('document', { baseURI: 'https://app.test/page/' });
    vi.stubGlobal('fetch', async ({ href, pathname }: URL) => {
      asked.push(href);
      return new Response(readFileSync(join('weights', pathname.replace('/page/fullpose/', ''))));
    });
    // As far as it goes without a GPU: everything is loaded and checked, and then the adapter gives no device.
    const requestDevice = () => Promise.reject(new Error('no GPU'));
    const adapter = { info: { description: 'none' }, limits: {}, features: new Set(), requestDevice };
    vi.stubGlobal('navigator', { gpu: { requestAdapter: async () => adapter } });
    await expect(import(/* @vite-ignore */ pathToFileURL(file).href)).rejects.toMatchObject({
      code: 'webgpu-unavailable',
      message: expect.stringContaining('no GPU'),
    });
    const { files } = JSON.parse(readFileSync('weights/manifest.json', 'utf8'));
    const names = ['manifest.json', ...Object.keys(files)];
    expect(asked.toSorted()).toEqual(names.map((path) => `https://app.test/page/fullpose/${path}`).toSorted());
  });
});
