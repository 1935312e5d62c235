/**
 * WebGPU without a browser: npm `webgpu` (Dawn as a Node addon) on Vulkan drivers that need no GPU, to compare adapters
 * with one another. A driver is chosen by the environment when Dawn starts, and a crash of one must not take the others
 * along: each module runs in a process of its own.
 */
import { fork } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findBrowser, findIcd, lavapipeManifest, vulkanFolders } from './browser.js';

export const nodeAdapterNames = ['SwiftShader', 'lavapipe'] as const;
export type NodeAdapterName = (typeof nodeAdapterNames)[number];

/**
 * A driver that may be there: `icd` is its Vulkan manifest, or `missing` says where one was looked for, or that Dawn
 * refuses it.
 */
export type NodeAdapter =
  | { readonly name: NodeAdapterName; readonly icd: string }
  | { readonly name: NodeAdapterName; readonly missing: string };

/**
 * What the process is asked, and what it answers. Values are cloned as `structuredClone` does: typed arrays stay what
 * they are.
 */
export interface NodeGpuJob {
  /** Path from the repository's root of a module whose default export takes `input`. */
  readonly module: string;
  readonly input: unknown;
}
export type NodeGpuReply = { readonly result: unknown } | { readonly error: string };

/**
 * The drivers in software that this machine has: SwiftShader comes with every Chrome and Chromium, lavapipe with Mesa.
 */
export async function findNodeAdapters(): Promise<readonly NodeAdapter[]> {
  const browser = realpathSync(await findBrowser('chromium'));
  // Debian's /usr/bin/chromium is a script; the browser's files are elsewhere.
  const browserFolders = [dirname(browser), '/usr/lib/chromium', '/opt/google/chrome'];
  const lavapipe = locate('lavapipe', vulkanFolders, lavapipeManifest);
  return [locate('SwiftShader', browserFolders, /^vk_swiftshader_icd\.json$/), await unlessRefused(lavapipe)];
}

/** Dawn takes no lavapipe before Mesa 25: to have such a one is to have none. */
async function unlessRefused(adapter: NodeAdapter): Promise<NodeAdapter> {
  if ('missing' in adapter) return adapter;
  const { name, icd } = adapter;
  const isThere = await runOnAdapter(icd, { module: 'scripts/node-gpu-probe.ts', input: undefined }, Boolean);
  return isThere ? adapter : { name, missing: `Dawn finds no adapter in ${icd}` };
}

function locate(name: NodeAdapterName, folders: readonly string[], file: RegExp): NodeAdapter {
  const icd = findIcd(folders, file);
  return icd !== undefined ? { name, icd } : { name, missing: `no ${file.source} in ${folders.join(', ')}` };
}

/**
 * Runs the default export of `module` in a Node process whose `navigator.gpu` is Dawn's on the driver `icd`.
 * @param parse checks what came back
 * @throws Error where the module throws, or the process dies.
 */
export async function runOnAdapter<T>(icd: string, job: NodeGpuJob, parse: (result: unknown) => T): Promise<T> {
  const child = fork(join(dirname(fileURLToPath(import.meta.url)), 'node-gpu-process.ts'), [], {
    execArgv: ['--import', 'tsx'],
    env: { ...process.env, VK_ICD_FILENAMES: icd, VK_DRIVER_FILES: icd },
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-4000);
    });
  }
  try {
    const reply = await new Promise<NodeGpuReply>((resolve, reject) => {
      child.once('message', (message: NodeGpuReply) => resolve(message));
      child.once('error', reject);
      child.once('exit', (code, signal) =>
        reject(new Error(`the process ended early (${signal ?? `exit code ${code}`}): ${said}`)),
      );
      child.send(job, (error) => error && reject(error));
    });
    if ('error' in reply) throw new Error(reply.error);
    return parse(reply.result);
  } finally {
    child.kill('SIGKILL');
  }
}
