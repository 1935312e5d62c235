import { describe, expect, it } from 'vitest';
import type { LabelledFace } from '../../cli/data/faces.js';
import {
  blinkOf,
  eyeFigures,
  type Finding,
  formatBeside,
  formatFigures,
  infantFigures,
  markupFigures,
  openEyed,
  profileFigures,
} from '../../cli/figures.js';
import { random } from '../browser/numbers.js';

/** 68 points of a face about 100 wide and high, its lids and inner lips `open` apart. */
function points(open: number): Float32Array {
  const values = new Float32Array(136);
  for (let i = 0; i < 68; i++) values.set([(i * 37) % 101, (i * 53) % 101], 2 * i);
  values.set([0, 0], 0);
  values.set([100, 100], 2);
  for (const eye of [36, 42]) {
    const left = eye === 36 ? 20 : 60;
    values.set([left, 40, left + 7, 40 - open / 2, left + 13, 40 - open / 2], 2 * eye);
    values.set([left + 20, 40, left + 13, 40 + open / 2, left + 7, 40 + open / 2], 2 * (eye + 3));
  }
  for (const [upper, lower] of [
    [61, 67],
    [62, 66],
    [63, 65],
  ] as const) {
    values.set([upper, 70 - open / 2], 2 * upper);
    values.set([upper, 70 + open / 2], 2 * lower);
  }
  return values;
}

function labelled(image: string, landmarks2d: Float32Array, fiducials?: Float32Array): LabelledFace {
  return { image, jpeg: new Uint8Array(), landmarks2d, landmarks3d: undefined, fiducials };
}

/** The points, each moved by `move` of its index. */
function finding(values: Float32Array, move: (point: number) => readonly [number, number], blink = 0): Finding {
  const landmarks = Array.from({ length: 68 }, (_, i) => {
    const [x, y] = move(i);
    return [values[2 * i]! + x, values[2 * i + 1]! + y, 0];
  }).flat();
  return { landmarks: { values: landmarks, stride: 3 }, blink };
}

describe('figures of what was found', () => {
  const faces = Array.from({ length: 12 }, (_, i) => labelled(`${i}`, points(4 + i)));

  it('takes away what each point is off by on every face, and nothing else', () => {
    const next = random(1);
    const constant = Array.from({ length: 68 }, (): [number, number] => [6 * next() - 3, 6 * next() - 3]);
    const off = faces.map(({ landmarks2d }) => finding(landmarks2d!, (i) => constant[i]!));
    const figures = markupFigures(faces, off, () => 0);
    const brows = constant.slice(17, 27).map(([x, y]) => Math.hypot(x, y));
    // The face's size is 100 pixels, so that pixels are percent.
    expect(figures['as they are']?.brows).toBeCloseTo(brows.reduce((a, b) => a + b) / 10, 4);
    expect(figures.corrected?.['inner 51']).toBeLessThan(1e-4);
    // Lips that some faces have 2 px lower and others 2 px higher have no offset in common; each half has as many of
    // both.
    const torn = faces.map(({ landmarks2d }, f) =>
      finding(landmarks2d!, (i) => (i < 48 ? [1, 0] : [0, f % 4 < 2 ? 2 : -2])),
    );
    const { corrected, NME51 } = markupFigures(faces, torn, () => 0);
    expect(corrected?.lips).toBeCloseTo(2, 4);
    expect(corrected?.eyes).toBeLessThan(1e-4);
    expect(NME51?.mean).toBeCloseTo((31 * 1 + 20 * 2) / 51, 4);
  });

  it('counts a face that was not found as off by more than 10%, and in no mean', () => {
    const found = faces.map(({ landmarks2d }, i) =>
      i === 0 ? undefined : finding(landmarks2d!, () => [i === 1 ? 20 : 2, 0]),
    );
    const figures = markupFigures(faces, found, (face) => (face === faces[2] ? -40 : 10));
    expect(figures.NME51).toMatchObject({ faces: 12, notFound: 1 });
    expect(figures.NME51?.over10).toBeCloseTo((100 * 2) / 12, 9);
    expect(figures.NME51?.mean).toBeCloseTo((10 * 2 + 20) / 11, 4);
    expect(figures.NME51?.median).toBeCloseTo(2, 4);
    expect(figures['yaw (30, 60]']).toMatchObject({ faces: 1 });
    expect(figures['yaw [0, 30]']).toMatchObject({ faces: 10 });
    expect(infantFigures(faces, found).NME51).toEqual(figures.NME51);
  });

  it('profiles: the mean of six places', () => {
    const fiducials = new Float32Array(60);
    fiducials.set([0, 0, 100, 100]);
    const still = finding(new Float32Array(136), () => [0, 0]);
    const profiles = [labelled('a', points(0), fiducials), labelled('b', points(0), fiducials)];
    const figures = profileFigures(profiles, [still, undefined]);
    expect(figures['six places']).toMatchObject({ faces: 2, mean: 0, over10: 50, notFound: 1 });
    expect(figures.chin).toEqual({ mean: 0 });
  });

  it('eyes: by the lids and by the blink weights', () => {
    const [shut, open] = [points(1), points(8)];
    const still = (values: Float32Array, blink: number) => finding(values, () => [0, 0], blink);
    const figures = eyeFigures(
      [still(shut, 0.9), still(shut, 0.2), undefined],
      [still(open, 0.1), still(open, 0.3), still(open, 0.1)],
    );
    expect(figures.faces).toEqual({ shut: 2, open: 3 });
    expect(figures['eye aspect ratio']?.shut).toBeCloseTo(1 / 20, 5);
    expect(figures['eye aspect ratio']?.open).toBeCloseTo(8 / 20, 5);
    expect(figures['eye aspect ratio']?.['area under the curve']).toBe(1);
    expect(figures['blink weights']?.['area under the curve']).toBeCloseTo(5 / 6, 9);
    expect(blinkOf({ eyeBlinkLeft: 0.25, eyeBlinkRight: 0.75, jawOpen: 1 })).toBe(0.5);
    expect(openEyed([labelled('a', shut), labelled('b', open)]).map(({ image }) => image)).toEqual(['b']);
  });

  it('are shown as lines, and side by side as a table', () => {
    const ways = { ours: { mouths: { open: 3, share: 91.234 } }, theirs: { mouths: { open: 3, share: 80 } } };
    expect(formatFigures(ways.ours)).toBe('mouths  open 3, share 91.23');
    expect(formatBeside(ways).split('\n')).toEqual([
      '|  | ours | theirs |',
      '| --- | --- | --- |',
      '| mouths: open | 3 | 3 |',
      '| mouths: share | 91.23 | 80 |',
    ]);
  });
});
