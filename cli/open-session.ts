import { readFile, stat } from 'node:fs/promises';
import type { BrowserName } from '../scripts/browser.js';
import { fileReason } from '../scripts/file-errors.js';
import type { Served } from '../scripts/page-plugins.js';
import type { Search } from '../src/detect/index.js';
import { AlignSession } from './session.js';

/** Reads a file; the error's message is what a results row shows. */
async function orReason<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    throw new Error(fileReason(error), { cause: error });
  }
}

/** A video is served in parts: it may be larger than memory. @throws Error where it is no file. */
export async function lookAtVideo(path: string): Promise<Served> {
  const found = await orReason(stat(path));
  if (!found.isFile()) throw new Error(found.isDirectory() ? 'it is a folder' : 'it is no file');
  return { path, bytes: found.size };
}

/** Faces of a video that are followed at once. */
const mostFollowed = 16;

export interface OpenOptions {
  readonly browser: BrowserName;
  readonly iterations: number | undefined;
  /** Pictures are decoded by the browser, videos by a library that the page loads. */
  readonly kind?: 'pictures' | 'videos';
  readonly detector: boolean;
  readonly search: Search;
}

/** A session whose picture or video `i` is the file at `paths[i]`. */
export function openSession(
  { browser, iterations, detector, search, kind = 'pictures' }: OpenOptions,
  paths: readonly string[],
  note: (text: string) => void,
) {
  return AlignSession.open({
    browser,
    ...(iterations === undefined ? {} : { iterations }),
    ...(kind === 'videos' && { packages: ['mediabunny'], maxFaces: mostFollowed }),
    detector,
    search,
    note,
    read: async (index) => {
      const path = paths[index];
      if (path === undefined) throw new Error(`there are ${paths.length} ${kind}`);
      return kind === 'videos' ? lookAtVideo(path) : orReason(readFile(path));
    },
  });
}
