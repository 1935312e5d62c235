import type { BrowserName } from '../scripts/browser.js';
import { landmarksBox } from '../src/pictures/boxes.js';
import type { LabelledFace } from './data/faces.js';
import { blinkOf, type Finding, truthOf } from './figures.js';
import type { BoxSpec } from './list.js';
import { createProgress, forEachConcurrent } from './progress.js';
import type { FaceReply } from './protocol.js';
import { AlignSession, jobsInFlight } from './session.js';

/** A picture with what is asked of it. */
export interface Question {
  readonly face: LabelledFace;
  /** Without them the detector looks. */
  readonly boxes?: readonly BoxSpec[];
  /** As of `AlignJob`. */
  readonly canvas?: number;
  readonly turn?: number;
}

/** The faces of a picture, and its size; no faces, and no size, where the detector found none. */
export interface Answer {
  readonly faces: readonly FaceReply[];
  readonly width: number;
  readonly height: number;
}

export type Ask = (questions: readonly Question[]) => Promise<readonly Answer[]>;

export const note = (text: string): void => void process.stderr.write(`${text}\n`);

export function jpegOf(face: LabelledFace | undefined): Uint8Array {
  if (face === undefined) throw new Error('there is no such picture');
  return face.jpeg;
}

/** Asks the engine, in a browser. */
export async function askIn(browser: BrowserName, questions: readonly Question[]): ReturnType<Ask> {
  const session = await AlignSession.open({
    browser,
    detector: questions.some(({ boxes }) => boxes === undefined),
    note,
    read: async (picture) => jpegOf(questions[picture]?.face),
  });
  const answers: Answer[] = [];
  const progress = createProgress(questions.length, 'pictures');
  try {
    await forEachConcurrent(questions, jobsInFlight, async ({ face, ...places }, picture) => {
      const reply = await session.align({ picture, name: face.image, faces: 'all', formats: [], ...places });
      if (reply.status === 'failed' && reply.code !== 'no-face') throw new Error(`${face.image}: ${reply.message}`);
      answers[picture] = reply.status === 'failed' ? { faces: [], width: 0, height: 0 } : reply;
      progress.step();
    });
  } finally {
    progress.stop();
    await session.close();
  }
  return answers;
}

/** The box of a face's points, in a frame that is turned by `roll` degrees. */
export function boxOf(face: LabelledFace, roll = 0): BoxSpec {
  const { values, stride } = truthOf(face);
  const flat = Array.from({ length: values.length / stride }, (_, i) => [
    values[i * stride]!,
    values[i * stride + 1]!,
    0,
  ]);
  return landmarksBox(flat.flat(), roll);
}

/** What was found of each face in the box of its points. */
export async function findIn(ask: Ask, faces: readonly LabelledFace[]): Promise<readonly Finding[]> {
  const answers = await ask(faces.map((face) => ({ face, boxes: [boxOf(face)] })));
  return answers.map(({ faces: [reply] }) => {
    if (reply === undefined) throw new Error('a box gives a face');
    return findingOf(reply);
  });
}

export function findingOf({ landmarks, blendshapes }: FaceReply): Finding {
  return { landmarks: { values: landmarks, stride: 3 }, blink: blinkOf(blendshapes) };
}
