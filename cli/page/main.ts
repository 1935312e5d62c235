/** The page in which `align` and `evaluate` run. It offers `window.fullposeCli` and shows nothing. */
import type { FaceDetector } from '../../detectors/detector.js';
import { MediaPipeDetector } from '../../detectors/mediapipe.js';
import { drawAxes, drawBox, drawLandmarks, drawMesh } from '../../pages/overlay.js';
import { fetchPicture, PictureError } from '../../pages/pictures.js';
import { mediapipeBase, picturesBase } from '../../pages/routes.js';
import { type Face, FaceAligner, FullposeError } from '../../src/index.js';
import { writeObj } from '../../src/mmm/export.js';
import type { BoxSpec } from '../list.js';
import type { AlignJob, AlignReply, FaceReply, StartOptions, StartReply } from '../protocol.js';

/** Faces aligned together; a picture with more of them is aligned in several goes. */
const facesAtOnce = 8;

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
  #tail: Promise<unknown> = Promise.resolve();

  constructor(aligner: FaceAligner) {
    this.#aligner = aligner;
  }

  async align(job: AlignJob): Promise<AlignReply> {
    const { name } = job;
    const picture = await fetchPicture(`${picturesBase}${job.picture}`, name);
    try {
      const boxes = job.boxes ?? (await this.#detect(picture, job));
      const aligning = this.#tail.then(() => this.#alignBoxes(picture, boxes, job));
      this.#tail = aligning.catch(() => {});
      return await aligning;
    } finally {
      picture.close();
    }
  }

  async #detect(picture: ImageBitmap, { name, faces }: AlignJob): Promise<readonly BoxSpec[]> {
    this.#detector ??= MediaPipeDetector.create(new URL(mediapipeBase, location.href).href);
    const found = await (await this.#detector).detect(picture);
    if (found.length === 0) throw new NoFaceError(name);
    return faces === 'all' ? found : found.slice(0, 1);
  }

  async #alignBoxes(picture: ImageBitmap, boxes: readonly BoxSpec[], job: AlignJob): Promise<AlignReply> {
    const { width, height } = picture;
    const canvas = job.draw ? new OffscreenCanvas(width, height) : undefined;
    const context = canvas?.getContext('2d');
    context?.drawImage(picture, 0, 0);
    const replies: FaceReply[] = [];
    const options = job.iterations === undefined ? {} : { iterations: job.iterations };
    for (let first = 0; first < boxes.length; first += facesAtOnce) {
      const some = boxes.slice(first, first + facesAtOnce);
      const faces = await this.#aligner.align(picture, some, options);
      for (const [index, face] of faces.entries()) {
        const box = some[index];
        if (box === undefined) throw new Error(`${faces.length} faces for ${some.length} boxes`);
        const obj = context
          ? this.#draw(context, face, index, box, await this.#aligner.vertices(index), job)
          : undefined;
        replies.push(toReply(face, box, obj));
      }
    }
    const overlay = canvas === undefined ? {} : { overlay: await toBase64(canvas) };
    return { status: 'aligned', width, height, faces: replies, ...overlay };
  }

  /** Draws the face and writes its mesh. */
  #draw(
    context: OffscreenCanvasRenderingContext2D,
    face: Face,
    index: number,
    box: BoxSpec,
    vertices: Float32Array,
    job: AlignJob,
  ): string {
    const { triangles, uv } = this.#aligner.model;
    drawMesh(context, vertices, triangles);
    drawBox(context, box);
    drawLandmarks(context, face.landmarks, face.visibility);
    drawAxes(context, face.landmarks, face.pose.matrix);
    const comment = `fullpose: face ${index + 1} of ${job.name}, picture pixels, y up`;
    return writeObj({ vertices, triangles, uv, pictureHeight: context.canvas.height, comment });
  }
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
  async start({ iterations }: StartOptions): Promise<StartReply> {
    const aligner = await FaceAligner.create({
      weights: weightsUrl,
      maxFaces: facesAtOnce,
      ...(iterations === undefined ? {} : { iterations }),
    });
    started = new Page(aligner);
    const { vendor, architecture, description, isSoftware } = aligner.gpu.adapter;
    return { adapter: [vendor, architecture, description].filter((part) => part !== '').join(' '), isSoftware };
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
