import { describe, expect, it } from 'vitest';
import { inPicture, Trails } from '../../demo/effects/trail.js';
import type { ShownFace } from '../../demo/scene.js';
import { describeFaces, splitByDoubt } from '../../demo/scene.js';

/** A head that looks at the viewer from (x, 100), 50 pixels a decimetre. */
const shown = (id: number, x: number) =>
  ({ id, face: { pose: { matrix: [50, 0, 10, x, 0, -50, 0, 100, 0, 0, 50, 0] } } }) as unknown as ShownFace;

describe('the trail of a head', () => {
  it('is where it has pointed, a face at a time, and ends with the face', () => {
    const trails = new Trails();
    trails.follow([shown(1, 200), shown(2, 400)]);
    trails.follow([shown(1, 210)]);
    expect(trails.of(1)).toEqual([
      [224, 98],
      [234, 98],
    ]);
    expect(trails.of(2)).toEqual([]);
    for (let i = 0; i < 100; i++) trails.follow([shown(1, i)]);
    expect(trails.of(1)).toHaveLength(45);
    expect(trails.of(1).at(-1)?.[0]).toBe(99 + 24);
    trails.clear();
    expect(trails.of(1)).toEqual([]);
  });

  it('lies where the pose puts the head', () => {
    expect(inPicture(shown(1, 200).face.pose, [1, 1, 0])).toEqual([250, 50]);
  });
});

describe('doubt', () => {
  it('takes faces below the limit out of the count, and says so', () => {
    const faces = [0.9, 0.2, 0.5].map((confidence) => ({ face: { confidence } }));
    const { sure, doubtful } = splitByDoubt(faces, 0.5);
    expect(sure.map(({ face }) => face.confidence)).toEqual([0.9, 0.5]);
    expect(doubtful.map(({ face }) => face.confidence)).toEqual([0.2]);
    expect(describeFaces(2, 1, 'a.png')).toBe('2 faces in a.png, and 1 in doubt');
    expect(describeFaces(1, 0, 'a.png')).toBe('1 face in a.png');
    expect(describeFaces(0, 0, 'a.png')).toBe('No face in a.png');
  });
});
