import type { Page } from 'puppeteer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toJson } from '../../bench/report.js';
import { runFromJson, runToFragment } from '../../bench/saved.js';
import { PageHost } from '../../scripts/page-host.js';
import { sampleReport } from '../bench/sample-report.js';

let host: PageHost;
let page: Page;
const errors: string[] = [];

beforeAll(async () => {
  host = await PageHost.open();
  page = await host.openPage('/bench/', async (opened) => {
    await opened.setViewport({ width: 390, height: 844 });
    opened.on('pageerror', (error) => errors.push(String(error)));
    opened.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text());
    });
  });
  await page.waitForFunction(() => window.fullposeBench !== undefined, { timeout: 60_000 });
});

afterAll(async () => {
  await host?.close();
});

const texts = (selector: string) => page.$$eval(selector, (elements) => elements.map((element) => element.textContent));

describe('a report on the page', () => {
  beforeAll(() => page.evaluate((report) => window.fullposeBench.show(report), sampleReport()));

  it('shows every stage', async () => {
    const stages = await texts('[aria-labelledby="card-stages-of-a-frame"] tbody th');
    expect(stages).toEqual(sampleReport().stages.map(({ name }) => name));
  });

  it('greys a rival whose result is wrong, and one that failed', async () => {
    expect(await texts('tr.wrong th')).toEqual(['fast and wrong', 'does not start']);
    expect(await texts('tr.wrong .verdict')).toEqual(['wrong', 'failed']);
    expect(await texts('tr.ours th')).toEqual(['fullpose (WebGPU)']);
    const decoration = await page.$eval('tr.wrong .time', (cell) => getComputedStyle(cell).textDecorationLine);
    expect(decoration).toBe('line-through');
  });

  it('fits a phone, and lets the report be saved', async () => {
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
    for (const id of ['#save-json', '#save-markdown', '#copy-markdown', '#copy-link']) {
      expect(await page.$eval(id, (button) => button.hasAttribute('disabled'))).toBe(false);
    }
  });
});

describe('the timeline', () => {
  const bars = '[aria-labelledby="card-a-frame-dispatch-by-dispatch"] .dispatches button';

  it('shows what a dispatch was: time, workgroups, constants, compiler notes and WGSL', async () => {
    const { timeline, pipelines } = sampleReport();
    expect(await page.$$eval(bars, (buttons) => buttons.map((button) => button.ariaLabel))).toEqual(
      timeline.map(({ label, ms }) => `${label}, ${ms.toPrecision(3)} ms`),
    );
    await page.$$eval(bars, ([, second]) => second?.click());
    const [text = ''] = await texts('.dispatch');
    expect(text).toContain('105 x 1 x 1 workgroups; width = 128.');
    expect(text).toContain('The compiler: warning 2:1 unused');
    expect(text).toContain(pipelines[1]?.wgsl);
  });

  it('of a run from a link says that its WGSL is not there; a link that was cut says so', async () => {
    const fragment = await runToFragment({ ...sampleReport(), seconds: 77 });
    const visit = async (hash: string) => {
      await page.goto(`${host.origin}/bench/#${hash}`);
      await page.reload();
    };
    await visit(fragment);
    await page.waitForSelector(bars);
    await page.$$eval(bars, ([first]) => first?.click());
    expect((await texts('.dispatch')).join()).toContain('A saved run does not carry its WGSL');
    await visit(fragment.slice(0, -9));
    await page.waitForSelector('#notice:not([hidden])');
    await page.waitForFunction(() => document.querySelector('#notice')?.textContent?.includes('cut or changed'));
    await visit('');
    await page.waitForFunction(() => window.fullposeBench !== undefined);
  });
});

/** Presses Save JSON, and catches the file. */
const saveJson = () =>
  page.evaluate(async () => {
    const { createObjectURL } = URL;
    const files: Blob[] = [];
    URL.createObjectURL = (file) => {
      if (file instanceof Blob) files.push(file);
      return createObjectURL(file);
    };
    document.querySelector<HTMLButtonElement>('#save-json')?.click();
    URL.createObjectURL = createObjectURL;
    return (await files[0]?.text()) ?? '';
  });

