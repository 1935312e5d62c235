import { GpuSuite } from './suite.js';

const modules = import.meta.glob<Record<string, unknown>>('../**/*.gpu.ts', { eager: true });

/** Every suite that a `tests/**\/*.gpu.ts` module exports, in the order of their paths. */
export function collectSuites(): readonly GpuSuite[] {
  const suites: GpuSuite[] = [];
  const names = new Set<string>();
  for (const [path, exports] of Object.entries(modules)) {
    const found = Object.values(exports).filter((value) => value instanceof GpuSuite);
    if (found.length === 0) throw new Error(`${path} exports no suite; wanted "export const ... = gpuSuite(...)"`);
    for (const suite of found) {
      if (names.has(suite.name)) throw new Error(`two suites are named "${suite.name}"; the second is in ${path}`);
      names.add(suite.name);
      suites.push(suite);
    }
  }
  return suites;
}
