/**
 * Runs GPU cases of the tests in Node, on an adapter that Chromium does not offer (lavapipe has shader-f16):
 *
 *     npx tsx scripts/gpu-cases.ts lavapipe tests/engine/kernels.gpu.ts [...]
 *
 * Exit code 1 where a case failed, or a module has none. Cases that use the DOM (canvases, image bitmaps) fail here,
 * and say so.
 */
import { findNodeAdapters, runOnAdapter } from './node-gpu.js';

/** What tests/browser/node.ts gives for each case. */
export interface CaseResult {
  readonly name: string;
  /** Undefined where it passed. */
  readonly failure: string | undefined;
}

const [wanted = '', ...modules] = process.argv.slice(2);
const adapters = await findNodeAdapters();
const adapter = adapters.find(({ name }) => name.toLowerCase() === wanted.toLowerCase());
if (adapter === undefined || modules.length === 0) {
  const names = adapters.map(({ name }) => name).join(' | ');
  throw new Error(`usage: npx tsx scripts/gpu-cases.ts ${names} MODULE.gpu.ts ...`);
}
if ('missing' in adapter) throw new Error(`${adapter.name} is not there: ${adapter.missing}`);

let failed = 0;
for (const module of modules) {
  const results = await runOnAdapter(
    adapter.icd,
    { module: 'tests/browser/node.ts', input: module },
    (value) => value as readonly CaseResult[],
  );
  if (results.length === 0) throw new Error(`${module} has no case`);
  for (const { name, failure } of results) {
    process.stdout.write(
      `${failure === undefined ? 'ok    ' : 'FAILED'} ${name}\n${failure === undefined ? '' : `${failure}\n`}`,
    );
    if (failure !== undefined) failed++;
  }
}
process.exitCode = failed === 0 ? 0 : 1;
