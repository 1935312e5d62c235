/** A face as files. */
import type { Face, FaceAligner } from 'fullpose';
import { encodePng, type MeshDescription, writeGlb, writeObj, writePly } from 'fullpose/export';
import type { Picture } from './scene.js';

/** What a face can be saved as: a file's extension, and how the page calls it. */
export const formats = { json: 'JSON', obj: 'OBJ', ply: 'PLY', glb: 'glTF' } as const;
export type Format = keyof typeof formats;

/** What a file is made from. */
export interface FileSource {
  readonly picture: Picture;
  readonly face: Face;
  readonly aligner: FaceAligner;
}

/** @throws as `FaceAligner.vertices` and `texture` */
export async function writeFace(format: Format, source: FileSource): Promise<Blob> {
  const { picture, face, aligner } = source;
  if (format === 'json') return new Blob([writeJson(source)], { type: 'application/json' });
  if (format === 'glb') {
    const texture = await aligner.texture(picture.image, face, { mirror: true });
    const file = writeGlb(aligner.model, face, { texture: await encodePng(texture, { alpha: false }) });
    return new Blob([file], { type: 'model/gltf-binary' });
  }
  const vertices = await aligner.vertices(face);
  const mesh = meshOf(source, vertices);
  if (format === 'obj') return new Blob([writeObj(mesh)], { type: 'model/obj' });
  const colours = coloursOf(picture.image, vertices);
  return new Blob([writePly({ ...mesh, colours })], { type: 'application/octet-stream' });
}

/** Hands a file to the visitor. */
export function download(name: string, blob: Blob): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser reads the blob after this task.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** What the command line's NAME.json says of a picture and of one of its `faces`. */
function writeJson({ picture: { name, image }, face }: FileSource): string {
  const { box, crop, confidence, landmarks, visibility, pose, identity, expression } = face;
  const { x0, y0, x1, y1, kind, roll: boxRoll } = box;
  const { yaw, pitch, roll, matrix } = pose;
  const description = {
    image: name,
    width: image.width,
    height: image.height,
    box: { x0, y0, x1, y1, kind, ...(boxRoll !== undefined && { roll: boxRoll }) },
    crop: { centreX: crop.centreX, centreY: crop.centreY, side: crop.side, roll: crop.roll },
    confidence,
    landmarks: rows(landmarks, 3),
    visibility: [...visibility],
    pose: { yaw, pitch, roll, matrix: rows(matrix, 4) },
    identity: [...identity],
    expression,
  };
  return `${JSON.stringify(description, null, 2)}\n`;
}

function rows(values: ArrayLike<number>, columns: number): number[][] {
  return Array.from({ length: values.length / columns }, (_, row) =>
    Array.from({ length: columns }, (_, column) => values[row * columns + column] ?? 0),
  );
}

/** @param vertices [V,3] picture pixels */
function meshOf({ picture: { name, image }, aligner }: FileSource, vertices: Float32Array): MeshDescription {
  const { triangles, uv } = aligner.model;
  return { vertices, triangles, uv, pictureHeight: image.height, comment: `fullpose: face of ${name}` };
}

/** The picture's colour at every vertex [V,3]; hidden vertices get what hides them. */
function coloursOf(image: ImageBitmap, vertices: Float32Array): Uint8Array {
  const { width, height } = image;
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (context === null) throw new Error('the browser gave no 2D canvas');
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  const colours = new Uint8Array(vertices.length);
  for (let v = 0; v < vertices.length; v += 3) {
    const x = Math.min(width - 1, Math.max(0, Math.round(vertices[v] ?? 0)));
    const y = Math.min(height - 1, Math.max(0, Math.round(vertices[v + 1] ?? 0)));
    const at = (y * width + x) * 4;
    colours.set(data.subarray(at, at + 3), v);
  }
  return colours;
}
