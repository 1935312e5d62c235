import { existsSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { describeFace, writeDrawn } from './align-pictures.js';
import { drawnFormats } from './formats.js';
import { distinctStems } from './inputs.js';
import type { Interrupt } from './interrupt.js';
import { Journal } from './journal.js';
import { lookAtVideo, openSession } from './open-session.js';
import { type AlignOptions, exitCodes } from './options.js';
import { createProgress, type Progress } from './progress.js';
import type { AlignReply, FrameJob } from './protocol.js';
import type { AlignSession } from './session.js';

type VideosOptions = Extract<AlignOptions, { mode: 'videos' }>;

/** A line of NAME.jsonl. */
type FrameRow =
  | {
      readonly frame: number;
      /** Presentation time in seconds. */
      readonly time: number;
      readonly width: number;
      readonly height: number;
      readonly faces: readonly ReturnType<typeof describeFace>[];
    }
  | { readonly frame: number; readonly time: number; readonly error: string };

/**
 * Aligns every frame of the videos, writes their lines and prints their paths from `folder`; resolves to the exit code.
 */
export async function alignVideos(options: VideosOptions, folder: string, interrupt: Interrupt): Promise<number> {
  const { videos, out } = options;
  const note = (text: string) => void process.stderr.write(`${text}\n`);
  const stems = distinctStems(videos.map((path) => basename(path)));
  note('starting a browser and loading the weights ...');
  const session = await openSession({ ...options, kind: 'videos', detector: true }, videos, note);
  interrupt.onInterrupt(() => void session.close());
  note(`aligning on ${session.device.adapter}${session.device.isSoftware ? ' (software)' : ''}`);
  let failed = false;
  try {
    for (const [index, path] of videos.entries()) {
      if (interrupt.happened) break;
      const stem = join(out, stems[index] ?? String(index));
      if (!(await alignVideo(session, index, path, stem, options, interrupt))) failed = true;
      if (existsSync(`${stem}.jsonl`)) process.stdout.write(`${relative(folder, `${stem}.jsonl`)}\n`);
    }
  } finally {
    await session.close();
  }
  if (interrupt.happened) {
    note('interrupted; --resume goes on from here');
    return exitCodes.interrupted;
  }
  return failed ? exitCodes.someFailed : exitCodes.ok;
}

/** Follows the faces of one video through the frames that no earlier run aligned; resolves to whether all succeeded. */
async function alignVideo(
  session: AlignSession,
  video: number,
  name: string,
  stem: string,
  { formats, smoothing, resume, minConfidence }: VideosOptions,
  interrupt: Interrupt,
): Promise<boolean> {
  try {
    await lookAtVideo(name);
  } catch (error) {
    process.stderr.write(`cannot read ${name}: ${error instanceof Error ? error.message : String(error)}\n`);
    return false;
  }
  const journal = new Journal<FrameRow>(`${stem}.jsonl`);
  const earlier = resume ? await journal.read(name) : [];
  if (!resume) await journal.clear();
  let failures = earlier.filter((row) => 'error' in row).length;
  let after = earlier.at(-1)?.time;
  let idsAbove = earlier.reduce(largestId, 0);
  let progress: Progress | undefined;
  if (earlier.length > 0) process.stderr.write(`${name}: ${earlier.length} frames were done before\n`);
  let frames = earlier.length;
  let seen = earlier.filter(hasFace).length;
  try {
    for (let frame = earlier.length; !interrupt.happened; frame++) {
      const job: FrameJob = {
        video,
        name,
        formats: drawnFormats(formats),
        smoothing,
        idsAbove,
        minConfidence,
        ...(after !== undefined && { after }),
      };
      const next = await session.alignFrame(job);
      if (next.status === 'end') break;
      if (next.status === 'failed') {
        process.stderr.write(`${next.message}\n`);
        return false;
      }
      progress ??= createProgress(next.count - frame, 'frames');
      if (next.reply.status === 'failed') failures++;
      else await writeDrawn(next.reply, join(`${stem}.frames`, String(frame).padStart(6, '0')), formats);
      const row = rowOf(frame, next.time, next.reply);
      idsAbove = largestId(idsAbove, row);
      if (formats.includes('json')) await journal.add(row);
      after = next.time;
      frames++;
      if (hasFace(row)) seen++;
      progress.step();
    }
  } catch (error) {
    // The interruption closed the session under the frame.
    if (!interrupt.happened) throw error;
  } finally {
    progress?.stop();
  }
  if (frames === 0 && !interrupt.happened) {
    process.stderr.write(`${name} has no frame that can be read; wanted a video that is whole\n`);
    return false;
  }
  if (seen === 0 && failures === 0 && !interrupt.happened) {
    process.stderr.write(`no face found in ${name}\n`);
    return false;
  }
  if (failures > 0) process.stderr.write(`${name}: ${failures} frames failed; see "error" in ${stem}.jsonl\n`);
  return failures === 0;
}

function rowOf(frame: number, time: number, reply: AlignReply): FrameRow {
  if (reply.status === 'failed') return { frame, time, error: reply.message };
  const { width, height, faces } = reply;
  return { frame, time, width, height, faces: faces.map(describeFace) };
}

function hasFace(row: FrameRow): boolean {
  return 'faces' in row && row.faces.length > 0;
}

function largestId(largest: number, row: FrameRow): number {
  return 'faces' in row ? Math.max(largest, ...row.faces.map(({ id = 0 }) => id)) : largest;
}
