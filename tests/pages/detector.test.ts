import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'puppeteer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSplit } from '../../cli/data/faces.js';
import { PageHost, repositoryRoot } from '../../scripts/page-host.js';
import { indexedPictures } from '../../scripts/page-plugins.js';
import type { Comparison, Composition } from './detector/main.js';

const readyTimeoutMs = 280_000;
const data = join(repositoryRoot, '../shared/data');
const hasData = existsSync(join(data, 'faces/labels.npz'));

/** Photos of the training data, evenly spaced; picture 0 is the bundled one. */
const photoCount = 12;

let host: PageHost;
let page: Page;

beforeAll(async () => {
  const pictures: Uint8Array[] = [await readFile(join(repositoryRoot, 'assets/astronaut.png'))];
  if (hasData) {
    const crops = await readSplit(data, 'train-300w');
    for (let i = 0; i < photoCount; i++) {
      const crop = crops[Math.floor((i * crops.length) / photoCount)];
      if (crop !== undefined) pictures.push(crop.jpeg);
    }
  }
  host = await PageHost.open({
    plugins: [
      indexedPictures(async (index) => {
        const picture = pictures[index];
        if (picture === undefined) throw new Error(`there are ${pictures.length} pictures`);
        return picture;
      }),
    ],
  });
  page = await host.openPage('/tests/pages/detector/');
  await page.waitForFunction(() => window.detectors !== undefined, { timeout: readyTimeoutMs });
});

afterAll(async () => {
  await host?.close();
});

/** One picture alone. */
const alone = (index: number, side: number): Composition => ({
  width: side,
  height: side,
  pictures: [{ index, x: 0, y: 0, width: side }],
});

/**
 * The largest difference of a box's border, and of a point, in parts of the box's side, over all faces; every face of one is the nearest of the
 * other.
 */
function differences({ ours, mediapipe }: Comparison): { readonly box: number; readonly points: number } {
  expect(ours.length).toBe(mediapipe.length);
  let [box, points] = [0, 0];
  const unmatched = new Set(ours);
  for (const theirs of mediapipe) {
    const distance = (face: (typeof ours)[number]) => Math.hypot(face.x0 - theirs.x0, face.y0 - theirs.y0);
    const [face] = [...unmatched].sort((a, b) => distance(a) - distance(b));
    if (face === undefined) throw new Error('a face is missing');
    unmatched.delete(face);
    const side = (theirs.x1 - theirs.x0 + theirs.y1 - theirs.y0) / 2;
    for (const border of ['x0', 'y0', 'x1', 'y1'] as const) {
      box = Math.max(box, Math.abs(face[border] - theirs[border]) / side);
    }
    const { rightEye, leftEye, nose, mouth, rightEar, leftEar } = face.keypoints;
    for (const [index, { x, y }] of [rightEye, leftEye, nose, mouth, rightEar, leftEar].entries()) {
      const point = theirs.points[index];
      if (point === undefined) throw new Error('a point is missing');
      points = Math.max(points, Math.hypot(x - point.x, y - point.y) / side);
    }
  }
  return { box, points };
}

const compare = (composition: Composition, side: number, onSameCanvas: boolean) =>
  page.evaluate((c, s, same) => window.detectors.compare(c, s, same), composition, side, onSameCanvas);

describe("the detector beside MediaPipe's runtime", () => {
  it('gives the same boxes and points where both see the same 128 pixels', async () => {
    const comparison = await compare(alone(0, 512), 128, true);
    expect(comparison.mediapipe).toHaveLength(1);
    const { box, points } = differences(comparison);
    expect(box).toBeLessThan(0.001);
    expect(points).toBeLessThan(0.002);
  });

  it.each<readonly [what: string, composition: Composition, faces: number]>([
    ['the sample', alone(0, 512), 1],
    ['a wide picture', { width: 640, height: 360, pictures: [{ index: 0, x: 90, y: -30, width: 512 }] }, 1],
    [
      'a tall picture with two faces',
      {
        width: 400,
        height: 640,
        pictures: [
          { index: 0, x: -20, y: 0, width: 440 },
          { index: 0, x: -60, y: 310, width: 440 },
        ],
      },
      2,
    ],
  ])('agrees on %s, where both get the same picture', async (_, composition, faces) => {
    const comparison = await compare(composition, 256, true);
    expect(comparison.mediapipe).toHaveLength(faces);
    const { box, points } = differences(comparison);
    expect(box).toBeLessThan(0.005);
    expect(points).toBeLessThan(0.01);
  });

  it('agrees within 2% where ours gets a larger picture, and MediaPipe what a canvas shrank', async () => {
    const { box, points } = differences(await compare(alone(0, 512), 256, false));
    expect(box).toBeLessThan(0.02);
    expect(points).toBeLessThan(0.02);
  });

  it.runIf(hasData)('agrees within 2% on photos, alone and smaller in a larger picture', async () => {
    let found = 0;
    for (let index = 1; index <= photoCount; index++) {
      for (const composition of [
        alone(index, 192),
        { width: 256, height: 200, pictures: [{ index, x: 60, y: 20, width: 160 }] },
      ]) {
        const comparison = await compare(composition, 256, true);
        found += comparison.mediapipe.length;
        const { box, points } = differences(comparison);
        expect(box, `picture ${index}`).toBeLessThan(0.02);
        expect(points, `picture ${index}`).toBeLessThan(0.02);
      }
    }
    expect(found).toBeGreaterThanOrEqual(20);
  });

  it('finds three faces in a large picture', async () => {
    const composition: Composition = {
      width: 3840,
      height: 2160,
      pictures: [
        { index: 0, x: 200, y: 100, width: 1400 },
        { index: 0, x: 1500, y: 700, width: 1300 },
        { index: 0, x: 2500, y: 200, width: 1300 },
      ],
    };
    const faces = await page.evaluate((c) => window.detectors.search(c, 'until-found'), composition);
    const scales = composition.pictures.map(({ width }) => width / 512);
    // Now and then the network takes something else for a face, with a score of 0.5 to 0.6.
    const sure = faces.filter(({ score }) => score > 0.8);
    expect(sure).toHaveLength(3);
    for (const [index, { x, y }] of composition.pictures.entries()) {
      const scale = scales[index] ?? 0;
      const centre = { x: x + 224 * scale, y: y + 127 * scale };
      const isFound = sure.some(
        (face) => Math.hypot((face.x0 + face.x1) / 2 - centre.x, (face.y0 + face.y1) / 2 - centre.y) < 12 * scale,
      );
      expect(isFound, `face ${index}`).toBe(true);
    }
  });
});
