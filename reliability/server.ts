/** What the page server adds for the checks: weights that arrive damaged, and a page with a strict policy. */
import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { build, type Plugin, type Rolldown } from 'vite';
import { repositoryRoot } from '../scripts/page-host.js';
import { minifiedShaders } from '../scripts/wgsl.js';
import { smallWeightBuffers } from '../tests/cascade/small-weights.js';
import { type Fault, isFault } from './faults.js';

/** The damage is done to this file. */
const VICTIM = 'iteration0.safetensors';

function smallFiles(fault: Fault): ReadonlyMap<string, Uint8Array> {
  const { faceModel, network, iterations } = smallWeightBuffers();
  const files = new Map<string, Uint8Array>([
    ['face_model.safetensors', new Uint8Array(faceModel)],
    ['network.json', new TextEncoder().encode(network)],
    ...iterations.map((file, k): [string, Uint8Array] => [`iteration${k}.safetensors`, new Uint8Array(file)]),
  ]);
  const entries = [...files].map(([name, data]): [string, unknown] => [
    fault === 'other-host' && name === VICTIM ? `https://example.com/${name}` : name,
    { bytes: data.length, sha256: createHash('sha256').update(data).digest('hex') },
  ]);
  const manifest = {
    format: 'fullpose-weights/1',
    faceModel: 'face_model.safetensors',
    network: 'network.json',
    iterations: entries.slice(2).map(([name]) => name),
    files: Object.fromEntries(entries),
  };
  files.set('manifest.json', new TextEncoder().encode(JSON.stringify(manifest)));
  return files;
}

/** Serves `/reliability/weights/<fault>/<file>`. */
export function faultyWeights(): Plugin {
  return {
    name: 'fullpose:faulty-weights',
    configureServer: (server) => {
      server.middlewares.use('/reliability/weights', (request, response, next) => {
        const [, fault = '', name = ''] = /^\/([\w-]+)\/([\w.-]+)$/.exec(request.url ?? '') ?? [];
        const file = isFault(fault) ? smallFiles(fault).get(name) : undefined;
        if (!isFault(fault) || file === undefined) return next();
        response.setHeader('Cache-Control', 'no-store');
        const victim = fault === 'cut-off-manifest' ? 'manifest.json' : VICTIM;
        if (name === victim) sendDamaged(response, file, fault);
        else response.end(file);
      });
    },
  };
}

function sendDamaged(response: ServerResponse, file: Uint8Array, fault: Fault): void {
  const half = file.subarray(0, file.length / 2);
  switch (fault) {
    case 'short':
      response.end(half);
      return;
    case 'long':
      response.end(Buffer.concat([file, file]));
      return;
    case 'other-bytes':
      response.end(file.map((byte, i) => (i === file.length - 1 ? byte ^ 1 : byte)));
      return;
    case 'missing':
      response.statusCode = 404;
      response.end('no such file');
      return;
    case 'server-error':
      response.statusCode = 503;
      response.end('later');
      return;
    case 'page':
      response.setHeader('Content-Type', 'text/html');
      response.end('<!doctype html><title>Log in</title>');
      return;
    case 'cut-off':
    case 'cut-off-manifest':
      response.setHeader('Content-Length', file.length);
      response.write(half, () => setTimeout(() => response.destroy(), 50));
      return;
    case 'slow':
      response.setHeader('Content-Length', file.length);
      response.write(half);
      return;
    default:
      response.end(file);
  }
}

/** Where the strict page is. */
export const strictPage = '/reliability/strict/';

/** Nothing but scripts and data of this server; no text that becomes code. */
const POLICY =
  "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types";

/** Serves the strict page: the library as it is built, not as the development server rewrites it. */
export function strictLibrary(): Plugin {
  let script: Promise<string> | undefined;
  return {
    name: 'fullpose:strict-library',
    configureServer: (server) => {
      server.middlewares.use(strictPage.slice(0, -1), async (request, response, next) => {
        if (request.url === '/') {
          response.setHeader('Content-Security-Policy', POLICY);
          response.setHeader('Content-Type', 'text/html');
          response.end('<!doctype html><title>strict</title><script type="module" src="script.js"></script>');
        } else if (request.url === '/script.js') {
          script ??= buildStrict();
          try {
            response.setHeader('Content-Type', 'text/javascript');
            response.end(await script);
          } catch (error) {
            next(error);
          }
        } else next();
      });
    },
  };
}

async function buildStrict(): Promise<string> {
  const built = await build({
    root: repositoryRoot,
    configFile: false,
    logLevel: 'error',
    plugins: [minifiedShaders()],
    build: { write: false, lib: { entry: join(repositoryRoot, 'reliability/csp/main.ts'), formats: ['es'] } },
  });
  const outputs: readonly unknown[] = Array.isArray(built) ? built : [built];
  const chunks = outputs.flatMap((output) => (isOutput(output) ? output.output : []));
  const [entry, ...others] = chunks.filter((file) => file.type === 'chunk');
  if (entry === undefined || others.length > 0)
    throw new Error(`the strict page was built into ${others.length + 1} scripts`);
  return entry.code;
}

function isOutput(value: unknown): value is Rolldown.RolldownOutput {
  return typeof value === 'object' && value !== null && 'output' in value;
}
