import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { build, type Rolldown } from 'vite';
import { beforeAll, describe, expect, it } from 'vitest';
import { stripWgsl } from '../scripts/wgsl.js';

/** All of the library's JavaScript and WGSL, without weights, as a visitor downloads it. */
const largestGzip = 60_000;

describe('the library build', () => {
  let chunks: readonly Rolldown.OutputChunk[];

  beforeAll(async () => {
    const outputs = await build({ configFile: 'vite.config.ts', logLevel: 'error', build: { write: false } });
    if (!Array.isArray(outputs)) throw new Error('the build gave no list of outputs');
    chunks = outputs.flatMap(({ output }) => output).filter((file) => file.type === 'chunk');
  }, 60_000);

  it(`is at most ${largestGzip} bytes gzipped`, () => {
    const bytes = chunks.reduce((total, { code }) => total + gzipSync(code).length, 0);
    expect(bytes).toBeGreaterThan(10_000);
    expect(bytes).toBeLessThanOrEqual(largestGzip);
  });

  it('has the entries that package.json exports, and depends on nothing', () => {
    const files = chunks.map(({ fileName }) => fileName);
    const { exports, dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
    for (const entry of ['.', './engine']) expect(files).toContain(exports[entry].default.replace('./dist/', ''));
    expect(dependencies).toBeUndefined();
    for (const { fileName, imports, dynamicImports } of chunks) {
      for (const imported of [...imports, ...dynamicImports]) expect(files, `${fileName} imports`).toContain(imported);
    }
  });

  it('carries every shader, without its comments', () => {
    const code = chunks.map((chunk) => chunk.code).join('\n');
    const header = /^\/\/ (.{30,})$/m;
    for (const name of readdirSync('src/shaders').filter((file) => file.endsWith('.wgsl'))) {
      const source = readFileSync(`src/shaders/${name}`, 'utf8');
      const comment = header.exec(source)?.[1];
      if (comment === undefined) throw new Error(`${name} has no header comment`);
      expect(code.includes(comment), `${name}'s header is in the build`).toBe(false);
      const lines = stripWgsl(source).split('\n');
      const telling = lines.reduce((longest, line) => (line.length > longest.length ? line : longest), '');
      expect(code.includes(JSON.stringify(telling).slice(1, -1)), `${name} is in the build`).toBe(true);
    }
  });
});

describe('stripWgsl', () => {
  it('keeps code and the directives of the preprocessor', () => {
    const source = '// What it does.\n//#include "lib/a.wgsl"\n\n  let a = 1; // one\n    // aside\n}\n';
    expect(stripWgsl(source)).toBe('//#include "lib/a.wgsl"\nlet a = 1; // one\n}');
  });
});

describe('the library', () => {
  it('can be imported where there is no GPU', async () => {
    expect(typeof (await import('../src/index.js')).FaceAligner.create).toBe('function');
    expect(typeof (await import('../src/engine/index.js')).Gpu.create).toBe('function');
  });
});
