/**
 * fullpose/find: the faces of a picture in one call, found and aligned on one device.
 *
 * ```ts
 * import { findFaces } from 'fullpose/find';
 * const faces = await findFaces(photo);
 * ```
 *
 * @module fullpose/find
 */
export { destroyFinder, findFaces } from './find/find-faces.js';
export { FaceFinder, type FaceFinderOptions, type FindOptions } from './find/finder.js';
