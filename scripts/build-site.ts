import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'vite';
import { onnxruntimeBase, tfjsWasmBase } from '../pages/routes.js';
import config from '../vite.config.js';
import { repositoryRoot } from './page-host.js';
import { placeholderBase, relocate } from './relocatable.js';
import { siteHeader, sitePages } from './site-header.js';

const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';

/** Paths of what the pages ask for by address, and where the site has it. */
const copies: readonly (readonly [from: string, to: string])[] = [
  ['weights', 'weights'],
  ['tests/fixtures', 'tests/fixtures'],
  ['bench/models', 'bench/models'],
  ['LICENSE', 'LICENSE.txt'],
  ...[
    'ort.webgpu.bundle.min.mjs',
    'ort.wasm.bundle.min.mjs',
    'ort-wasm-simd-threaded.asyncify.mjs',
    'ort-wasm-simd-threaded.asyncify.wasm',
    'ort-wasm-simd-threaded.mjs',
    'ort-wasm-simd-threaded.wasm',
  ].map((file) => [`node_modules/onnxruntime-web/dist/${file}`, join('.', onnxruntimeBase, file)] as const),
  ...['tfjs-backend-wasm.wasm', 'tfjs-backend-wasm-simd.wasm', 'tfjs-backend-wasm-threaded-simd.wasm'].map(
    (file) => [`node_modules/@tensorflow/tfjs-backend-wasm/dist/${file}`, join('.', tfjsWasmBase, file)] as const,
  ),
];

/** Large, or of use only to a test or a comparison: not kept for visits without a network. */
const notKept = /^(weights|rivals|tests|bench\/models)\/|\.gpu-|^404\.html$/;

/**
 * Builds the whole site: documentation at its root, demo, benchmark, examples and kernel tests beside it. All addresses
 * are relative: it works in any folder of any host that serves files.
 * @param folder is emptied first
 */
export async function buildSite(folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  // A dead link within the documentation fails.
  await promisify(execFile)(npm, ['run', '--silent', 'docs', '--', '--outDir', folder], {
    cwd: repositoryRoot,
    env: { ...process.env, DOCS_BASE: placeholderBase },
  });
  relocate(folder);
  await buildPages(folder);
  for (const [from, to] of copies) {
    mkdirSync(dirname(join(folder, to)), { recursive: true });
    cpSync(join(repositoryRoot, from), join(folder, to), { recursive: true });
  }
  listKept(folder);
}

/** Weights and pictures lie where they lie in the repository: what names them by address finds the same files. */
const assetFileNames = ({ originalFileNames: [file = ''] }: { readonly originalFileNames: readonly string[] }) =>
  /^(weights|assets)\//.test(file) ? file : 'app/[name]-[hash][extname]';

async function buildPages(folder: string): Promise<void> {
  await build({
    root: repositoryRoot,
    configFile: false,
    logLevel: 'warn',
    base: './',
    publicDir: false,
    resolve: config.resolve ?? {},
    // Shaders as they are written: the benchmark shows them.
    plugins: [siteHeader()],
    worker: { format: 'es', rolldownOptions: { output: { assetFileNames } } },
    build: {
      outDir: folder,
      emptyOutDir: false,
      target: 'es2022',
      assetsDir: 'app',
      // Files stay files: they are copied, kept and looked at by their names.
      assetsInlineLimit: 0,
      chunkSizeWarningLimit: 2000,
      rolldownOptions: {
        input: [...sitePages, 'pages/offline-worker.ts'].map((path) => join(repositoryRoot, path)),
        output: {
          entryFileNames: ({ name }) => (name === 'offline-worker' ? '[name].js' : 'app/[name]-[hash].js'),
          assetFileNames,
        },
      },
    },
  });
}

/** Tells the service worker what there is to keep. */
function listKept(folder: string): void {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
    .filter((path) => !notKept.test(path) && path !== 'offline-worker.js')
    .sort();
  const hash = createHash('sha256');
  for (const file of files) hash.update(file).update(readFileSync(join(folder, file)));
  const worker = join(folder, 'offline-worker.js');
  const site = JSON.stringify({ name: hash.digest('hex').slice(0, 16), files });
  writeFileSync(worker, `globalThis.site=${site};\n${readFileSync(worker, 'utf8')}`);
}
