import { GpuSuite } from './suite.js';

const modules = import.meta.glob<Record<string, unknown>>('../**/*.gpu.ts');

/** The suites of one module, or why it has none. */
export interface SuiteModule {
  /** Relative to this file; the same in Node and on the page. */
  readonly path: string;
  readonly suites: readonly GpuSuite[];
  readonly error?: Error;
}

/** Paths of all `tests/**\/*.gpu.ts` modules. */
export const suitePaths: readonly string[] = Object.keys(modules);

/**
 * Imports one module. One that does not load is reported in `error`, so that it fails alone and not every other suite
 * with it.
 */
export async function loadSuites(path: string): Promise<SuiteModule> {
  try {
    const load = modules[path];
    if (load === undefined) throw new Error(`there is no module ${path}`);
    const suites = Object.values(await load()).filter((value) => value instanceof GpuSuite);
    if (suites.length === 0) throw new Error(`${path} exports no suite; wanted "export const ... = gpuSuite(...)"`);
    return { path, suites };
  } catch (error) {
    return { path, suites: [], error: error instanceof Error ? error : new Error(String(error)) };
  }
}
