import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import type { Browser } from 'puppeteer';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../../scripts/browser.js';
import { repositoryRoot } from '../../scripts/page-host.js';

const types: Readonly<Record<string, string>> = { '.js': 'text/javascript', '.json': 'application/json' };

/** What the documentation shows for a CDN. */
const snippet = /^```html\n(.*?)^```$/ms.exec(readFileSync(join(repositoryRoot, 'docs/loading.md'), 'utf8'))?.[1] ?? '';

/** The snippet with another CDN, going on with a photo from there. */
const snippetPage = (cdn: string) => `<!doctype html>
${snippet.replaceAll('https://cdn.jsdelivr.net/npm/fullpose', cdn).replace(
  '</script>',
  `  const photo = new Image();
  photo.crossOrigin = 'anonymous';
  photo.src = '${cdn}/assets/astronaut.png';
  await photo.decode();
  const [face] = await aligner.align(photo, await detector.detect(photo));
  window.outcome = { nose: [...face.landmarks.slice(90, 92)], steps: [] };
</script>`,
)}`;

/** A site that reports how its weights come. */
const page = (cdn: string) => `<!doctype html>
<canvas id="picture" width="80" height="80"></canvas>
<script type="module">
  import { FaceAligner } from '${cdn}/dist/index.js';

  const canvas = document.querySelector('#picture');
  canvas.getContext('2d').fillRect(20, 20, 30, 30);
  const steps = [];
  try {
    const aligner = await FaceAligner.create({ onProgress: (step) => steps.push(step) });
    const [face] = await aligner.align(canvas, [{ x0: 10, y0: 10, x1: 60, y1: 60, kind: 'detector' }]);
    window.outcome = { landmarks: face.landmarks.length, steps };
  } catch (error) {
    window.outcome = { error: String(error), steps };
  }
</script>`;

interface Outcome {
  readonly landmarks?: number;
  readonly nose?: readonly number[];
  readonly error?: string;
  readonly steps: readonly { readonly loaded: number; readonly total: number; readonly fromCache: boolean }[];
}

async function listen(handler: RequestListener): Promise<{ server: Server; origin: string }> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return { server, origin: `http://127.0.0.1:${address.port}` };
}

describe('the built library on a page of another origin', () => {
  let folder: string;
  let browser: Browser;
  let cdn: Awaited<ReturnType<typeof listen>>;
  let site: Awaited<ReturnType<typeof listen>>;
  /** Paths that the CDN was asked for; `refusing` answers 503 to all but scripts. */
  let asked: string[] = [];
  let refusing = false;
  /** What the site serves. */
  let html = '';

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fullpose-cdn-'));
    await build({
      root: repositoryRoot,
      configFile: join(repositoryRoot, 'vite.config.ts'),
      logLevel: 'error',
      build: { outDir: join(folder, 'dist') },
    });
    cdn = await listen((request, response) => {
      const path = new URL(request.url ?? '/', 'http://cdn').pathname;
      asked.push(path);
      response.setHeader('Access-Control-Allow-Origin', '*');
      response.setHeader('Content-Type', types[extname(path)] ?? 'application/octet-stream');
      if (refusing && !path.startsWith('/dist/')) response.writeHead(503).end();
      else {
        const root = path.startsWith('/dist/') ? folder : repositoryRoot;
        readFile(join(root, path)).then(
          (bytes) => response.end(bytes),
          () => response.writeHead(404).end(),
        );
      }
    });
    site = await listen((_, response) => response.setHeader('Content-Type', 'text/html').end(html));
    browser = await launchBrowser();
  });

  afterAll(async () => {
    await browser?.close();
    cdn?.server.close();
    site?.server.close();
    rmSync(folder, { recursive: true });
  });

  async function visit(content: string): Promise<Outcome> {
    [asked, html] = [[], content];
    const opened = await browser.newPage();
    await opened.goto(site.origin);
    const outcome = await opened.waitForFunction(() => Reflect.get(window, 'outcome'), { timeout: 180_000 });
    const value = await outcome.jsonValue();
    await opened.close();
    return value as Outcome;
  }

  it("runs the documentation's lines for a CDN: aligner and detector find their weights there", async () => {
    expect(snippet).toContain('https://cdn.jsdelivr.net/npm/fullpose/dist/index.js');
    const { nose = [] } = await visit(snippetPage(cdn.origin));
    expect(Math.hypot((nose[0] ?? 0) - 230, (nose[1] ?? 0) - 130)).toBeLessThan(25);
    expect(asked).toContain('/weights/detector.json');
    const opened = await browser.newPage();
    await opened.goto(site.origin);
    await opened.evaluate(() => caches.delete('fullpose-weights'));
    await opened.close();
  });

  it('loads the weights that lie beside the module, and from the cache once the server refuses', async () => {
    const first = await visit(page(cdn.origin));
    expect(first.error).toBeUndefined();
    expect(first.landmarks).toBe(68 * 3);
    expect(asked).toContain('/weights/iteration2.safetensors');
    expect(first.steps.every(({ fromCache }) => !fromCache)).toBe(true);
    expect(first.steps.at(-1)?.loaded).toBe(first.steps.at(-1)?.total);

    refusing = true;
    const second = await visit(page(cdn.origin));
    expect(second.error).toBeUndefined();
    expect(second.landmarks).toBe(68 * 3);
    expect(asked.filter((path) => path.startsWith('/weights/'))).toEqual(['/weights/manifest.json']);
    expect(second.steps).toHaveLength(5);
    expect(second.steps.every(({ fromCache }) => fromCache)).toBe(true);
    expect(second.steps.at(-1)?.loaded).toBe(first.steps.at(-1)?.total);
  });
});
