/**
 * GPU test suites: described in `*.gpu.ts` modules, listed in Node by `tests/browser/runner.ts`, run on a page
 * (`tests/browser/`).
 *
 * A module exports one or more suites. It is also imported in Node, only to list its cases, so nothing outside a case
 * may touch the GPU or its globals (`GPUBufferUsage` and the like).
 */
import { Gpu } from '../../src/engine/device.js';

/** What a case works with. */
export interface GpuCaseContext {
  /** A `Gpu` of this case's own on the device that all cases share; its buffers are freed when the case ends. */
  readonly gpu: Gpu;
  /** Loads a file of the repository, by its path from the root. */
  readonly load: (path: string) => Promise<ArrayBuffer>;
}

export interface GpuCase {
  readonly name: string;
  readonly run: (context: GpuCaseContext) => Promise<void> | void;
}

export class GpuSuite {
  readonly name: string;
  readonly cases: readonly GpuCase[];

  constructor(name: string, cases: readonly GpuCase[]) {
    const names = new Set<string>();
    for (const { name: caseName } of cases) {
      if (names.has(caseName)) throw new Error(`suite "${name}" has two cases named "${caseName}"`);
      names.add(caseName);
    }
    if (cases.length === 0) throw new Error(`suite "${name}" has no cases`);
    this.name = name;
    this.cases = cases;
  }
}

/** Describes a suite; `describe` calls `test(name, run)` once a case. */
export function gpuSuite(
  name: string,
  describe: (test: (name: string, run: GpuCase['run']) => void) => void,
): GpuSuite {
  const cases: GpuCase[] = [];
  describe((caseName, run) => cases.push({ name: caseName, run }));
  return new GpuSuite(name, cases);
}

export type CaseOutcome =
  | { readonly status: 'passed' }
  | { readonly status: 'failed'; readonly message: string; readonly stack: string };

/** Address of a file of the repository, for a case: the page lies two folders below the root, as on the site. */
export const addressOf = (path: string): string => new URL(`../../${path}`, document.baseURI).href;

/** On the page. @param path from the repository's root */
export async function loadFile(path: string): Promise<ArrayBuffer> {
  const response = await fetch(addressOf(path));
  // Vite answers a missing file with its HTML fallback in some modes; the type tells.
  if (!response.ok || response.headers.get('content-type')?.startsWith('text/html')) {
    throw new Error(`cannot load ${path}: status ${response.status}, type ${response.headers.get('content-type')}`);
  }
  return response.arrayBuffer();
}

/**
 * Runs cases one after the other on one shared device. A case fails where it throws, where the GPU reports an error
 * that the case did not catch itself (validation, out of memory, internal), or where the device is lost; then the next
 * case gets a new device.
 */
export class CaseRunner {
  readonly #createGpu: () => Promise<Gpu>;
  readonly #load: GpuCaseContext['load'];
  #shared: Gpu | undefined;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(createGpu = (): Promise<Gpu> => Gpu.create({ label: 'tests' }), load = loadFile) {
    this.#createGpu = createGpu;
    this.#load = load;
  }

  /** Waits for the cases already running: they share a device, and error scopes are a stack. */
  run(testCase: GpuCase): Promise<CaseOutcome> {
    const outcome = this.#tail
      .then(() => this.#run(testCase))
      .then(
        (): CaseOutcome => ({ status: 'passed' }),
        (error: unknown): CaseOutcome => ({
          status: 'failed',
          message: error instanceof Error ? error.message : String(error),
          stack: error instanceof Error ? (error.stack ?? '') : '',
        }),
      );
    this.#tail = outcome;
    return outcome;
  }

  destroy(): void {
    this.#shared?.destroy();
    this.#shared = undefined;
  }

  async #run(testCase: GpuCase): Promise<void> {
    this.#shared ??= await this.#createGpu();
    const { device } = this.#shared;
    const gpu = await Gpu.create({ device });
    const errors: string[] = [];
    let lost: string | undefined;
    const stopListening = gpu.onError((error) => errors.push(error.message));
    void gpu.lost.then((error) => {
      lost = error.message;
    });
    const scopes = ['validation', 'out-of-memory', 'internal'] as const;
    for (const scope of scopes) device.pushErrorScope(scope);
    try {
      await testCase.run({ gpu, load: this.#load });
      await device.queue.onSubmittedWorkDone();
    } finally {
      for (const scope of [...scopes].reverse()) {
        // On a lost device popping rejects; the loss itself is reported below.
        const error = await device.popErrorScope().catch(() => null);
        if (error !== null) errors.push(`${scope}: ${error.message}`);
      }
      stopListening();
      gpu.destroy();
      if (lost !== undefined) this.#shared = undefined;
    }
    if (lost !== undefined) throw new Error(lost);
    if (errors.length > 0) throw new Error(`the GPU reported ${errors.join('; ')}`);
  }
}
