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

/** Opens an example and waits until its status says `wanted`. */
async function open(name: string, wanted: RegExp): Promise<void> {
  errors = [];
  page = await host.openPage(`/examples/${name}/`, (opened) => {
    opened.setDefaultTimeout(readyTimeoutMs);
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
