/**
 * What a consumer's compiler is given: every entry point, none of whose types may be `any`, and mistakes that it must
 * see.
 */
import { type Face, FaceAligner, type FaceBox, type PictureSource } from 'fullpose';
import type { FaceDetector } from 'fullpose/detect';
import type { Gpu } from 'fullpose/engine';
import type { writeObj } from 'fullpose/export';
import { findFaces } from 'fullpose/find';
import type { Network, NetworkLayer } from 'fullpose/networks';
import type { FaceTracker } from 'fullpose/track';
import type { weights } from 'fullpose/weights';

type Item<T> = Awaited<T> extends readonly (infer U)[] ? U : never;
type IsAny<T> = 0 extends 1 & T ? true : false;

export const anys: readonly [
  ...[IsAny<Face>, IsAny<Face['landmarks']>, IsAny<Face['blendshapes']>, IsAny<Face['expression']>, IsAny<FaceBox>],
  ...[IsAny<PictureSource>, IsAny<FaceAligner['device']>, IsAny<Item<ReturnType<FaceDetector['detect']>>>],
  ...[IsAny<Gpu['device']>, IsAny<ReturnType<typeof writeObj>>, IsAny<Item<ReturnType<typeof findFaces>>>],
  ...[IsAny<Item<ReturnType<FaceTracker['track']>>>, IsAny<typeof weights>],
  ...[IsAny<NetworkLayer>, IsAny<NetworkLayer['op']>, IsAny<Awaited<ReturnType<Network['run']>>>],
] = [false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false];

export async function points(picture: Blob): Promise<Float32Array[]> {
  const faces = await findFaces(picture, { outputs: ['vertices'] });
  return faces.map((face) => face.vertices);
}

// @ts-expect-error a number is no picture
void findFaces(5);
// @ts-expect-error a text is no picture
void findFaces('photo.png');
// @ts-expect-error there is no such weight
void findFaces(new Blob([])).then(([face]) => face?.blendshapes.mouthSmile);
// @ts-expect-error that output was not asked for
void findFaces(new Blob([])).then(([face]) => face?.vertices);
// @ts-expect-error a softmax has no kernel
export const layer: NetworkLayer = { name: 'shares', op: 'softmax', input: 'scores', kernel: [1, 1] };
// @ts-expect-error a text is no device
void FaceAligner.create({ device: 'mine' });
