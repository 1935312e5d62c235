import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import { text } from 'node:stream/consumers';
import * as esbuild from 'esbuild';
import type { Browser } from 'puppeteer';
import { rollup } from 'rollup';
import { compile } from 'svelte/compiler';
import ts from 'typescript';
import { build, type Rolldown } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../../scripts/browser.js';
import { findNodeAdapters } from '../../scripts/node-gpu.js';
import { repositoryRoot } from '../../scripts/page-host.js';
import { serveFolder } from '../../scripts/static-server.js';

/** An empty folder into which the packed library was installed, without a network. */
let app: string;
let tarball: string;
let packed: readonly string[];
let browser: Browser;

const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
/** What the documentation shows first, and these tests run. */
const firstPage = readFileSync(join(repositoryRoot, 'docs/guide/first-page.html'), 'utf8');
const firstApp = readFileSync(join(repositoryRoot, 'docs/guide/first-app.ts'), 'utf8');

/** All that the README shows in TypeScript, pasted one after the other. */
const readmeApp = snippets('README.md', 'ts').join('\n');

/** The code of a page, by its language. */
function snippets(page: string, language: string): readonly string[] {
  const told = readFileSync(join(repositoryRoot, page), 'utf8');
  return [...told.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, code = '']) => code);
}

beforeAll(async () => {
  app = mkdtempSync(join(tmpdir(), 'fullpose-package-'));
  // Builds first, by the script "prepack".
  const told = execFileSync(npm, ['pack', '--json', '--silent', '--pack-destination', app], { cwd: repositoryRoot });
  const [{ filename, files }] = JSON.parse(told.toString().replace(/^[\s\S]*?(?=^\[)/m, ''));
  tarball = join(app, filename);
  packed = files.map(({ path }: { readonly path: string }) => path);
  execFileSync(npm, ['install', '--offline', '--no-audit', '--no-fund', tarball], { cwd: app });
  copyFileSync(join(repositoryRoot, 'assets/astronaut.png'), join(app, 'photo.png'));
  browser = await launchBrowser();
});

afterAll(async () => {
  await browser?.close();
  rmSync(app, { recursive: true });
});

function readPacked(path: string): string {
  return readFileSync(join(app, 'node_modules/fullpose', path), 'utf8');
}

/** What the page of a folder says once that has `wanted` in it. */
async function textOf(folder: string, wanted = 'nose tip'): Promise<string> {
  const server = await serveFolder(folder);
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  try {
    await page.goto(`${server.origin}/`);
    await page
      .waitForFunction((words) => document.body.innerText.includes(words), { timeout: 300_000 }, wanted)
      .catch(() => {});
    expect(errors).toEqual([]);
    return await page.evaluate(() => document.body.innerText);
  } finally {
    await page.close();
    server.close();
  }
}

function expectNose(text: string): void {
  const [x = Number.NaN, y = Number.NaN] = /nose tip: ([\d.]+), ([\d.]+)/.exec(text)?.slice(1).map(Number) ?? [];
  expect(Math.hypot(x - 230, y - 130), text).toBeLessThan(25);
}

describe('the packed library', () => {
  it('holds code, types, weights, documentation and papers, and nothing else', () => {
    const kinds = [
      /^dist\/.+\.(js|js\.map|d\.ts)$/,
      /^weights\/(.+\.(safetensors|json|md)|LICENSE\.face_detector\.txt)$|^convert\/LICENSE\.protobufjs\.txt$/,
      /^docs\/(?!api).+\.(md|svg|webp|jpg)$|^docs\/guide\/first-(app\.ts|page\.html)$|^docs\/recipes\/node\.mjs$|^examples\/.+\.(md|html|ts|wgsl)$/,
      /^(LICENSE|(README|CHANGELOG|CONTRIBUTING|SECURITY|training\/README)\.md|package\.json)$/,
    ];
    for (const path of packed)
      expect(
        kinds.filter((kind) => kind.test(path)),
        path,
      ).toHaveLength(1);
    for (const path of [
      'LICENSE',
      'README.md',
      'CHANGELOG.md',
      'weights/MODEL_CARD.md',
      'weights/LICENSE.face_detector.txt',
    ])
      expect(packed).toContain(path);
    for (const manifest of ['manifest.json', 'detector.json']) {
      const { files } = JSON.parse(readFileSync(join(repositoryRoot, 'weights', manifest), 'utf8'));
      for (const name of [manifest, ...Object.keys(files)]) expect(packed).toContain(`weights/${name}`);
    }
  });

  it('has every picture and page that its pages name', () => {
    const named = packed
      .filter((page) => page.endsWith('.md'))
      .flatMap((page) => {
        // Not what its code names.
        const text = readPacked(page).replaceAll(/^```.*?^```$/gms, '');
        const links = text.matchAll(/\]\((?!https?:|#)([^)#\s]+)|(?:src|srcset)="(?!https?:)([^"]+)"/g);
        return [...links].map(([, link, picture]) => ({
          page,
          path: posix.join(dirname(page), link ?? picture ?? ''),
        }));
      });
    const ofReadme = named.filter(({ page }) => page === 'README.md').map(({ path }) => path);
    expect(ofReadme.filter((path) => path.startsWith('docs/images/')).length).toBeGreaterThan(3);
    expect(ofReadme.length).toBeGreaterThan(12);
    expect(named.length).toBeGreaterThan(100);
    const isPacked = (path: string) =>
      packed.includes(path) || packed.some((file) => file.startsWith(`${path.replace(/\/$/, '')}/`));
    expect(named.filter(({ path }) => !isPacked(path))).toEqual([]);
  });

  it('has source maps that carry their sources', () => {
    const maps = packed.filter((path) => path.endsWith('.map'));
    expect(maps.length).toBeGreaterThan(0);
    for (const path of maps) {
      const { sources, sourcesContent } = JSON.parse(readPacked(path));
      expect(sourcesContent, path).toHaveLength(sources.length);
      for (const content of sourcesContent) expect(content, path).toEqual(expect.any(String));
    }
    // An entry that only hands on what the chunks hold has no line of its own to map.
    const isHandingOn = (path: string) => /^((import|export)[^;]+;)*export\{[^}]+\}[^;]*;\s*$/.test(readPacked(path));
    // And one is the bundler's own.
    const isOurs = (path: string) => path.endsWith('.js') && path !== 'dist/shared/rolldown-runtime.js';
    for (const path of packed.filter((name) => isOurs(name) && !isHandingOn(name))) {
      expect(maps).toContain(`${path}.map`);
    }
  });

  it('passes publint and are-the-types-wrong', () => {
    const run = (tool: string, ...args: readonly string[]) =>
      execFileSync(process.execPath, [join(repositoryRoot, 'node_modules', tool), ...args], { cwd: repositoryRoot });
    run('publint/src/cli.js', '--strict', join(app, 'node_modules/fullpose'));
    run('@arethetypeswrong/cli/dist/index.js', tarball, '--profile', 'esm-only');
  });

  it('type-checks where there is only TypeScript', () => {
    const paths = [firstApp, readmeApp].map((code, i) => {
      const path = join(app, `app${i}.ts`);
      writeFileSync(path, code);
      return path;
    });
    const program = ts.createProgram(paths, {
      strict: true,
      noEmit: true,
      types: [],
      target: ts.ScriptTarget.ESNext,
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
    });
    const messages = ts
      .getPreEmitDiagnostics(program)
      .map(({ messageText, file }) => [file?.fileName, ts.flattenDiagnosticMessageText(messageText, '\n')].join(': '));
    expect(messages).toEqual([]);
  });

  it('gives real types to TypeScript before 5.7 and to 6, in pages and workers, with and without those of WebGPU', async () => {
    const consumer = join(app, 'consumer.mts');
    copyFileSync(join(repositoryRoot, 'tests/types/consumer.ts'), consumer);
    mkdirSync(join(app, 'node_modules/@webgpu'), { recursive: true });
    symlinkSync(
      join(repositoryRoot, 'node_modules/@webgpu/types'),
      join(app, 'node_modules/@webgpu/types'),
      'junction',
    );
    const types = ['@webgpu/types'];
    const settings = [
      { resolution: 'bundler', lib: 'dom', types: [] },
      { resolution: 'node16', lib: 'webworker', types: [] },
      { resolution: 'node16', lib: 'dom', types },
    ];
    const told = await Promise.all([
      typeCheck(OLD_TYPESCRIPT, consumer, [...settings, { resolution: 'node10', lib: 'dom', types: [] }]),
      // Its own types of WebGPU contradict the others by themselves.
      typeCheck('typescript', consumer, settings.slice(0, 2)),
    ]);
    const unresolved = told[0]?.pop() ?? [];
    expect(told).toEqual([
      [[], [], []],
      [[], []],
    ]);
    // What TypeScript itself says of an old setting, once for each entry.
    expect(
      unresolved.slice(0, 8).filter((text) => /Consider updating to 'node16', 'nodenext', or 'bundler'/.test(text)),
    ).toHaveLength(8);
  });

  it.each(['fullpose', 'fullpose/export'])(
    'leaves out of a bundle what the bundle does not use of %s',
    async (entry) => {
      const [name, telling] = entry === 'fullpose' ? ['matrixToEuler', 'Math.atan2('] : ['writeObj', 'pictureHeight'];
      const input = join(app, 'shake.js');
      writeFileSync(input, `import { ${name} } from '${entry}';\nconsole.log(${name});\n`);
      const code = await bundle({ build: { write: false, minify: false, rolldownOptions: { input } } });
      expect(code).toContain(telling);
      expect(code).not.toContain('@compute');
      expect(code.length).toBeLessThan(12_000);
    },
  );

  it('gives landmarks in a page of at most 12 lines, without a bundler', async () => {
    expect(firstPage.trim().split('\n').length).toBeLessThanOrEqual(12);
    writeFileSync(join(app, 'index.html'), firstPage);
    expectNose(await textOf(app));
  });

  it('converts an ONNX model, and runs it as the recipe says', async () => {
    const [, recipe = ''] =
      /^```ts recipe\n(.*?)^```$/ms.exec(readFileSync(join(repositoryRoot, 'docs/recipes/network.md'), 'utf8')) ?? [];
    expect(recipe.trim().split('\n').length).toBeLessThanOrEqual(20);
    const fixture = (name: string) => join(repositoryRoot, 'tests/fixtures/networks', name);
    const command = join(
      app,
      'node_modules/.bin',
      process.platform === 'win32' ? 'fullpose-convert.cmd' : 'fullpose-convert',
    );
    execFileSync(command, [fixture('tiny.onnx'), '-o', 'public/my-network', '--size', '15x13'], { cwd: app });
    const numbers: { readonly input: readonly number[]; readonly shares: readonly number[] } = JSON.parse(
      readFileSync(fixture('tiny.json'), 'utf8'),
    );
    const check = `document.body.append(', shares ' + (await network.run(Float32Array.from(${JSON.stringify(numbers.input)}))).join(' ') + '.');`;
    writeFileSync(join(app, 'main.ts'), `${recipe}\n${check}\n`);
    writeFileSync(
      join(app, 'index.html'),
      '<!doctype html><img src="./photo.png" alt="" /><script type="module" src="./main.ts"></script>',
    );
    await bundle({});
    const told = await textOf(join(app, 'dist'), ', shares ');
    expect(told).toMatch(/class [0-4]: [\d.]+ %, shares /);
    const shares = /shares (.*)\./.exec(told)?.[1]?.split(' ').map(Number) ?? [];
    expect(shares).toHaveLength(numbers.shares.length);
    for (const [index, share] of shares.entries()) expect(share).toBeCloseTo(numbers.shares[index] ?? 0, 4);
  });

  it("runs the README's snippets, pasted into one Vite app", async () => {
    expect(readmeApp.match(/^import /gm)?.length).toBeGreaterThan(4);
    writeFileSync(join(app, 'main.ts'), readmeApp);
    writeFileSync(
      join(app, 'index.html'),
      '<!doctype html><img src="./photo.png" alt="" /><script type="module" src="./main.ts"></script>',
    );
    await bundle({});
    const text = await textOf(join(app, 'dist'), 'faces that are lost leave');
    expect(text).toContain('; 1 meshes; face 1 stays 1; ');
    expectNose(text);
  });
});

/** An app in a folder of the packed library's, with packages that the repository has. */
function makeApp(name: string, packages: readonly string[]): string {
  const folder = join(app, name);
  mkdirSync(join(folder, 'node_modules'), { recursive: true });
  for (const path of packages)
    symlinkSync(join(repositoryRoot, 'node_modules', path), join(folder, 'node_modules', path), 'junction');
  copyFileSync(join(app, 'photo.png'), join(folder, 'photo.png'));
  return folder;
}

describe('the recipes', () => {
  it('for React, Vue, Svelte and a web component find the face, in one page', async () => {
    const page = 'docs/recipes/frameworks.md';
    const [photo = '', video = ''] = snippets(page, 'tsx');
    const [vue = '', element = ''] = snippets(page, 'ts');
    const { js: svelte } = compile(snippets(page, 'svelte').join(), { filename: 'svelte.svelte', generate: 'client' });
    const root = makeApp('frameworks', ['@types', '@webgpu', 'react', 'react-dom', 'svelte', 'vue']);
    const main = readFileSync(join(repositoryRoot, 'tests/pages/recipes/main.tsx'), 'utf8');
    const types = "declare const faces: import('svelte').Component<{ photo: Blob }>;\nexport default faces;\n";
    const typed = {
      ...{ 'photo.tsx': photo, 'video.tsx': video, 'vue.ts': vue, 'element.ts': element },
      ...{ 'svelte.d.ts': types, 'main.tsx': main },
    };
    for (const [name, code] of Object.entries({ ...typed, 'svelte.js': svelte.code }))
      writeFileSync(join(root, name), code);
    writeFileSync(join(root, 'index.html'), '<!doctype html><script type="module" src="./main.tsx"></script>');
    mkdirSync(join(root, 'public'));
    copyFileSync(join(app, 'photo.png'), join(root, 'public/photo.png'));

    const program = ts.createProgram(
      Object.keys(typed).map((name) => join(root, name)),
      {
        ...{ strict: true, noEmit: true, skipLibCheck: true, types: [] },
        target: ts.ScriptTarget.ESNext,
        module: ts.ModuleKind.ESNext,
        moduleResolution: ts.ModuleResolutionKind.Bundler,
        jsx: ts.JsxEmit.ReactJSX,
      },
    );
    const messages = ts
      .getPreEmitDiagnostics(program)
      .map(({ messageText, file }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`);
    expect(messages).toEqual([]);

    await bundle({ root, base: './', build: { target: 'esnext' } });
    const server = await serveFolder(join(root, 'dist'));
    const tab = await browser.newPage();
    const errors: string[] = [];
    tab.on('pageerror', (error) => errors.push(String(error)));
    try {
      await tab.goto(`${server.origin}/`);
      const found = /^1 faces$/;
      const wanted = { react: found, video: /^face (\d+), \1, \1$/, vue: found, svelte: found, element: found };
      await expect
        .poll(
          () => tab.$$eval('main', (all) => Object.fromEntries(all.map(({ id, innerText }) => [id, innerText.trim()]))),
          { timeout: 200_000, interval: 500 },
        )
        .toEqual(Object.fromEntries(Object.entries(wanted).map(([id, told]) => [id, expect.stringMatching(told)])));
      expect(errors).toEqual([]);
    } finally {
      await tab.close();
      server.close();
    }
  });

  it('for Node finds the face there, by the weights of the package', async () => {
    const [adapter] = await findNodeAdapters();
    if (adapter === undefined || 'missing' in adapter) throw new Error(adapter?.missing ?? 'no adapter');
    const root = makeApp('node', ['pngjs', 'webgpu']);
    copyFileSync(join(repositoryRoot, 'docs/recipes/node.mjs'), join(root, 'faces.mjs'));
    const env = { ...process.env, VK_ICD_FILENAMES: adapter.icd, VK_DRIVER_FILES: adapter.icd };
    const said = execFileSync(process.execPath, ['faces.mjs', 'photo.png'], {
      cwd: root,
      env,
      stdio: 'pipe',
    }).toString();
    const place = /^yaw -?\d\.\d, nose tip: (\d+), (\d+)\n$/.exec(said)?.slice(1).map(Number);
    const [x = Number.NaN, y = Number.NaN] = place ?? [];
    expect(Math.hypot(x - 224, y - 128), said).toBeLessThan(6);
  });
});

/** The one that a tool brings along: its typed arrays take no argument, and it knows nothing of WebGPU. */
const OLD_TYPESCRIPT = '@arethetypeswrong/core/node_modules/typescript';

/** What a version of TypeScript says of a file, for each of the settings. */
async function typeCheck(typescript: string, file: string, settings: readonly object[]): Promise<string[][]> {
  const path = join(repositoryRoot, 'node_modules', typescript, 'lib/typescript.js');
  const child = spawn(process.execPath, [join(repositoryRoot, 'tests/types/check.mjs'), path, file], {
    cwd: app,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(JSON.stringify(settings));
  return JSON.parse(await text(child.stdout));
}

/** Vite's build of the app, as one text. */
async function bundle(options: Parameters<typeof build>[0]): Promise<string> {
  const output = await build({ root: app, configFile: false, logLevel: 'error', ...options });
  if (Array.isArray(output) || !('output' in output)) throw new Error('the build gave no single output');
  return output.output
    .filter((file): file is Rolldown.OutputChunk => file.type === 'chunk')
    .map(({ code }) => code)
    .join('\n');
}

describe('the recipe for bundlers that copy no weights', () => {
  /** Of an app in a folder of its own. */
  const bundlers = {
    esbuild: async (entry: string, outfile: string) => {
      await esbuild.build({ entryPoints: [entry], bundle: true, format: 'esm', outfile });
    },
    // Its plugin for npm packages reads `exports`, as this does for one.
    Rollup: async (input: string, file: string) => {
      const { exports } = JSON.parse(readPacked('package.json'));
      const resolveId = (id: string) => {
        const found = exports[id.replace(/^fullpose/, '.')]?.default;
        return found === undefined ? undefined : join(app, 'node_modules/fullpose', found);
      };
      const made = await rollup({ input, plugins: [{ name: 'packages', resolveId }] });
      await made.write({ file, format: 'es' });
    },
  } as const;

  it.each(Object.entries(bundlers))('gives landmarks in an app of %s', async (name, bundleApp) => {
    const loading = readFileSync(join(repositoryRoot, 'docs/loading.md'), 'utf8');
    const recipe = /```ts recipe\n([\s\S]*?)```/.exec(loading)?.[1] ?? '';
    const site = join(app, `bundled-${name}`);
    mkdirSync(site);
    writeFileSync(
      join(site, 'main.js'),
      `${recipe}
      const photo = document.querySelector('img');
      await photo.decode();
      const [box] = await detector.detect(photo);
      const [face] = await aligner.align(photo, [box]);
      document.body.append('nose tip: ' + face.landmarks.slice(90, 93).join(', '));
      `,
    );
    await bundleApp(join(site, 'main.js'), join(site, 'app.js'));
    writeFileSync(
      join(site, 'index.html'),
      '<!doctype html><img src="photo.png" alt="" /><script type="module" src="app.js"></script>',
    );
    copyFileSync(join(app, 'photo.png'), join(site, 'photo.png'));
    symlinkSync(join(app, 'node_modules/fullpose/weights'), join(site, 'fullpose'), 'junction');
    expectNose(await textOf(site));
  });
});
