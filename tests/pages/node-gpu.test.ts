import { expect, it } from 'vitest';
import { findNodeAdapters, nodeAdapterNames, runOnAdapter } from '../../scripts/node-gpu.js';

/** SwiftShader's driver; every Chrome and Chromium brings it along. */
async function swiftShader(): Promise<string> {
  const adapters = await findNodeAdapters();
  expect(adapters.map(({ name }) => name)).toEqual(nodeAdapterNames);
  for (const adapter of adapters) {
    if ('icd' in adapter) expect(adapter.icd).toMatch(/\.json$/);
    else expect(adapter.missing).toMatch(/^no \S+ in |^Dawn finds no adapter in /);
  }
  const [first] = adapters;
  if (first === undefined || 'missing' in first) throw new Error(first?.missing ?? 'no adapter');
  return first.icd;
}

it("GPU cases run in Node on the browser's own driver", async () => {
  const job = { module: 'tests/browser/node.ts', input: 'tests/engine/network.gpu.ts' };
  const results = await runOnAdapter(await swiftShader(), job, (value) => value);
  expect(results).toEqual(expect.arrayContaining([{ name: expect.any(String), failure: undefined }]));
  expect(results).not.toContainEqual({ name: expect.any(String), failure: expect.any(String) });
});

it('a module that fails, or is none, fails the caller', async () => {
  const icd = await swiftShader();
  const run = (module: string, input: unknown) => runOnAdapter(icd, { module, input }, (value) => value);
  await expect(run('tests/browser/node.ts', 'tests/no-such.gpu.ts')).rejects.toThrow('there is no module');
  await expect(run('tests/browser/numbers.ts', undefined)).rejects.toThrow('no function as its default export');
});
