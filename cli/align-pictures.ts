import { mkdir, writeFile } from 'node:fs/promises';
import { basename, extname, join, relative } from 'node:path';
import { repositoryRoot } from '../scripts/page-host.js';
import type { Interrupt } from './interrupt.js';
import { type AlignOptions, exitCodes } from './options.js';
import type { AlignReply } from './protocol.js';
import { openSession } from './read-pictures.js';
import { faceResult } from './results.js';

type PicturesOptions = Extract<AlignOptions, { mode: 'pictures' }>;

const samplePicture = join(repositoryRoot, 'assets/astronaut.png');

/** File names without extension, made distinct: the second "face" is "face-2". */
export function outputNames(pictures: readonly string[]): readonly string[] {
  const taken = new Set<string>();
  return pictures.map((picture) => {
    const name = basename(picture, extname(picture));
    let distinct = name;
    for (let count = 2; taken.has(distinct); count++) distinct = `${name}-${count}`;
    taken.add(distinct);
    return distinct;
  });
}

/** Writes the files of one aligned picture; resolves to their paths. */
async function writePicture(
  reply: Extract<AlignReply, { status: 'aligned' }>,
  picture: string,
  stem: string,
): Promise<readonly string[]> {
  const { width, height, faces, overlay } = reply;
  const description = {
    image: picture,
    width,
    height,
    faces: faces.map((face) => ({ box: face.box, visibility: face.visibility, ...faceResult(face) })),
  };
  const files = new Map<string, string | Uint8Array>();
  if (overlay !== undefined) files.set(`${stem}.overlay.png`, Buffer.from(overlay, 'base64'));
  files.set(`${stem}.json`, `${JSON.stringify(description)}\n`);
  for (const [index, { obj }] of faces.entries()) {
    if (obj !== undefined) files.set(index === 0 ? `${stem}.obj` : `${stem}.${index + 1}.obj`, obj);
  }
  await Promise.all([...files].map(([path, content]) => writeFile(path, content)));
  return [...files.keys()];
}

/** Aligns every face of the pictures, writes their files and prints their paths from `folder`; resolves to the exit code. */
export async function alignPictures(options: PicturesOptions, folder: string, interrupt: Interrupt): Promise<number> {
  const pictures = options.pictures.length > 0 ? options.pictures : [samplePicture];
  const names = outputNames(pictures);
  await mkdir(options.out, { recursive: true });
  const note = (text: string) => void process.stderr.write(`${text}\n`);
  note('starting a browser and loading the weights ...');
  const session = await openSession({ ...options, detector: true }, pictures, note);
  interrupt.onInterrupt(() => void session.close());
  let failed = 0;
  try {
    note(`aligning on ${session.device.adapter}${session.device.isSoftware ? ' (software)' : ''}`);
    for (const [index, picture] of pictures.entries()) {
      const reply = await session.align({ picture: index, name: picture, faces: 'all', draw: true });
      if (reply.status === 'failed') {
        note(`${picture}: ${reply.message}`);
        failed++;
        continue;
      }
      const paths = await writePicture(reply, picture, join(options.out, names[index] ?? String(index)));
      const count = reply.faces.length;
      note(`${basename(picture)}: ${count} ${count === 1 ? 'face' : 'faces'}`);
      for (const path of paths) process.stdout.write(`${relative(folder, path)}\n`);
    }
  } finally {
    await session.close();
  }
  return failed === 0 ? exitCodes.ok : exitCodes.someFailed;
}
