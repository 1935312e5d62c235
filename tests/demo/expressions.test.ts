import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { barOf, groupExpressions } from '../../demo/expressions.js';
import { loadFaceModel } from '../../src/mmm/model.js';

describe('expression weights', () => {
  it('of the bundled model are all there, each once, grouped from the brows to the mouth', () => {
    const file = readFileSync('weights/face_model.safetensors');
    const { expressionNames } = loadFaceModel(
      file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength) as ArrayBuffer,
    );
    const groups = groupExpressions(expressionNames);
    expect(groups.map(({ title }) => title)).toEqual(['Brows', 'Eyes', 'Cheeks and nose', 'Jaw', 'Mouth']);
    const keys = groups.flatMap(({ rows }) => rows.flatMap(({ weights }) => weights.map(({ key }) => key)));
    expect([...keys].sort()).toEqual([...expressionNames].sort());
  });

  it('of both sides share a line, whichever way they are written; moves of the whole mouth do not', () => {
    const rows = (names: readonly string[]) => groupExpressions(names).flatMap(({ rows }) => rows);
    for (const names of [
      ['eyeBlink_L', 'eyeBlink_R'],
      ['eyeBlinkLeft', 'eyeBlinkRight'],
    ]) {
      expect(rows(names)).toEqual([
        {
          name: 'eyeBlink',
          weights: [
            { side: 'L', key: names[0] },
            { side: 'R', key: names[1] },
          ],
        },
      ]);
    }
    expect(rows(['mouthLeft', 'mouthRight', 'jawOpen']).map(({ name }) => name)).toEqual([
      'jawOpen',
      'mouthLeft',
      'mouthRight',
    ]);
  });

  it('have bars that begin at 0 and say on which side of it they are', () => {
    expect(barOf(1)).toEqual({ from: expect.closeTo(1 / 3), to: 1 });
    expect(barOf(-0.25)).toEqual({ from: expect.closeTo(1 / 6), to: expect.closeTo(1 / 3) });
    expect(barOf(9)).toEqual(barOf(1));
    expect(barOf(-9)).toEqual({ from: 0, to: expect.closeTo(1 / 3) });
  });
});
