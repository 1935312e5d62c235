/**
 * The page of `npm run expressions`: aligns pictures of known expressions and says what was read; draws some of them
 * for the documents.
 */
import { type BlendshapeName, type Face, FaceAligner } from 'fullpose';
import { drawLandmarks } from '../../pages/overlay.js';
import { fetchPicture } from '../../pages/pictures.js';
import { arkitName } from '../../src/mmm/blendshapes.js';
import { landmarksBox } from '../../src/pictures/boxes.js';
import { mean } from '../accuracy.js';
import { expressions, mirrored, type Reading, strengths, type Weights } from './cases.js';
import { Head, type View } from './head.js';

export interface ExpressionsReply {
  /** By expression: every strength, as it is and mirrored. */
  readonly expressions: Readonly<Record<string, readonly Reading[]>>;
  /** By weight: nothing and all of it alone, as it is. */
  readonly weights: Readonly<Record<string, readonly Reading[]>>;
  /** The sample's photo itself. */
  readonly sample: Weights;
  /** The expressions in full, a WebP picture as a data URL. */
  readonly picture: string;
}

declare global {
  interface Window {
    fullposeExpressions?: { measure(): Promise<ExpressionsReply> };
    onExpression?: (name: string) => void;
  }
}

/** Round the sample's face. */
const frame = { left: 134, top: 34, extent: 180, side: 256 } as const;

/** Tiles in a row of the picture, the gap between two, and the height of what is written below each. */
const [columns, gap, caption] = [5, 8, 22];

const aligner = await FaceAligner.create();
const photo = await fetchPicture('/assets/astronaut.png');
const [face] = await aligner.align(photo, [{ x0: 177, y0: 80, x1: 272, y1: 175, kind: 'detector' }]);
if (face === undefined) throw new Error('one box gives one face');
const head = await Head.create(aligner, photo, face, frame);

function context2d(canvas: OffscreenCanvas | HTMLCanvasElement) {
  const context = canvas.getContext('2d');
  if (!(context instanceof CanvasRenderingContext2D || context instanceof OffscreenCanvasRenderingContext2D)) {
    throw new Error('the browser gave no 2D canvas');
  }
  return context;
}

/** The view in a mirror. */
function flip({ picture, landmarks }: View): View {
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  const context = context2d(canvas);
  context.scale(-1, 1);
  context.drawImage(picture, -picture.width, 0);
  // Their order would be another one; the box is all that is asked of them.
  return {
    picture: canvas.transferToImageBitmap(),
    landmarks: landmarks.map((value, i) => (i % 3 === 0 ? picture.width - 1 - value : value)),
  };
}

async function read({ picture, landmarks }: View) {
  const [found] = await aligner.align(picture, [landmarksBox(landmarks)]);
  if (found === undefined) throw new Error('one box gives one face');
  return found;
}

/** What is read of the head with these weights, as it is and in a mirror. */
async function readBoth(weights: Weights): Promise<{ readonly tile: Tile; readonly readings: readonly Reading[] }> {
  const view = await head.view(weights);
  const [plain, other] = [await read(view), await read(flip(view))];
  return {
    tile: { picture: view.picture, face: plain },
    readings: [
      { set: weights, found: plain.blendshapes },
      { set: weights, found: mirrored(other.blendshapes) },
    ],
  };
}

const all = (names: readonly string[], strength: number): Weights =>
  Object.fromEntries(names.map((name) => [name, strength]));

/** A picture and what was found in it. */
interface Tile {
  readonly picture: ImageBitmap;
  readonly face: Face;
}

/** Pictures with the landmarks that were found, each over its name and what was read. */
function drawTiles(tiles: Readonly<Record<string, Tile>>): string {
  const { side } = frame;
  const entries = Object.entries(tiles);
  const canvas = document.createElement('canvas');
  canvas.width = columns * (side + gap) - gap;
  canvas.height = Math.ceil(entries.length / columns) * (side + caption + gap) - gap;
  const context = context2d(canvas);
  context.fillStyle = '#fff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.font = '15px system-ui, sans-serif';
  for (const [index, [name, { picture, face }]] of entries.entries()) {
    context.save();
    context.translate((index % columns) * (side + gap), Math.floor(index / columns) * (side + caption + gap));
    context.drawImage(picture, 0, 0);
    drawLandmarks(context, face.landmarks, face.visibility);
    const own = expressions[name]?.map((weight) => face.blendshapes[weight as BlendshapeName]);
    context.fillStyle = '#222';
    context.fillText(own === undefined ? name : `${name}: ${mean(own).toFixed(2)}`, 4, side + 16);
    context.restore();
  }
  return canvas.toDataURL('image/webp', 0.82);
}

window.fullposeExpressions = {
  async measure() {
    const neutral = await readBoth({});
    const tiles: Record<string, Tile> = { neutral: neutral.tile };
    const byExpression: Record<string, readonly Reading[]> = {};
    for (const [name, names] of Object.entries(expressions)) {
      const readings = [...neutral.readings];
      for (const strength of strengths) {
        const { tile, readings: more } = await readBoth(all(names, strength));
        readings.push(...more);
        // The last is all of it.
        tiles[name] = tile;
      }
      byExpression[name] = readings;
      window.onExpression?.(name);
    }
    const byWeight: Record<string, readonly Reading[]> = {};
    for (const name of new Set(aligner.model.expressionNames.map(arkitName))) {
      const { blendshapes } = await read(await head.view({ [name]: 1 }));
      byWeight[name] = [neutral.readings[0]!, { set: { [name]: 1 }, found: blendshapes }];
      window.onExpression?.(name);
    }
    return { expressions: byExpression, weights: byWeight, sample: face.blendshapes, picture: drawTiles(tiles) };
  },
};
