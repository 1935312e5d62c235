import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findingOf, viewsOf } from '../../cli/compare/landmarker.js';
import { parseCompareArguments, readTask } from '../../cli/compare/options.js';
import { readHardFaces, readSplit } from '../../cli/data/faces.js';
import { UsageError } from '../../cli/options.js';

describe('compare', () => {
  it('wants a model, and says so', async () => {
    expect(() => parseCompareArguments([], '/here')).toThrow(UsageError);
    expect(() => parseCompareArguments([], '/here')).toThrow(/there is no --model; wanted .*face_landmarker\.task/);
    const nowhere = join(import.meta.dirname, 'nowhere.task');
    await expect(readTask(nowhere)).rejects.toThrow(UsageError);
    await expect(readTask(nowhere)).rejects.toThrow(/nowhere\.task cannot be read \(ENOENT\); wanted/);
    await expect(readTask(import.meta.filename)).rejects.toThrow(/starts with "import \{"; wanted a \.task file/);
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
