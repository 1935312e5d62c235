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

/** Serves `bytes` at one path. */
export function oneFile(path: string, bytes: Uint8Array): Plugin {
  return {
    name: `fullpose:${path}`,
    configureServer: (server) => {
      server.middlewares.use(path, (_, response) => {
        response.setHeader('Content-Type', 'application/octet-stream');
        response.end(bytes);
      });
    },
  };
}

/** Bytes, or a file too large to be read whole, of which the page may ask for ranges. */
export type Served = Uint8Array | { readonly path: string; readonly bytes: number };

/** First and last byte of a Range header; undefined where it asks for none, or for several. */
export function byteRange(
  header: string | undefined,
  bytes: number,
): readonly [first: number, last: number] | undefined {
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (from === '' && to === '') return undefined;
  if (from === '') return [Math.max(0, bytes - Number(to)), bytes - 1];
  return [Number(from), to === '' ? bytes - 1 : Math.min(bytes - 1, Number(to))];
}

/** Serves `/pictures/<index>`: what `read` resolves to, or status 404 and the message of its error. */
export function indexedPictures(read: (index: number) => Promise<Served>): Plugin {
  const serve: Connect.NextHandleFunction = async (request, response) => {
    response.setHeader('Cache-Control', 'no-store');
    try {
      const index = Number(/^\/(\d+)$/.exec(request.url ?? '')?.[1] ?? Number.NaN);
      if (Number.isNaN(index)) throw new Error(`no picture at ${request.url}`);
      const served = await read(index);
      response.setHeader('Content-Type', 'application/octet-stream');
      if (served instanceof Uint8Array) {
        response.end(served);
        return;
      }
      const { path, bytes } = served;
      const [first, last] = byteRange(request.headers.range, bytes) ?? [0, bytes - 1];
      if (first > last) {
        response.statusCode = 416;
        response.end();
        return;
      }
      response.setHeader('Accept-Ranges', 'bytes');
      response.setHeader('Content-Length', last + 1 - first);
      if (request.headers.range !== undefined) {
        response.statusCode = 206;
        response.setHeader('Content-Range', `bytes ${first}-${last}/${bytes}`);
      }
      createReadStream(path, { start: first, end: last })
        .on('error', () => response.destroy())
        .pipe(response);
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
