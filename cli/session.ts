import type { Page } from 'puppeteer';
import type { BrowserName } from '../scripts/browser.js';
import { PageHost } from '../scripts/page-host.js';
import { indexedPictures, type Served } from '../scripts/page-plugins.js';
import type { AlignJob, AlignReply, FrameJob, FrameReply, StartOptions, StartReply } from './protocol.js';

/**
 * Jobs to keep going at once: one on the GPU, one being decoded, one being read. More would only hold more pictures in
 * memory.
 */
export const jobsInFlight = 3;

type Failure = Extract<AlignReply, { status: 'failed' }>;

const startTimeoutMs = 180_000;

export interface SessionOptions extends StartOptions {
  readonly browser: BrowserName;
  /** A picture or video; its error's message goes into the reply. */
  readonly read: (index: number) => Promise<Served>;
  /** npm packages that the page imports for this session. */
  readonly packages?: readonly string[];
  readonly note: (text: string) => void;
}

/**
 * A browser with the aligner's page in it. Where the page or its GPU device is lost, a new page takes over, once for
 * each job.
 */
export class AlignSession {
  readonly #host: PageHost;
  readonly #options: SessionOptions;
  #page: Promise<Page>;
  #closed = false;
  /** What the aligner runs on. */
  readonly device: StartReply;

  /** @throws Error where there is no browser, no WebGPU, or the weights do not load. */
  static async open(options: SessionOptions): Promise<AlignSession> {
    const host = await PageHost.open({
      browser: options.browser,
      plugins: [indexedPictures(options.read)],
      ...(options.packages && { packages: options.packages }),
    });
    try {
      const { page, reply } = await openAlignPage(host, options);
      return new AlignSession(host, options, page, reply);
    } catch (error) {
      await host.close();
      throw error;
    }
  }

  private constructor(host: PageHost, options: SessionOptions, page: Page, device: StartReply) {
    this.#host = host;
    this.#options = options;
    this.#page = Promise.resolve(page);
    this.device = device;
  }

  /** @throws Error where the session is closed meanwhile, or no new page could be opened. */
  align(job: AlignJob): Promise<AlignReply> {
    return this.#call((page) => page.evaluate((sent) => window.fullposeCli!.align(sent), job));
  }

  /** @throws Error as {@link align}. */
  alignFrame(job: FrameJob): Promise<FrameReply> {
    return this.#call((page) => page.evaluate((sent) => window.fullposeCli!.alignFrame(sent), job));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#host.close();
  }

  /** Calls the page; where it is lost, once more on a new one. */
  async #call<T extends AlignReply | FrameReply>(call: (page: Page) => Promise<T>): Promise<T | Failure> {
    const page = this.#page;
    const reply = await this.#callOn(page, call);
    const answer = reply.status === 'frame' ? reply.reply : reply;
    if (answer.status !== 'failed' || answer.code !== 'device-lost') return reply;
    // Of the jobs that lost the same page only the first replaces it.
    if (this.#page === page) this.#page = this.#replace(page);
    return this.#callOn(this.#page, call);
  }

  async #callOn<T>(opening: Promise<Page>, call: (page: Page) => Promise<T>): Promise<T | Failure> {
    const page = await opening;
    try {
      return await call(page);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (this.#closed) throw new Error('interrupted', { cause: error });
      return { status: 'failed', code: 'device-lost', message: `the page was lost: ${message}` };
    }
  }

  async #replace(lost: Promise<Page>): Promise<Page> {
    this.#options.note('the page or its GPU device was lost; starting again');
    const old = await lost;
    await old.close().catch(() => {});
    return (await openAlignPage(this.#host, this.#options)).page;
  }
}

async function openAlignPage(host: PageHost, { iterations, maxFaces, detector, search, note }: SessionOptions) {
  const page = await host.openPage('/cli/page/', async (opened) => {
    await opened.exposeFunction('fullposeTell', note);
    opened.on('pageerror', (error) => note(`page: ${error instanceof Error ? error.message : String(error)}`));
  });
  await page.waitForFunction(() => window.fullposeCli !== undefined, { timeout: startTimeoutMs });
  const options: StartOptions = {
    detector,
    ...(iterations === undefined ? {} : { iterations }),
    ...(maxFaces === undefined ? {} : { maxFaces }),
    ...(search === undefined ? {} : { search }),
  };
  const reply = await page.evaluate(async (sent) => {
    const { fullposeCli } = window;
    if (fullposeCli === undefined) throw new Error('the page has not started');
    return fullposeCli.start(sent);
  }, options);
  return { page, reply };
}
