/**
 * Expression weights as ARKit names and bounds them. The weights that the cascade finds are free: they may be negative,
 * several may pull at one place against each other, and a neutral face has some of each, because only their sum and
 * the identity's is seen. What a rig wants of them is a linear function, cut to 0..1, that comes with the cascade's
 * weights.
 */
import { WeightsError } from '../engine/errors.js';
import { expectNumbers } from '../engine/expect.js';
import { show } from '../engine/show.js';

/** ARKit's 52 names, in the order of Apple's list. */
export const BLENDSHAPE_NAMES = [
  ...([
    'eyeBlinkLeft',
    'eyeLookDownLeft',
    'eyeLookInLeft',
    'eyeLookOutLeft',
    'eyeLookUpLeft',
    'eyeSquintLeft',
  ] as const),
  ...([
    'eyeWideLeft',
    'eyeBlinkRight',
    'eyeLookDownRight',
    'eyeLookInRight',
    'eyeLookOutRight',
    'eyeLookUpRight',
  ] as const),
  ...(['eyeSquintRight', 'eyeWideRight', 'jawForward', 'jawLeft', 'jawRight', 'jawOpen', 'mouthClose'] as const),
  ...(['mouthFunnel', 'mouthPucker', 'mouthLeft', 'mouthRight', 'mouthSmileLeft', 'mouthSmileRight'] as const),
  ...(['mouthFrownLeft', 'mouthFrownRight', 'mouthDimpleLeft', 'mouthDimpleRight', 'mouthStretchLeft'] as const),
  ...(['mouthStretchRight', 'mouthRollLower', 'mouthRollUpper', 'mouthShrugLower', 'mouthShrugUpper'] as const),
  ...(['mouthPressLeft', 'mouthPressRight', 'mouthLowerDownLeft', 'mouthLowerDownRight', 'mouthUpperUpLeft'] as const),
  ...(['mouthUpperUpRight', 'browDownLeft', 'browDownRight', 'browInnerUp', 'browOuterUpLeft'] as const),
  ...(['browOuterUpRight', 'cheekPuff', 'cheekSquintLeft', 'cheekSquintRight', 'noseSneerLeft'] as const),
  ...(['noseSneerRight', 'tongueOut'] as const),
] as const;

/** One of ARKit's 52 names. */
export type BlendshapeName = (typeof BLENDSHAPE_NAMES)[number];

/** A weight from 0 to 1 for each of ARKit's names. Those that nothing is known of (gaze, tongue) are 0. */
export type Blendshapes = Readonly<Record<BlendshapeName, number>>;

/** Sides, as the model's names end. */
type Sided<Name extends string> = `${Name}_L` | `${Name}_R`;

/** Names of the package's model: ARKit's with _L and _R, with more of them in halves, and without gaze and tongue. */
export type ExpressionName =
  | Sided<'browDown' | 'browInnerUp' | 'browOuterUp' | 'cheekPuff' | 'cheekRaiser' | 'cheekSquint'>
  | Sided<'eyeBlink' | 'eyeSquint' | 'eyeWide' | 'noseSneer'>
  | Sided<
      'mouthDimple' | 'mouthFrown' | 'mouthLowerDown' | 'mouthPress' | 'mouthSmile' | 'mouthStretch' | 'mouthUpperUp'
    >
  | `jaw${'Forward' | 'Left' | 'Open' | 'Right'}`
  | `mouth${'Close' | 'Funnel' | 'Left' | 'Pucker' | 'Right' | 'RollLower' | 'RollUpper' | 'ShrugLower' | 'ShrugUpper'}`;

/** Expression weights by name: those of the package's model; another model has its own. */
export type Expression = Readonly<Record<ExpressionName, number>> & Readonly<Record<string, number>>;

/** Rows of a readout: ARKit's names in the order of the alphabet. */
const ROWS = BLENDSHAPE_NAMES.toSorted();

/** Each name with its row: every face of every frame reads them. */
const ROW_OF = BLENDSHAPE_NAMES.map((name) => [name, ROWS.indexOf(name)] as const);

/** How ARKit's weights follow from a model's. */
export class BlendshapeReadout {
  readonly #rows: Float32Array;
  readonly #count: number;

  /**
   * @param rows [52, E + 1]: for each of ARKit's names, in the order of the alphabet, the factors of the model's E
   * weights and what is added (training/blendshapes.py)
   */
  constructor(rows: Float32Array) {
    if (rows.length % ROWS.length !== 0) {
      throw new WeightsError(`A readout has ${rows.length} numbers; wanted ${show(ROWS.length)} rows.`);
    }
    this.#rows = rows;
    this.#count = rows.length / ROWS.length - 1;
  }

  /**
   * That of a model without one: every weight under its own name, and sides together where ARKit has one name for both.
   * @param names of the model's expressions: ARKit's, with _L and _R for the sides of what has two
   */
  static named(names: readonly string[]): BlendshapeReadout {
    const width = names.length + 1;
    const rows = new Float32Array(ROWS.length * width);
    const arkit = names.map(arkitName);
    for (const [i, name] of arkit.entries()) {
      const row = ROWS.indexOf(name as BlendshapeName);
      if (row >= 0) rows[row * width + i] = 1 / arkit.filter((other) => other === name).length;
    }
    return new BlendshapeReadout(rows);
  }

  /**
   * @param weights [E] in the order of the model's `expressionNames`, as the cascade finds them or their mean over
   * time: a face at rest has some of each, so that weights of 0, or halved ones, are no calmer face
   * @throws InputError unless they are E finite numbers
   */
  read(weights: ArrayLike<number>): Blendshapes {
    expectNumbers('The expression weights', weights, this.#count);
    const width = this.#count + 1;
    const weightOf = (row: number): number => {
      const at = row * width;
      let sum = this.#rows[at + this.#count]!;
      for (let i = 0; i < this.#count; i++) sum += this.#rows[at + i]! * weights[i]!;
      return Math.min(1, Math.max(0, sum));
    };
    return Object.fromEntries(ROW_OF.map(([name, row]) => [name, weightOf(row)])) as Record<BlendshapeName, number>;
  }
}

/** ARKit's name for a weight of the package's model, which has the inner brows and the cheeks in halves. */
export function arkitName(name: string): string {
  const whole = name.replace(/^cheekRaiser/, 'cheekSquint').replace(/^(browInnerUp|cheekPuff)_[LR]$/, '$1');
  return whole.replace(/_L$/, 'Left').replace(/_R$/, 'Right');
}
