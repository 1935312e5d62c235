/** The same picture gives the same bits. */
import { FaceAligner } from '../src/align/aligner.js';
import type { Face } from '../src/align/face.js';
import { parseWeights } from '../src/cascade/weights.js';
import type { FaceBox } from '../src/pictures/boxes.js';
import { loadFile } from '../tests/browser/suite.js';
import { shippedWeights } from '../tests/cascade/shipped-weights.js';
import { bitsOf } from './losses.js';
import { waves } from './pictures.js';

export interface RepeatResult {
  readonly runs: number;
  readonly different: number;
  /** Of the first run, to compare pages and devices with. */
  readonly bits: string;
}

const BOX: FaceBox = { x0: 60, y0: 50, x1: 150, y1: 145, kind: 'landmarks' };
const OTHER: FaceBox = { x0: 10, y0: 20, x1: 90, y1: 120, kind: 'detector' };

/**
 * Runs one picture again and again: alone, among other faces, beside other calls, on other aligners of the same device.
 */
export async function repeatPicture(repeats: number, onProgress: (done: number) => void): Promise<RepeatResult> {
  const weights = parseWeights(await shippedWeights(loadFile));
  const first = await FaceAligner.create({ weights, maxFaces: 3 });
  const second = await FaceAligner.create({ weights, maxFaces: 1, device: first.device });
  const picture = waves(200, 180);
  const bits = bitsOf(await first.align(picture, [BOX]));
  let [runs, different] = [0, 0];
  const compare = (faces: readonly Face[], face: number) => {
    runs++;
    if (bitsOf(faces.slice(face, face + 1)) !== bits) different++;
  };
  while (runs < repeats) {
    compare(await first.align(picture, [OTHER, BOX, OTHER]), 1);
    const [one, two] = await Promise.all([first.align(picture, [BOX]), second.align(picture, [BOX, OTHER])]);
    compare(one, 0);
    compare(two, 0);
    onProgress(runs);
  }
  second.destroy();
  first.destroy();
  return { runs, different, bits };
}
