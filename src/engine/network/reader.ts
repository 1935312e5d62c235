/** The fields of a network's layers, as parsed JSON that anybody may have written. */
import { WeightsError } from '../errors.js';
import { ACTIVATIONS, type Activation, type Window } from '../kernels/common.js';
import { list, show } from '../show.js';
import type { FeatureShape } from '../tensor.js';

/** What a layer reads. */
export interface LayerInput {
  readonly name: string;
  readonly shape: FeatureShape;
}

/** What every layer of a description has. */
export interface LayerFields<Op extends string = string> {
  /** Of its own among layers and inputs; its weights are called by it: `<name>.weight`. */
  readonly name: string;
  /** What it computes. */
  readonly op: Op;
}

/** The field of layers that read one thing. */
export interface InputField {
  /** A layer before it, or an input of the network. */
  readonly input: string;
}

/** The field of layers that take in an activation. */
export interface ActivationField {
  /** What is done to each value of the result; `prelu` has slopes, `<name>.slope`. */
  readonly activation: Activation;
}

/** The fields of a window that slides over a picture. */
export interface WindowFields {
  /** Pixels of the window. */
  readonly kernel: readonly [height: number, width: number];
  /** Pixels from one place of the window to the next. */
  readonly stride: readonly [vertical: number, horizontal: number];
  /** Two numbers pad both sides of an axis alike. */
  readonly padding:
    | readonly [vertical: number, horizontal: number]
    | readonly [top: number, left: number, bottom: number, right: number];
}

/** The fields of `Fields` that hold a `Value`. */
type FieldOf<Fields, Value> = {
  [Name in keyof Fields]-?: Exclude<Fields[Name], undefined> extends Value ? Name : never;
}[keyof Fields] &
  string;

/**
 * Typed access to the fields of one layer's JSON: those that `Fields` has, by what it says they hold. Every error says
 * which layer and field.
 */
export class LayerReader<Fields extends LayerFields = LayerFields> {
  readonly name: string;
  readonly #fields: ReadonlyMap<string, unknown>;
  readonly #shapes: ReadonlyMap<string, FeatureShape>;

  /**
   * @param layer the parsed JSON
   * @param index where it is in the list
   * @param shapes of what it may read: the layers before it, and the network's inputs
   * @throws WeightsError where it is no object with a name
   */
  constructor(layer: unknown, index: number, shapes: ReadonlyMap<string, FeatureShape>) {
    if (typeof layer !== 'object' || layer === null || Array.isArray(layer)) {
      throw new WeightsError(`Layer ${index} is ${show(layer)}; wanted an object.`);
    }
    this.#fields = new Map(Object.entries(layer));
    const name = this.#fields.get('name');
    if (typeof name !== 'string' || name === '') {
      throw new WeightsError(`Layer ${index} has name ${show(name)}; wanted a non-empty string.`);
    }
    this.name = name;
    this.#shapes = shapes;
  }

  /** A field that is one of a few words. */
  oneOf<T extends string>(field: FieldOf<Fields, string>, allowed: readonly T[]): T {
    return this.#oneOf(field, allowed);
  }

  #oneOf<T extends string>(field: string, allowed: readonly T[]): T {
    const value = this.#fields.get(field);
    const found = allowed.find((candidate) => candidate === value);
    return found ?? this.#refuse(field, `one of ${list(allowed)}`);
  }

  /** The field `activation`. */
  activation(): Activation {
    return this.#oneOf('activation', ACTIVATIONS);
  }

  /** A whole number, at least 1. */
  count(field: FieldOf<Fields, number>): number {
    const value = this.#fields.get(field);
    return isWhole(value, 1) ? value : this.#refuse(field, `a whole number >= 1 and <= ${MOST}`);
  }

  /** Vertical, then horizontal. */
  pair(field: FieldOf<Fields, readonly [number, number]>, least: number): readonly [number, number] {
    return this.#pair(field, least);
  }

  #pair(field: string, least: number): readonly [number, number] {
    const value = this.#fields.get(field);
    const [vertical, horizontal, ...others] = Array.isArray(value) ? value : [];
    if (isWhole(vertical, least) && isWhole(horizontal, least) && others.length === 0) return [vertical, horizontal];
    return this.#refuse(field, `two whole numbers >= ${least} and <= ${MOST}: vertical, horizontal`);
  }

  /** The fields of a window that slides over `input`. */
  window(): Window {
    return { kernel: this.#pair('kernel', 1), stride: this.#pair('stride', 1), padding: this.padding() };
  }

  /** Two numbers pad both sides of an axis alike; four are top, left, bottom, right. */
  padding(): Window['padding'] {
    const value = this.#fields.get('padding');
    const sizes: unknown[] = Array.isArray(value) ? value : [];
    const [top, left, bottom, right] = sizes.length === 2 ? [...sizes, ...sizes] : sizes;
    const isKnown = sizes.length === 2 || sizes.length === 4;
    if (isKnown && isWhole(top, 0) && isWhole(left, 0) && isWhole(bottom, 0) && isWhole(right, 0)) {
      return [top, left, bottom, right];
    }
    return this.#refuse('padding', `two or four whole numbers >= 0 and <= ${MOST}`);
  }

  /** True or false; false where it is missing. */
  flag(field: FieldOf<Fields, boolean>): boolean {
    const value = this.#fields.get(field) ?? false;
    return typeof value === 'boolean' ? value : this.#refuse(field, 'true or false');
  }

  /** Name and shape of the one that `input` names. */
  input(): LayerInput {
    return this.#lookUp('input', this.#fields.get('input'));
  }

  /** Names and shapes of those that `inputs` lists, at least one. */
  inputs(): LayerInput[] {
    const value = this.#fields.get('inputs');
    if (!Array.isArray(value) || value.length === 0) return this.#refuse('inputs', 'a list of names');
    return value.map((name: unknown) => this.#lookUp('inputs', name));
  }

  /** The two that `inputs` has to list, of a layer that `does` (adds) them. */
  twoInputs(does: string): readonly [LayerInput, LayerInput] {
    const inputs = this.inputs();
    const [left, right, ...others] = inputs;
    if (left === undefined || right === undefined || others.length > 0) {
      throw new WeightsError(`Layer '${this.name}' ${does} ${inputs.length} inputs; wanted two.`);
    }
    return [left, right];
  }

  #lookUp(field: string, name: unknown): LayerInput {
    const shape = typeof name === 'string' ? this.#shapes.get(name) : undefined;
    if (typeof name === 'string' && shape !== undefined) return { name, shape };
    return this.#refuse(field, `a layer before it or an input, one of ${list(this.#shapes.keys())}`);
  }

  #refuse(field: string, wanted: string): never {
    throw new WeightsError(`Layer '${this.name}' has ${field} ${show(this.#fields.get(field))}; wanted ${wanted}.`);
  }
}

/** Larger sizes are damage: no product of a few of them may leave the integers that a double holds. */
const MOST = 2 ** 20;

function isWhole(value: unknown, least: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= MOST;
}
