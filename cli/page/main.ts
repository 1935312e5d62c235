/** The page in which `align` and `evaluate` run. It offers `window.fullposeCli` and shows nothing. */
import { adapterName } from '../../pages/adapter.js';
import { facePictures, ShownFace } from '../../pages/maps.js';
import { drawAxes, drawBox, drawLandmarks, drawMesh } from '../../pages/overlay.js';
import { fetchPicture } from '../../pages/pictures.js';
import { picturesBase } from '../../pages/routes.js';
import { FaceReader } from '../../src/align/face.js';
import { sureFaces } from '../../src/align/sure.js';
import { FaceDetector } from '../../src/detect/index.js';
import { Gpu } from '../../src/engine/device.js';
import { encodePng, writeGlb, writeObj, writePly } from '../../src/export.js';
import { type AlignOptions, type Face, FaceAligner, type UploadedPicture } from '../../src/index.js';
import { type DrawnFormat, type FaceFormat, faceFormats } from '../formats.js';
import type { BoxSpec } from '../list.js';
import type { AlignJob, AlignReply, FaceReply, FrameJob, FrameReply, StartOptions, StartReply } from '../protocol.js';
import { FollowedFaces } from './followed.js';
import type { VideoFrames } from './video.js';

const weightsUrl = '/weights/manifest.json';
const detectorUrl = '/weights/detector.json';

/** No face where one was asked for. */
class NoFaceError extends Error {
  readonly code = 'no-face';

  /** @param doubted confidence of the surest of those that are none */
  constructor(name: string, doubted?: number) {
    super(`no face found in ${name}${doubted === undefined ? '' : ` (confidence ${doubted.toFixed(2)} at most)`}`);
    this.name = 'NoFaceError';
  }
}

/** A picture here, to be drawn, and on the GPU, where detector, aligner and textures read it. */
interface PictureInUse {
  readonly image: ImageBitmap;
  readonly uploaded: UploadedPicture;
}

/** A video that is worked through. */
interface OpenVideo {
  readonly index: number;
  readonly frames: VideoFrames;
  readonly faces: FollowedFaces;
}

class Page {
  readonly #aligner: FaceAligner;
  readonly #startDetector: () => Promise<FaceDetector>;
  #detector: Promise<FaceDetector> | undefined;
  #video: OpenVideo | undefined;

  /** @param detector one that has been started already */
  constructor(
    aligner: FaceAligner,
    startDetector: () => Promise<FaceDetector>,
    detector: Promise<FaceDetector> | undefined,
  ) {
    this.#aligner = aligner;
    this.#startDetector = startDetector;
    this.#detector = detector;
  }

  /** Several calls may run: while one is on the GPU the next decodes. */
  async align(job: AlignJob): Promise<AlignReply> {
    const fetched = await fetchPicture(`${picturesBase}${job.picture}`, job.name);
    const shown = job.canvas === undefined ? fetched : onGrey(fetched, job.canvas, job.turn ?? 0);
    return this.#use(shown, async (picture) => {
      const boxes = job.boxes ?? (await this.#detect(picture.uploaded, job.name));
      if (boxes.length === 0) throw new NoFaceError(job.name);
      const aligned = await this.#aligner.align(picture.uploaded, boxes, count(job));
      // Boxes that were given are taken at their word.
      const sure = job.boxes === undefined ? sureFaces(aligned, job.minConfidence ?? 0) : aligned;
      const faces = job.faces === 'all' ? sure : surest(sure);
      if (faces.length === 0) throw new NoFaceError(job.name, Math.max(...aligned.map(({ confidence }) => confidence)));
      const reader = new FaceReader(this.#aligner.model, this.#aligner.layout);
      const stepsOf = (face: Face) => face.path.map((step) => [...reader.repose(face, step).landmarks]);
      const found = faces.map((face) => ({
        face,
        box: boxAt(boxes, aligned.indexOf(face)),
        ...(job.steps && { steps: stepsOf(face) }),
      }));
      return this.#reply(picture, found, job);
    });
  }

  async alignFrame(job: FrameJob): Promise<FrameReply> {
    const { video, after } = job;
    if (this.#video?.index !== video || this.#video.frames.time !== after) {
      this.#video?.frames.close();
      this.#video = undefined;
      this.#video = await this.#openVideo(job);
    }
    const { frames, faces } = this.#video;
    const frame = await frames.next();
    if (frame === undefined) return { status: 'end' };
    const { picture, time } = frame;
    const reply = await this.#use(picture, (inUse) => this.#follow(inUse, time, faces, job)).catch(toFailure);
    return { status: 'frame', time, count: frames.count, reply };
  }

