/** The GPU cases of every `*.gpu.ts` module as tests, in a page of one browser. */
import type { ConsoleMessage, Page } from 'puppeteer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BrowserName } from '../../scripts/browser.js';
import { PageHost } from '../../scripts/page-host.js';
import { failing } from './failing.js';
import { isLeftOut, leftOut } from './left-out.js';
import { loadSuites, suitePaths } from './suites.js';

/** A GPU in software on a slow machine takes its time; what hangs is still told. */
const caseTimeoutMs = 280_000;

export async function testIn(browser: BrowserName): Promise<void> {
  let host: PageHost;
  let page: Page;
  const noise: string[] = [];

  async function load(): Promise<void> {
    await page.waitForFunction(() => typeof window.runGpuCase === 'function', { timeout: 60_000 });
  }

  beforeAll(async () => {
    host = await PageHost.open({ browser });
    page = await host.openPage('/tests/browser/?runner', (opened) => {
      opened.on('console', (message: ConsoleMessage) => {
        if (['error', 'warn'].includes(message.type())) noise.push(`${message.type()}: ${message.text()}`);
      });
      opened.on('pageerror', (error) => noise.push(`uncaught: ${String(error)}`));
    });
    await load();
  });

  afterAll(async () => {
    await host?.close();
  });

  async function runCase(path: string, suite: string, name: string, timeoutMs = caseTimeoutMs): Promise<void> {
    noise.length = 0;
    const running = page.evaluate((p, s, n) => window.runGpuCase(p, s, n), path, suite, name);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), timeoutMs);
    });
    const outcome = await Promise.race([running, late]).finally(() => clearTimeout(timer));
    const heard = noise.length === 0 ? '' : `\nThe page's console:\n${noise.join('\n')}`;
    if (outcome === 'late') {
      running.catch(() => {});
      // The case still holds the device; a new page leaves it behind.
      await page.reload();
      await load();
      throw new Error(`not finished after ${timeoutMs / 1000} s${heard}`);
    }
    if (outcome.status === 'failed') {
      const error = new Error(`${outcome.message}${heard}`);
      error.stack = `${outcome.message}${heard}\n${outcome.stack}`;
      throw error;
    }
    const uncaught = noise.filter((line) => line.startsWith('uncaught'));
    if (uncaught.length > 0) throw new Error(uncaught.join('\n'));
  }

  const modules = await Promise.all(suitePaths.map(loadSuites));

  for (const { path, suites, error } of modules) {
    if (error !== undefined) {
      it(path, () => {
        throw error;
      });
    }
    for (const suite of suites) {
      const cases = suite.cases.filter(({ name }) => !isLeftOut(browser, suite.name, name));
      if (cases.length === 0) continue;
      describe(suite.name, () => {
        for (const { name } of cases) it(name, () => runCase(path, suite.name, name));
      });
    }
  }

  describe('from the page to the test runner', () => {
    const [anyPath = ''] = suitePaths;

    it('a failing case fails its test', async () => {
      await expect(runCase(anyPath, failing.name, 'throws')).rejects.toThrow('two is not three');
    });

    it('an unknown case fails', async () => {
      await expect(runCase(anyPath, 'no such suite', 'no such case')).rejects.toThrow('no GPU case');
    });

    it('a module that does not load is reported, not lost', async () => {
      expect((await loadSuites('../no-such.gpu.ts')).error?.message).toBe('there is no module ../no-such.gpu.ts');
    });
  });

  // An empty suite fails.
  if (leftOut[browser].length === 0) return;
  describe(`what ${browser} leaves out`, () => {
    for (const { cases, reason } of leftOut[browser]) {
      it(`${cases.source}: ${reason}`, async () => {
        const all = modules.flatMap(({ path, suites }) =>
          suites.flatMap((suite) => suite.cases.map(({ name }) => ({ path, suite: suite.name, name }))),
        );
        const found = all.filter(({ suite, name }) => cases.test(`${suite} > ${name}`));
        console.info(`${browser} leaves out ${found.length} of ${all.length} cases, ${cases.source}: ${reason}`);
        const [first] = found;
        if (first === undefined) throw new Error('there is no such case');
        // Once it passes it must not be left out any more.
        await expect(runCase(first.path, first.suite, first.name, 20_000)).rejects.toThrow();
      });
    }
  });
}
