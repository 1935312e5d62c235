/** The sample's result as it was recorded, for browsers without WebGPU. `npm run demo:record` makes it anew. */
import { decodeShape, type Face, type FaceModel, loadFaceModel } from 'fullpose';
import { fetchPicture } from '../pages/pictures.js';
import type { ShownFace } from './scene.js';

/** A face as JSON: typed arrays as lists. */
type RecordedFace = Omit<Face, 'landmarks' | 'visibility' | 'parameters' | 'path' | 'identity'> &
  Record<'landmarks' | 'visibility' | 'parameters' | 'identity', readonly number[]>;

export interface Recorded {
  readonly model: FaceModel;
  readonly shown: ShownFace;
}

const urls = {
  face: new URL('./recorded/face.json', import.meta.url),
  texture: new URL('./recorded/texture.webp', import.meta.url),
  model: new URL('../weights/face_model.safetensors', import.meta.url),
} as const;

export async function loadRecorded(): Promise<Recorded> {
  const [json, file, picture] = await Promise.all([
    read(urls.face).then((response) => response.json() as Promise<RecordedFace>),
    read(urls.model).then((response) => response.arrayBuffer()),
    fetchPicture(urls.texture.href),
  ]);
  const model = loadFaceModel(file);
  const face: Face = {
    ...json,
    landmarks: Float32Array.from(json.landmarks),
    visibility: Uint8Array.from(json.visibility),
    parameters: Float32Array.from(json.parameters),
    identity: Float32Array.from(json.identity),
    path: [],
  };
  const details = { vertices: verticesOf(model, face), texture: pixelsOf(picture) };
  return { model, shown: { id: 1, face, box: face.box, details } };
}

async function read(url: URL): Promise<Response> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url.pathname} cannot be read: status ${response.status}`);
  return response;
}

/** The face's mesh [V,3] in picture pixels: the model's shape, moved by the pose. */
export function verticesOf(model: FaceModel, { identity, expression, pose: { matrix: m } }: Face): Float32Array {
  const shape = decodeShape(
    model,
    identity,
    model.expressionNames.map((name) => expression[name] ?? 0),
  );
  return Float32Array.from(shape, (_, i) => {
    const [from, row] = [i - (i % 3), (i % 3) * 4];
    return [0, 1, 2].reduce((sum, axis) => sum + (m[row + axis] ?? 0) * (shape[from + axis] ?? 0), m[row + 3] ?? 0);
  });
}

function pixelsOf(picture: ImageBitmap): ImageData {
  const context = new OffscreenCanvas(picture.width, picture.height).getContext('2d');
  if (context === null) throw new Error('the browser gave no 2D canvas');
  context.drawImage(picture, 0, 0);
  return context.getImageData(0, 0, picture.width, picture.height);
}
