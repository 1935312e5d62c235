import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  BLENDSHAPE_NAMES,
  type BlendshapeName,
  BlendshapeSolver,
  type Blendshapes,
  type ExpressionName,
} from '../../src/mmm/blendshapes.js';
import { type FaceModel, loadFaceModel, selectVertices } from '../../src/mmm/model.js';
import { eulerToMatrix, type Matrix3 } from '../../src/mmm/pose.js';

let model: FaceModel;
let solver: BlendshapeSolver;
const everything = new Uint8Array(68).fill(1);

beforeAll(() => {
  model = loadFaceModel(new Uint8Array(readFileSync('weights/face_model.safetensors')).buffer);
  solver = new BlendshapeSolver(selectVertices(model, model.landmarks), model.expressionNames);
});

function solve(
  expression: Partial<Record<ExpressionName, number>>,
  { yaw = 0, roll = 0, scale = 1, visibility = everything } = {},
): Blendshapes {
  const weights = model.expressionNames.map((name) => expression[name as ExpressionName] ?? 0);
  const rotation = eulerToMatrix({ yaw, pitch: 0, roll }).map((value) => value * scale);
  return solver.solve({ weights, rotation: rotation as unknown as Matrix3, visibility });
}

/** What is not 0, by falling weight. */
const told = (blendshapes: Blendshapes) =>
  BLENDSHAPE_NAMES.filter((name) => blendshapes[name] > 0.12).sort((a, b) => blendshapes[b] - blendshapes[a]);

/**
 * What the package's cascade finds in the sample photo, a smile from the front: puffed cheeks and a mouth to both sides
 * at once among it.
 */
const smile: Partial<Record<ExpressionName, number>> = {
  ...{ browDown_L: -0.17, browDown_R: -0.22, browInnerUp_L: -0.03, browInnerUp_R: -0.01, browOuterUp_L: -0.16 },
  ...{ browOuterUp_R: -0.08, cheekPuff_L: 0.43, cheekPuff_R: 0.5, cheekRaiser_L: 0.21, cheekRaiser_R: 0.27 },
  ...{ cheekSquint_L: 0.26, cheekSquint_R: 0.28, eyeBlink_L: -0.21, eyeBlink_R: -0.22, eyeSquint_R: 0.02 },
  ...{ eyeWide_L: 0.06, eyeWide_R: 0.1, jawForward: -0.14, jawLeft: 0.03, jawOpen: 0.21, jawRight: 0.07 },
  ...{ mouthClose: 0.06, mouthDimple_L: -0.11, mouthDimple_R: -0.15, mouthFrown_L: -0.3, mouthFrown_R: -0.27 },
  ...{ mouthFunnel: 0.26, mouthLeft: -0.3, mouthLowerDown_L: 0.05, mouthLowerDown_R: 0.07, mouthPress_L: 0.07 },
  ...{ mouthPress_R: -0.03, mouthPucker: -0.11, mouthRight: -0.28, mouthRollLower: 0.12, mouthRollUpper: 0.25 },
  ...{ mouthShrugLower: -0.25, mouthShrugUpper: 0.1, mouthSmile_L: 0.71, mouthSmile_R: 0.76, mouthStretch_L: 0.15 },
  ...{ mouthStretch_R: 0.19, mouthUpperUp_L: 0.17, mouthUpperUp_R: 0.17, noseSneer_L: 0.29, noseSneer_R: 0.3 },
};

