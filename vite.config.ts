import { defineConfig } from 'vite';

// The library build: ES modules only; `tsc -p tsconfig.build.json` adds the declarations beside them.
export default defineConfig({
  publicDir: false,
  build: {
    target: 'es2022',
    sourcemap: true,
    minify: false,
    lib: {
      entry: { index: 'src/index.ts', 'engine/index': 'src/engine/index.ts' },
      formats: ['es'],
    },
    rolldownOptions: { output: { chunkFileNames: 'shared/[name].js' } },
  },
});
