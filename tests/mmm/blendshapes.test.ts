import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { InputError, WeightsError } from '../../src/engine/errors.js';
import { parseSafetensors, requireTensor } from '../../src/engine/safetensors.js';
import {
  BLENDSHAPE_NAMES,
  type BlendshapeName,
  BlendshapeReadout,
  type Blendshapes,
} from '../../src/mmm/blendshapes.js';
import { loadFaceModel } from '../../src/mmm/model.js';
import { expectClose } from '../browser/numbers.js';

const file = (path: string) => new Uint8Array(readFileSync(path)).buffer;
const { expressionNames } = loadFaceModel(file('weights/face_model.safetensors'));

/** Blendshapes by rows of a readout. */
const alphabetically = (blendshapes: Blendshapes) => BLENDSHAPE_NAMES.toSorted().map((name) => blendshapes[name]);

describe('BlendshapeReadout', () => {
  it("gives ARKit's 52 names in Apple's order, each once", () => {
    expect(new Set(BLENDSHAPE_NAMES).size).toBe(52);
    const rows = new Float32Array(52 * 3);
    expect(Object.keys(new BlendshapeReadout(rows).read([1, 1]))).toEqual(BLENDSHAPE_NAMES);
  });

  it('is linear in the weights, of rows in the order of the alphabet, and cut to 0..1', () => {
    const rows = new Float32Array(52 * 3);
    rows.set([0.5, -2, 0.25], 0);
    rows.set([-4, 0, 0], 51 * 3);
    const readout = new BlendshapeReadout(rows);
    const names = BLENDSHAPE_NAMES.toSorted();
    const [first, last] = [names[0]!, names[51]!];
    expect([first, last]).toEqual(['browDownLeft', 'tongueOut']);
    expect(readout.read([0.5, 0.125])[first]).toBeCloseTo(0.25, 6);
    expect(readout.read([0, 1])).toMatchObject({ [first]: 0, [last]: 0 });
    expect(readout.read([3, 0])[first]).toBe(1);
    expect(readout.read([-0.125, 0])[last]).toBeCloseTo(0.5, 6);
  });

  it('refuses what is not 52 rows', () => {
    expect(() => new BlendshapeReadout(new Float32Array(51))).toThrow(WeightsError);
  });

  it('reads as many finite weights as it has factors, and nothing else', () => {
    const readout = new BlendshapeReadout(new Float32Array(52 * 3));
    for (const bad of [{}, [1], [1, 2, 3], 'ab', [1, Number.NaN], undefined]) {
      expect(() => readout.read(bad as number[]), String(bad)).toThrow(InputError);
    }
  });

  it('takes weights under their own names where none is given, and halves together', () => {
    const readout = BlendshapeReadout.named(expressionNames);
    const read = (weights: Readonly<Record<string, number>>) =>
      readout.read(expressionNames.map((name) => weights[name] ?? 0));
    expect(Math.max(...Object.values(read({})))).toBe(0);
    const cases: readonly (readonly [string, BlendshapeName, number])[] = [
      ['eyeBlink_L', 'eyeBlinkLeft', 1],
      ['mouthSmile_R', 'mouthSmileRight', 1],
      ['jawLeft', 'jawLeft', 1],
      ['mouthRight', 'mouthRight', 1],
      ['browInnerUp_R', 'browInnerUp', 0.5],
      ['cheekPuff_L', 'cheekPuff', 0.5],
      ['cheekRaiser_L', 'cheekSquintLeft', 0.5],
    ];
    for (const [name, wanted, weight] of cases) {
      const told = Object.entries(read({ [name]: 1 })).filter(([, value]) => value !== 0);
      expect(told, name).toEqual([[wanted, weight]]);
    }
    const own = BlendshapeReadout.named(['shape0', 'shape1']).read([1, 1]);
    expect(Math.max(...Object.values(own))).toBe(0);
  });
});

describe("the package's readout", () => {
  const first = parseSafetensors(file('weights/iteration0.safetensors'));
  const shape = [52, expressionNames.length + 1];
  const readout = new BlendshapeReadout(requireTensor(first, 'blendshapes', 'F32', shape).data);
  const golden = parseSafetensors(file('tests/fixtures/cascade.safetensors'));
  const ends = requireTensor(golden, 'ends', 'F32', [3, 2, 104]).data;
  /** Of the sample (0) and its mirror image (1): what the cascade ends with. */
  const weightsOf = (n: number) => ends.subarray((2 * 2 + n) * 104 + 56, (2 * 2 + n) * 104 + 103);

  it('reads what training reads', () => {
    const expected = requireTensor(golden, 'blendshapes', 'F32', [2, 52]).data;
    for (const n of [0, 1]) {
      const wanted = expected.subarray(n * 52, n * 52 + 52);
      expectClose(alphabetically(readout.read(weightsOf(n))), wanted, { atol: 1e-5 });
    }
  });

  it("sees the sample's smile, open eyes, no puffed cheeks, and no mouth to both sides", () => {
    for (const n of [0, 1]) {
      const { mouthSmileLeft, mouthSmileRight, eyeBlinkLeft, eyeBlinkRight, ...rest } = readout.read(weightsOf(n));
      expect(Math.min(mouthSmileLeft, mouthSmileRight)).toBeGreaterThan(0.6);
      expect(Math.max(eyeBlinkLeft, eyeBlinkRight)).toBeLessThan(0.2);
      expect(Math.max(rest.cheekPuff, Math.min(rest.mouthLeft, rest.mouthRight))).toBeLessThan(0.05);
    }
  });

  it('knows nothing of gaze and tongue', () => {
    const unknown = BLENDSHAPE_NAMES.filter((name) => /^eyeLook|^tongue/.test(name));
    expect(unknown).toHaveLength(9);
    const blendshapes = readout.read(new Float32Array(expressionNames.length).fill(1));
    for (const name of unknown) expect(blendshapes[name]).toBe(0);
  });
});
