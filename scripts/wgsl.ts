import type { Plugin } from 'vite';

/** WGSL without what only readers need: whole-line comments (preprocessor directives, `//#`, stay), indentation, empty lines. */
export function stripWgsl(source: string): string {
  return source
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^\/\/(?!#)/.test(line))
    .join('\n');
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
