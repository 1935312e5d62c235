import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findingOf, viewsOf } from '../../cli/compare/landmarker.js';
import { parseCompareArguments, readTask } from '../../cli/compare/options.js';
import { readHardFaces, readMarked, readSplit } from '../../cli/data/faces.js';
import { UsageError } from '../../cli/options.js';
import { npy, tar } from './files.js';

describe('compare', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'fullpose-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('wants a model, and says so', async () => {
    expect(() => parseCompareArguments([], '/here')).toThrow(UsageError);
    expect(() => parseCompareArguments([], '/here')).toThrow(/there is no --model; wanted .*face_landmarker\.task/);
    const nowhere = join(import.meta.dirname, 'nowhere.task');
    await expect(readTask(nowhere)).rejects.toThrow(UsageError);
    await expect(readTask(nowhere)).rejects.toThrow(/nowhere\.task cannot be read \(there is no such file\); wanted/);
    await expect(readTask(import.meta.filename)).rejects.toThrow(/starts with "import \{"; wanted a \.task file/);
  });

  it('refuses a model that is cut off, before anything is run', async () => {
    // As in the true one, there is an archive within.
    const inner = zipSync({ 'labels.txt': new Uint8Array(9) });
    const whole = zipSync({ 'a.tflite': inner, 'b.tflite': new Uint8Array(99) }, { level: 0 });
    const path = join(folder, 'a.task');
    writeFileSync(path, whole);
    expect(await readTask(path)).toHaveLength(whole.length);
    for (const length of [whole.length - 1, whole.length - 22, inner.length + 60]) {
      writeFileSync(path, whole.subarray(0, length));
      await expect(readTask(path)).rejects.toThrow(UsageError);
      await expect(readTask(path)).rejects.toThrow(/bytes and no end of an archive; wanted the whole file$/);
    }
  });

  it.each([
    [() => readSplit('docs', 'foo'), 'faces/labels.npz and faces/foo.tar'],
    [() => readHardFaces('docs', 'val-cfp'), 'faces/labels-more.npz and faces/val-cfp.tar'],
    [() => readHardFaces('docs', 'val-infant'), 'faces/val-infant.npz and faces/val-infant.tar'],
  ])('says which files of a split are wanted (%#)', async (reading, wanted) => {
    await expect(reading()).rejects.toThrow(UsageError);
    await expect(reading()).rejects.toThrow(/^cannot read .*npz: there is no such file; wanted, of the split "/);
    await expect(reading()).rejects.toThrow(wanted);
  });

  it('names the splits that there are, and those with markup', async () => {
    const images = ['train-a/0.jpg', 'val-b/0.jpg'];
    const letters = Uint32Array.from(
      images.flatMap((name) => Array.from(name.padEnd(13, '\0'), (c) => c.charCodeAt(0))),
    );
    const labels = zipSync({
      'image.npy': npy('<U13', [2], letters),
      'landmarks3d.npy': npy('<f4', [2, 68, 3], new Float32Array(2 * 68 * 3)),
      'landmarks2d.npy': npy('<f4', [2, 68, 2], new Float32Array(2 * 68 * 2).fill(Number.NaN, 0, 68 * 2)),
    });
    mkdirSync(join(folder, 'faces'));
    writeFileSync(join(folder, 'faces/labels.npz'), labels);
    for (const split of ['train-a', 'val-b']) {
      writeFileSync(join(folder, `faces/${split}.tar`), tar([{ path: `${split}/0.jpg`, data: new Uint8Array(3) }]));
    }
    expect(await readMarked(folder, 'val-b')).toHaveLength(1);
    for (const split of ['nope', 'train-a']) await expect(readMarked(folder, split)).rejects.toThrow(UsageError);
    await expect(readMarked(folder, 'nope')).rejects.toThrow(
      /no split "nope"; wanted one of train-a, val-b, val-infant,/,
    );
    await expect(readMarked(folder, 'train-a')).rejects.toThrow(
      /"train-a" has 2D markup; wanted one of val-afw, val-inf/,
    );
  });

  it('takes one split, or all', () => {
    const model = ['--model', 'a.task'];
    expect(parseCompareArguments([...model, '--split', 'val-cfp', '--limit', '3'], '/here')).toMatchObject({
      model: '/here/a.task',
      splits: ['val-cfp'],
      limit: 3,
    });
    expect(parseCompareArguments(model, '/here')?.splits).toHaveLength(4);
    expect(() => parseCompareArguments([...model, '--split', 'val-x'], '/here')).toThrow(
      /"val-x"; wanted one of val-afw/,
    );
    expect(parseCompareArguments(['--help'], '/here')).toBeUndefined();
  });

  it('views are squares round the box, and points come back from the one that was used', () => {
    const views = viewsOf({ x0: 10, y0: 20, x1: 110, y1: 80, kind: 'landmarks' });
    expect(views.map(({ side }) => side)).toEqual([210, 320, 170]);
    for (const { left, top, side } of views) expect([left + side / 2, top + side / 2]).toEqual([60, 50]);
    const points = Array.from({ length: 478 }, (_, i) => [i / 478, 0.5]);
    const blendshapes = { eyeBlinkLeft: 0.2, eyeBlinkRight: 0.6, jawOpen: 1 };
    const { landmarks, blink } = findingOf({ view: 1, points, blendshapes }, views);
    expect(blink).toBeCloseTo(0.4, 12);
    expect(landmarks.values).toHaveLength(68 * 3);
    // The tip of the nose is its point 4, the chin 152.
    expect(landmarks.values[30 * 3]).toBeCloseTo(60 - 160 + (320 * 4) / 478, 9);
    expect(landmarks.values[8 * 3]).toBeCloseTo(60 - 160 + (320 * 152) / 478, 9);
    expect(landmarks.values[8 * 3 + 1]).toBeCloseTo(50, 9);
  });
});
