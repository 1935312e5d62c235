import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type BrowserName, browserFrom, browserNamed, thisMachine } from '../scripts/browser.js';
import type { Search } from '../src/detect/index.js';
import bundledWeights from '../weights/manifest.json' with { type: 'json' };
import { type Format, formats } from './formats.js';

/** The command line cannot be understood. The message says which argument and what was wanted. */
export class UsageError extends Error {
  readonly code = 'usage';

  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

export const exitCodes = { ok: 0, someFailed: 1, usage: 2, interrupted: 130 } as const;

/** Where the detector may be told to look. */
const searches: readonly Search[] = ['whole', 'until-found', 'everywhere'];

/** Below this the aligner itself takes what it was given for no face (docs/tracking.md). */
const usualConfidence = 0.5;

interface CommonOptions {
  /** The browser that does the work. */
  readonly browser: BrowserName;
  /** Iterations of the cascade; undefined for all that the weights have. */
  readonly iterations: number | undefined;
  /** Take what an earlier run finished as done. */
  readonly resume: boolean;
  /** Where the detector looks. */
  readonly search: Search;
  /** What is less sure to be a face is none, 0 to 1. */
  readonly minConfidence: number;
}

interface FileOptions {
  readonly out: string;
  readonly formats: readonly Format[];
}

export type AlignOptions =
  | { readonly mode: 'help' }
  /** `pictures` as written: files, folders and patterns. */
  | ({ readonly mode: 'pictures'; readonly pictures: readonly string[] } & FileOptions & CommonOptions)
  | ({ readonly mode: 'videos'; readonly videos: readonly string[]; readonly smoothing: boolean } & FileOptions &
      CommonOptions)
  | ({ readonly mode: 'list'; readonly list: string; readonly results: string } & CommonOptions);

/** What a command's usage says of `--browser`. */
export const browserUsage = 'chromium or firefox (default: what FULLPOSE_BROWSER says, else chromium)';

/** The value of `--browser`, or what is taken without it. @throws UsageError */
export function parseBrowser(text: string | undefined): BrowserName {
  return parseOrUsage(() => (text === undefined ? browserFrom(thisMachine) : browserNamed(text, '--browser')));
}

export const alignUsage = `Usage: npm run --silent align -- [PICTURE | FOLDER | PATTERN ...] [--out DIR] [--format LIST] [--resume] [--iterations K]
       npm run --silent align -- --video FILE [--video FILE ...] [--smoothing] [--out DIR] [--format LIST] [--resume] [--iterations K]
       npm run --silent align -- --list list.json --results results.json [--resume] [--iterations K]

Aligns every face of the pictures (without PICTURE: of the bundled sample) and writes, into DIR (default: out),
NAME.overlay.png, NAME.json and NAME.obj; the paths go to stdout, progress to stderr. Of a FOLDER, and of a PATTERN as
"photos/**/*.jpg", all pictures are taken, and their folders made anew in DIR.

With --video, follows the faces from frame to frame and writes NAME.jsonl into DIR: one line a frame, with its time in
seconds and its faces, each with an id that it keeps.

With --list, aligns one face a row: [{"image": path, "box": [x0, y0, x1, y1], "boxKind": "landmarks" | "detector"}, ...].
Without a box the detector looks, and the surest face is taken. results.json has one row each, in the same order.

  --out DIR        where the files of PICTUREs and videos go
  --format LIST    which files, separated by commas: ${formats.join(', ')}
                   (default: json,obj,png; of a video: json)
  --video FILE     a video to align, frame by frame
  --smoothing      smooth the faces of videos over time
  --list FILE      rows to align
  --results FILE   where their results go
  --resume         go on where an earlier run was interrupted: what it finished stays
  --search HOW     where the detector looks: ${searches.join(', ')}
                   (default: everywhere; in a video until-found)
  --min-confidence C
                   what is less sure to be a face is none, 0 to 1 (default: ${usualConfidence}); boxes of a list are taken at
                   their word
  --iterations K   iterations of the cascade, from 1 to as many as the weights have (the default)
  --browser NAME   ${browserUsage}
  --help           this text

The exit code is 0 only if every picture, row or frame succeeded, 1 if one failed, 2 for a wrong command line, 130 after
Ctrl-C. Files appear whole or not at all.`;

/** The folder that relative paths start from: npm runs scripts in the package's folder and says where the user was. */
export function startFolder(env: NodeJS.ProcessEnv, cwd: string, script: string): string {
  return env.npm_lifecycle_event === script && env.INIT_CWD ? env.INIT_CWD : cwd;
}

/** node:util's parser, with its errors as {@link UsageError}. */
export function parseOrUsage<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** A whole number from `least` to `most`, from the text of option `--name`. */
export function parseCount(text: string, name: string, least: number, most = Number.MAX_SAFE_INTEGER): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < least || count > most) {
    const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
    throw new UsageError(`--${name} is "${text}"; wanted a whole number ${range}`);
  }
  return count;
}

