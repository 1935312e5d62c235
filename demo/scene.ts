/** What the page shows: a picture, and the faces that were found in it. */
import type { Crop, Face, FaceBox, FaceTexture } from 'fullpose';

export interface Picture {
  /** A file's name, or what a visitor would call it. */
  readonly name: string;
  readonly image: ImageBitmap;
}

/** What the overlays draw beside the points; each is made when an overlay first needs it. */
export interface Details {
  /** [V,3] picture pixels. */
  vertices?: Float32Array;
  /** Pictures of the crop. */
  maps?: { readonly pncc: ImageBitmap; readonly depth: ImageBitmap };
  /** The face unrolled; of photos alone. */
  readonly texture?: FaceTexture;
}

export interface ShownFace {
  /** What the page calls it: its place among the faces of a photo, from 1; in a video the tracker's id. */
  readonly id: number;
  readonly face: Face;
  /** Where it was looked for in a photo; where it is in a video. */
  readonly box: FaceBox;
  readonly details: Details;
}

export interface Scene {
  readonly picture: Picture;
  /** A frame of a video: its faces are called by their ids even where there is one alone. */
  readonly isVideo: boolean;
  /** All that was found, also what is in doubt. */
  readonly faces: readonly ShownFace[];
}

/** What overlays can be switched on; the order in which they are drawn. */
export const layers = ['pncc', 'depth', 'mesh', 'boxes', 'landmarks', 'axes'] as const;
export type Layer = (typeof layers)[number];

/** @param least confidence of a face that is beyond doubt */
export function splitByDoubt<Shown extends { readonly face: Pick<Face, 'confidence'> }>(
  faces: readonly Shown[],
  least: number,
): { readonly sure: readonly Shown[]; readonly doubtful: readonly Shown[] } {
  const isSure = ({ face }: Shown) => face.confidence >= least;
  return { sure: faces.filter(isSure), doubtful: faces.filter((face) => !isSure(face)) };
}

export function countFaces(count: number): string {
  return `${count} ${count === 1 ? 'face' : 'faces'}`;
}

/** What is in a picture, in a sentence: faces in doubt are not counted. */
export function describeFaces(sure: number, doubtful: number, picture: string): string {
  const found = `${sure === 0 ? 'No face' : countFaces(sure)} in ${picture}`;
  return doubtful === 0 ? found : `${found}, and ${doubtful} in doubt`;
}

/** The square of picture that was looked at, as a box, turned as it is. */
export function boxOfCrop({ centreX, centreY, side, roll }: Crop): Omit<FaceBox, 'kind'> {
  const half = side / 2;
  return { x0: centreX - half, y0: centreY - half, x1: centreX + half, y1: centreY + half, roll };
}

/** Whether a box, turned as it is, holds the point. */
export function holds({ x0, y0, x1, y1, roll = 0 }: Omit<FaceBox, 'kind'>, x: number, y: number): boolean {
  const [cosine, sine] = [Math.cos((roll * Math.PI) / 180), Math.sin((roll * Math.PI) / 180)];
  const [dx, dy] = [x - (x0 + x1) / 2, y - (y0 + y1) / 2];
  return Math.abs(cosine * dx + sine * dy) <= (x1 - x0) / 2 && Math.abs(cosine * dy - sine * dx) <= (y1 - y0) / 2;
}
