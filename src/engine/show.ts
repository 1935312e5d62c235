/** Values in messages. */

const SHOWN_CHARACTERS = 200;

/** JSON has null for NaN and the infinities, which are what a message is about. */
const finite = (_: string, item: unknown): unknown =>
  typeof item === 'number' && !Number.isFinite(item) ? String(item) : item;

/** Any value for a message: JSON where it has one, cut to a readable length. Never throws, whatever it is given. */
export function show(value: unknown): string {
  let text: string | undefined;
  try {
    text = typeof value === 'number' ? String(value) : JSON.stringify(value, finite);
  } catch {
    // BigInts, cycles and nesting beyond the stack have no JSON.
  }
  text ??= typeof value === 'bigint' || typeof value === 'symbol' ? String(value) : typeof value;
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}...` : text;
}

/** The items of a list for a message: text as it is, all else as `show` has it. Never throws, whatever it is given. */
export function list(values: Iterable<unknown>, separator = ', '): string {
  try {
    return [...values].map((value) => (typeof value === 'string' ? value : show(value))).join(separator);
  } catch {
    return show(values);
  }
}

/** What was thrown, for a message. Never throws, whatever it is given. */
export function reason(cause: unknown): string {
  try {
    return String(cause);
  } catch {
    return show(cause);
  }
}
