import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { onnxruntimeBase, tfjsWasmBase } from './pages/routes.js';
import { keptModuleUrls } from './scripts/module-urls.js';
import { packageFiles } from './scripts/page-plugins.js';
import { siteHeader } from './scripts/site-header.js';
import { minifiedShaders, pureKernels } from './scripts/wgsl.js';

// Served pages (`npm run dev`, the demo, the tests, the command line): the repository root, so that weights/ and
// tests/fixtures/ are plain files; cross-origin isolated, which gives `performance.now()` its full resolution.
// The library build: ES modules only; `tsc -p tsconfig.build.json` adds the declarations beside them.
export default defineConfig({
  appType: 'mpa',
  publicDir: false,
  // The examples import the library by its name, as its users do.
  resolve: {
    alias: [
      { find: /^fullpose$/, replacement: fileURLToPath(new URL('src/index.ts', import.meta.url)) },
      { find: /^fullpose\/detect$/, replacement: fileURLToPath(new URL('src/detect/index.ts', import.meta.url)) },
      {
        find: /^fullpose\/(engine|networks)$/,
        replacement: fileURLToPath(new URL('src/$1/index.ts', import.meta.url)),
      },
      {
        find: /^fullpose\/(export|find|track|weights)$/,
        replacement: fileURLToPath(new URL('src/$1.ts', import.meta.url)),
      },
    ],
  },
  plugins: [
    packageFiles(onnxruntimeBase, 'onnxruntime-web/dist'),
    packageFiles(tfjsWasmBase, '@tensorflow/tfjs-backend-wasm/dist'),
    siteHeader(),
    minifiedShaders(),
    pureKernels(),
    keptModuleUrls(),
  ],
  // Named rather than discovered: a discovery reloads the page that made it.
  optimizeDeps: {
    noDiscovery: true,
    include: [
      'simple-statistics',
      '@tensorflow/tfjs-core',
      '@tensorflow/tfjs-backend-webgpu',
      '@tensorflow/tfjs-backend-wasm',
    ],
  },
  server: {
    headers: {
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Embedder-Policy': 'require-corp',
    },
  },
  build: {
    target: 'es2022',
    sourcemap: true,
    minify: false,
    lib: {
      entry: {
        index: 'src/index.ts',
        export: 'src/export.ts',
        find: 'src/find.ts',
        track: 'src/track.ts',
        weights: 'src/weights.ts',
        'engine/index': 'src/engine/index.ts',
        'detect/index': 'src/detect/index.ts',
        'networks/index': 'src/networks/index.ts',
        // The package's command, for Node.
        convert: 'convert/main.ts',
      },
      formats: ['es'],
    },
    // What the comments say is in the declarations and the source maps; only a bundler's hints stay.
    rolldownOptions: {
      external: /^node:/,
      output: {
        chunkFileNames: 'shared/[name].js',
        // What every entry takes, what runs networks, and what opens a device and brings files and pictures to it, as
        // one chunk each: left alone there is one for every set of entries, and what lies apart compresses worse. A
        // tracker and the writers of files run no networks.
        codeSplitting: {
          groups: [
            { name: 'common', test: /src\/(engine\/(errors|show|expect|firefox)|pictures\/crop)\.ts$/ },
            { name: 'safetensors', test: /src\/engine\/safetensors\.ts$/ },
            { name: 'device', test: /src\/(files\/|pictures\/warm-up\.ts$)/ },
            { name: 'gpu', test: /src\/(engine\/|calls\/|pictures\/(kernels\/|frame-step\.ts$))/ },
          ],
        },
        // Errors tell their class; the names of functions are in the source maps.
        minify: {
          compress: true,
          mangle: { toplevel: true, keepNames: { class: true, function: false } },
          codegen: { removeWhitespace: true },
        },
        comments: { jsdoc: false, legal: false, annotation: true },
      },
    },
  },
});
