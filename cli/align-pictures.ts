import { existsSync, statSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { repositoryRoot } from '../scripts/page-host.js';
import { writeWhole } from './files.js';
import { drawnEndings, drawnFormats, type FaceFormat, type Format, faceFormats } from './formats.js';
import { findPictures, overwritten, type PictureInput } from './inputs.js';
import type { Interrupt } from './interrupt.js';
import { openSession } from './open-session.js';
import { type AlignOptions, exitCodes, UsageError } from './options.js';
import { createProgress, forEachConcurrent, type Progress } from './progress.js';
import type { AlignReply, FaceReply } from './protocol.js';
import { faceResult, short } from './results.js';
import { type AlignSession, jobsInFlight } from './session.js';

type PicturesOptions = Extract<AlignOptions, { mode: 'pictures' }>;

const samplePicture = join(repositoryRoot, 'assets/astronaut.png');

type Aligned = Extract<AlignReply, { status: 'aligned' }>;

/** Files of `faces` faces: the overlay, the numbers, and those of each face, the second's as `NAME.2.obj`. */
function filesOf(stem: string, formats: readonly Format[], faces: number): readonly string[] {
  const each = faceFormats(formats);
  return [
    ...(formats.includes('png') ? [`${stem}${drawnEndings.png}`] : []),
    ...(formats.includes('json') ? [`${stem}.json`] : []),
    ...Array.from({ length: faces }, (_, face) => each.map((format) => faceFile(stem, format, face))).flat(),
  ];
}

function faceFile(stem: string, format: FaceFormat, face: number): string {
  return `${stemOfFace(stem, face)}${drawnEndings[format]}`;
}

function stemOfFace(stem: string, face: number): string {
  return face === 0 ? stem : `${stem}.${face + 1}`;
}

/** A face as NAME.json and NAME.jsonl hold it. */
export function describeFace(face: FaceReply) {
  const { id, box, crop, confidence, visibility } = face;
  return {
    ...(id !== undefined && { id }),
    box,
    crop,
    confidence: short(confidence),
    visibility,
    ...faceResult(face),
  };
}

/**
 * Writes the overlay and the faces' files of a picture or video frame that were asked for, and removes those of further
 * faces that an earlier run left. What belongs to a picture of such a name, which has a JSON file, stays.
 */
export async function writeDrawn({ faces, overlay }: Aligned, stem: string, formats: readonly Format[]): Promise<void> {
  const drawn = new Map(overlay === undefined ? [] : [[`${stem}${drawnEndings.png}`, overlay]]);
  for (const [index, { files }] of faces.entries()) {
    for (const format of faceFormats(formats)) {
      const file = files[format];
      if (file !== undefined) drawn.set(faceFile(stem, format, index), file);
    }
  }
  await Promise.all([...drawn].map(([path, file]) => writeWhole(path, Buffer.from(file, 'base64'))));
  for (const format of faceFormats(formats)) {
    for (let face = faces.length; face === 0 || !existsSync(`${stemOfFace(stem, face)}.json`); face++) {
      const old = faceFile(stem, format, face);
      if (!existsSync(old)) break;
      await rm(old);
    }
  }
}

/** Writes the files of one aligned picture, the JSON last: where it is, all of them are. Resolves to their paths. */
async function writePicture(
  reply: Aligned,
  picture: string,
  stem: string,
  formats: readonly Format[],
): Promise<readonly string[]> {
  const { width, height, faces } = reply;
  await writeDrawn(reply, stem, formats);
  if (formats.includes('json')) {
    const description = { image: picture, width, height, faces: faces.map(describeFace) };
    await writeWhole(`${stem}.json`, `${JSON.stringify(description)}\n`);
  }
  return filesOf(stem, formats, faces.length);
}

/** Whether an earlier run finished this picture: all its files are there, and none is older than the picture. */
async function isDone({ path }: PictureInput, stem: string, formats: readonly Format[]): Promise<boolean> {
  const json = `${stem}.json`;
  if (!existsSync(json) || !existsSync(path)) return false;
  try {
    const { image, faces } = JSON.parse(await readFile(json, 'utf8'));
    if (image !== path || !Array.isArray(faces)) return false;
    const made = statSync(path).mtimeMs;
    return filesOf(stem, formats, faces.length).every((file) => existsSync(file) && statSync(file).mtimeMs >= made);
  } catch {
    return false;
  }
}

/**
 * Aligns every face of the pictures, writes their files and prints their paths from `folder`; resolves to the exit
 * code.
 */
export async function alignPictures(options: PicturesOptions, folder: string, interrupt: Interrupt): Promise<number> {
  const { out, formats, resume } = options;
  const argv = options.pictures.length > 0 ? options.pictures : [samplePicture];
  const { pictures: found, missing } = await findPictures(argv, folder);
  const note = (text: string) => void process.stderr.write(`${text}\n`);
  for (const message of missing) note(message);
  const lost = overwritten(found, out, formats);
  if (lost.length > 0) throw new UsageError(`--out would write over the picture ${lost.join(', ')}`);
  const pictures: PictureInput[] = [];
  for (const picture of found) {
    if (!resume || !(await isDone(picture, join(out, picture.stem), formats))) pictures.push(picture);
  }
  if (pictures.length < found.length)
    note(`${found.length - pictures.length} of ${found.length} pictures were done before`);
  let failed = missing.length;
  if (pictures.length > 0) {
    note('starting a browser and loading the weights ...');
    const paths = pictures.map(({ path }) => path);
    const progress = createProgress(pictures.length, 'pictures');
    let session: AlignSession | undefined;
    try {
      session = await openSession({ ...options, detector: true }, paths, progress.note);
      const { adapter, isSoftware } = session.device;
      const opened = session;
      interrupt.onInterrupt(() => void opened.close());
      progress.note(`aligning on ${adapter}${isSoftware ? ' (software)' : ''}`);
      await forEachConcurrent(pictures, jobsInFlight, async (picture, index) => {
        if (interrupt.happened) return;
        const done = await alignPicture(opened, index, picture, options, folder, progress);
        if (!done && !interrupt.happened) failed++;
        progress.step();
      });
    } finally {
      progress.stop();
      await session?.close();
    }
  }
  const wanted = found.length + missing.length;
  if (failed > 0 && wanted > 1) note(`${failed} of ${wanted} failed`);
  if (interrupt.happened) {
    note('interrupted; --resume goes on from here');
    return exitCodes.interrupted;
  }
  return failed === 0 ? exitCodes.ok : exitCodes.someFailed;
}

/** A message that names its picture: many do so themselves. */
export function namingOnce(path: string, message: string): string {
  return message.includes(path) ? message : `${path}: ${message}`;
}

/** Aligns one picture and writes its files. What is wrong with it is said, and costs nothing but this picture. */
async function alignPicture(
  session: AlignSession,
  index: number,
  { path, stem }: PictureInput,
  { out, formats, minConfidence }: PicturesOptions,
  folder: string,
  progress: Progress,
): Promise<boolean> {
  try {
    const reply = await session.align({
      picture: index,
      name: path,
      faces: 'all',
      minConfidence,
      formats: drawnFormats(formats),
    });
    if (reply.status === 'failed') {
      progress.note(namingOnce(path, reply.message));
      return false;
    }
    const files = await writePicture(reply, path, join(out, stem), formats);
    const count = reply.faces.length;
    progress.note(`${basename(path)}: ${count} ${count === 1 ? 'face' : 'faces'}`);
    progress.print(files.map((file) => relative(folder, file)));
    return true;
  } catch (error) {
    progress.note(namingOnce(path, error instanceof Error ? error.message : String(error)));
    return false;
  }
}
