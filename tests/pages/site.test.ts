import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { AxeResults } from 'axe-core';
import type { Browser, Page } from 'puppeteer';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { launchBrowser } from '../../scripts/browser.js';
import { buildSite } from '../../scripts/build-site.js';
import { repositoryRoot } from '../../scripts/page-host.js';
import { sitePages } from '../../scripts/site-header.js';
import { type StaticServer, serveFolder } from '../../scripts/static-server.js';

declare global {
  interface Window {
    readonly axe: { run(options: unknown): Promise<AxeResults> };
  }
}

/** A busy machine may take its time. */
const timeoutMs = 280_000;

/** From the host's root to the site's. */
const folder = '/some/where/';

/** The folder that is served. */
let parent: string;
let server: StaticServer;
let browser: Browser;

beforeAll(async () => {
  parent = mkdtempSync(join(tmpdir(), 'fullpose-site-'));
  // .ci/run has built the site; elsewhere it is built here.
  const built = process.env.FULLPOSE_SITE;
  const site = built === undefined ? join(parent, 'site') : resolve(built);
  if (built === undefined) await buildSite(site);
  // The files have no say in where they are served from.
  server = await serveFolder(site, folder);
  browser = await launchBrowser();
});

afterAll(async () => {
  await browser?.close();
  server?.close();
  rmSync(parent, { recursive: true });
});

/** What is wrong with the pages of a walk, and what each page has. */
interface Walk {
  readonly visited: Map<string, { readonly ids: ReadonlySet<string>; readonly links: readonly string[] }>;
  readonly faults: string[];
}

const axe = readFileSync(join(repositoryRoot, 'node_modules/axe-core/axe.min.js'), 'utf8');

/** Serious and critical faults, each with the first place that has it. */
async function accessFaults(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { violations } = await window.axe.run({
      resultTypes: ['violations'],
      // Experimental, and takes the key that the search field shows for a part of its name.
      rules: { 'label-content-name-mismatch': { enabled: false } },
    });
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}, ${nodes.length} times, as at ${nodes[0]?.target.join(' ')}`);
  });
}

/**
 * Pages of the documentation that stand for all that are laid out as they are: home, text, code, tables, the generated
 * API.
 */
const audited = /^(|guide\/getting-started\.html|recipes\/worker\.html|performance\.html|api\/.*\/FaceTracker\.html)$/;

/** Follows every link of the site from its root on. */
async function walk(page: Page, root: string): Promise<Walk> {
  const [visited, faults]: [Walk['visited'], string[]] = [new Map(), []];
  let path = '';
  const fault = (text: string) => faults.push(`${path}: ${text}`);
  page.on('pageerror', (error) => fault(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') fault(message.text());
  });
  page.on('response', (response) => {
    if (response.status() >= 400) fault(`${response.url()}: status ${response.status()}`);
  });
  const found = new Set([root]);
  for (const url of found) {
    path = url.slice(root.length);
    if (!/(\/|\.html|^)$/.test(path)) {
      if (!(await fetch(url, { method: 'HEAD' })).ok) fault('a dead link');
      continue;
    }
    await page.goto(url);
    const isDocumentation = !sitePages.includes(`${path}index.html`);
    const needsGpu = !isDocumentation && !/^(examples|tests\/browser)\/$/.test(path);
    if (needsGpu)
      await page.waitForFunction(() =>
        [...document.querySelectorAll('[role="status"], [role="alert"]')].some((it) =>
          it.textContent?.includes('WebGPU'),
        ),
      );
    for (const scheme of isDocumentation ? (audited.test(path) ? ['light'] : []) : ['light', 'dark']) {
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
      for (const text of await accessFaults(page)) fault(`${scheme}: ${text}`);
    }
    const { ids, links } = await page.evaluate(() => ({
      ids: [...document.querySelectorAll('[id]')].map(({ id }) => id),
      links: [...document.querySelectorAll('a')].flatMap(({ href }) => (href === '' ? [] : [href])),
    }));
    visited.set(url, { ids: new Set(ids), links });
    for (const link of links) {
      const [target = ''] = link.split('#');
      if (target.startsWith(root)) found.add(target);
      else if (target.startsWith(server.origin)) fault(`a link out of the site: ${link}`);
    }
  }
  for (const [from, { links }] of visited) {
    for (const link of links) {
      const [target = '', id = ''] = link.split('#');
      const ids = visited.get(target)?.ids;
      if (id !== '' && ids && !ids.has(decodeURIComponent(id))) faults.push(`${from}: nothing has the id of ${link}`);
    }
  }
  return { visited, faults };
}

it('links to live pages without an error or a serious fault of access, in any folder', async () => {
  const page = await browser.newPage();
  await page.setViewport({ width: 1280, height: 800 });
  // No page draws, and each says why.
  await page.evaluateOnNewDocument(() => Reflect.deleteProperty(Navigator.prototype, 'gpu'));
  await page.setBypassServiceWorker(true);
  const root = `${server.origin}${folder}`;
  const { visited, faults } = await walk(page, root);
  expect(faults).toEqual([]);
  const paths = [...visited.keys()].map((url) => url.slice(root.length).replace(/(^|\/)$/, '$1index.html'));
  expect(sitePages.filter((path) => !paths.includes(path))).toEqual([]);
  expect(paths.length).toBeGreaterThan(sitePages.length + 30);
  await page.close();
});

it('works without a network after the first visit', async () => {
  const page = await browser.newPage();
  page.setDefaultTimeout(timeoutMs);
  const faceFound = () => page.waitForFunction(() => window.fullposeDemo?.faces.length === 1);
  await page.goto(`${server.origin}${folder}demo/`);
  await page.waitForSelector('#offline:not([hidden])');
  await faceFound();
  server.close();
  await page.reload();
  await faceFound();
  // Pages that nobody has opened before, too.
  await page.goto(`${server.origin}${folder}guide/limits.html`);
  expect(await page.$eval('h1', (title) => title.textContent)).toContain('Limits');
});
