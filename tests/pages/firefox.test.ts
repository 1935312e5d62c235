/** The demo, the benchmark, the command line's page and the examples in Firefox: each once, in one browser. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'puppeteer';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PageHost, repositoryRoot } from '../../scripts/page-host.js';
import { indexedPictures } from '../../scripts/page-plugins.js';

/** A busy machine may take its time. */
const readyTimeoutMs = 280_000;

/** Tests of pages that run in Chromium alone. */
const leftOut: Readonly<Record<string, string>> = {
  'align.test.ts': 'the command is Node; its page aligns and draws here',
  'hard-pictures.test.ts': 'the same page; which files a browser decodes is its own affair',
  'loading.test.ts': 'servers, bundlers and policies, the same in every browser',
  'node-gpu.test.ts': 'without a browser',
  'package.test.ts': "the package's files, the same in every browser",
  'reliability.test.ts':
    'minutes: `npm run reliability -- --browser firefox`, of which docs/reliability.md has the counts',
  'site.test.ts': 'static files; its pages are those that open here',
};

/** Tests of pages whose main cases run here. */
const inShort = ['bench.test.ts', 'demo.test.ts', 'examples.test.ts'];

/** Headless Firefox may have no WebGL, which three.js tells the console; the demo then goes on without a 3D head. */
const noWebGl = /WebGL context/;

let host: PageHost;
let page: Page | undefined;
let errors: string[] = [];

beforeAll(async () => {
  const sample = readFileSync(join(repositoryRoot, 'assets/astronaut.png'));
  host = await PageHost.open({ browser: 'firefox', plugins: [indexedPictures(async () => sample)] });
});

afterAll(async () => {
  await host?.close();
});

afterEach(async () => {
  await page?.close();
  page = undefined;
  expect(errors).toEqual([]);
});

/** Opens a page and waits until `isReady`, an expression, is true in it. */
async function open(path: string, isReady: string, prepare = ''): Promise<Page> {
  errors = [];
  page = await host.openPage(path, async (opened) => {
    opened.setDefaultTimeout(readyTimeoutMs);
    if (prepare !== '') await opened.evaluateOnNewDocument(prepare);
    opened.on('pageerror', (error) => errors.push(String(error)));
    opened.on('console', (message) => {
      if (message.type() === 'error' && !noWebGl.test(message.text())) errors.push(message.text());
    });
  });
  await page.waitForFunction(isReady);
  return page;
}

const openExample = (name: string, status: RegExp) =>
  open(`/examples/${name}/`, `${status}.test(document.querySelector('[role="status"]')?.textContent ?? '')`);

/** The sample's landmarks as Chromium found them. */
const recorded: readonly number[] = JSON.parse(
  readFileSync(join(repositoryRoot, 'demo/recorded/face.json'), 'utf8'),
).landmarks;

/** Mean distance from the recorded landmarks in x and y, in pixels of the picture. */
function apart(landmarks: readonly number[]): number {
  expect(landmarks).toHaveLength(recorded.length);
  const distances = landmarks.map((value, i) => (i % 3 < 2 ? Math.abs(value - (recorded[i] ?? Number.NaN)) : 0));
  return distances.reduce((sum, distance) => sum + distance, 0) / ((landmarks.length * 2) / 3);
}

