import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { basename, dirname, relative } from 'node:path';
import type { Interrupt } from './interrupt.js';
import { type ListRow, parseList, resolveImage } from './list.js';
import { type AlignOptions, exitCodes } from './options.js';
import { createProgress, forEachConcurrent } from './progress.js';
import { openSession } from './read-pictures.js';
import { faceResult, type ResultRow } from './results.js';
import { type AlignSession, jobsInFlight } from './session.js';

type ListOptions = Extract<AlignOptions, { mode: 'list' }>;

/** Writes beside the target first, so that an interrupted write leaves no half file. */
async function writeResults(path: string, rows: readonly ResultRow[]): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.part`, `[\n${rows.map((row) => JSON.stringify(row)).join(',\n')}\n]\n`);
  await rename(`${path}.part`, path);
}

async function alignRow(session: AlignSession, row: ListRow, index: number): Promise<ResultRow> {
  if ('error' in row) return row;
  const { image, box } = row;
  try {
    const reply = await session.align({
      picture: index,
      name: image,
      faces: 'largest',
      draw: false,
      ...(box === undefined ? {} : { boxes: [box] }),
    });
    if (reply.status === 'failed') return { image, error: reply.message };
    const [face] = reply.faces;
    return face === undefined ? { image, error: `no face in ${image}` } : { image, ...faceResult(face) };
  } catch (error) {
    return { image, error: error instanceof Error ? error.message : String(error) };
  }
}

/** Aligns one face a row and writes the results, also those so far where it is interrupted; resolves to the exit code. */
export async function alignList(options: ListOptions, folder: string, interrupt: Interrupt): Promise<number> {
  const rows = parseList(await readFile(options.list, 'utf8'), basename(options.list));
  const paths = rows.map(({ image }) => (image === null ? '' : resolveImage(image, folder, options.list)));
  const results: ResultRow[] = rows.map(({ image }) => ({ image, error: 'interrupted' }));
  process.stderr.write('starting a browser and loading the weights ...\n');
  const progress = createProgress(rows.length, 'rows');
  try {
    const detector = rows.some((row) => 'box' in row && row.box === undefined);
    const session = await openSession({ ...options, detector }, paths, progress.note);
    interrupt.onInterrupt(() => void session.close());
    try {
      await forEachConcurrent(rows, jobsInFlight, async (row, index) => {
        if (interrupt.happened) return;
        results[index] = await alignRow(session, row, index);
        progress.step();
      });
    } finally {
      await session.close();
    }
  } finally {
    progress.stop();
    if (rows.length === 0 || results.some((row) => !('error' in row) || row.error !== 'interrupted')) {
      await writeResults(options.results, results);
    }
  }
  const failed = results.filter((row) => 'error' in row).length;
  if (failed > 0) process.stderr.write(`${failed} of ${rows.length} rows failed; see "error" in ${options.results}\n`);
  process.stdout.write(`${relative(folder, options.results)}\n`);
  if (interrupt.happened) return exitCodes.interrupted;
  return failed === 0 ? exitCodes.ok : exitCodes.someFailed;
}
