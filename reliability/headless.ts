/** Runs every check in a headless browser and gathers what the contract asks for. */
import type { Page } from 'puppeteer';
import type { BrowserName } from '../scripts/browser.js';
import { findNodeAdapters, runOnAdapter } from '../scripts/node-gpu.js';
import { PageHost } from '../scripts/page-host.js';
import type { PixelData } from '../src/pictures/frame.js';
import type { AdapterResult } from './adapters.js';
import type { FuzzResult, SampleBytes } from './page/main.js';
import {
  type Amounts,
  largestDifference,
  MAX_ERROR,
  MAX_HEAP_GROWTH_MB,
  type Outcome,
  PARTS,
  type Part,
  type Report,
  type Row,
} from './report.js';
import { faultyWeights, strictLibrary, strictPage } from './server.js';

/** Frames between two words on the progress. */
const SOAK_PIECE = 100;

/** Frames before counting starts: compilers warm up, caches fill, for every kind of call. */
const WARM_UP = 150;

/** What a part counts before it begins. */
const NOTHING: Report = {
  fuzz: { cases: 0, uncaught: 0, hangs: 0, untyped: 0 },
  soak: { frames: 0, buffersStart: 0, buffersEnd: 0, heapGrowthMB: 0, validationErrors: 0 },
  lifecycle: { cycles: 0, leakedBuffers: 0 },
  deviceLoss: { cases: 0, recovered: 0, uncaught: 0 },
  repeat: { runs: 0, different: 0 },
  adapters: [],
};

/**
 * What Firefox tells of a page as if the page had thrown it: pictures that it cannot decode, what a policy refused. The
 * checks look at both themselves.
 */
const saidByFirefox = /^Error: (Image corrupt or truncated\.|Content-Security-Policy: )/;

type Note = (text: string) => void;

/**
 * @throws Error where there is no browser. What goes wrong in a check is in the outcome, and the other checks still
 * run.
 */
export async function runReliability(
  browser: BrowserName,
  amounts: Amounts,
  seed: number,
  note: Note,
  parts: readonly Part[] = PARTS,
): Promise<Outcome> {
  // Chromium would give up on the GPU after a few crashes, and on a page during whose calls they happened.
  const flags = ['--disable-gpu-process-crash-limit', '--disable-domain-blocking-for-3d-apis'];
  const host = await PageHost.open({
    browser,
    plugins: [faultyWeights(), strictLibrary()],
    packages: ['fast-check'],
    flags,
  });
  try {
    return await new Run(host, amounts, seed, note).run(parts);
  } finally {
    await host.close();
  }
}

interface OpenPage {
  readonly page: Page;
  /** URLs asked for, in order. */
  readonly requests: string[];
}

class Run {
  readonly #host: PageHost;
  readonly #amounts: Amounts;
  readonly #seed: number;
  readonly #note: Note;
  readonly #rows: Row[] = [];
  #uncaught = 0;

  constructor(host: PageHost, amounts: Amounts, seed: number, note: Note) {
    this.#host = host;
    this.#amounts = amounts;
    this.#seed = seed;
    this.#note = note;
  }

