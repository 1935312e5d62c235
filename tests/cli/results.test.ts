import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createProgress, forEachConcurrent } from '../../cli/progress.js';
import type { FaceReply } from '../../cli/protocol.js';
import { faceResult, rowResult } from '../../cli/results.js';

const face: FaceReply = {
  confidence: 1,
  box: { x0: 0, y0: 0, x1: 1, y1: 1, kind: 'landmarks' },
  landmarks: Array.from({ length: 204 }, (_, i) => Math.fround(i + 0.1)),
  visibility: Array.from({ length: 68 }, () => 1),
  pose: { yaw: Math.fround(12.3), pitch: 0, roll: -1, matrix: Array.from({ length: 12 }, (_, i) => i) },
  identity: [Math.fround(0.1)],
  expression: { jawOpen: Math.fround(0.7) },
  blendshapes: { jawOpen: Math.fround(0.6) },
  crop: { centreX: 2, centreY: 2, side: 4, roll: 0 },
  files: {},
};

describe('faceResult', () => {
  it('nests landmarks and matrix, and drops the noise of float32 written as double', () => {
    const result = faceResult(face);
    expect(result.landmarks).toHaveLength(68);
    expect(result.landmarks[67]).toEqual([201.1, 202.1, 203.1]);
    expect(result.pose).toEqual({
      yaw: 12.3,
      pitch: 0,
      roll: -1,
      matrix: [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9, 10, 11],
      ],
    });
    expect(result.identity).toEqual([0.1]);
    expect(result.expression).toEqual({ jawOpen: 0.7 });
    expect(result.blendshapes).toEqual({ jawOpen: 0.6 });
  });

  it('has box and confidence in a row, the box as a list has it', () => {
    const sure = { ...face, confidence: Math.fround(0.9) };
    expect(rowResult(sure)).toEqual({
      box: [0, 0, 1, 1],
      boxKind: 'landmarks',
      roll: 0,
      confidence: 0.9,
      ...faceResult(face),
    });
    expect(rowResult({ ...sure, box: { ...face.box, roll: 30 } })).toMatchObject({ roll: 30 });
  });

  it('keeps every float32 exactly', () => {
    const values = Array.from({ length: 204 }, (_, i) => Math.fround(1234.5678 * Math.sin(i)));
    const { landmarks } = faceResult({ ...face, landmarks: values });
    expect(landmarks.flat().map(Math.fround)).toEqual(values);
  });

  it('refuses another number of landmarks', () => {
    expect(() => faceResult({ ...face, landmarks: [1, 2, 3] })).toThrow('the page sent 1 landmarks');
  });
});

describe('forEachConcurrent', () => {
  it('works on each item once, in order of start, never more than the limit at a time', async () => {
    let [running, most] = [0, 0];
    const started: number[] = [];
    await forEachConcurrent([10, 11, 12, 13, 14, 15, 16], 3, async (item, index) => {
      expect(item).toBe(10 + index);
      started.push(index);
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, (index * 7) % 5));
      running--;
    });
    expect(started).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(most).toBe(3);
    await forEachConcurrent([], 3, () => Promise.reject(new Error('no items')));
  });

  it('rejects with the first failure', async () => {
    await expect(forEachConcurrent([1, 2], 1, () => Promise.reject(new Error('first')))).rejects.toThrow('first');
  });
});

describe('createProgress', () => {
  it('off a terminal writes lines without control characters, the last one always', () => {
    const stream = Object.assign(new PassThrough(), { isTTY: false });
    const progress = createProgress(3, 'rows', stream);
    progress.step();
    progress.note('careful');
    progress.step();
    progress.step();
    progress.stop();
    expect(String(stream.read())).toBe('careful\n3 of 3 rows\n');
  });
});
