import { describe, expect, it } from 'vitest';
import { groupExpressions } from '../../demo/expressions.js';
import { BLENDSHAPE_NAMES } from '../../src/mmm/blendshapes.js';

describe('expression weights', () => {
  it("by ARKit's names are there, each once, grouped from the brows to the mouth, but for gaze and tongue", () => {
    const groups = groupExpressions(BLENDSHAPE_NAMES);
    expect(groups.map(({ title }) => title)).toEqual(['Brows', 'Eyes', 'Cheeks and nose', 'Jaw', 'Mouth']);
    const keys = groups.flatMap(({ rows }) => rows.flatMap(({ weights }) => weights.map(({ key }) => key)));
    expect([...keys, 'tongueOut'].sort()).toEqual(
      BLENDSHAPE_NAMES.filter((name) => !name.startsWith('eyeLook')).toSorted(),
    );
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
});
