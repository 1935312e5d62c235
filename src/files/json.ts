/** Reading JSON that anybody may have written: every mismatch is a WeightsError that says what was found. */
import { WeightsError } from '../engine/errors.js';
import { show } from '../engine/show.js';

/** Puts the file's name before the message of a WeightsError. */
export function inFile<T>(file: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    if (!(cause instanceof WeightsError)) throw cause;
    throw new WeightsError(`In ${file}: ${cause.message}`, { cause });
  }
}

export function parseJson(text: unknown): Record<string, unknown> {
  let json: unknown;
  try {
    if (typeof text !== 'string') throw new TypeError('no text');
    json = JSON.parse(text);
  } catch (cause) {
    throw new WeightsError(
      `The file starts with ${show(typeof text === 'string' ? text.slice(0, 40) : text)}; wanted JSON.`,
      { cause },
    );
  }
  return asRecord(json, 'The file');
}

export function asRecord(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new WeightsError(`${what} is ${show(value)}; wanted an object.`);
  }
  return { ...value };
}

export function expectValue(record: Record<string, unknown>, field: string, wanted: string | number): void {
  if (record[field] !== wanted) {
    throw new WeightsError(`${field} is ${show(record[field])}; wanted ${show(wanted)}.`);
  }
}

export function isPositive(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}
