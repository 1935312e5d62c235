import { landmarkCount } from './data/faces.js';
import type { BoxKind } from './list.js';
import type { FaceReply } from './protocol.js';

/** One row of results.json. */
export type ResultRow =
  | {
      readonly image: string;
      /**
       * Where it was looked for, in picture pixels: the row's box, or the detector's, turned by `roll` degrees
       * clockwise.
       */
      readonly box: readonly [x0: number, y0: number, x1: number, y1: number];
      readonly boxKind: BoxKind;
      readonly roll: number;
      /** How sure it is that this is a face, 0 to 1. */
      readonly confidence: number;
      /** 68 x [x, y, z]: picture pixels, 0-based, pixel centres at integers, y down, larger z nearer. */
      readonly landmarks: readonly (readonly number[])[];
      readonly pose: {
        readonly yaw: number;
        readonly pitch: number;
        readonly roll: number;
        readonly matrix: readonly (readonly number[])[];
      };
      readonly identity: readonly number[];
      /** By the model's names. */
      readonly expression: Readonly<Record<string, number>>;
      /** By ARKit's 52 names, 0 to 1. */
      readonly blendshapes: Readonly<Record<string, number>>;
    }
  | { readonly image: string | null; readonly error: string };

/**
 * The shortest decimal that is the same float32: at most nine digits, and none of the noise of writing it as a double.
 */
export function short(value: number): number {
  const single = Math.fround(value);
  for (let digits = 6; digits < 9; digits++) {
    const decimal = Number(single.toPrecision(digits));
    if (Math.fround(decimal) === single) return decimal;
  }
  return Number(single.toPrecision(9));
}

function rowsOf(values: readonly number[], columns: number): readonly (readonly number[])[] {
  return Array.from({ length: values.length / columns }, (_, row) =>
    values.slice(row * columns, (row + 1) * columns).map(short),
  );
}

type FaceRow = Omit<Extract<ResultRow, { landmarks: unknown }>, 'image'>;

/** A face as results.json holds it: its box as a list has it. */
export function rowResult(face: FaceReply): FaceRow {
  const { x0, y0, x1, y1, kind, roll = 0 } = face.box;
  return {
    box: [x0, y0, x1, y1],
    boxKind: kind,
    roll,
    confidence: short(face.confidence),
    ...faceResult(face),
  };
}

/** The numbers of a face that results.json and NAME.json have in common. */
export function faceResult(face: FaceReply): Omit<FaceRow, 'box' | 'boxKind' | 'roll' | 'confidence'> {
  if (face.landmarks.length !== landmarkCount * 3 || face.pose.matrix.length !== 12) {
    throw new Error(`the page sent ${face.landmarks.length / 3} landmarks and a matrix of ${face.pose.matrix.length}`);
  }
  return {
    landmarks: rowsOf(face.landmarks, 3),
    pose: {
      yaw: short(face.pose.yaw),
      pitch: short(face.pose.pitch),
      roll: short(face.pose.roll),
      matrix: rowsOf(face.pose.matrix, 4),
    },
    identity: face.identity.map(short),
    expression: shortWeights(face.expression),
    blendshapes: shortWeights(face.blendshapes),
  };
}

/** Weights by name, as short as {@link short} has them. */
function shortWeights(weights: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(weights).map(([name, weight]) => [name, short(weight)]));
}
