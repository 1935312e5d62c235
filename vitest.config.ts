import { defineConfig } from 'vitest/config';

// unit: plain Node. gpu: every `tests/**/*.gpu.ts`, run case by case in one page of Chromium and in one of Firefox.
// pages: the demo and the command line, each with a browser of its own. The groups run one after the other: on few
// cores two browsers at once only slow each other down.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          environment: 'node',
          include: ['tests/**/*.test.ts'],
          exclude: ['tests/gpu.*.test.ts', 'tests/pages/**'],
          // Tests assert numbers, never times; a busy machine may take its time.
          testTimeout: 180_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'gpu',
          environment: 'node',
          include: ['tests/gpu.*.test.ts'],
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 600_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'pages',
          environment: 'node',
          include: ['tests/pages/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 600_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
