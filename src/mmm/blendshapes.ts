/**
 * Expression weights as ARKit names and bounds them. The weights that the cascade finds are free: they may be negative,
 * and several may pull at one place against each other, because only their sum is seen. Here the same landmarks are
 * explained by few weights from 0 to 1.
 */
import { show } from '../engine/show.js';
import type { ShapeModel } from './model.js';
import type { Matrix3 } from './pose.js';

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

/** A weight from 0 to 1 for each of ARKit's names. Those that the model lacks (gaze, tongue) are 0. */
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

/** Squared mm that one more weight of 1 must explain of the landmarks, on average, to be worth it. */
const COST = 0.1;

/** The same of a weight's square. */
const RIDGE = 0.03;

/** Squared mm in a squared dm. */
const MM2 = 1e4;

/** Weights of less are none. */
const LEAST = 0.01;

/** Sweeps of the solver stop at a change of less than this, or after so many. */
const SETTLED = 1e-4;
const MOST_SWEEPS = 500;

/** Pairs of which a face does one. */
const OPPOSITES = [
  ['jawLeft', 'jawRight'],
  ['mouthLeft', 'mouthRight'],
  ['eyeBlink_L', 'eyeWide_L'],
  ['eyeBlink_R', 'eyeWide_R'],
] as const;

/** A model's expression as seen by a camera. */
export interface SeenExpression {
  /** [E] weights, free. */
  readonly weights: ArrayLike<number>;
  /** From the head to the camera, of any scale. */
  readonly rotation: Matrix3;
  /** [68], 0 where the landmark is hidden. */
  readonly visibility: ArrayLike<number>;
}

/** Finds ARKit's weights for the expressions of one model. */
export class BlendshapeSolver {
  readonly #names: readonly string[];
  /** [E][68 * 3], decimetres. */
  readonly #columns: readonly Float64Array[];
  /** What each weight of 1 moves in a view from the front: mean square of the landmarks in mm². */
  readonly #full: readonly number[];
  /** Of each weight, its other side; itself where it has none. */
  readonly #twins: readonly number[];
  readonly #opposites: readonly (readonly [number, number])[];

  /**
   * @param landmarks the model of the landmarks alone
   * @param names of its expressions
   */
  constructor({ expression: { count, values, scale } }: Pick<ShapeModel, 'expression'>, names: readonly string[]) {
    if (names.length !== count) throw new RangeError(`There are ${names.length} names; wanted ${show(count)}.`);
    const size = values.length / count;
    this.#names = names;
    this.#columns = names.map((_, i) =>
      Float64Array.from(values.subarray(i * size, (i + 1) * size), (value) => value * scale[i]!),
    );
    const everywhere = new Uint8Array(size / 3).fill(1);
    const front = projected(this.#columns, [1, 0, 0, 0, 1, 0, 0, 0, 1], everywhere);
    this.#full = front.map((column) => dot(column, column));
    const twin = (name: string) => names.indexOf(name.replace(/_[LR]$/, (side) => (side === '_L' ? '_R' : '_L')));
    this.#twins = names.map((name, i) => (twin(name) < 0 ? i : twin(name)));
    this.#opposites = OPPOSITES.map(([a, b]) => [names.indexOf(a), names.indexOf(b)] as const).filter(
      ([a, b]) => a >= 0 && b >= 0,
    );
  }

  /**
   * The non-negative least squares problem with a price on each weight (a lasso, by coordinate descent): few weights
   * from 0 to 1 that move the visible landmarks in the picture as the free ones do. Where the view shows less of one
   * side than it might, both sides are drawn together.
   */
  solve({ weights, rotation, visibility }: SeenExpression): Blendshapes {
    const seen = projected(this.#columns, rotation, visibility);
    const gram = seen.map((a) => Float64Array.from(seen, (b) => dot(a, b)));
    const target = gram.map((row) => row.reduce((sum, value, i) => sum + value * weights[i]!, 0));
    for (const [i, j] of this.#twins.entries()) {
      if (j <= i) continue;
      const shown = Math.min(gram[i]![i]!, gram[j]![j]!);
      const tie = Math.max(0, this.#full[i]! - shown);
      for (const [a, b] of [
        [i, j],
        [j, i],
      ] as const) {
        gram[a]![a]! += tie;
        gram[a]![b]! -= tie;
      }
    }
    const found = new Float64Array(seen.length);
    const isOut = new Uint8Array(seen.length);
    descend(gram, target, isOut, found);
    for (const [a, b] of this.#opposites) {
      if (found[a]! > 0 && found[b]! > 0) isOut[found[a]! < found[b]! ? a : b] = 1;
    }
    if (isOut.includes(1)) descend(gram, target, isOut, found);
    return toArkit(this.#names, found);
  }
}

/**
 * Columns as the camera sees them, x and y in turn: with a norm whose square is the mean square of the landmarks in
 * mm².
 */
function projected(
  columns: readonly Float64Array[],
  rotation: Matrix3,
  visibility: ArrayLike<number>,
): readonly Float64Array[] {
  const scale = Math.hypot(rotation[0], rotation[1], rotation[2]) || 1;
  return columns.map((column) => {
    const count = column.length / 3;
    const factor = Math.sqrt(MM2 / count) / scale;
    const seen = new Float64Array(count * 2);
    for (let i = 0; i < count; i++) {
      if (visibility[i] === 0) continue;
      const [x, y, z] = [column[i * 3]!, column[i * 3 + 1]!, column[i * 3 + 2]!];
      seen[i * 2] = factor * (rotation[0] * x + rotation[1] * y + rotation[2] * z);
      seen[i * 2 + 1] = factor * (rotation[3] * x + rotation[4] * y + rotation[5] * z);
    }
    return seen;
  });
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/**
 * Coordinate descent from `weights`, in place, to the least w'Gw / 2 - t'w + COST * sum w + RIDGE * w'w / 2 with 0 <= w
 * <= 1.
 */
function descend(
  gram: readonly Float64Array[],
  target: readonly number[],
  isOut: Uint8Array,
  weights: Float64Array,
): void {
  for (let sweep = 0; sweep < MOST_SWEEPS; sweep++) {
    let change = 0;
    for (const [i, row] of gram.entries()) {
      const others = dot(row, weights) - row[i]! * weights[i]!;
      const best = isOut[i] === 1 ? 0 : (target[i]! - others - COST) / (row[i]! + RIDGE);
      const next = Math.min(1, Math.max(0, best));
      change = Math.max(change, Math.abs(next - weights[i]!));
      weights[i] = next;
    }
    if (change < SETTLED) return;
  }
}

/**
 * Weights by ARKit's names. The model has the inner brows and the cheeks in halves, and the cheek's rise in two shapes.
 */
function toArkit(names: readonly string[], weights: ArrayLike<number>): Blendshapes {
  const of = (name: string) => {
    const weight = weights[names.indexOf(name)] ?? 0;
    return weight < LEAST ? 0 : weight;
  };
  const mean = (name: string) => (of(`${name}_L`) + of(`${name}_R`)) / 2;
  const weightOf = (name: BlendshapeName): number => {
    const own = name.replace(/Left$/, '_L').replace(/Right$/, '_R');
    if (name === 'browInnerUp' || name === 'cheekPuff') return mean(name);
    if (own.startsWith('cheekSquint')) return Math.min(1, of(own) + of(own.replace('Squint', 'Raiser')));
    // jawLeft and mouthLeft are whole names in the model, too.
    return names.includes(name) ? of(name) : of(own);
  };
  return Object.fromEntries(BLENDSHAPE_NAMES.map((name) => [name, weightOf(name)])) as Record<BlendshapeName, number>;
}