describe('in Firefox', () => {
  it('every test of pages has its main cases here, or a reason why not', () => {
    const others = readdirSync(import.meta.dirname).filter((name) => /\.test\.ts$/.test(name) && !/firefox/.test(name));
    expect([...Object.keys(leftOut), ...inShort].sort()).toEqual(others.sort());
    for (const [name, reason] of Object.entries(leftOut)) console.info(`firefox leaves out ${name}: ${reason}`);
  });

  it('the demo aligns the sample and draws it', async () => {
    const demo = await open('/demo/', 'window.fullposeDemo !== undefined');
    expect(await demo.$eval('#status', ({ textContent }) => textContent)).toBe('1 face in astronaut.png');
    expect(await demo.$eval('#adapter', ({ textContent }) => textContent)).toContain('that the browser does not name');
    const landmarks = await demo.evaluate(() => [...(window.fullposeDemo?.faces[0]?.landmarks ?? [])]);
    expect(apart(landmarks)).toBeLessThan(2.5);
    const colours = await demo.$eval('#view', (canvas) => {
      const { width, height } = canvas as HTMLCanvasElement;
      const { data } = (canvas as HTMLCanvasElement).getContext('2d')?.getImageData(0, 0, width, height) ?? {};
      return new Set(new Uint32Array(data?.buffer ?? new ArrayBuffer(0))).size;
    });
    expect(colours).toBeGreaterThan(1000);
  });

  it('the demo shows a recorded face where there is no WebGPU', async () => {
    const none = 'Object.defineProperty(Navigator.prototype, "gpu", { get: () => undefined });';
    const demo = await open('/demo/', 'window.fullposeDemo !== undefined', none);
    expect(await demo.$eval('#status', ({ textContent }) => textContent)).toBe('Recorded: 1 face in astronaut.png');
    await demo.waitForFunction(() =>
      document.querySelector('#notice')?.textContent?.startsWith('This is a recorded result.'),
    );
  });

  it("the command line's page finds the face, and writes overlay and mesh", async () => {
    const cli = await open('/cli/page/', 'window.fullposeCli !== undefined');
    const reply = await cli.evaluate(async () => {
      await window.fullposeCli?.start({ detector: true, maxFaces: 1 });
      return window.fullposeCli?.align({ picture: 0, name: 'sample', faces: 'surest', formats: ['png', 'obj'] });
    });
    if (reply?.status !== 'aligned') throw new Error(JSON.stringify(reply));
    const [face] = reply.faces;
    expect(apart(face?.landmarks ?? [])).toBeLessThan(2.5);
    expect(
      Buffer.from(reply.overlay ?? '', 'base64')
        .subarray(1, 4)
        .toString(),
    ).toBe('PNG');
    const obj = Buffer.from(face?.files.obj ?? '', 'base64').toString();
    expect(obj.split('\n').filter((line) => line.startsWith('v ')).length).toBe(6706);
  });

  it('the benchmark measures', async () => {
    const bench = await open('/bench/', 'window.fullposeBench !== undefined');
    const report = await bench.evaluate(async () => {
      const { frame, adapter, weights, stages } = await window.fullposeBench.run({
        faces: 1,
        quick: true,
        rounds: 2,
        rivals: false,
        dtype: 'f16',
      });
      return { frame, adapter, weights, stages };
    });
    expect(report.adapter.isSoftware).toBe(true);
    expect(report.frame.submits).toBe(1);
    expect(report.frame.gpu.median).toBeGreaterThan(0);
    console.info(`a frame in Firefox: ${report.frame.endToEnd.median} ms, on the GPU ${report.frame.gpu.median} ms`);
    expect(report.stages.map(({ name }) => name)).toContain('raster');
  });
});

describe('the examples in Firefox', () => {
  it('a photo', async () => {
    const example = await openExample('minimal', /^yaw /);
    const landmarks = await example.evaluate("import('/examples/minimal/main.ts').then((main) => [...main.landmarks])");
    expect(apart(landmarks as number[])).toBeLessThan(2.5);
  });

  it('video frames in a worker', async () => {
    const example = await openExample('worker', /^roll /);
    expect(await example.$eval('[role="status"]', ({ textContent }) => textContent)).toMatch(
      /^roll -?\d+\.\d, yaw -?\d+\.\d degrees$/,
    );
  });

  it('alignment in an encoder of the page, drawn on a canvas', async () => {
    const example = await openExample('encode', /vertices/);
    await example.waitForFunction("import('/examples/encode/main.ts').then((main) => main.frames > 1)");
    expect(await example.$eval('[role="status"]', ({ textContent }) => textContent)).toBe('6706 vertices');
  });

  it.each([
    ['own-detector', /% sure$/],
    ['three', /^6706 vertices, yaw/],
    ['video', /^Ready$/],
  ])('%s starts', async (name, status) => {
    await openExample(name, status);
  });
});