function parseSearch(text: string | undefined, usual: Search): Search {
  if (text === undefined) return usual;
  const search = searches.find((name) => name === text);
  if (search === undefined) throw new UsageError(`--search is "${text}"; wanted one of ${searches.join(', ')}`);
  return search;
}

function parseConfidence(text: string | undefined): number {
  const confidence = Number(text ?? usualConfidence);
  if (text?.trim() === '' || !(confidence >= 0 && confidence <= 1)) {
    throw new UsageError(`--min-confidence is "${text}"; wanted a number from 0 to 1`);
  }
  return confidence;
}

function parseFormats(text: string | undefined, usual: readonly Format[]): readonly Format[] {
  if (text === undefined) return usual;
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !formats.some((format) => format === name));
  if (unknown !== undefined) {
    throw new UsageError(`--format has "${unknown}"; wanted some of ${formats.join(', ')}, separated by commas`);
  }
  return formats.filter((format) => names.includes(format));
}

/**
 * @param folder what relative paths start from.
 * @throws UsageError
 */
export function parseAlignArguments(argv: readonly string[], folder: string): AlignOptions {
  const { values, positionals } = parseOrUsage(() =>
    parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        out: { type: 'string' },
        format: { type: 'string' },
        video: { type: 'string', multiple: true },
        smoothing: { type: 'boolean', default: false },
        list: { type: 'string' },
        results: { type: 'string' },
        resume: { type: 'boolean', default: false },
        search: { type: 'string' },
        'min-confidence': { type: 'string' },
        iterations: { type: 'string' },
        browser: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }),
  );
  if (values.help) return { mode: 'help' };
  const most = bundledWeights.iterations.length;
  const iterations = values.iterations === undefined ? undefined : parseCount(values.iterations, 'iterations', 1, most);
  const common = {
    iterations,
    resume: values.resume,
    browser: parseBrowser(values.browser),
    search: parseSearch(values.search, values.video === undefined ? 'everywhere' : 'until-found'),
    minConfidence: parseConfidence(values['min-confidence']),
  };
  if (values.smoothing && values.video === undefined) throw new UsageError('--smoothing without --video');
  if (values.list === undefined && values.results === undefined) {
    const out = resolve(folder, values.out ?? 'out');
    if (values.video === undefined) {
      const wanted = parseFormats(values.format, ['json', 'obj', 'png']);
      needJson(values.resume, wanted);
      return { mode: 'pictures', pictures: positionals, out, formats: wanted, ...common };
    }
    if (positionals.length > 0)
      throw new UsageError(`--video and the picture "${positionals[0]}"; wanted one or the other`);
    const wanted = parseFormats(values.format, ['json']);
    needJson(values.resume, wanted);
    return {
      mode: 'videos',
      videos: values.video.map((path) => resolve(folder, path)),
      smoothing: values.smoothing,
      out,
      formats: wanted,
      ...common,
    };
  }
  if (values.list === undefined) throw new UsageError('--results without --list');
  if (values.results === undefined) throw new UsageError('--list without --results');
  if (values.video !== undefined) throw new UsageError('--video and --list; wanted one or the other');
  if (positionals.length > 0)
    throw new UsageError(`--list and the picture "${positionals[0]}"; wanted one or the other`);
  for (const name of ['out', 'format'] as const) {
    if (values[name] !== undefined) throw new UsageError(`--${name} with --list; a list writes --results only`);
  }
  const [list, results] = [resolve(folder, values.list), resolve(folder, values.results)];
  if (results === list || `${results}.journal` === list) throw new UsageError('--results would write over the list');
  return { mode: 'list', list, results, ...common };
}

/** The JSON file of a picture or video is what says how far an earlier run came. */
function needJson(resume: boolean, wanted: readonly Format[]): void {
  if (resume && !wanted.includes('json')) {
    throw new UsageError('--resume without json in --format; only the JSON files tell what an earlier run finished');
  }
}