describe('a quick run', () => {
  it('of weights in f32 measures counts and shares that add up, and saves them', async () => {
    expect(await page.$$eval('[name="dtype"]:checked', ([radio]) => radio?.id)).toBe('f16');
    // As a person without a mouse chooses.
    await page.focus('#f16');
    await page.keyboard.press('ArrowRight');
    await page.click('#run');
    await page.waitForFunction(() => document.querySelector('#status')?.textContent === 'Done.', { timeout: 0 });
    const report = runFromJson(await saveJson());
    const { dtype, weightBytes, stages, frame, faces, peak, rivals, ratios } = toJson(report);

    expect(dtype).toBe('f32');
    expect(weightBytes).toBeGreaterThan(0);
    expect(weightBytes).toBeLessThan(report.memory.bytes);
    expect((await texts('[aria-label="Adapter"] tbody td'))[2]).toContain('weights in f32 (');
    const dense = report.layers.filter(({ name }) => name.startsWith('fully connected '));
    for (const { macs, bytes } of dense) expect(bytes).toBeGreaterThan(4 * macs);

    const names = stages.map(({ name }) => name);
    for (const stage of ['crop', 'decode', 'raster', 'resolve', 'paf', 'update', 'outputs', 'readback']) {
      expect(names).toContain(stage);
    }
    for (const kind of [/^conv /, /^max pool /, /^fully connected /])
      expect(names.some((name) => kind.test(name))).toBe(true);
    expect(stages.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 3);
    for (const { medianMs } of stages) expect(medianMs).toBeGreaterThan(0);

    expect(frame.submits).toBe(1);
    expect(frame.bytesReadBack).toBeLessThanOrEqual(4096);
    expect(frame.dispatches).toBe(report.stages.reduce((sum, { dispatches }) => sum + dispatches, 0));
    expect(frame.p95Ms).toBeGreaterThanOrEqual(frame.medianMs);
    expect(Object.keys(faces)).toEqual(['1', '8']);
    expect(peak.achievedGflops).toBeGreaterThan(0);
    expect(peak.achievedGflops).toBeLessThan(peak.gflops);
    expect(rivals).toEqual([]);
    expect(ratios).toEqual({ vsOrtWebGpu: null, vsTfjsWebGpu: null });

    // Dispatch by dispatch, and in the order in which the frame has them.
    const { timeline } = report;
    expect(timeline).toHaveLength(frame.dispatches);
    for (const { ms, workgroups } of timeline) {
      expect(ms).toBeGreaterThan(0);
      expect(Math.min(...workgroups)).toBeGreaterThan(0);
    }
    const parts = timeline.map(({ part }) => part).filter((part, i, all) => part !== all[i - 1]);
    for (let k = 0; k < report.iterations; k++) expect(parts).toContain(`iteration${k}`);
    const wgsl = await page.$$eval('.dispatches button', (buttons) => {
      const texts: string[] = [];
      for (const button of buttons) {
        button.click();
        texts.push(document.querySelector('.dispatch pre')?.textContent ?? '');
      }
      return texts;
    });
    expect(wgsl).toHaveLength(timeline.length);
    for (const source of wgsl) expect(source).toMatch(/@compute/);
    expect(report.frame.samples.length).toBeGreaterThanOrEqual(report.rounds);
    for (const { median } of [report.detector, report.tracker]) expect(median).toBeGreaterThan(0);

    // It is in the address and in the history.
    expect(new URL(page.url()).hash).toMatch(/^#run=[\w-]{500,}$/);
    expect(await page.$$eval('#history li', (items) => items.length)).toBe(1);
    expect(await texts('#estimate')).toEqual([
      expect.stringMatching(/^A run will take about \d+ (seconds|minutes)\.$/),
    ]);
    await page.$$eval('#history button', ([, compare]) => compare?.click());
    expect((await texts('[aria-label="Compared"] tbody tr'))[0]).toContain('1.00x');

    expect(await texts('#status')).toEqual(['Done.']);
    expect(await page.$eval('#live svg[role="img"]', (chart) => chart.getAttribute('aria-label'))).toMatch(
      /end to end.*GPU/,
    );
    expect(errors).toEqual([]);
  });

  it('stops when asked to', async () => {
    await page.click('#run');
    await page.click('#stop');
    await page.waitForFunction(() => document.querySelector('#status')?.textContent === 'Stopped.', {
      timeout: 120_000,
    });
    expect(await page.$eval('#run', (button) => button.hasAttribute('disabled'))).toBe(false);
  });
});