  /** Has a picture on the GPU while `action` runs, and frees it there and here. */
  async #use<T>(image: ImageBitmap, action: (picture: PictureInUse) => Promise<T>): Promise<T> {
    try {
      const uploaded = await this.#aligner.upload(image);
      try {
        return await action({ image, uploaded });
      } finally {
        uploaded.destroy();
      }
    } finally {
      image.close();
    }
  }

  async #openVideo(job: FrameJob): Promise<OpenVideo> {
    const { video, name, after } = job;
    const { VideoFrames } = await import('./video.js');
    const frames = await VideoFrames.open(`${picturesBase}${video}`, name, after);
    const faces = await FollowedFaces.create(this.#aligner, await this.#detecting(), job);
    return { index: video, frames, faces };
  }

  async #follow(picture: PictureInUse, time: number, followed: FollowedFaces, job: FrameJob): Promise<AlignReply> {
    const faces = await followed.next(picture.uploaded, time);
    return this.#reply(
      picture,
      faces.map((face) => ({ face, box: face.box, id: face.id })),
      job,
    );
  }

  /** What was found, with the files that were asked for. */
  async #reply(picture: PictureInUse, found: readonly FoundFace[], job: AlignJob | FrameJob): Promise<AlignReply> {
    const { width, height } = picture.image;
    const drawn = await Promise.all(
      found.map(async (face) => ({
        ...face,
        vertices: job.formats.length === 0 ? new Float32Array() : await this.#aligner.vertices(face.face),
      })),
    );
    const replies: FaceReply[] = [];
    for (const [index, face] of drawn.entries()) {
      const comment = `fullpose: face ${index + 1} of ${job.name}, picture pixels, y up`;
      replies.push(toReply(face, await this.#files(picture, face, job.formats, comment)));
    }
    const overlay = job.formats.includes('png') ? await this.#overlay(picture.image, drawn) : undefined;
    return { status: 'aligned', width, height, faces: replies, ...(overlay !== undefined && { overlay }) };
  }

  /** The largest face first. Tells how far a search is that takes long. */
  async #detect(picture: UploadedPicture, name: string): Promise<readonly BoxSpec[]> {
    const detector = await this.#detecting();
    let told = performance.now();
    return detector.detect(picture, {
      onProgress: ({ done, total }) => {
        if (done === total || performance.now() - told < tellEveryMs) return;
        told = performance.now();
        window.fullposeTell?.(`${name}: looked at ${done} of ${total} parts`);
      },
    });
  }

  #detecting(): Promise<FaceDetector> {
    this.#detector ??= this.#startDetector();
    return this.#detector;
  }

  /** The files of a face, base64. */
  async #files(
    { image, uploaded }: PictureInUse,
    { face, vertices }: DrawnFace,
    formats: readonly DrawnFormat[],
    comment: string,
  ): Promise<FaceReply['files']> {
    const { model } = this.#aligner;
    const { triangles, uv } = model;
    const mesh = { vertices, triangles, uv, pictureHeight: image.height, comment };
    const shown = new ShownFace(this.#aligner, uploaded, face);
    const fileOf = async (format: FaceFormat): Promise<BlobPart> => {
      switch (format) {
        case 'obj':
          return writeObj(mesh);
        case 'ply':
          return writePly(mesh);
        case 'gltf':
          return writeGlb(model, face, {
            texture: await encodePng(await facePictures.texture(shown), { alpha: false }),
          });
        default:
          return encodePng(await facePictures[format](shown));
      }
    };
    const files: Partial<Record<FaceFormat, string>> = {};
    for (const format of faceFormats(formats)) files[format] = await toBase64(new Blob([await fileOf(format)]));
    return files;
  }

  /**
   * The picture with its faces drawn over it, as base64; smaller than the picture where that is larger than anybody
   * looks at.
   */
  async #overlay(picture: ImageBitmap, faces: readonly DrawnFace[]): Promise<string> {
    const scale = Math.min(1, largestOverlay / Math.max(picture.width, picture.height));
    const canvas = new OffscreenCanvas(
      Math.max(1, Math.round(picture.width * scale)),
      Math.max(1, Math.round(picture.height * scale)),
    );
    // Drawn on the processor: the result is read back, and a GPU in software draws thousands of lines slowly.
    const context = canvas.getContext('2d', { willReadFrequently: true });
    if (context === null) throw new Error('the browser gave no 2D canvas');
    context.scale(scale, scale);
    context.drawImage(picture, 0, 0);
    for (const { face, box, vertices } of faces) {
      drawMesh(context, vertices, this.#aligner.model.triangles);
      drawBox(context, box);
      drawLandmarks(context, face.landmarks, face.visibility);
      drawAxes(context, face.landmarks, face.pose.matrix);
    }
    return toBase64(await canvas.convertToBlob({ type: 'image/png' }));
  }
}

