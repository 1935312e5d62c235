/** `findFaces`: the faces of a picture in one call, on a finder that is made when it is first needed. */
import type { FaceWith, OutputName } from '../align/outputs.js';
import type { PictureSource } from '../pictures/frame.js';
import { FaceFinder, type FindOptions } from './finder.js';

/** The one that all calls share, while its device lives. */
let shared: Promise<FaceFinder> | undefined;

/**
 * Finds and aligns the faces of a picture, the largest first. The first call loads the weights (8.7 MB, kept by the
 * browser) and prepares the GPU; later ones find that done. After a lost device the next call starts anew.
 *
 * ```ts
 * const faces = await findFaces(photo);
 * ```
 * @throws as `FaceFinder.create` and `FaceFinder.find`. A start that failed is tried again by the next call.
 */
export async function findFaces<Name extends OutputName = never>(
  source: PictureSource,
  options: FindOptions<Name> = {},
): Promise<FaceWith<Name>[]> {
  shared ??= start();
  return (await shared).find(source, options);
}

/** Frees what `findFaces` made, once it is made; calls in flight reject. The next call makes it anew. */
export async function destroyFinder(): Promise<void> {
  const finder = shared;
  shared = undefined;
  // A start that failed has left nothing behind, and its caller has the error.
  await finder?.then(
    (made) => made.destroy(),
    () => {},
  );
}

function start(): Promise<FaceFinder> {
  const finder = FaceFinder.create();
  const forget = () => {
    if (shared === finder) shared = undefined;
  };
  finder.then(({ lost }) => lost.then(forget), forget);
  return finder;
}
