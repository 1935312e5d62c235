/** Values in messages. */

const SHOWN_CHARACTERS = 200;

/** Any value for a message: JSON where it has one, cut to a readable length. Never throws, whatever it is given. */
export function show(value: unknown): string {
  let text: string | undefined;
  try {
    text = typeof value === 'number' ? String(value) : JSON.stringify(value);
  } catch {
    // BigInts, cycles and nesting beyond the stack have no JSON.
  }
  text ??= typeof value === 'bigint' || typeof value === 'symbol' ? String(value) : typeof value;
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}...` : text;
}
