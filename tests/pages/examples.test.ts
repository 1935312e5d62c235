import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'puppeteer';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PageHost, repositoryRoot } from '../../scripts/page-host.js';

/** A busy machine may take its time. */
const readyTimeoutMs = 280_000;

let host: PageHost;
let page: Page;
/** Uncaught errors and console errors of `page`. */
let errors: string[] = [];

beforeAll(async () => {
  host = await PageHost.open();
});

afterAll(async () => {
  await host?.close();
});

/**
 * Opens an example and waits until its status says `wanted`. @param prepare code that runs in the page before its own
 */
async function open(name: string, wanted: RegExp, prepare = ''): Promise<void> {
  errors = [];
  page = await host.openPage(`/examples/${name}/`, async (opened) => {
    opened.setDefaultTimeout(readyTimeoutMs);
    await opened.evaluateOnNewDocument(prepare);
    opened.on('pageerror', (error) => errors.push(String(error)));
    opened.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text());
    });
  });
  await page.waitForFunction(
    (source) => new RegExp(source).test(document.querySelector('[role="status"]')?.textContent ?? ''),
    {},
    wanted.source,
  );
}

/** Runs `code` with the exports of the example's main module, the one that the page runs, as `main`. */
function inExample<T>(name: string, code: string): Promise<T> {
  // Text, because Vitest would rewrite the import in a function.
  return page.evaluate(`import('/examples/${name}/main.ts').then(async (main) => { ${code} })`) as Promise<T>;
}

afterEach(async () => {
  expect(errors).toEqual([]);
  await page?.close();
});

const xy = (landmarks: readonly number[], point: number) =>
  [landmarks[point * 3] ?? Number.NaN, landmarks[point * 3 + 1] ?? Number.NaN] as const;

/** In the sample: the nose tip lies in the face, the eyes above it. */
function expectSampleFace(landmarks: readonly number[], scale: number): void {
  expect(landmarks).toHaveLength(68 * 3);
  const [noseX, noseY] = xy(landmarks, 30);
  expect(Math.hypot(noseX / scale - 230, noseY / scale - 130)).toBeLessThan(25);
  for (const eye of [36, 45]) expect(xy(landmarks, eye)[1]).toBeLessThan(noseY);
  expect(xy(landmarks, 36)[0]).toBeLessThan(xy(landmarks, 45)[0]);
}

describe('examples/README.md', () => {
  it('has a line for every example', () => {
    const readme = readFileSync(join(repositoryRoot, 'examples/README.md'), 'utf8');
    const folders = readdirSync(join(repositoryRoot, 'examples'), { withFileTypes: true }).filter((entry) =>
      entry.isDirectory(),
    );
    expect(folders.length).toBeGreaterThan(2);
    for (const { name } of folders) expect(readme).toContain(`[${name}](${name}/)`);
  });
});

describe('minimal', () => {
  it('puts 68 points on the face', async () => {
    await open('minimal', /^yaw /);
    const landmarks = await inExample<number[]>('minimal', 'return [...main.landmarks]');
    expectSampleFace(landmarks, 1);
    const colours = await page.$eval(
      'canvas',
      (canvas, points) => {
        const context = canvas.getContext('2d');
        return points.map(([x, y]) => [...(context?.getImageData(Math.round(x), Math.round(y), 1, 1).data ?? [])]);
      },
      Array.from({ length: 68 }, (_, point) => xy(landmarks, point)),
    );
    // The dots cover 2 x 2 pixels at most in part: the pixel at the point is green all the same.
    for (const [red = 0, green = 0, , alpha = 0] of colours) {
      expect(alpha).toBeGreaterThan(120);
      expect(green).toBeGreaterThan(red + 100);
    }
  });
});

