import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve, sep } from 'node:path';
import { glob } from 'tinyglobby';
import type { DrawnFormat } from './protocol.js';

/** Files that folders and patterns yield; what is named outright is tried whatever it is called. */
const extensions = ['jpg', 'jpeg', 'jfif', 'png', 'apng', 'webp', 'avif', 'gif', 'bmp', 'ico'] as const;

/** What the drawn files end in; `png` is the overlay. */
export const drawnEndings: Readonly<Record<DrawnFormat, string>> = {
  png: '.overlay.png',
  obj: '.obj',
  ply: '.ply',
  gltf: '.glb',
  pncc: '.pncc.png',
  depth: '.depth.png',
  texture: '.texture.png',
};

/** A picture to align, and where its files go. */
export interface PictureInput {
  /** Absolute. */
  readonly path: string;
  /** Path below the output folder, without extension; no two pictures share it. */
  readonly stem: string;
}

export interface Inputs {
  readonly pictures: readonly PictureInput[];
  /** Arguments that yielded no picture, as messages. */
  readonly missing: readonly string[];
}

/** What an earlier run drew is no picture to align. */
function isDrawn(name: string): boolean {
  return Object.values(drawnEndings).some((ending) => name.endsWith(ending));
}

const order = new Intl.Collator('en', { numeric: true });

async function look(path: string): Promise<Stats | undefined> {
  return stat(path).catch(() => undefined);
}

/** Splits a path into the folders that exist and the pattern beneath them, so that no folder's name is read as a pattern. */
async function splitPattern(path: string): Promise<{ readonly base: string; readonly pattern: string }> {
  const parts = path.split(sep);
  let base = parts[0] === '' ? sep : `${parts[0]}${sep}`;
  let taken = 1;
  for (; taken < parts.length - 1; taken++) {
    const next = join(base, parts[taken] ?? '');
    if (!(await look(next))?.isDirectory()) break;
    base = next;
  }
  return { base, pattern: parts.slice(taken).join('/') };
}

/** The pictures beneath `base` that the pattern matches, as paths from there with `/`, "2.png" before "10.png". */
async function matches(base: string, pattern: string): Promise<readonly string[]> {
  const found = await glob(pattern, {
    cwd: base,
    onlyFiles: true,
    caseSensitiveMatch: false,
    expandDirectories: false,
  });
  const pictures = found.filter((path) => {
    const lower = path.toLowerCase();
    return !isDrawn(lower) && extensions.some((extension) => lower.endsWith(`.${extension}`));
  });
  return pictures.sort(order.compare);
}

/**
 * The pictures that the arguments of the command line name: files, folders with all beneath them, and patterns that the shell did not
 * expand. Each picture comes once, and those of a folder or pattern keep their folders.
 *
 * @param folder what relative paths start from.
 */
export async function findPictures(argv: readonly string[], folder: string): Promise<Inputs> {
  const found = new Map<string, string>();
  const missing: string[] = [];
  for (const argument of argv) {
    const path = resolve(folder, argument);
    const named = await look(path);
    const split = named?.isDirectory() ? { base: path, pattern: '**/*' } : await splitPattern(path);
    if (named?.isFile() || !/[*?[{(!]/.test(split.pattern)) {
      // A file that is not there is found missing when it is read, like one that cannot be read.
      if (!found.has(path)) found.set(path, basename(path));
      continue;
    }
    const pictures = await matches(split.base, split.pattern);
    if (pictures.length === 0) missing.push(`no picture ${named === undefined ? 'matches' : 'in'} ${argument}`);
    for (const picture of pictures) {
      const absolute = join(split.base, picture);
      if (!found.has(absolute)) found.set(absolute, picture);
    }
  }
  const stems = distinctStems([...found.values()]);
  return { pictures: [...found.keys()].map((path, index) => ({ path, stem: stems[index] ?? path })), missing };
}

/** Paths without extension, made distinct, also where upper and lower case are one: the second "face" is "face-2". */
export function distinctStems(paths: readonly string[]): readonly string[] {
  const taken = new Set<string>();
  return paths.map((path) => {
    const stem = join(dirname(path), basename(path, extname(path)));
    let distinct = stem;
    for (let count = 2; taken.has(distinct.toLowerCase()); count++) distinct = `${stem}-${count}`;
    taken.add(distinct.toLowerCase());
    return distinct;
  });
}
