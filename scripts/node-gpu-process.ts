/** The process that scripts/node-gpu.ts starts: WebGPU's globals, then one job. */
import { createServer } from 'vite';
import { create, globals } from 'webgpu';
import type { NodeGpuJob, NodeGpuReply } from './node-gpu.js';
import { repositoryRoot } from './page-host.js';

Object.assign(globalThis, globals);
Object.defineProperty(globalThis, 'navigator', { value: { gpu: create([]) }, configurable: true });

process.once('message', (job: NodeGpuJob) => {
  // Whatever came of it, the process that asked ends this one: Dawn keeps it alive.
  const answer = (reply: NodeGpuReply) => process.send?.(reply);
  run(job).then(
    (result) => answer({ result }),
    (error: unknown) => answer({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});

/** Vite reads the sources as it does for a page: TypeScript, `?raw`, globs. */
async function run({ module, input }: NodeGpuJob): Promise<unknown> {
  const server = await createServer({
    root: repositoryRoot,
    configFile: false,
    appType: 'custom',
    logLevel: 'error',
    optimizeDeps: { noDiscovery: true },
    server: { middlewareMode: true, hmr: false, watch: null, ws: false },
  });
  const { default: action } = await server.ssrLoadModule(`/${module}`);
  if (typeof action !== 'function') throw new Error(`${module} has no function as its default export`);
  return action(input);
}
