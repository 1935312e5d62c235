import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeFace, namingOnce, writeDrawn } from '../../cli/align-pictures.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fullpose-drawn-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

const reply = (faces: number) => ({ status: 'aligned', width: 1, height: 1, faces: Array(faces).fill(face) }) as const;

const face = {
  box: { x0: 0, y0: 0, x1: 1, y1: 1, kind: 'landmarks' },
  confidence: 1,
  landmarks: Array(204).fill(0),
  visibility: [],
  pose: { yaw: 0, pitch: 0, roll: 0, matrix: Array(12).fill(0) },
  identity: [],
  expression: { jawOpen: Math.fround(0.7) },
  blendshapes: { jawOpen: Math.fround(0.6), tongueOut: 0 },
  crop: { centreX: 2, centreY: 2, side: 4, roll: 0 },
  files: { obj: '', gltf: '' },
} as const;

it('names a picture once', () => {
  expect(namingOnce('/x/a.png', '/x/a.png is not a picture')).toBe('/x/a.png is not a picture');
  expect(namingOnce('/x/a.png', 'the page was lost')).toBe('/x/a.png: the page was lost');
});

describe('describeFace', () => {
  it('has the blendshapes beside the expression, as short', () => {
    expect(describeFace(face)).toMatchObject({
      expression: { jawOpen: 0.7 },
      blendshapes: { jawOpen: 0.6, tongueOut: 0 },
    });
  });
});

describe('writeDrawn', () => {
  it('leaves no mesh of a face that an earlier run found and this one does not', async () => {
    const [stem, formats] = [join(folder, 'a'), ['obj', 'gltf', 'json'] as const];
    await writeDrawn(reply(3), stem, formats);
    expect(readdirSync(folder)).toEqual(['a.2.glb', 'a.2.obj', 'a.3.glb', 'a.3.obj', 'a.glb', 'a.obj']);
    await writeDrawn(reply(1), stem, formats);
    expect(readdirSync(folder)).toEqual(['a.glb', 'a.obj']);
    await writeDrawn(reply(0), stem, formats);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('leaves what belongs to another picture, or is of a format that was not asked for', async () => {
    for (const name of ['a.2.ply', 'a.2.obj', 'a.3.obj', 'a.3.json']) writeFileSync(join(folder, name), '');
    await writeDrawn(reply(1), join(folder, 'a'), ['obj', 'gltf']);
    expect(readdirSync(folder)).toEqual(['a.2.ply', 'a.3.json', 'a.3.obj', 'a.glb', 'a.obj']);
  });
});
