import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

/** The command line cannot be understood. The message says which argument and what was wanted. */
export class UsageError extends Error {
  readonly code = 'usage';

  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

export const exitCodes = { ok: 0, someFailed: 1, usage: 2, interrupted: 130 } as const;

interface CommonOptions {
  /** Iterations of the cascade; undefined for all that the weights have. */
  readonly iterations: number | undefined;
}

export type AlignOptions =
  | { readonly mode: 'help' }
  | ({ readonly mode: 'pictures'; readonly pictures: readonly string[]; readonly out: string } & CommonOptions)
  | ({ readonly mode: 'list'; readonly list: string; readonly results: string } & CommonOptions);

export const alignUsage = `Usage: npm run --silent align -- [PICTURE ...] [--out DIR] [--iterations K]
       npm run --silent align -- --list list.json --results results.json [--iterations K]

Aligns every face of the pictures (without PICTURE: of the bundled sample) and writes, into DIR (default: out),
NAME.overlay.png, NAME.json and NAME.obj; the paths go to stdout, progress to stderr.

With --list, aligns one face a row: [{"image": path, "box": [x0, y0, x1, y1], "boxKind": "landmarks" | "detector"}, ...].
Without a box the default detector looks for the face. results.json has one row each, in the same order.

  --out DIR        where the files of PICTUREs go
  --list FILE      rows to align
  --results FILE   where their results go
  --iterations K   iterations of the cascade, from 1 to as many as the weights have (the default)
  --help           this text

The exit code is 0 only if every picture or row succeeded, 1 if one failed, 2 for a wrong command line.`;

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

/** A whole number of at least `least`, from the text of option `--name`. */
export function parseCount(text: string, name: string, least: number): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(count) || count < least) {
    throw new UsageError(`--${name} is "${text}"; wanted a whole number of at least ${least}`);
  }
  return count;
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
        list: { type: 'string' },
        results: { type: 'string' },
        iterations: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }),
  );
  if (values.help) return { mode: 'help' };
  const iterations = values.iterations === undefined ? undefined : parseCount(values.iterations, 'iterations', 1);
  if (values.list === undefined && values.results === undefined) {
    const pictures = positionals.map((picture) => resolve(folder, picture));
    return { mode: 'pictures', pictures, out: resolve(folder, values.out ?? 'out'), iterations };
  }
  if (values.list === undefined) throw new UsageError('--results without --list');
  if (values.results === undefined) throw new UsageError('--list without --results');
  if (positionals.length > 0)
    throw new UsageError(`--list and the picture "${positionals[0]}"; wanted one or the other`);
  if (values.out !== undefined) throw new UsageError('--out with --list; a list writes --results only');
  return { mode: 'list', list: resolve(folder, values.list), results: resolve(folder, values.results), iterations };
}
