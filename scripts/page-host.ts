import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'puppeteer';
import { createServer, type Plugin, type ViteDevServer } from 'vite';
import { type BrowserName, browserFrom, launchBrowser, thisMachine } from './browser.js';

/** The repository's root: what every page is served from. */
export const repositoryRoot = dirname(dirname(fileURLToPath(import.meta.url)));

/** A busy machine may take its time. */
const loadTimeoutMs = 180_000;

export interface PageHostOptions {
  /** Default: the one that `FULLPOSE_BROWSER` names, else Chromium. */
  readonly browser?: BrowserName;
  /** Added to the ones of vite.config.ts. */
  readonly plugins?: readonly Plugin[];
  /**
   * npm packages that the page imports. Vite bundles these alone, and looks for no others: a search would read every
   * page of the repository.
   */
  readonly packages?: readonly string[];
  /** Added to Chromium's command line. */
  readonly flags?: readonly string[];
  /** The browser reaches the page server, and no other host. */
  readonly offline?: boolean;
}

/**
 * A Vite server on a free port of the loopback interface and a headless browser, for programs that run a page of this
 * repository. Both end with `close()`; the server watches nothing and reloads nothing.
 */
export class PageHost {
  readonly #server: ViteDevServer;
  readonly #launch: () => Promise<Browser>;
  #browser: Browser;
  /** Which browser it is. */
  readonly browser: BrowserName;
  readonly origin: string;

  /** @throws BrowserMissingError where there is no browser and none can be fetched. */
  static async open(options: PageHostOptions = {}): Promise<PageHost> {
    const { browser = browserFrom(thisMachine), plugins = [], packages = [], flags = [], offline = false } = options;
    const launch = () => launchBrowser({ browser, flags, offline });
    const server = await createServer({
      root: repositoryRoot,
      // Programs with other packages keep other bundles, and those that run at the same time.
      cacheDir: join(
        repositoryRoot,
        `node_modules/.vite/${browser}`,
        packages.length === 0 ? 'plain' : packages.join('+').replaceAll('/', '_'),
      ),
      optimizeDeps: { noDiscovery: true, include: [...packages] },
      configFile: `${repositoryRoot}/vite.config.ts`,
      logLevel: 'warn',
      clearScreen: false,
      plugins: [...plugins],
      server: { host: '127.0.0.1', port: 0, hmr: false, watch: null },
    });
    try {
      const [, running] = await Promise.all([server.listen(), launch()]);
      return new PageHost(server, running, browser, launch);
    } catch (error) {
      await server.close();
      throw error;
    }
  }

  private constructor(server: ViteDevServer, running: Browser, browser: BrowserName, launch: () => Promise<Browser>) {
    const address = server.httpServer?.address();
    if (typeof address !== 'object' || address === null) throw new Error('the page server has no port');
    this.#server = server;
    this.#browser = running;
    this.#launch = launch;
    this.browser = browser;
    this.origin = `http://127.0.0.1:${address.port}`;
  }

  /**
   * A new page at `path` (from the root, as "/demo/"), loaded. Where the browser has died meanwhile, in a new browser.
   */
  async openPage(path: string, prepare?: (page: Page) => Promise<void> | void): Promise<Page> {
    if (!this.#browser.connected) this.#browser = await this.#launch();
    const page = await this.#browser.newPage();
    await prepare?.(page);
    const response = await page.goto(`${this.origin}${path}`, { timeout: loadTimeoutMs });
    // 304 where the browser has seen the page before.
    const status = response?.status() ?? 0;
    if (status !== 200 && status !== 304) throw new Error(`${path}: the page server answered with status ${status}`);
    return page;
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#browser.close(), this.#server.close()]);
  }
}