/** The picture, turned clockwise, in the middle of a grey one that is `times` as wide and high; `picture` is closed. */
function onGrey(picture: ImageBitmap, times: number, degrees: number): ImageBitmap {
  const { width, height } = picture;
  const canvas = new OffscreenCanvas(Math.round(width * times), Math.round(height * times));
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('the browser gave no 2D canvas');
  context.fillStyle = '#808080';
  context.fillRect(0, 0, canvas.width, canvas.height);
  const [left, top] = [Math.floor((canvas.width - width) / 2), Math.floor((canvas.height - height) / 2)];
  context.translate(left + width / 2, top + height / 2);
  context.rotate((degrees * Math.PI) / 180);
  context.drawImage(picture, -width / 2, -height / 2);
  picture.close();
  return canvas.transferToImageBitmap();
}

/** Longest side of an overlay, in pixels. */
const largestOverlay = 4096;

/** How often a long search says how far it is. */
const tellEveryMs = 5000;

/** The surest face alone: of those that are as sure to a tenth the largest, which is the first. */
function surest<F extends Face>(faces: readonly F[]): readonly F[] {
  const rounded = ({ confidence }: Face) => Math.round(10 * confidence);
  const most = Math.max(...faces.map(rounded));
  return faces.filter((face) => rounded(face) === most).slice(0, 1);
}

interface FoundFace {
  readonly face: Face;
  readonly box: BoxSpec;
  readonly id?: number;
  readonly steps?: FaceReply['steps'];
}

interface DrawnFace extends FoundFace {
  /** [V, 3]; empty where nothing is drawn. */
  readonly vertices: Float32Array;
}

function toFailure(error: unknown): Extract<AlignReply, { status: 'failed' }> {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'failed';
  return { status: 'failed', code, message: error instanceof Error ? error.message : String(error) };
}

function count({ iterations }: { readonly iterations?: number }): AlignOptions {
  return iterations === undefined ? {} : { iterations };
}

function boxAt(boxes: readonly BoxSpec[], index: number): BoxSpec {
  const box = boxes[index];
  if (box === undefined) throw new Error(`face ${index} for ${boxes.length} boxes`);
  return box;
}

function toReply({ face, box, id, steps }: FoundFace, files: FaceReply['files']): FaceReply {
  const { yaw, pitch, roll, matrix } = face.pose;
  const { x0, y0, x1, y1, kind, roll: boxRoll } = box;
  const { centreX, centreY, side, roll: cropRoll } = face.crop;
  return {
    ...(id !== undefined && { id }),
    box: { x0, y0, x1, y1, kind, ...(boxRoll !== undefined && { roll: boxRoll }) },
    crop: { centreX, centreY, side, roll: cropRoll },
    confidence: face.confidence,
    landmarks: [...face.landmarks],
    ...(steps !== undefined && { steps }),
    visibility: [...face.visibility],
    pose: { yaw, pitch, roll, matrix: [...matrix] },
    identity: [...face.identity],
    expression: { ...face.expression },
    blendshapes: { ...face.blendshapes },
    files,
  };
}

function toBase64(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener('load', () => {
      if (typeof reader.result === 'string') resolve(reader.result.slice(reader.result.indexOf(',') + 1));
    });
    reader.addEventListener('error', () => reject(reader.error ?? new Error('a file could not be read back')));
    reader.readAsDataURL(blob);
  });
}

let started: Page | undefined;

window.fullposeCli = {
  async start({ iterations, maxFaces, detector, search }: StartOptions): Promise<StartReply> {
    const gpu = await Gpu.create({ label: 'align' });
    const startDetector = () =>
      FaceDetector.create({ weights: detectorUrl, device: gpu.device, ...(search !== undefined && { search }) });
    const detecting = detector ? startDetector() : undefined;
    // Whoever detects first sees its failure; until then it is nobody's.
    detecting?.catch(() => {});
    const aligner = await FaceAligner.create({
      weights: weightsUrl,
      device: gpu.device,
      ...(iterations === undefined ? {} : { iterations }),
      ...(maxFaces === undefined ? {} : { maxFaces }),
    });
    started = new Page(aligner, startDetector, detecting);
    return { adapter: adapterName(gpu.adapter), isSoftware: gpu.adapter.isSoftware, iterations: aligner.iterations };
  },

  async align(job: AlignJob): Promise<AlignReply> {
    if (started === undefined) throw new Error('align() before start()');
    return started.align(job).catch(toFailure);
  },

  async alignFrame(job: FrameJob): Promise<FrameReply> {
    if (started === undefined) throw new Error('alignFrame() before start()');
    return started.alignFrame(job).catch(toFailure);
  },
};
