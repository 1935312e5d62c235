import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve, sep } from 'node:path';
import { glob } from 'tinyglobby';
import { drawnEndings, type Format, formats } from './formats.js';

/** Files that folders and patterns yield; what is named outright is tried whatever it is called. */
const extensions = ['jpg', 'jpeg', 'jfif', 'png', 'apng', 'webp', 'avif', 'gif', 'bmp', 'ico'] as const;

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

/**
 * Splits a path into the folders that exist and the pattern beneath them, so that no folder's name is read as a
 * pattern.
 */
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
 * The pictures that the arguments of the command line name: files, folders with all beneath them, and patterns that the
 * shell did not expand. Each picture comes once, and those of a folder or pattern keep their folders.
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

/** What a picture's file of a format ends in, after its stem or the stem and a number. */
function endingOf(format: Format): string {
  return format === 'json' ? '.json' : drawnEndings[format];
}

/** Names that are one to some file system: of upper and lower case, composed or not. */
function folded(path: string): string {
  return path.normalize('NFC').toUpperCase().toLowerCase();
}

/** `a` of `a.2`, where a picture `a` would have the files of its second face. */
function withoutNumber(stem: string): string {
  return stem.replace(/\.\d+$/, '');
}

/** The folders above a path, the nearest first. */
function foldersOf(path: string): readonly string[] {
  const folder = dirname(path);
  return folder === '.' || folder === path ? [] : [folder, ...foldersOf(folder)];
}

/** Stems of which some file would be this one. */
function writersOf(file: string, wanted: readonly Format[] = formats): readonly string[] {
  return wanted
    .map(endingOf)
    .filter((ending) => file.endsWith(ending))
    .map((ending) => file.slice(0, -ending.length))
    .flatMap((stem) => [stem, withoutNumber(stem)]);
}

/** Stems that would have a file where this one has a folder. */
function foldersRivals(stem: string): readonly string[] {
  return foldersOf(stem).flatMap((folder) => writersOf(folder));
}

/**
 * All stems that a picture of this stem must not share its output with: the others would have a file of the same name.
 */
function rivalsOf(stem: string): readonly string[] {
  return [stem, withoutNumber(stem), ...foldersRivals(stem)];
}

/**
 * Paths without extension, made distinct: the second "face" is "face-2". No file of one, as "face.2.obj" of its second
 * face, has the name of a file or folder of another, also where upper and lower case are one.
 */
export function distinctStems(paths: readonly string[]): readonly string[] {
  const taken = new Set<string>();
  const rivals = new Set<string>();
  return paths.map((path) => {
    const [folder, name] = [dirname(path), basename(path, extname(path))];
    const isTaken = (stem: string) => taken.has(stem);
    const isFree = (stem: string) => !rivals.has(stem) && !rivalsOf(stem).some(isTaken);
    let stem = join(folder, name);
    for (let count = 2; !isFree(folded(stem)); count++) {
      // Where a folder has the name of a file, no name within it is free.
      const isWithinFile = foldersRivals(folded(join(folder, name))).some(isTaken);
      stem = isWithinFile
        ? join(...folder.split(sep).map((part) => `${part}-${count}`), name)
        : join(folder, `${name}-${count}`);
    }
    taken.add(folded(stem));
    for (const rival of rivalsOf(folded(stem))) rivals.add(rival);
    return stem;
  });
}

/**
 * Inputs that a file of the run may be written over.
 * @param out where the stems' files go
 */
export function overwritten(
  pictures: readonly PictureInput[],
  out: string,
  wanted: readonly Format[],
): readonly string[] {
  const stems = new Set(pictures.map(({ stem }) => folded(join(out, stem))));
  const isOver = (path: string) => writersOf(folded(path), wanted).some((stem) => stems.has(stem));
  return pictures.map(({ path }) => path).filter(isOver);
}