describe('BlendshapeSolver', () => {
  it("has ARKit's 52 names, each once, and weights from 0 to 1", () => {
    expect(new Set(BLENDSHAPE_NAMES).size).toBe(52);
    const blendshapes = solve(smile);
    expect(Object.keys(blendshapes)).toEqual(BLENDSHAPE_NAMES);
    for (const weight of Object.values(blendshapes)) expect(weight >= 0 && weight <= 1).toBe(true);
  });

  it('is 0 for a neutral face, and for what the model lacks', () => {
    expect(Math.max(...Object.values(solve({})))).toBe(0);
    const missing = BLENDSHAPE_NAMES.filter((name) => /^eyeLook|^tongue/.test(name));
    expect(missing).toHaveLength(9);
    for (const name of missing) expect(solve(smile)[name]).toBe(0);
  });

  it('sees a smile in what the cascade finds of one, no puffed cheeks, and no mouth to both sides', () => {
    const blendshapes = solve(smile);
    expect(Math.min(blendshapes.mouthSmileLeft, blendshapes.mouthSmileRight)).toBeGreaterThan(0.7);
    expect(blendshapes.cheekPuff).toBeLessThan(0.02);
    expect(Math.max(blendshapes.mouthLeft, blendshapes.mouthRight)).toBeLessThan(0.02);
    expect(Math.min(blendshapes.jawLeft, blendshapes.jawRight)).toBe(0);
    expect(told(blendshapes).slice(0, 2)).toEqual(['mouthSmileRight', 'mouthSmileLeft']);
  });

  it.each<[ExpressionName, BlendshapeName]>([
    ['jawOpen', 'jawOpen'],
    ['jawLeft', 'jawLeft'],
    ['mouthRight', 'mouthRight'],
    ['mouthPucker', 'mouthPucker'],
    ['eyeBlink_L', 'eyeBlinkLeft'],
    ['eyeBlink_R', 'eyeBlinkRight'],
    ['browDown_R', 'browDownRight'],
    ['browOuterUp_L', 'browOuterUpLeft'],
    ['mouthSmile_L', 'mouthSmileLeft'],
    ['noseSneer_R', 'noseSneerRight'],
  ])('gives %s alone back as %s, and little else', (name, wanted) => {
    const blendshapes = solve({ [name]: 1 });
    expect(blendshapes[wanted]).toBeGreaterThan(0.75);
    expect(
      Math.max(...BLENDSHAPE_NAMES.filter((other) => other !== wanted).map((other) => blendshapes[other])),
    ).toBeLessThan(0.25);
  });

  it('takes the halves of brows and cheeks together', () => {
    expect(solve({ browInnerUp_L: 1, browInnerUp_R: 1 }).browInnerUp).toBeGreaterThan(0.7);
    expect(solve({ cheekPuff_L: 1, cheekPuff_R: 1 }).cheekPuff).toBeGreaterThan(0.5);
  });

  it('cannot tell poses, sizes and rolls apart where all is seen', () => {
    const [front, turned] = [solve(smile), solve(smile, { roll: 70, scale: 0.2 })];
    for (const name of BLENDSHAPE_NAMES) expect(turned[name]).toBeCloseTo(front[name], 6);
  });

  it('gives the hidden half of a profile what the other one does', () => {
    // Her right half: iBUG's points of the other one are hidden.
    const left = /^(9|1[0-6]|2[2-6]|3[45]|4[2-7]|5[2-6]|6[345])$/;
    const visibility = Uint8Array.from(everything, (_, i) => (left.test(String(i)) ? 0 : 1));
    const { mouthSmileLeft, mouthSmileRight, eyeBlinkLeft, eyeBlinkRight } = solve(
      { mouthSmile_R: 0.8, mouthSmile_L: 0.1, eyeBlink_R: 0.9 },
      { yaw: 80, visibility },
    );
    expect(mouthSmileRight).toBeGreaterThan(0.5);
    expect(Math.abs(mouthSmileLeft - mouthSmileRight)).toBeLessThan(0.2);
    expect(eyeBlinkRight).toBeGreaterThan(0.5);
    expect(Math.abs(eyeBlinkLeft - eyeBlinkRight)).toBeLessThan(0.2);
    const front = solve({ mouthSmile_R: 0.8, eyeBlink_R: 0.9 });
    expect(Math.max(front.mouthSmileLeft, front.eyeBlinkLeft)).toBeLessThan(0.12);
  });

  it('is 0 throughout for a model with names of its own', () => {
    const { expression } = selectVertices(model, model.landmarks);
    const own = new BlendshapeSolver(
      { expression },
      model.expressionNames.map((_, i) => `shape${i}`),
    );
    const rotation = [1, 0, 0, 0, 1, 0, 0, 0, 1] as const;
    const weights = model.expressionNames.map(() => 1);
    expect(Math.max(...Object.values(own.solve({ weights, rotation, visibility: everything })))).toBe(0);
  });
});
