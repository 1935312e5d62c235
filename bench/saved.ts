/**
 * Runs that are kept: as files (bench/results/), in the page's local history, and as text behind the # of a link. What
 * comes back from any of these was written elsewhere, and is checked.
 */
import { z } from 'zod';
import type { Report } from './report.js';
import { strategyGroups } from './strategies.js';

/** What is kept of a run: everything but the sources of its pipelines. */
export type SavedRun = Omit<Report, 'pipelines'>;

const count = z.int().nonnegative();
const ms = z.number().nonnegative();
const name = z.string().max(300);
const summary = z.object({ count, median: ms, p95: ms, mad: ms, min: ms });
const dtype = z.enum(['f16', 'f32']);
const ratio = z.number().positive().nullable();

const run = z.object({
  date: z.iso.datetime(),
  seconds: ms,
  browser: name,
  adapter: z.object({ name, isSoftware: z.boolean() }),
  features: z.array(name),
  limits: z.record(name, z.number()),
  arithmetic: name,
  iterations: count,
  facesPerFrame: count,
  rounds: count,
  ownPicture: z.boolean(),
  coldStart: z.object({ downloadMs: ms, deviceMs: ms, prepareMs: ms, pipelines: count, firstFrameMs: ms }),
  stages: z.array(z.object({ name, ms: summary, share: z.number().min(0).max(1), dispatches: count })).min(1),
  timeline: z.array(
    z.object({ part: name, stage: name, label: name, ms, workgroups: z.tuple([count, count, count]), pipeline: count }),
  ),
  geometryShare: z.number().nullable(),
  frame: z.object({
    endToEnd: summary,
    twoInFlight: summary,
    gpu: summary,
    encode: summary,
    samples: z.array(ms),
    dispatches: count,
    submits: count,
    bytesReadBack: count,
  }),
  detector: summary,
  tracker: summary,
  faces: z.array(z.object({ faces: count, endToEnd: summary, gpu: summary })).min(1),
  memory: z.object({ bytes: count, buffers: count, maxFaces: count }),
  weights: z.object({ wanted: dtype, dtype, bytes: count }),
  peak: z.object({ gflops: ms, form: name }),
  network: z.object({ macs: count, gpu: summary, gflops: ms }),
  layers: z.array(z.object({ name, macs: count, bytes: count, ms })),
  rivals: z.array(
    z.object({
      name,
      group: z.enum(strategyGroups),
      startMs: ms.optional(),
      ms: summary.optional(),
      maxAbsError: z.number().optional(),
      ok: z.boolean(),
      note: name,
    }),
  ),
  ratios: z.object({ vsOrtWebGpu: ratio, vsTfjsWebGpu: ratio }),
});

/** Something that was taken for a run and is none. */
export class RunError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RunError';
  }
}

/** @throws RunError that says which field was found wrong */
export function parseRun(value: unknown): SavedRun {
  const { data, error } = run.safeParse(value);
  if (error) throw new RunError(`This is no run of the benchmark: ${z.prettifyError(error)}`, { cause: error });
  return data as SavedRun;
}

/** Four digits: more than any clock here has. */
const rounded = (_: string, value: unknown) =>
  typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;

/** A run as JSON text, without the sources of its pipelines. */
export function runToJson({ pipelines, ...saved }: SavedRun & Partial<Report>, space?: number): string {
  return JSON.stringify(saved, rounded, space);
}

/** @throws RunError */
export function runFromJson(text: string): SavedRun {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new RunError('This is no run of the benchmark: not JSON.', { cause });
  }
  return parseRun(value);
}

const throughStream = async (bytes: BlobPart, stream: GenericTransformStream): Promise<ArrayBuffer> =>
  new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer();

/** A run as the text behind a link's #: deflated, in base64url. */
export async function runToFragment(saved: SavedRun): Promise<string> {
  const bytes = new Uint8Array(await throughStream(runToJson(saved), new CompressionStream('deflate-raw')));
  const text = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
  return `run=${text.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')}`;
}

/** The run of a link; undefined where the link has none. @throws RunError where it was cut or changed */
export async function runFromFragment(fragment: string): Promise<SavedRun | undefined> {
  const [, text] = /^#?run=(.+)$/.exec(fragment) ?? [];
  if (text === undefined) return undefined;
  let json: string;
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
    json = new TextDecoder().decode(await throughStream(bytes, new DecompressionStream('deflate-raw')));
  } catch (cause) {
    throw new RunError('The link to this run was cut or changed.', { cause });
  }
  return runFromJson(json);
}

/** Runs that the history holds; the oldest leave. */
const mostKept = 12;

/** Earlier runs of this browser, the newest first. Works, and forgets, where the browser stores nothing. */
export class RunHistory {
  readonly #storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | undefined;
  readonly #key = 'fullpose.benchmark';
  #runs: readonly SavedRun[];

  constructor(storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | undefined) {
    this.#storage = storage;
    this.#runs = this.#read();
  }

  get runs(): readonly SavedRun[] {
    return this.#runs;
  }

  add(saved: SavedRun): void {
    this.#runs = [saved, ...this.#runs].slice(0, mostKept);
    try {
      this.#storage?.setItem(this.#key, `[${this.#runs.map((kept) => runToJson(kept)).join()}]`);
    } catch {
      // Full, or forbidden: this visit still has them.
    }
  }

  clear(): void {
    this.#runs = [];
    this.#storage?.removeItem(this.#key);
  }

  #read(): readonly SavedRun[] {
    try {
      const stored: unknown = JSON.parse(this.#storage?.getItem(this.#key) ?? '[]');
      // Those of an older version of the page have other fields.
      return Array.isArray(stored) ? stored.filter((value) => run.safeParse(value).success) : [];
    } catch {
      return [];
    }
  }
}

/** Seconds that a run of these options took on a machine that ran none before: rounds, quick ones, of one face. */
const firstGuess = { hardware: 12, software: 110 } as const;

/** How much longer each option makes a run. */
const factors = { whole: 4, rivals: 3, face: 0.12 } as const;

interface RunSize {
  readonly faces: number;
  readonly quick: boolean;
  readonly rivals: boolean;
}

const sizeOf = ({ faces, quick, rivals }: RunSize): number =>
  (quick ? 1 : factors.whole) * (rivals ? factors.rivals : 1) * (1 + factors.face * (faces - 1));

/**
 * Seconds that a run will take: from the last one on the same adapter, or a guess.
 * @param earlier the newest first
 */
export function estimateSeconds(wanted: RunSize, adapter: Report['adapter'], earlier: readonly SavedRun[]): number {
  const last = earlier.find((candidate) => candidate.adapter.name === adapter.name);
  const base =
    last === undefined
      ? firstGuess[adapter.isSoftware ? 'software' : 'hardware']
      : last.seconds /
        sizeOf({ faces: last.facesPerFrame, quick: last.rounds <= quickRounds, rivals: last.rivals.length > 0 });
  return base * sizeOf(wanted);
}

/** Rounds of a quick run, and of a whole one. */
export const quickRounds = 5;
export const wholeRounds = 15;
