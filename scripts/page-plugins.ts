import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Connect, Plugin } from 'vite';
import { picturesBase } from '../pages/routes.js';

const packages = join(dirname(dirname(fileURLToPath(import.meta.url))), 'node_modules');

const contentTypes: Readonly<Record<string, string>> = {
  js: 'text/javascript',
  mjs: 'text/javascript',
  wasm: 'application/wasm',
};

/** Serves the files of `folder` of an installed package under `base` as they are; Vite would rewrite its scripts. */
export function packageFiles(base: string, folder: string): Plugin {
  const serve: Connect.NextHandleFunction = async (request, response, next) => {
    const name = request.url?.slice(1).split('?')[0] ?? '';
    if (!/^[\w.-]+$/.test(name)) return next();
    const path = join(packages, folder, name);
    try {
      const { size } = await stat(path);
      response.setHeader('Content-Type', contentTypes[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream');
      response.setHeader('Content-Length', size);
      // A worker that a cross-origin isolated page starts must ask for isolation itself.
      response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
      createReadStream(path).pipe(response);
    } catch {
      next();
    }
  };
  return {
    name: `fullpose:files of ${folder}`,
    configureServer: (server) => {
      server.middlewares.use(base.slice(0, -1), serve);
    },
  };
}

/** Serves `/pictures/<index>`: the bytes that `read` resolves to, or status 404 and the message of its error. */
export function indexedPictures(read: (index: number) => Promise<Uint8Array>): Plugin {
  const serve: Connect.NextHandleFunction = async (request, response) => {
    response.setHeader('Cache-Control', 'no-store');
    try {
      const index = Number(/^\/(\d+)$/.exec(request.url ?? '')?.[1] ?? Number.NaN);
      if (Number.isNaN(index)) throw new Error(`no picture at ${request.url}`);
      const bytes = await read(index);
      response.setHeader('Content-Type', 'application/octet-stream');
      response.end(bytes);
    } catch (error) {
      response.statusCode = 404;
      response.setHeader('Content-Type', 'text/plain; charset=utf-8');
      response.end(error instanceof Error ? error.message : String(error));
    }
  };
  return {
    name: 'fullpose:indexed-pictures',
    configureServer: (server) => {
      server.middlewares.use(picturesBase.slice(0, -1), serve);
    },
  };
}
