/** The page in which `align` and `evaluate` run. It offers `window.fullposeCli` and shows nothing. */
import type { FaceDetector } from '../../detectors/detector.js';
import { MediaPipeDetector } from '../../detectors/mediapipe.js';
import { drawAxes, drawBox, drawLandmarks, drawMesh } from '../../pages/overlay.js';
import { fetchPicture, PictureError } from '../../pages/pictures.js';
import { mediapipeBase, picturesBase } from '../../pages/routes.js';
import { Gpu } from '../../src/engine/device.js';
import { writeObj } from '../../src/export.js';
import { type AlignOptions, type Face, FaceAligner, FullposeError } from '../../src/index.js';
import type { BoxSpec } from '../list.js';
import type { AlignJob, AlignReply, FaceReply, StartOptions, StartReply } from '../protocol.js';

const weightsUrl = '/weights/manifest.json';

/** No face where one was asked for. */
class NoFaceError extends Error {
  readonly code = 'no-face';

  constructor(name: string) {
    super(`no face found in ${name}`);
    this.name = 'NoFaceError';
  }
}

class Page {
  readonly #aligner: FaceAligner;
  #detector: Promise<FaceDetector> | undefined;

  constructor(aligner: FaceAligner, detector: Promise<FaceDetector> | undefined) {
    this.#aligner = aligner;
    this.#detector = detector;
  }

  /** Several calls may run: while one is on the GPU the next decodes. */
  async align(job: AlignJob): Promise<AlignReply> {
    const picture = await fetchPicture(`${picturesBase}${job.picture}`, job.name);
    try {
      const { width, height } = picture;
      const boxes = job.boxes ?? (await this.#detect(picture, job));
      const faces = await this.#aligner.align(picture, boxes, count(job));
      const pairs = faces.map((face, index) => ({ face, box: boxAt(boxes, index) }));
      const drawing = job.draw ? await this.#draw(picture, pairs, job.name) : undefined;
      const replies = pairs.map(({ face, box }, index) => toReply(face, box, drawing?.meshes[index]));
      return { status: 'aligned', width, height, faces: replies, ...(drawing && { overlay: drawing.overlay }) };
    } finally {
      picture.close();
    }
  }

  async #detect(picture: ImageBitmap, { name, faces }: AlignJob): Promise<readonly BoxSpec[]> {
    this.#detector ??= createDetector();
    const found = await (await this.#detector).detect(picture);
    if (found.length === 0) throw new NoFaceError(name);
    return faces === 'all' ? found : found.slice(0, 1);
  }

  /** The picture with its faces drawn over it, as base64, and each face's mesh. */
  async #draw(picture: ImageBitmap, pairs: readonly AlignedBox[], name: string) {
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    // Drawn on the processor: the result is read back, and a GPU in software draws thousands of lines slowly.
    const context = canvas.getContext('2d', { willReadFrequently: true });
    if (context === null) throw new Error('the browser gave no 2D canvas');
    context.drawImage(picture, 0, 0);
    const { triangles, uv } = this.#aligner.model;
    const meshes: string[] = [];
    for (const [index, { face, box }] of pairs.entries()) {
      const vertices = await this.#aligner.vertices(face);
      drawMesh(context, vertices, triangles);
      drawBox(context, box);
      drawLandmarks(context, face.landmarks, face.visibility);
      drawAxes(context, face.landmarks, face.pose.matrix);
      const comment = `fullpose: face ${index + 1} of ${name}, picture pixels, y up`;
      meshes.push(writeObj({ vertices, triangles, uv, pictureHeight: picture.height, comment }));
    }
    return { overlay: await toBase64(canvas), meshes };
  }
}

function createDetector(): Promise<FaceDetector> {
  return MediaPipeDetector.create(new URL(mediapipeBase, location.href).href);
}

interface AlignedBox {
  readonly face: Face;
  readonly box: BoxSpec;
}

function count({ iterations }: AlignJob): AlignOptions {
  return iterations === undefined ? {} : { iterations };
}

function boxAt(boxes: readonly BoxSpec[], index: number): BoxSpec {
  const box = boxes[index];
  if (box === undefined) throw new Error(`face ${index} for ${boxes.length} boxes`);
  return box;
}

function toReply(face: Face, box: BoxSpec, obj: string | undefined): FaceReply {
  const { yaw, pitch, roll, matrix } = face.pose;
  const { x0, y0, x1, y1, kind } = box;
  return {
    box: { x0, y0, x1, y1, kind },
    landmarks: [...face.landmarks],
    visibility: [...face.visibility],
    pose: { yaw, pitch, roll, matrix: [...matrix] },
    identity: [...face.identity],
    expression: { ...face.expression },
    ...(obj === undefined ? {} : { obj }),
  };
}

async function toBase64(canvas: OffscreenCanvas): Promise<string> {
  const blob = await canvas.convertToBlob({ type: 'image/png' });
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener('load', () => {
      if (typeof reader.result === 'string') resolve(reader.result.slice(reader.result.indexOf(',') + 1));
    });
    reader.addEventListener('error', () => reject(reader.error ?? new Error('the overlay could not be read')));
    reader.readAsDataURL(blob);
  });
}

let started: Page | undefined;

window.fullposeCli = {
  async start({ iterations, detector }: StartOptions): Promise<StartReply> {
    const detecting = detector ? createDetector() : undefined;
    // Whoever detects first sees its failure; until then it is nobody's.
    detecting?.catch(() => {});
    const gpu = await Gpu.create({ label: 'align' });
    const aligner = await FaceAligner.create({
      weights: weightsUrl,
      device: gpu.device,
      ...(iterations === undefined ? {} : { iterations }),
    });
    started = new Page(aligner, detecting);
    const { vendor, architecture, description, isSoftware } = gpu.adapter;
    const adapter = [vendor, architecture, description].filter((part) => part !== '').join(' ');
    return { adapter, isSoftware, iterations: aligner.iterations };
  },

  async align(job: AlignJob): Promise<AlignReply> {
    if (started === undefined) throw new Error('align() before start()');
    try {
      return await started.align(job);
    } catch (error) {
      const known = error instanceof FullposeError || error instanceof PictureError || error instanceof NoFaceError;
      const message = error instanceof Error ? error.message : String(error);
      return { status: 'failed', code: known ? error.code : 'failed', message };
    }
  },
};