  async run(parts: readonly Part[]): Promise<Outcome> {
    const wanted = (part: Part) => parts.includes(part);
    const fuzz = wanted('fuzz') ? await this.#fuzz() : NOTHING.fuzz;
    const soak = wanted('soak') ? await this.#soak() : NOTHING.soak;
    const lifecycle = wanted('lifecycle') ? await this.#lifecycle() : NOTHING.lifecycle;
    const repeat = wanted('repeat') ? await this.#repeat() : NOTHING.repeat;
    const adapters = wanted('adapters') ? await this.#adapters() : NOTHING.adapters;
    if (wanted('strict')) await this.#strict();
    const deviceLoss = wanted('deviceLoss') ? await this.#losses() : NOTHING.deviceLoss;
    return { report: { fuzz, soak, lifecycle, deviceLoss, repeat, adapters }, rows: this.#rows };
  }

  /**
   * One line of the table, on a page of its own. A check that throws, and errors that nobody caught, are failures of
   * that line.
   * @param action adds to `failures` and returns the number of cases with its result
   */
  async #check<T>(
    tried: string,
    nothing: T,
    action: (open: OpenPage, failures: string[]) => Promise<{ readonly cases: number; readonly result: T }>,
  ): Promise<T> {
    this.#note(tried);
    const failures: string[] = [];
    let done = { cases: 0, result: nothing };
    const open = await this.#open(failures);
    const telling = setInterval(() => {
      const progress = open.page.evaluate(() => window.fullposeReliability?.progress() ?? '');
      progress.then((text) => text !== '' && this.#note(`  ${text}`)).catch(() => {});
    }, 10_000);
    try {
      done = await action(open, failures);
      const uncaught = await open.page.evaluate(() => window.fullposeReliability?.uncaught() ?? []);
      failures.push(...uncaught.map((text) => `uncaught: ${text}`));
      this.#uncaught += uncaught.length;
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    } finally {
      clearInterval(telling);
      await open.page.close().catch(() => {});
    }
    this.#rows.push({ tried, cases: done.cases, failures });
    return done.result;
  }

  async #open(failures: string[], path = '/reliability/page/'): Promise<OpenPage> {
    const requests: string[] = [];
    const page = await this.#host.openPage(path, (opened) => {
      opened.setDefaultTimeout(180_000);
      opened.on('request', (request) => requests.push(request.url()));
      opened.on('pageerror', (error) => {
        const text = String(error);
        if (this.#host.browser !== 'firefox' || !saidByFirefox.test(text)) failures.push(`uncaught: ${text}`);
      });
    });
    await page.waitForFunction(() => window.fullposeReliability !== undefined || window.fullposeStrict !== undefined);
    return { page, requests };
  }

  async #fuzz(): Promise<Report['fuzz']> {
    const nothing: FuzzResult = { counts: { cases: 0, uncaught: 0, hangs: 1, untyped: 0 }, failures: [] };
    const { parserCases, inputCases } = this.#amounts;
    const seed = this.#seed;
    const fuzzed: FuzzResult[] = [];
    fuzzed.push(
      await this.#check('damaged files and boxes', nothing, async ({ page }, failures) => {
        const result = await page.evaluate(
          (cases, s) => window.fullposeReliability!.fuzzParsers(cases, s),
          parserCases,
          seed,
        );
        failures.push(...result.failures);
        return { cases: result.counts.cases, result };
      }),
      await this.#check('pictures, boxes and options', nothing, async ({ page }, failures) => {
        const result = await page.evaluate(
          (cases, s) => window.fullposeReliability!.fuzzInputs(cases, s),
          inputCases,
          seed,
        );
        failures.push(...result.failures);
        return { cases: result.counts.cases, result };
      }),
      await this.#check('failing downloads and caches', nothing, async ({ page }, failures) => {
        const result = await page.evaluate(() => window.fullposeReliability!.checkDownloads());
        failures.push(...result.failures);
        return { cases: result.counts.cases, result };
      }),
    );
    const sum = (key: keyof Report['fuzz']) => fuzzed.reduce((total, { counts }) => total + counts[key], 0);
    return {
      cases: sum('cases'),
      uncaught: sum('uncaught') + this.#uncaught,
      hangs: sum('hangs'),
      untyped: sum('untyped'),
    };
  }

  async #soak(): Promise<Report['soak']> {
    const { soakFrames, soakWeights } = this.#amounts;
    const soaked = await this.#check(`soak, ${soakWeights} weights`, NOTHING.soak, async ({ page }, failures) => {
      await page.evaluate((weights) => window.fullposeReliability!.startSoak(weights).then(() => {}), soakWeights);
      const advance = (frames: number) => page.evaluate((count) => window.fullposeReliability!.soak(count), frames);
      const start = await advance(WARM_UP);
      const heapStart = await heapMB(this.#host.browser, page);
      this.#note(`  warm: ${start.buffers} buffers, ${megabytes(heapStart)} of heap`);
      let end = start;
      while (end.frames - WARM_UP < soakFrames) {
        end = await advance(Math.min(SOAK_PIECE, soakFrames + WARM_UP - end.frames));
        const grown = difference(await heapMB(this.#host.browser, page), heapStart);
        this.#note(
          `  ${end.frames - WARM_UP} of ${soakFrames} frames: ${end.buffers} buffers, ${megabytes(grown)} of heap more`,
        );
      }
      const heapGrowthMB = difference(await heapMB(this.#host.browser, page), heapStart);
      await page.evaluate(() => window.fullposeReliability!.endSoak());
      failures.push(...end.failures, ...end.validationErrors);
      for (const what of ['buffers', 'textures', 'bytes'] as const) {
        if (end[what] !== start[what]) failures.push(`${what} went from ${start[what]} to ${end[what]}`);
      }
      if (heapGrowthMB !== null && heapGrowthMB > MAX_HEAP_GROWTH_MB)
        failures.push(`the heap grew by ${heapGrowthMB} MB`);
      const frames = end.frames - WARM_UP;
      const validationErrors = end.validationErrors.length;
      const result = { frames, buffersStart: start.buffers, buffersEnd: end.buffers, heapGrowthMB, validationErrors };
      return { cases: frames, result };
    });
    await this.#check('a producer that never waits', undefined, async ({ page }, failures) => {
      failures.push(...(await page.evaluate(() => window.fullposeReliability!.flood())));
      return { cases: 40, result: undefined };
    });
    return soaked;
  }

  #lifecycle(): Promise<Report['lifecycle']> {
    const { cycles } = this.#amounts;
    return this.#check('create, use, destroy', NOTHING.lifecycle, async ({ page }, failures) => {
      const done = await page.evaluate((count) => window.fullposeReliability!.cycle(count), cycles);
      failures.push(...done.failures);
      if (done.leakedBuffers !== 0) failures.push(`${done.leakedBuffers} buffers leaked`);
      return { cases: done.cycles, result: { cycles: done.cycles, leakedBuffers: done.leakedBuffers } };
    });
  }

  /** Two pages at once. */
  #repeat(): Promise<Report['repeat']> {
    const { repeats } = this.#amounts;
    return this.#check('repeated runs, two pages at once', NOTHING.repeat, async ({ page }, failures) => {
      const other = await this.#open(failures);
      const results = await Promise.all(
        [page, other.page].map((one) => one.evaluate((count) => window.fullposeReliability!.repeat(count), repeats)),
      );
      await other.page.close();
      const runs = results.reduce((sum, result) => sum + result.runs, 0);
      const pages = new Set(results.map(({ bits }) => bits)).size - 1;
      const different = results.reduce((sum, result) => sum + result.different, pages);
      if (different !== 0) failures.push(`${different} of ${runs} runs gave other bits`);
      return { cases: runs, result: { runs, different } };
    });
  }

  /** The browser's adapter first, then Dawn's in Node, which see the same pixels. */
  async #adapters(): Promise<Report['adapters']> {
    const nothing: Measured = { adapters: [], landmarks: [], sample: { width: 0, height: 0, bytes: [] } };
    const measured = await this.#check('adapter of the browser', nothing, async ({ page }, failures) => {
      const { results, sample } = await page.evaluate(() => window.fullposeReliability!.measureAdapters());
      const landmarks = results[0]?.landmarks ?? [];
      const adapters = compareAdapters(results, landmarks, failures);
      return { cases: adapters.length, result: { adapters, landmarks, sample } };
    });
    const adapters = [...measured.adapters];
    const { width, height, bytes } = measured.sample;
    const input: PixelData = { width, height, data: Uint8ClampedArray.from(bytes) };
    for (const adapter of await findNodeAdapters()) {
      const tried = `adapter ${adapter.name} in Node`;
      this.#note(tried);
      const failures: string[] = [];
      if ('missing' in adapter) {
        this.#rows.push({ tried, cases: 0, failures, missing: adapter.missing });
        continue;
      }
      const job = { module: 'reliability/node.ts', input };
      const results = await runOnAdapter(adapter.icd, job, (value) => value as readonly AdapterResult[]).catch(
        (error: unknown): readonly AdapterResult[] => {
          failures.push(String(error));
          return [];
        },
      );
      const compared = compareAdapters(results, measured.landmarks, failures);
      adapters.push(...compared.map(({ name, maxError }) => ({ name: `${name} in Node`, maxError })));
      this.#rows.push({ tried, cases: compared.length, failures });
    }
    return adapters;
  }

  /** A page whose policy allows next to nothing, and a look at what it asked the network for. */
  async #strict(): Promise<void> {
    this.#note('strict Content-Security-Policy');
    const failures: string[] = [];
    const { origin } = this.#host;
    try {
      const { page, requests } = await this.#open(failures, strictPage);
      requests.length = 0;
      const reply = await page.evaluate((url) => window.fullposeStrict!(url), '/weights/manifest.json');
      failures.push(...reply.violations.map((text) => `the policy was broken: ${text}`));
      if (!reply.finite) failures.push('the face is not finite');
      if (!reply.textIsRefused) failures.push('the policy is not in force');
      const names = ['manifest.json', 'face_model.safetensors', 'network.json'];
      const iterations = [0, 1, 2].map((k) => `iteration${k}.safetensors`);
      const wanted = [...names, ...iterations].map((name) => `${origin}/weights/${name}`).sort();
      const asked = [...requests].sort();
      if (asked.join() !== wanted.join()) failures.push(`asked the network for ${asked.join(', ')}`);
      await page.close();
    } catch (error) {
      failures.push(String(error));
    }
    this.#rows.push({ tried: 'strict policy, and no other request', cases: 1, failures });
  }

  async #losses(): Promise<Report['deviceLoss']> {
    const { losses, crashes } = this.#amounts;
    const before = this.#uncaught;
    const nothing = { cases: 0, recovered: 0 };
    const lost = await this.#check('lost devices', nothing, async ({ page }, failures) => {
      const { failures: found, ...result } = await page.evaluate(
        (count) => window.fullposeReliability!.loseDevices(count),
        losses,
      );
      failures.push(...found);
      return { cases: result.cases, result };
    });
    const crashed = await this.#crashes(crashes);
    return {
      cases: lost.cases + crashed.cases,
      recovered: lost.recovered + crashed.recovered,
      uncaught: this.#uncaught - before,
    };
  }

  async #crashes(crashes: number): Promise<Omit<Report['deviceLoss'], 'uncaught'>> {
    const nothing = { cases: 0, recovered: 0 };
    const tried = 'a GPU process that dies';
    if (this.#host.browser === 'firefox') {
      this.#rows.push({ tried, cases: 0, failures: [], missing: 'Firefox has no command that ends it' });
      return nothing;
    }
    return await this.#check(tried, nothing, async ({ page }, failures) => {
      const session = await page.browser().target().createCDPSession();
      // The command has no answer: the process that would give it is gone.
      await page.exposeFunction('crashGpuProcess', () => void session.send('Browser.crashGpuProcess').catch(() => {}));
      const { failures: found, ...result } = await page.evaluate(
        (count) => window.fullposeReliability!.crashDevices(count),
        crashes,
      );
      failures.push(...found);
      return { cases: result.cases, result };
    });
  }
}

