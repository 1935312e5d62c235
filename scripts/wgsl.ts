import type { Plugin } from 'vite';

/**
 * WGSL without what only readers need: whole-line comments (preprocessor directives, `//#`, stay on lines of their own), indentation, empty lines, and white
 * space round marks that need none: a `=` right after `>` would be another mark.
 */
export function stripWgsl(source: string): string {
  return source
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^\/\/(?!#)/.test(line))
    .map((line) => (line.startsWith('//#') ? line : line.replace(/(?<!>) ?([,;:{}()=*+&|]) ?/g, '$1')))
    .join('\n')
    .replace(/^([^\n]*[,;{}(])\n(?!\/\/#)/gm, (whole, line: string) => (line.includes('//') ? whole : line));
}

/** Strips the shaders that a build imports with `?raw`. */
export function strippedShaders(): Plugin {
  return {
    name: 'fullpose:stripped-shaders',
    apply: 'build',
    enforce: 'post',
    transform(code, id) {
      if (!id.endsWith('.wgsl?raw')) return undefined;
      const literal = /^export default (".*");?\s*$/s.exec(code)?.[1];
      if (literal === undefined) throw new Error(`${id}: not the module that Vite makes of a ?raw import`);
      const source: unknown = JSON.parse(literal);
      return { code: `export default ${JSON.stringify(stripWgsl(String(source)))}`, map: null };
    },
  };
}

/**
 * Marks what every kernel's module does when it is loaded, reading its shader and laying out its uniforms, as free of side effects. A bundler then
 * drops the kernels that an app does not use, although they share a file with what it uses.
 */
export function pureKernels(): Plugin {
  return {
    name: 'fullpose:pure-kernels',
    apply: 'build',
    renderChunk: (code) => ({
      code: code.replace(/(?<!function )\b(preprocess\(|new UniformStruct\()/g, '/* @__PURE__ */ $1'),
      map: null,
    }),
  };
}
