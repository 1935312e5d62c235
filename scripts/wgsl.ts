import { readdirSync, readFileSync } from 'node:fs';
import type { Plugin } from 'vite';

/** Shared out in this order; two letters are enough for thousands of names. */
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
/** Words of WGSL that are as short as that and occur in no shader. */
const SHORT_WORDS = ['as', 'do', 'fn', 'if', 'of'];

const DIRECTIVE = String.raw`\/\/#.*`;
const COMMENT = String.raw`\/\/.*`;
const NAME = String.raw`[A-Za-z_]\w*`;
const NUMBER = String.raw`\d[\w.]*(?:(?<=[eEpP])[+-]\w+)?`;
const TOKEN = new RegExp(`(${DIRECTIVE})|(${COMMENT}|\\s+)|(${NAME})|${NUMBER}|.`, 'g');

/**
 * WGSL without what only readers need: comments, white space, the names of `names`. Directives of the preprocessor
 * (`//#`) stay as they are, on lines of their own.
 */
export function minifyWgsl(source: string, names: ReadonlyMap<string, string> = new Map()): string {
  let output = '';
  let isApart = false;
  for (const [token, directive, blank, name] of source.matchAll(TOKEN)) {
    if (blank !== undefined) {
      isApart = true;
      continue;
    }
    if (directive !== undefined) {
      output += `${output === '' || output.endsWith('\n') ? '' : '\n'}${directive}\n`;
    } else {
      const written = (name === undefined ? undefined : names.get(name)) ?? token;
      // Two marks together may be a third: `- -`, `> =`.
      if (isApart && /(\w\w|[-+*/&|<>=!]{2})$/.test(output.slice(-1) + written.charAt(0))) output += ' ';
      output += written;
    }
    isApart = false;
  }
  return output;
}

/**
 * A name of one or two letters for everything that shaders declare, the same in all of them: they include each other.
 * Names that the outside knows (`override`s, `main`), and those that mean something to WGSL wherever they stand, are
 * left out.
 * @param sources every shader, without exception
 */
export function shortNames(sources: readonly string[]): Map<string, string> {
  const code = sources.join('\n').replaceAll(/\/\/.*/g, '');
  const found = (pattern: RegExp) => [...code.matchAll(pattern)].map(([, name = '']) => name);

  const uses = new Map<string, number>();
  for (const [name] of code.matchAll(new RegExp(NAME, 'g'))) uses.set(name, (uses.get(name) ?? 0) + 1);

  const callable = found(/\b(?:fn|struct|alias)\s+(\w+)/g);
  const declared = [
    ...callable,
    ...found(/\b(?:let|const|var(?:<[^>]*>)?)\s+(\w+)/g),
    ...found(/\b([A-Za-z_]\w*)\s*:/g),
  ];
  const kept = new Set([
    'main',
    'default',
    ...found(/\boverride\s+(\w+)/g),
    ...found(/\b(\w+)\s*\(/g).filter((name) => !callable.includes(name)),
    ...found(/(?:@\w+\s*\(|\bvar<)([^)>]*)[)>]/g).flatMap((words) => words.split(/\W+/)),
  ]);
  const renamed = [...new Set(declared)]
    .filter((name) => name.length > 1 && !kept.has(name) && !/^([xyzw]+|[rgba]+)$/.test(name))
    .sort((a, b) => (uses.get(b) ?? 0) - (uses.get(a) ?? 0));
  for (const name of renamed) uses.delete(name);

  const free = [...LETTERS, ...[...LETTERS].flatMap((first) => [...LETTERS].map((second) => first + second))].filter(
    (name) => !uses.has(name) && !SHORT_WORDS.includes(name),
  );
  if (free.length < renamed.length) throw new Error(`there are ${free.length} short names for ${renamed.length}`);
  return new Map(renamed.map((name, index) => [name, free[index]!]));
}

/** Every shader of the library by its path under src/shaders/. */
export function readShaders(): Map<string, string> {
  const folder = new URL('../src/shaders/', import.meta.url);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.wgsl'));
  return new Map(files.sort().map((file) => [file, readFileSync(new URL(file, folder), 'utf8')]));
}

/** Minifies the shaders that a build imports with `?raw`. What is served while one works on it stays readable. */
export function minifiedShaders(): Plugin {
  const shaders = readShaders();
  const names = shortNames([...shaders.values()]);
  return {
    name: 'fullpose:minified-shaders',
    apply: 'build',
    enforce: 'post',
    transform(code, id) {
      if (!id.endsWith('.wgsl?raw')) return undefined;
      const literal = /^export default (".*");?\s*$/s.exec(code)?.[1];
      if (literal === undefined) throw new Error(`${id}: not the module that Vite makes of a ?raw import`);
      const source: unknown = JSON.parse(literal);
      return { code: `export default ${JSON.stringify(minifyWgsl(String(source), names))}`, map: null };
    },
  };
}

/**
 * Marks what every kernel's module does when it is loaded as free of side effects: reading its shader, laying out its
 * uniforms, listing its variants for the tests. A bundler then drops the kernels that an app does not use, although
 * they share a file with what it uses.
 */
export function pureKernels(): Plugin {
  return {
    name: 'fullpose:pure-kernels',
    apply: 'build',
    renderChunk: (code) => ({
      code: code.replace(
        /(?<!function )\b(preprocess\(|new UniformStruct\(|ACTIVATIONS\.(?:flatMap|map)\()/g,
        '/* @__PURE__ */ $1',
      ),
      map: null,
    }),
  };
}
