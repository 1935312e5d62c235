import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, resolve } from 'node:path';
import { fileReason } from '../scripts/file-errors.js';

export const boxKinds = ['landmarks', 'detector'] as const;
export type BoxKind = (typeof boxKinds)[number];

/** Picture pixels, 0-based, y down. */
export interface BoxSpec {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
  readonly kind: BoxKind;
  /** Degrees by which the box is turned about its middle, clockwise as seen (default 0). */
  readonly roll?: number;
}

/** One row of a list: the picture as written there, and the box, or what is wrong with the row. */
export type ListRow =
  | { readonly image: string; readonly box: BoxSpec | undefined }
  | { readonly image: string | null; readonly error: string };

/** The list as a whole cannot be used. A single bad row is no such error: it fails alone. */
export class ListError extends Error {
  readonly code = 'bad-list';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ListError';
  }
}

/** Reads the list at `path`. @throws ListError where it cannot be read, and as {@link parseList}. */
export async function readList(path: string): Promise<readonly ListRow[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new ListError(`cannot read the list ${path}: ${fileReason(cause)}`, { cause });
  }
  return parseList(text, basename(path));
}

/**
 * Reads the text of list.json.
 *
 * @param name the file's name, for messages.
 * @throws ListError where it is not JSON or not an array.
 */
export function parseList(text: string, name: string): readonly ListRow[] {
  let rows: unknown;
  try {
    rows = JSON.parse(text);
  } catch (cause) {
    throw new ListError(`${name} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  if (!Array.isArray(rows)) throw new ListError(`${name} holds ${describe(rows)}; wanted an array of rows`);
  return rows.map((row: unknown, index) => parseRow(row, `${name}, row ${index}`));
}

/** All that a row may have. */
const rowNames = ['image', 'box', 'boxKind', 'roll'] as const;

function parseRow(row: unknown, place: string): ListRow {
  if (!isRecord(row)) return { image: null, error: `${place}: ${describe(row)}; wanted an object` };
  const { image, box, boxKind, roll } = row;
  if (typeof image !== 'string' || image === '') {
    return { image: null, error: `${place}: "image" is ${describe(image)}; wanted a path` };
  }
  const unknown = Object.keys(row).filter((name) => !rowNames.some((known) => known === name));
  if (unknown.length > 0) {
    const names = rowNames.map((name) => `"${name}"`).join(', ');
    return { image, error: `${place}: unknown ${unknown.map(describe).join(', ')}; wanted some of ${names}` };
  }
  const known = boxKinds.find((kind) => kind === boxKind);
  if (boxKind !== undefined && boxKind !== null && known === undefined) {
    return { image, error: `${place}: "boxKind" is ${describe(boxKind)}; wanted "landmarks" or "detector"` };
  }
  if (box === undefined || box === null) {
    if (roll === undefined || roll === null) return { image, box: undefined };
    return { image, error: `${place}: "roll" without "box"; wanted a box that it turns, or neither` };
  }
  if (known === undefined)
    return { image, error: `${place}: "box" without "boxKind"; wanted "landmarks" or "detector"` };
  if (!Array.isArray(box) || box.length !== 4 || !box.every((value) => Number.isFinite(value))) {
    return { image, error: `${place}: "box" is ${describe(box)}; wanted [x0, y0, x1, y1]` };
  }
  const [x0, y0, x1, y1]: readonly number[] = box;
  if (x0 === undefined || y0 === undefined || x1 === undefined || y1 === undefined || x1 <= x0 || y1 <= y0) {
    return { image, error: `${place}: "box" is ${describe(box)}; wanted x0 < x1 and y0 < y1` };
  }
  if (roll === undefined || roll === null) return { image, box: { x0, y0, x1, y1, kind: known } };
  if (typeof roll !== 'number' || !Number.isFinite(roll)) {
    return { image, error: `${place}: "roll" is ${describe(roll)}; wanted degrees` };
  }
  return { image, box: { x0, y0, x1, y1, kind: known, roll } };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** Where a row's picture is: from `folder`, where the command was started, else from the folder of the list. */
export function resolveImage(image: string, folder: string, listPath: string): string {
  const here = resolve(folder, image);
  if (isAbsolute(image) || existsSync(here)) return here;
  const besideList = resolve(dirname(listPath), image);
  return existsSync(besideList) ? besideList : here;
}
