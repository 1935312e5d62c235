import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { BrowserName } from '../../scripts/browser.js';
import { fileReason } from '../../scripts/file-errors.js';
import { repositoryRoot } from '../../scripts/page-host.js';
import { hardSplits } from '../data/faces.js';
import { browserUsage, parseBrowser, parseCount, parseOrUsage, UsageError } from '../options.js';

/** What is compared on: val-afw, and the splits of hard faces. */
export const comparedSplits = ['val-afw', ...hardSplits] as const;
export type ComparedSplit = (typeof comparedSplits)[number];

export const compareUsage = `Usage: npm run --silent compare -- --model FILE [--data DIR] [--split NAME] [--json FILE] [--limit N] [--browser NAME]

Prints, as a Markdown table, how far the engine's faces and those of MediaPipe's FaceLandmarker (the npm package @mediapipe/tasks-vision) are from the
truth, on the same pictures. The engine is given the box of the truth; the FaceLandmarker, which looks for faces itself, a square round the same box with
a margin, in up to three sizes until it finds one. Nothing leaves the machine: the browser can reach no other host.

  --model FILE  face_landmarker.task, which MediaPipe's page of its Face Landmarker offers (float16, version 1)
  --data DIR    folder with faces/*.npz and faces/NAME.tar (default: ../shared/data)
  --split NAME  ${comparedSplits.join(', ')} (default: all of them)
  --json FILE   the same numbers as JSON
  --limit N     only the first N pictures of a split
  --browser NAME
                ${browserUsage}

Errors are in % of sqrt(w h) of the truth's box. "over10": the share of all faces that are off by more than 10% or not found; all else is over the faces that
were found, and where one of the two lost faces, in two more columns over those that both found. "corrected": each point's own mean offset, fitted on one
half of the faces, is taken away on the other, since definitions of points differ. docs/training.md says more.`;

export interface CompareOptions {
  readonly model: string;
  readonly data: string;
  readonly splits: readonly ComparedSplit[];
  readonly json: string | undefined;
  readonly limit: number;
  readonly browser: BrowserName;
}

/**
 * @param folder what relative paths start from.
 * @returns undefined where help is asked for.
 * @throws UsageError
 */
export function parseCompareArguments(argv: readonly string[], folder: string): CompareOptions | undefined {
  const { values } = parseOrUsage(() =>
    parseArgs({
      args: [...argv],
      options: {
        model: { type: 'string' },
        data: { type: 'string' },
        split: { type: 'string' },
        json: { type: 'string' },
        limit: { type: 'string' },
        browser: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }),
  );
  if (values.help) return undefined;
  const { model, data, split, json, limit } = values;
  if (model === undefined) {
    throw new UsageError('there is no --model; wanted the path of face_landmarker.task, as MediaPipe publishes it');
  }
  const splits = comparedSplits.filter((name) => split === undefined || name === split);
  if (splits.length === 0) throw new UsageError(`--split is "${split}"; wanted one of ${comparedSplits.join(', ')}`);
  return {
    model: resolve(folder, model),
    data: data === undefined ? join(repositoryRoot, '../shared/data') : resolve(folder, data),
    splits,
    json: json === undefined ? undefined : resolve(folder, json),
    browser: parseBrowser(values.browser),
    limit: limit === undefined ? Number.POSITIVE_INFINITY : parseCount(limit, 'limit', 1),
  };
}

/** A task file is a ZIP archive, which may start a little later, and ends with a record of this start and length. */
const zip = { start: 'PK\u0003\u0004', end: 'PK\u0005\u0006', endBytes: 22 } as const;

/** Whether the last record of a ZIP archive is there, with the comment that it says it has. */
function isWhole(bytes: Buffer): boolean {
  const end = bytes.lastIndexOf(zip.end, undefined, 'latin1');
  const comment = end + zip.endBytes;
  return end >= 0 && comment <= bytes.length && comment + bytes.readUInt16LE(comment - 2) === bytes.length;
}

/** A model file. @throws UsageError where there is none, or it is none, or cut off. */
export async function readTask(path: string): Promise<Uint8Array> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new UsageError(`--model: ${path} cannot be read (${fileReason(error)}); wanted face_landmarker.task`);
  }
  const start = bytes.toString('latin1', 0, 8);
  if (!start.includes(zip.start)) {
    throw new UsageError(`--model: ${path} starts with ${JSON.stringify(start)}; wanted a .task file, a ZIP archive`);
  }
  if (!isWhole(bytes)) {
    throw new UsageError(`--model: ${path} has ${bytes.length} bytes and no end of an archive; wanted the whole file`);
  }
  return bytes;
}