describe('worker', () => {
  it('follows a head that tilts, frame after frame', { timeout: readyTimeoutMs }, async () => {
    await open('worker', /^roll /);
    interface FaceReply {
      readonly type: string;
      readonly timestamp: number;
      readonly landmarks: readonly number[];
      readonly roll: number;
    }
    const next = (after: number) =>
      inExample<FaceReply>(
        'worker',
        `while (main.latest?.type !== 'face' || main.latest.timestamp <= ${after}) {
           if (main.latest?.type === 'failed') throw new Error(main.latest.message);
           await new Promise(requestAnimationFrame);
         }
         return { ...main.latest, landmarks: [...main.latest.landmarks] };`,
      );
    const replies = [await next(-1)];
    while (replies.length < 5) replies.push(await next(replies.at(-1)?.timestamp ?? 0));
    const timestamps = replies.map(({ timestamp }) => timestamp);
    const tilts = await inExample<number[]>('worker', `return [${timestamps.join()}].map(main.tiltOf)`);
    expect(tilts.at(-1)).toBeGreaterThan(0.05);
    for (const [i, { roll, landmarks }] of replies.entries()) {
      // Her own roll is small; the page tilts her clockwise, which is positive roll.
      expect(Math.abs(roll - ((tilts[i] ?? Number.NaN) * 180) / Math.PI)).toBeLessThan(6);
      expect(landmarks).toHaveLength(68 * 3);
    }
    // The right canvas belongs to the worker: what it drew is seen on a picture of the page alone.
    const green = await page.evaluate(async () => {
      const canvas = document.querySelector<HTMLCanvasElement>('#result');
      if (canvas === null) throw new Error('no canvas');
      const copy = new OffscreenCanvas(canvas.width, canvas.height);
      const context = copy.getContext('2d');
      context?.drawImage(canvas, 0, 0);
      const { data } = context?.getImageData(0, 0, copy.width, copy.height) ?? { data: [] };
      let count = 0;
      for (let i = 0; i < data.length; i += 4) {
        if ((data[i] ?? 0) < 40 && (data[i + 1] ?? 0) > 220 && (data[i + 2] ?? 0) < 180) count++;
      }
      return count;
    });
    expect(green).toBeGreaterThan(68);
  });
});

describe('three', () => {
  it('draws on the device of the aligner, within 1 pixel of the landmarks', { timeout: readyTimeoutMs }, async () => {
    await open('three', /vertices/);
    const { landmarks, sameDevice, drawn, projected, painted } = await inExample<{
      landmarks: number[];
      sameDevice: boolean;
      drawn: number;
      projected: (readonly [number, number])[];
      painted: (readonly [number, number])[];
    }>(
      'three',
      `
      const { renderer, scene, camera, head, mesh, markers, background, aligner, landmarks } = main;
      const canvas = renderer.domElement;
      const { width, height } = background.geometry.parameters;
      const read = () => {
        renderer.render(scene, camera);
        const copy = new OffscreenCanvas(canvas.width, canvas.height);
        const context = copy.getContext('2d', { willReadFrequently: true });
        context.drawImage(canvas, 0, 0);
        return context.getImageData(0, 0, canvas.width, canvas.height).data;
      };
      // Pixels that the mesh changes.
      const [withMesh, without] = [read(), (mesh.visible = false, read())];
      let drawn = 0;
      for (let i = 0; i < withMesh.length; i += 4) if (Math.abs(withMesh[i] - without[i]) > 8) drawn++;

      // Where the camera sees each landmark's vertex of the head, in picture pixels.
      const position = mesh.geometry.getAttribute('position');
      const projected = [...aligner.model.landmarks].map((vertex) => {
        const point = camera.position.clone().fromBufferAttribute(position, vertex);
        point.applyMatrix4(head.matrixWorld).project(camera);
        return [((point.x + 1) / 2) * width - 0.5, ((1 - point.y) / 2) * height - 0.5];
      });

      // Where the pixels of every fourth marker are, one drawn after the other in white on black.
      background.visible = false;
      const { count } = markers;
      const matrix = head.matrix.clone();
      const painted = [];
      markers.count = 1;
      markers.instanceColor.array.fill(1);
      markers.instanceColor.needsUpdate = true;
      for (let point = 0; point < count; point += 4) {
        markers.getMatrixAt(point, matrix);
        markers.setMatrixAt(0, matrix);
        markers.instanceMatrix.needsUpdate = true;
        const pixels = read();
        let [sum, x, y] = [0, 0, 0];
        for (let i = 0; i < pixels.length; i += 4) {
          sum += pixels[i];
          x += pixels[i] * ((i / 4) % canvas.width);
          y += pixels[i] * Math.floor(i / 4 / canvas.width);
        }
        painted.push([((x / sum + 0.5) / canvas.width) * width - 0.5, ((y / sum + 0.5) / canvas.height) * height - 0.5]);
      }
      const sameDevice = renderer.backend.device === aligner.device;
      return { landmarks: [...landmarks], sameDevice, drawn, projected, painted };
      `,
    );
    expect(sameDevice).toBe(true);
    expectSampleFace(landmarks, 1);
    // The canvas has 2 pixels a picture pixel; the face is some 95 x 110 picture pixels.
    expect(drawn).toBeGreaterThan(0.3 * 4 * 95 * 110);
    const distance = ([x, y]: readonly [number, number], point: number) => {
      const [wantedX, wantedY] = xy(landmarks, point);
      return Math.hypot(x - wantedX, y - wantedY);
    };
    expect(projected).toHaveLength(68);
    expect(Math.max(...projected.map(distance))).toBeLessThan(1);
    expect(painted).toHaveLength(17);
    expect(Math.max(...painted.map((point, i) => distance(point, i * 4)))).toBeLessThan(1);
  });
});

