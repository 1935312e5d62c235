import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { writeWhole } from './files.js';
import type { Interrupt } from './interrupt.js';
import { isCurrent, Journal } from './journal.js';
import { type ListRow, readList, resolveImage } from './list.js';
import { openSession } from './open-session.js';
import { type AlignOptions, exitCodes } from './options.js';
import { createProgress, forEachConcurrent } from './progress.js';
import { type ResultRow, rowResult } from './results.js';
import { type AlignSession, jobsInFlight } from './session.js';

type ListOptions = Extract<AlignOptions, { mode: 'list' }>;

/** A row that succeeded. */
interface FinishedRow {
  readonly row: number;
  readonly result: ResultRow;
}

const interrupted = 'interrupted';

async function writeResults(path: string, rows: readonly ResultRow[]): Promise<void> {
  await writeWhole(path, `[\n${rows.map((row) => JSON.stringify(row)).join(',\n')}\n]\n`);
}

/**
 * Rows that earlier runs finished: of the results, and of the journal that a crash left. Those of a list that changed
 * since do not count.
 */
async function finishedRows(
  { list, results }: ListOptions,
  journal: Journal<FinishedRow>,
  rows: readonly ListRow[],
): Promise<readonly FinishedRow[]> {
  const written = existsSync(results) && isCurrent(results, list) ? await readResults(results) : [];
  const finished = [...written.map((result, row) => ({ row, result })), ...(await journal.read(list))];
  return finished.filter(({ row, result }) => !('error' in result) && rows[row]?.image === result.image);
}

async function readResults(path: string): Promise<readonly ResultRow[]> {
  try {
    const rows: unknown = JSON.parse(await readFile(path, 'utf8'));
    return Array.isArray(rows) ? rows : [];
  } catch {
    return [];
  }
}

async function alignRow(session: AlignSession, row: ListRow, index: number, minConfidence: number): Promise<ResultRow> {
  if ('error' in row) return row;
  const { image, box } = row;
  try {
    const reply = await session.align({
      picture: index,
      name: image,
      faces: 'surest',
      minConfidence,
      formats: [],
      ...(box === undefined ? {} : { boxes: [box] }),
    });
    if (reply.status === 'failed') return { image, error: reply.message };
    const [face] = reply.faces;
    return face === undefined ? { image, error: `no face in ${image}` } : { image, ...rowResult(face) };
  } catch (error) {
    return { image, error: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * Aligns one face a row and writes the results, also those so far where it is interrupted; resolves to the exit code.
 * While it runs, finished rows are kept in a journal beside the results.
 */
export async function alignList(options: ListOptions, folder: string, interrupt: Interrupt): Promise<number> {
  const rows = await readList(options.list);
  const paths = rows.map(({ image }) => (image === null ? '' : resolveImage(image, folder, options.list)));
  const results: ResultRow[] = rows.map(({ image }) => ({ image, error: interrupted }));
  const journal = new Journal<FinishedRow>(`${options.results}.journal`);
  const finished = options.resume ? await finishedRows(options, journal, rows) : [];
  for (const { row, result } of finished) results[row] = result;
  const left = [...rows.entries()].filter(([row]) => 'error' in (results[row] ?? {}));
  if (!options.resume) await journal.clear();
  else process.stderr.write(`${rows.length - left.length} of ${rows.length} rows were done before\n`);

  const progress = createProgress(left.length, 'rows');
  try {
    if (left.length > 0) {
      process.stderr.write('starting a browser and loading the weights ...\n');
      const detector = left.some(([, row]) => 'box' in row && row.box === undefined);
      const session = await openSession({ ...options, detector }, paths, progress.note);
      interrupt.onInterrupt(() => void session.close());
      try {
        await forEachConcurrent(left, jobsInFlight, async ([row, listed]) => {
          if (interrupt.happened) return;
          const result = await alignRow(session, listed, row, options.minConfidence);
          results[row] = result;
          if (!('error' in result)) await journal.add({ row, result });
          progress.step();
        });
      } finally {
        await session.close();
      }
    }
  } finally {
    progress.stop();
    if (rows.length === 0 || results.some((row) => !('error' in row) || row.error !== interrupted)) {
      await writeResults(options.results, results);
      await journal.clear();
    }
  }
  const failed = results.filter((row) => 'error' in row).length;
  if (failed > 0) process.stderr.write(`${failed} of ${rows.length} rows failed; see "error" in ${options.results}\n`);
  process.stdout.write(`${relative(folder, options.results)}\n`);
  if (interrupt.happened) return exitCodes.interrupted;
  return failed === 0 ? exitCodes.ok : exitCodes.someFailed;
}
