import { readFile } from 'node:fs/promises';
import { AlignSession } from './session.js';

/** The bytes of a picture; the error's message is what a results row shows. */
async function readPicture(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    const reason = code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a folder' : code;
    throw new Error(reason, { cause: error });
  }
}

/** A session whose picture `i` is the file at `paths[i]`. */
export function openSession(
  options: { readonly iterations: number | undefined; readonly detector: boolean },
  paths: readonly string[],
  note: (text: string) => void,
) {
  return AlignSession.open({
    ...(options.iterations === undefined ? {} : { iterations: options.iterations }),
    detector: options.detector,
    note,
    read: async (picture) => {
      const path = paths[picture];
      if (path === undefined) throw new Error(`there are ${paths.length} pictures`);
      return readPicture(path);
    },
  });
}
