/** Runs the cases of one `*.gpu.ts` module in Node, for scripts/gpu-cases.ts. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CaseResult } from '../../scripts/gpu-cases.js';
import { repositoryRoot } from '../../scripts/page-host.js';
import { Gpu } from '../../src/engine/device.js';
import { CaseRunner } from './suite.js';
import { loadSuites } from './suites.js';

export async function loadFromDisk(path: string): Promise<ArrayBuffer> {
  return Uint8Array.from(await readFile(join(repositoryRoot, path))).buffer;
}

/** @param module path from the repository's root */
export default async function runModule(module: string): Promise<readonly CaseResult[]> {
  const { suites, error } = await loadSuites(module.replace(/^tests\//, '../'));
  if (error !== undefined) throw error;
  const runner = new CaseRunner(() => Gpu.create({ label: 'tests' }), loadFromDisk);
  const results: CaseResult[] = [];
  for (const suite of suites) {
    for (const testCase of suite.cases) {
      const outcome = await runner.run(testCase);
      results.push({
        name: `${suite.name} > ${testCase.name}`,
        failure: outcome.status === 'failed' ? outcome.stack || outcome.message : undefined,
      });
    }
  }
  return results;
}
