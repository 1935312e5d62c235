import { describe, expect, it } from 'vitest';
import { WebGPUUnavailableError } from '../../src/engine/errors.js';
import type { LoadProgress } from '../../src/files/download.js';
import { sumProgress } from '../../src/find/finder.js';
import { destroyFinder, FaceFinder, findFaces } from '../../src/find.js';
import { FaceTracker } from '../../src/track/tracker.js';

const pixels = { width: 1, height: 1, data: new Uint8Array(4) };

describe('findFaces', () => {
  it('says that there is no WebGPU, each time it is asked, before anything is fetched', async () => {
    for (let i = 0; i < 2; i++) await expect(findFaces(pixels)).rejects.toThrow(WebGPUUnavailableError);
    await destroyFinder();
    await expect(findFaces(pixels)).rejects.toThrow('No WebGPU here');
  });
});

describe('FaceFinder', () => {
  it('refuses options that are none', async () => {
    const create = (options: unknown) => FaceFinder.create(options as object);
    await expect(create(5)).rejects.toThrow('The options are 5');
    await expect(create({ aligner: 5 })).rejects.toThrow('aligner is 5');
    await expect(create({ detector: null })).rejects.toThrow('detector is null');
    await expect(create({ onProgress: 'x' })).rejects.toThrow(/^onProgress .*wanted a function/);
  });
});

describe('FaceTracker', () => {
  it('makes its own two, or is given both', async () => {
    await expect(FaceTracker.create()).rejects.toThrow(WebGPUUnavailableError);
    const detector = { detect: async () => [] };
    await expect(FaceTracker.create({ detector })).rejects.toThrow('a detector without an aligner');
  });
});

describe('sumProgress', () => {
  it('tells the sum of several downloads once all totals are known', () => {
    const told: LoadProgress[] = [];
    const tell = sumProgress((progress) => told.push(progress), 2);
    const step = (part: number, file: string, loaded: number, total: number) =>
      tell(part)({ file, loaded, total, fromCache: false });
    step(1, 'b', 5, 10);
    step(1, 'b', 10, 10);
    step(0, 'a', 30, 90);
    step(0, 'a', 90, 90);
    expect(told.map(({ file, loaded, total }) => [file, loaded, total])).toEqual([
      ['a', 40, 100],
      ['a', 100, 100],
    ]);
  });
});