describe('video', () => {
  /**
   * A webcam that sees the sample's head sway by 4 pixels, drawn by the processor: where a software GPU draws and reads
   * it back, its frames come before those of WebGPU, which may then never have its turn.
   */
  const webcam = `
    navigator.mediaDevices.getUserMedia = async () => {
      const photo = new Image();
      photo.src = '/assets/astronaut.png';
      await photo.decode();
      const canvas = document.createElement('canvas');
      canvas.width = canvas.height = 320;
      const context = canvas.getContext('2d', { willReadFrequently: true });
      setInterval(() => context.drawImage(photo, 4 * Math.sin(performance.now() / 400) - 70, 30), 100);
      return canvas.captureStream(10);
    };`;

  it('follows the face of a file and of a webcam', { timeout: readyTimeoutMs }, async () => {
    await open('video', /^Ready/, webcam);
    /** As many frames with faces as asked for: ids, and where the first one's nose tip is. */
    const next = (count: number) =>
      inExample<{ ids: number[]; nose: readonly [number, number] }[]>(
        'video',
        `const seen = [];
        for (let last; seen.length < ${count}; last = main.faces) {
          while (main.faces === last || main.faces.length === 0) await new Promise(requestAnimationFrame);
          const { landmarks } = main.faces[0];
          seen.push({ ids: main.faces.map(({ id }) => id), nose: [landmarks[90], landmarks[91]] });
        }
        return seen;`,
      );
    const input = await (await page.$('input'))?.toElement('input');
    await input?.uploadFile(join(repositoryRoot, 'tests/fixtures/videos/turned.mp4'));
    const [file] = await next(1);
    expect(Math.abs((file?.nose[0] ?? 0) - 80)).toBeLessThan(10);
    await page.click('button');
    await page.waitForFunction(() => document.querySelector('video')?.videoHeight === 320);
    await page.waitForFunction(() =>
      /^face \d+: yaw -?\d+$/.test(document.querySelector('[role="status"]')?.textContent ?? ''),
    );
    const frames = (await next(6)).slice(2);
    for (const { ids, nose } of frames) {
      expect(ids).toEqual(frames[0]?.ids);
      expect(Math.hypot(nose[0] - 160, nose[1] - 160)).toBeLessThan(25);
    }
    const dots = await page.$eval('canvas', (canvas) => {
      const { data } = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height) ?? { data: [] };
      return data.filter((value, i) => i % 4 === 1 && value > 200).length;
    });
    expect(dots).toBeGreaterThan(68);
  });
});

