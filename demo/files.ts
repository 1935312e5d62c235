/** A face as files. */
import type { Face, FaceModel } from 'fullpose';
import { type MeshDescription, writeObj, writePly } from 'fullpose/export';
import type { Picture } from './scene.js';

export const formats = ['json', 'obj', 'ply'] as const;
export type Format = (typeof formats)[number];

/** What a file is made from. */
export interface FileSource {
  readonly picture: Picture;
  readonly face: Face;
  readonly model: FaceModel;
  /** [V,3] picture pixels. */
  readonly vertices: Float32Array;
}

export function writeFace(format: Format, source: FileSource): Blob {
  switch (format) {
    case 'json':
      return new Blob([writeJson(source)], { type: 'application/json' });
    case 'obj':
      return new Blob([writeObj(meshOf(source))], { type: 'model/obj' });
    case 'ply': {
      const colours = coloursOf(source);
      return new Blob([writePly({ ...meshOf(source), colours })], { type: 'application/octet-stream' });
    }
  }
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

/** The shape of the command line's NAME.json, for one face. */
function writeJson({ picture: { name, image }, face }: FileSource): string {
  const { landmarks, visibility, pose, identity, expression } = face;
  const { yaw, pitch, roll, matrix } = pose;
  const description = {
    image: name,
    width: image.width,
    height: image.height,
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

function meshOf({ picture: { name, image }, model: { triangles, uv }, vertices }: FileSource): MeshDescription {
  return { vertices, triangles, uv, pictureHeight: image.height, comment: `fullpose: face of ${name}` };
}

/** The picture's colour at every vertex [V,3]; hidden vertices get what hides them. */
function coloursOf({ picture: { image }, vertices }: FileSource): Uint8Array {
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