/** What the browser's adapter gave. */
interface Measured {
  readonly adapters: Report['adapters'];
  /** Of the sample, to compare other adapters with. */
  readonly landmarks: readonly number[];
  readonly sample: SampleBytes;
}

/** The larger of an adapter's error on the golden crops and its difference from `landmarks` on the sample. */
function compareAdapters(
  results: readonly AdapterResult[],
  landmarks: readonly number[],
  failures: string[],
): Report['adapters'] {
  return results.map(({ name, maxError: goldenError, landmarks: found, failures: errors }) => {
    failures.push(...errors);
    const sampleError = largestDifference(found, landmarks);
    if (!(goldenError <= MAX_ERROR))
      failures.push(`${name}: landmarks are ${goldenError} pixels from PyTorch's; wanted ${MAX_ERROR}`);
    if (!(sampleError <= MAX_ERROR))
      failures.push(
        `${name}: the sample's landmarks are ${sampleError} pixels from the browser's; wanted ${MAX_ERROR}`,
      );
    return { name, maxError: Math.max(goldenError, sampleError) };
  });
}

const megabytes = (value: number | null): string =>
  value === null ? 'an unknown number of MB' : `${value.toFixed(2)} MB`;

const difference = (after: number | null, before: number | null): number | null =>
  after === null || before === null ? null : Math.round((after - before) * 100) / 100;

/** The page's JavaScript heap after a collection, in MB; null where the browser does not tell. */
async function heapMB(browser: BrowserName, page: Page): Promise<number | null> {
  // A CDP session is Chromium's.
  if (browser === 'firefox') return null;
  const session = await page.createCDPSession();
  try {
    // Twice: wrappers of GPU objects go in the second round.
    for (let round = 0; round < 2; round++) await session.send('HeapProfiler.collectGarbage');
    const { usedSize } = await session.send('Runtime.getHeapUsage');
    return usedSize / 1e6;
  } finally {
    await session.detach();
  }
}
