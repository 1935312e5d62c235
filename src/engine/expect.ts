/**
 * Arguments of callers who have no types: every refusal is an InputError that says what was found and what was wanted.
 */
import { InputError } from './errors.js';
import { list, show } from './show.js';

/** @throws InputError, always. `what` is an argument's or option's name, or words that may be a plural. */
export function refuse(what: string, found: unknown, wanted: string): never {
  throw new InputError(`${what} ${/ \w+s$/.test(what) ? 'are' : 'is'} ${show(found)}; wanted ${wanted}.`);
}

/** @throws InputError where `value` is no object. */
export function expectObject(value: unknown, what: string): void {
  if (typeof value !== 'object' || value === null) refuse(what, value, 'an object');
}

/** The names of options, for `expectOptions`: the compiler sees that none is missing. */
export type Names<Options> = { readonly [name in keyof Options]-?: unknown };

/** @throws InputError where `options` are no object, or name what is not among `names`. */
export function expectOptions<Options extends object>(
  options: Options,
  names: Names<NoInfer<Options>>,
  what = 'The options',
): void {
  expectObject(options, what);
  const known = Object.keys(names);
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw new InputError(`There is no option ${show(name)}; wanted ${list(known)}.`);
  }
}

/** @throws InputError where `value` is no list. */
export function expectList(what: string, value: unknown): void {
  if (!Array.isArray(value)) refuse(what, value, 'a list');
}

/**
 * @throws InputError unless `values` are finite numbers in a list or typed array, `count` of them where that is given.
 */
export function expectNumbers(what: string, values: ArrayLike<number>, count?: number, test = Number.isFinite): void {
  const list: unknown = values;
  // A DataView has none of a list's methods.
  const isList = Array.isArray(list) || (ArrayBuffer.isView(list) && 'every' in list);
  if (!isList || values.length !== (count ?? values.length) || !(values as number[]).every(test)) {
    refuse(what, values, `${count === undefined ? '' : `${show(count)} `}finite numbers`);
  }
}

/** @throws InputError unless every field of `fields` is a finite number in `value`. */
export function expectFields(what: string, value: object, fields: readonly string[]): void {
  expectObject(value, what);
  if (!fields.every((field) => Number.isFinite(Reflect.get(value, field)))) {
    refuse(what, value, `finite numbers ${list(fields)}`);
  }
}

/** @throws InputError unless `value` is a number from `least` to `most`. */
export function expectNumber(what: string, value: number, least: number, most: number): void {
  if (!(value >= least && value <= most)) refuse(what, value, `a number from ${least} to ${most}`);
}

/** @throws InputError unless `value` is a whole number from `least` to `most`. */
export function expectWhole(what: string, value: number, least: number, most = Number.MAX_SAFE_INTEGER): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    refuse(what, value, `a whole number from ${least} ${most < Number.MAX_SAFE_INTEGER ? `to ${most}` : 'up'}`);
  }
}

/** @throws InputError unless `value` is a finite number above 0. */
export function expectPositive(what: string, value: number): void {
  if (!(Number.isFinite(value) && value > 0)) refuse(what, value, 'a finite number above 0');
}
