/** `npm run --silent reliability -- [--long] --json FILE`: tries to break the library, and says what broke. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { fillResults } from '../bench/report.js';
import {
  browserUsage,
  exitCodes,
  parseBrowser,
  parseCount,
  parseOrUsage,
  startFolder,
  UsageError,
} from '../cli/options.js';
import { runMain } from '../cli/run-main.js';
import { runReliability } from './headless.js';
import { formatTable, LONG, PARTS, type Part, SHORT, STANDARD, toMarkdown } from './report.js';

const usage = `Usage: npm run --silent reliability -- [options]

Damages files, loses devices, floods queues, and checks that every failure is a typed error and every result the right one.

  --json FILE  writes the counts
  --markdown FILE
               writes a table, between the lines <!-- results --> and <!-- end of results --> where FILE has them
  --short      as in CI (about a minute)
  --long       more cases; the soak runs the shipped weights
  --only PART  runs one part: ${PARTS.join(', ')}; again for more; not with files
  --browser NAME
               ${browserUsage}
  --seed N     of the random cases (default: another one each time)
  --help

Exit code 0 where nothing failed, 1 where something did, 2 for a wrong command line.`;

function partsOf(names: readonly string[], file: string | undefined): readonly Part[] {
  // The files' counts are of everything.
  if (file !== undefined) throw new UsageError('--only excludes --json and --markdown');
  const parts = names.map((name) => PARTS.find((part) => part === name));
  return parts.map((part, i) => {
    if (part === undefined) throw new UsageError(`--only is "${names[i]}"; wanted one of ${PARTS.join(', ')}`);
    return part;
  });
}

await runMain(async () => {
  const { values } = parseOrUsage(() =>
    parseArgs({
      args: process.argv.slice(2),
      options: {
        json: { type: 'string' },
        markdown: { type: 'string' },
        short: { type: 'boolean', default: false },
        long: { type: 'boolean', default: false },
        only: { type: 'string', multiple: true },
        seed: { type: 'string' },
        browser: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }),
  );
  if (values.help) {
    process.stdout.write(`${usage}\n`);
    return exitCodes.ok;
  }
  const seed = values.seed === undefined ? Date.now() % 1_000_000 : parseCount(values.seed, 'seed', 0);
  const amounts = values.long ? LONG : values.short ? SHORT : STANDARD;
  const start = Date.now();
  const note = (text: string) => {
    process.stderr.write(`${((Date.now() - start) / 1000).toFixed(0).padStart(5)} s ${text}\n`);
  };
  note(`seed ${seed}`);
  const { json, markdown, only } = values;
  const parts = only === undefined ? PARTS : partsOf(only, json ?? markdown);
  const { report, rows } = await runReliability(parseBrowser(values.browser), amounts, seed, note, parts);
  const folder = startFolder(process.env, process.cwd(), 'reliability');
  const write = async (file: string, contents: (before: string) => string): Promise<void> => {
    const path = resolve(folder, file);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, contents(await readFile(path, 'utf8').catch(() => '')));
  };
  if (json !== undefined) await write(json, () => `${JSON.stringify({ seed, ...report }, null, 2)}\n`);
  if (markdown !== undefined) await write(markdown, (before) => fillResults(before, toMarkdown(rows, report, seed)));
  process.stdout.write(formatTable(rows, seed));
  return rows.some(({ failures }) => failures.length > 0) ? exitCodes.someFailed : exitCodes.ok;
});
