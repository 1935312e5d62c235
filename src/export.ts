/**
 * fullpose/export: faces as files. Apart from `fullpose`, so that an app which only aligns does not carry it.
 *
 * ```ts
 * import { writeObj } from 'fullpose/export';
 * const vertices = await aligner.vertices(face);
 * const text = writeObj({ vertices, triangles: aligner.model.triangles, pictureHeight: picture.height });
 * ```
 *
 * @module fullpose/export
 */

export { type FaceShape, type GlbOptions, writeGlb } from './export/glb.js';
export { type MeshDescription, writeObj, writePly } from './export/mesh.js';
export { encodePng } from './export/png.js';
