import type { Plugin } from 'vite';

const placeholder = '__FULLPOSE_MODULE_URL__';

/**
 * Keeps `new URL('file', import.meta.url)` as it is written. A library build of Vite would put the file into the
 * script; it is the user's bundler that should find the file, or the browser. The path must be right from where the
 * module's chunk lands.
 */
export function keptModuleUrls(): Plugin {
  return {
    name: 'fullpose:kept-module-urls',
    apply: 'build',
    enforce: 'pre',
    transform(code, id) {
      if (!/\/src\/.*\.ts$/.test(id) || !code.includes('import.meta.url')) return undefined;
      return { code: code.replaceAll('import.meta.url', placeholder), map: null };
    },
    renderChunk(code) {
      return code.includes(placeholder)
        ? { code: code.replaceAll(placeholder, 'import.meta.url'), map: null }
        : undefined;
    },
    // Removing white space turns the quotes into backticks, which not every bundler reads as a file's name. Same
    // length: source maps hold.
    generateBundle(_, bundle) {
      for (const file of Object.values(bundle)) {
        if (file.type === 'chunk')
          file.code = file.code.replaceAll(/(?<=new URL\()`([^`$]*)`(?=,import\.meta)/g, '"$1"');
      }
    },
  };
}
