import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { build, type Rolldown } from 'vite';
import { beforeAll, describe, expect, it } from 'vitest';
import { minifyWgsl, readShaders, shortNames } from '../scripts/wgsl.js';

/**
 * JavaScript and WGSL of `fullpose` and its engine, without weights, as a visitor downloads them. Other entries are
 * loaded only by who names them.
 */
const largestGzip = 64_000;
const mainEntries = ['index.js', 'engine/index.js'] as const;

/** What `fullpose/detect` takes beside those, and alone, engine included. README says 75 KB with it. */
const largestDetector = { added: 10_000, alone: 45_000 } as const;

/** A chunk and all that it loads. */
function reachable(chunks: readonly Rolldown.OutputChunk[], entries: readonly string[]): Rolldown.OutputChunk[] {
  const found = new Set<string>();
  const visit = (file: string): void => {
    const chunk = chunks.find(({ fileName }) => fileName === file);
    if (chunk === undefined) throw new Error(`there is no ${file}`);
    if (found.has(file)) return;
    found.add(file);
    for (const next of [...chunk.imports, ...chunk.dynamicImports]) visit(next);
  };
  for (const entry of entries) visit(entry);
  return chunks.filter(({ fileName }) => found.has(fileName));
}

describe('the library build', () => {
  let chunks: readonly Rolldown.OutputChunk[];

  beforeAll(async () => {
    const outputs = await build({ configFile: 'vite.config.ts', logLevel: 'error', build: { write: false } });
    if (!Array.isArray(outputs)) throw new Error('the build gave no list of outputs');
    chunks = outputs.flatMap(({ output }) => output).filter((file) => file.type === 'chunk');
  }, 60_000);

  it(`is at most ${largestGzip} bytes gzipped`, () => {
    const bytes = reachable(chunks, mainEntries).reduce((total, { code }) => total + gzipSync(code).length, 0);
    expect(bytes).toBeGreaterThan(10_000);
    expect(bytes).toBeLessThanOrEqual(largestGzip);
  });

  it('does not make an app that only aligns carry the writers of files', () => {
    const code = reachable(chunks, mainEntries).map((chunk) => chunk.code);
    const writers = reachable(chunks, ['export.js']).map((chunk) => chunk.code);
    const telling = 'format binary_little_endian';
    expect(writers.join().includes(telling)).toBe(true);
    expect(code.join().includes(telling)).toBe(false);
  });

  it('does not make it carry what only other networks need either', () => {
    const code = reachable(chunks, mainEntries).map((chunk) => chunk.code);
    const networks = reachable(chunks, ['networks/index.js']).map((chunk) => chunk.code);
    for (const telling of ['resizeBilinear', 'softmax', 'fullpose-layers/1']) {
      expect(networks.join().includes(telling)).toBe(true);
      expect(code.join().includes(telling)).toBe(false);
    }
  });

  it("names the bundled weights by URLs beside the module, one a file of the manifest's", () => {
    const { code } = chunks.find(({ fileName }) => fileName === 'weights.js') ?? { code: '' };
    const { files }: { files: Record<string, unknown> } = JSON.parse(readFileSync('weights/manifest.json', 'utf8'));
    const names = [...code.matchAll(/new URL\("\.\.\/weights\/([\w.]+)",\s*import\.meta\.url\)/g)].map(
      ([, name]) => name,
    );
    expect(names.toSorted()).toEqual(['manifest.json', ...Object.keys(files)].toSorted());
  });

  it(`has a face detector of at most ${largestDetector.added} bytes more, ${largestDetector.alone} without the aligner`, () => {
    const gzipped = (entries: readonly string[]) =>
      reachable(chunks, entries).reduce((total, { code }) => total + gzipSync(code).length, 0);
    const alone = gzipped(['detect/index.js']);
    expect(alone).toBeGreaterThan(10_000);
    expect(alone).toBeLessThanOrEqual(largestDetector.alone);
    const added = gzipped([...mainEntries, 'detect/index.js']) - gzipped(mainEntries);
    expect(added).toBeGreaterThan(2_000);
    expect(added).toBeLessThanOrEqual(largestDetector.added);
  });

  it('lets a tracker whose aligner and detector are given carry neither', () => {
    const track = chunks.find(({ fileName }) => fileName === 'track.js');
    const code = (entries: readonly string[]) =>
      reachable(chunks, entries)
        .map((chunk) => chunk.code)
        .join();
    expect(track?.dynamicImports).toHaveLength(1);
    const fixed = chunks.map((chunk) => (chunk === track ? { ...chunk, dynamicImports: [] } : chunk));
    expect(code(['track.js'])).toContain('detector.json');
    expect(
      reachable(fixed, ['track.js'])
        .map((chunk) => chunk.code)
        .join(),
    ).not.toMatch(/detector\.json|@compute/);
  });

  it("names the detector's files by URLs beside its module", () => {
    const own = reachable(chunks, ['detect/index.js']).filter(({ code }) => code.includes('detector.json'));
    // As deep as the path says: two folders below the package.
    expect(own.map(({ fileName }) => dirname(dirname(fileName)))).toEqual(['.']);
    const urls = /new URL\("\.\.\/\.\.\/weights\/([\w.]+)",\s*import\.meta\.url\)/g;
    const names = own.flatMap(({ code }) => [...code.matchAll(urls)].map(([, name]) => name));
    expect(names.toSorted()).toEqual(['detector.json', 'face_detector.json', 'face_detector.safetensors']);
  });

  it('has the entries that package.json exports, and depends on nothing', () => {
    const files = chunks.map(({ fileName }) => fileName);
    const { exports, dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
    const entries = Object.values<{ default?: string }>(exports).flatMap((entry) => entry.default ?? []);
    expect(entries.length).toBeGreaterThan(3);
    for (const entry of entries) expect(files).toContain(entry.replace('./dist/', ''));
    expect(dependencies).toBeUndefined();
    for (const { fileName, imports, dynamicImports } of chunks) {
      // The command is for Node.
      const others = [...imports, ...dynamicImports].filter(
        (name) => !(fileName === 'convert.js' && name.startsWith('node:')),
      );
      for (const imported of others) expect(files, `${fileName} imports`).toContain(imported);
    }
    const { bin } = JSON.parse(readFileSync('package.json', 'utf8'));
    expect(files).toContain(bin['fullpose-convert'].replace('./dist/', ''));
  });

  it('carries every shader, without its comments', () => {
    const code = chunks.map((chunk) => chunk.code).join('\n');
    const header = /^\/\/ (.{30,})$/m;
    const shaders = readShaders();
    const names = shortNames([...shaders.values()]);
    for (const [name, source] of shaders) {
      const comment = header.exec(source)?.[1];
      if (comment === undefined) throw new Error(`${name} has no header comment`);
      expect(code.includes(comment), `${name}'s header is in the build`).toBe(false);
      const lines = minifyWgsl(source, names).split('\n');
      const telling = lines.reduce((longest, line) => (line.length > longest.length ? line : longest), '');
      expect(code.includes(JSON.stringify(telling).slice(1, -1)), `${name} is in the build`).toBe(true);
    }
  });
});

describe('minifyWgsl', () => {
  it('keeps code and the directives of the preprocessor', () => {
    const source =
      '// What it does.\n//#include "lib/a.wgsl"\n\n  let a = 1; // one;\n    // aside\n  let b: array<i32> = f(a + 1,\n - -a);\n  //#if B\n  b >= 0x1p-10f;\n}\n';
    expect(minifyWgsl(source)).toBe(
      '//#include "lib/a.wgsl"\nlet a=1;let b:array<i32> =f(a+1,- -a);\n//#if B\nb>=0x1p-10f;}',
    );
  });

  it('gives every declared name another, and leaves what the outside and WGSL know', () => {
    const source = `override THREADS: u32 = 64u; struct Params { width: u32, x: f32 }
      @group(0) @binding(0) var<storage, read> values: array<vec4f>; fn value_at(index: u32) -> f32 { return values[index].x; }
      @compute @workgroup_size(THREADS) fn main(@builtin(global_invocation_id) id: vec3u) { let floor_of = floor(value_at(id.x)); }`;
    const names = shortNames([source]);
    expect([...names.keys()].sort()).toEqual(['Params', 'floor_of', 'id', 'index', 'value_at', 'values', 'width']);
  });
});

describe('short names', () => {
  const shaders = readShaders();
  const names = shortNames([...shaders.values()]);
  const words = (text: string) => text.replaceAll(/\/\/(?!#).*/g, '').match(/[A-Za-z_]\w*|\d[\w.]*|\S/g) ?? [];

  it.each([...shaders])('can be read back in %s', (_, source) => {
    const back = new Map([...names].map(([long, short]) => [short, long]));
    expect(back.size).toBe(names.size);
    const own = words(source);
    // A short name is no name that stays, so that none is hidden by another.
    expect(own.filter((word) => back.has(word) && !names.has(word))).toEqual([]);
    expect(words(minifyWgsl(source, names)).map((word) => back.get(word) ?? word)).toEqual(own);
  });
});

/** The library and its detector as one classic script. */
async function classicScript(): Promise<string> {
  const entry = 'classic-script';
  const outputs = await build({
    configFile: false,
    logLevel: 'error',
    plugins: [
      // As bundlers that make such scripts do.
      { name: 'no-address', enforce: 'pre', transform: (code) => code.replaceAll('import.meta.url', '(void 0)') },
      {
        name: 'entry',
        resolveId: (id) => (id.endsWith(entry) ? entry : undefined),
        load: (id) =>
          id === entry ? "export * from '/src/index.ts';export * from '/src/detect/index.ts';" : undefined,
      },
    ],
    build: { write: false, minify: false, lib: { entry, formats: ['iife'], name: 'fullpose' } },
  });
  const [code] = (Array.isArray(outputs) ? outputs : []).flatMap(({ output }) =>
    output.flatMap((file) => (file.type === 'chunk' ? file.code : [])),
  );
  if (code === undefined) throw new Error('the build gave no script');
  return code;
}

describe('the library', () => {
  it('can be evaluated where the module has no address, and tells that of the weights alone', async () => {
    const navigator = { gpu: { requestAdapter: async () => ({}) } };
    const context = createContext({ navigator, AbortController, AbortSignal, URL, crypto, fetch, TextDecoder });
    const { FaceAligner, FaceDetector } = runInContext(`${await classicScript()};fullpose`, context);
    for (const { create } of [FaceAligner, FaceDetector]) {
      await expect(create()).rejects.toMatchObject({
        code: 'bad-input',
        message: expect.stringContaining('wanted the option `weights`'),
      });
      await expect(create({ weights: 'data:,{}' })).rejects.toMatchObject({ code: 'bad-weights' });
    }
  });

  it('can be imported where there is no GPU', async () => {
    expect(typeof (await import('../src/index.js')).FaceAligner.create).toBe('function');
    expect(typeof (await import('../src/engine/index.js')).Gpu.create).toBe('function');
  });
});