describe('own detector', () => {
  it('aligns in the box that the visitor drags', { timeout: readyTimeoutMs }, async () => {
    await open('own-detector', /^a face, \d+ % sure$/);
    const found = () => inExample<number[][]>('own-detector', 'return main.landmarks.map((points) => [...points])');
    expectSampleFace((await found())[0] ?? [], 1);
    // Away from the face, then round it from the other corner.
    await page.$eval('[role="status"]', (status) => status.replaceChildren());
    await page.$eval('input', (input) => {
      input.value = '10 10 10 60';
      input.dispatchEvent(new Event('change'));
    });
    await page.waitForFunction(() => /Box/.test(document.querySelector('[role="status"]')?.textContent ?? ''));
    const { x, y } = (await (await page.$('canvas'))?.boundingBox()) ?? { x: 0, y: 0 };
    await page.mouse.move(x + 290, y + 190);
    await page.mouse.down();
    await page.mouse.move(x + 170, y + 60, { steps: 3 });
    await page.mouse.up();
    await page.waitForFunction(() => /% sure/.test(document.querySelector('[role="status"]')?.textContent ?? ''));
    expect(await page.$eval('input', ({ value }) => value)).toBe('290 190 170 60');
    expectSampleFace((await found())[0] ?? [], 1);
  });
});

describe('encode', () => {
  it('draws the mesh over the face, and reads nothing back', { timeout: readyTimeoutMs }, async () => {
    const count = `
      window.maps = 0;
      const { mapAsync } = GPUBuffer.prototype;
      GPUBuffer.prototype.mapAsync = function (...args) {
        window.maps++;
        return mapAsync.apply(this, args);
      };`;
    await open('encode', /vertices/, count);
    const { maps, drawn, wanted, area } = await inExample<
      Record<'drawn' | 'wanted', number[]> & Record<'maps' | 'area', number>
    >(
      'encode',
      `
      while (main.frames < 1) await new Promise(requestAnimationFrame);
      const [before, first] = [window.maps, main.frames];
      while (main.frames < first + 3) await new Promise(requestAnimationFrame);
      const maps = window.maps - before;

      const photo = new Image();
      photo.src = '/assets/astronaut.png';
      await photo.decode();
      const read = (source) => {
        const context = new OffscreenCanvas(512, 512).getContext('2d', { willReadFrequently: true });
        context.drawImage(source, 0, 0);
        return context.getImageData(0, 0, 512, 512).data;
      };
      main.draw(0);
      const [scene, bare] = [read(document.querySelector('canvas')), read(photo)];
      // The mesh is blue, and the photo is as it was everywhere else.
      let [x0, y0, x1, y1, area] = [512, 512, 0, 0, 0];
      for (let i = 0; i < 512 * 512; i++) {
        if ([0, 1, 2].every((c) => Math.abs(scene[4 * i + c] - bare[4 * i + c]) < 4)) continue;
        const [x, y] = [i % 512, Math.floor(i / 512)];
        [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x), Math.max(y1, y)];
        area++;
      }
      const [face] = await main.aligner.align(photo, [main.box], { outputs: ['vertices'] });
      const axis = (at) => [...face.vertices.filter((_, i) => i % 3 === at)];
      const [xs, ys] = [axis(0), axis(1)];
      const wanted = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
      return { maps, drawn: [x0, y0, x1, y1], wanted, area };
      `,
    );
    expect(maps).toBe(0);
    for (const [i, side] of drawn.entries()) expect(Math.abs(side - (wanted[i] ?? 0))).toBeLessThan(1.5);
    expect(area).toBeGreaterThan(0.5 * 95 * 110);
  });
});
