/** How a picture becomes the input of a network. */
import type { Gpu } from '../engine/device.js';
import { ShapeError, WeightsError } from '../engine/errors.js';
import type { Sequence } from '../engine/plan.js';
import { show } from '../engine/show.js';
import { type FeatureShape, formatShape, type Tensor } from '../engine/tensor.js';
import {
  type Frame,
  FrameTexture,
  type PictureSize,
  type PictureSource,
  type PreparedPicture,
} from '../pictures/frame.js';
import { FrameStep } from '../pictures/frame-step.js';
import { CROP_RECORD_BYTES, type CropRecord, MAX_TAPS, writeCropRecord } from '../pictures/kernels/crop.js';
import { pictureTensorStep } from './kernels/pictureTensor.js';

/** What a network wants to see: every channel is `(white * colour - mean) / std`, `colour` from 0 to 1 as displayed. */
export interface PictureInput {
  /** The order of the network's channels (default `rgb`). */
  readonly order?: 'rgb' | 'bgr';
  /** What white is before mean and std: 1 (the default), or 255. */
  readonly white?: number;
  /** Of the network's channels, in their order (default 0). */
  readonly mean?: readonly [number, number, number];
  /** Of the network's channels, in their order (default 1). */
  readonly std?: readonly [number, number, number];
  /**
   * How a picture of another shape fills the input: `cover` (the default) cuts what is too long, evenly at both ends;
   * `contain` shows all of it with black round it; `stretch` distorts.
   */
  readonly fit?: Fit;
}

const FITS = ['cover', 'contain', 'stretch'] as const;
type Fit = (typeof FITS)[number];

/** A checked `PictureInput` with its defaults. */
export type PictureSettings = Required<PictureInput>;

/** @throws WeightsError for a field that is wrong. */
export function parsePictureInput(value: unknown): PictureSettings {
  if (typeof value !== 'object' || value === null) {
    throw new WeightsError(`picture is ${show(value)}; wanted an object.`);
  }
  const fields = new Map<string, unknown>(Object.entries(value));
  const read = <T>(name: string, usual: T, isOk: (found: unknown) => found is T, wanted: string): T => {
    const found = fields.get(name) ?? usual;
    if (!isOk(found)) throw new WeightsError(`picture.${name} is ${show(found)}; wanted ${wanted}.`);
    return found;
  };
  const isOrder = (found: unknown): found is 'rgb' | 'bgr' => found === 'rgb' || found === 'bgr';
  const isFit = (found: unknown): found is Fit => FITS.some((fit) => fit === found);
  const std = read('std', [1, 1, 1] as const, isTriple, 'three finite numbers');
  if (std.includes(0)) throw new WeightsError(`picture.std is ${show(std)}; wanted numbers other than 0.`);
  return {
    order: read('order', 'rgb', isOrder, "'rgb' or 'bgr'"),
    white: read('white', 1, isNumber, 'a finite number'),
    mean: read('mean', [0, 0, 0] as const, isTriple, 'three finite numbers'),
    std,
    fit: read('fit', 'cover', isFit, FITS.join(', ')),
  };
}

function isNumber(value: unknown): value is number {
  return Number.isFinite(value);
}

function isTriple(value: unknown): value is readonly [number, number, number] {
  return Array.isArray(value) && value.length === 3 && value.every(isNumber);
}

/** Where the pixels of an input lie in a picture that is `texels` large. */
export function fitRecord(texels: PictureSize, input: PictureSize, fit: Fit): CropRecord {
  const [x, y] = [texels.width / input.width, texels.height / input.height];
  const both = fit === 'cover' ? Math.min(x, y) : Math.max(x, y);
  const [rightX, downY] = fit === 'stretch' ? [x, y] : [both, both];
  return {
    // The middles of both lie over one another; a pixel's centre is half a pixel from its corner.
    originX: (texels.width - rightX * input.width) / 2 + rightX / 2 - 0.5,
    originY: (texels.height - downY * input.height) / 2 + downY / 2 - 0.5,
    rightX,
    rightY: 0,
    downX: 0,
    downY,
    width: texels.width,
    height: texels.height,
    taps: Math.min(MAX_TAPS, Math.max(1, Math.ceil(Math.max(rightX, downY)))),
  };
}

/** Fills one tensor from pictures. */
export class PictureTensor {
  readonly #gpu: Gpu;
  readonly #frames: FrameTexture;
  readonly #step: FrameStep;
  readonly #records: GPUBuffer;
  readonly #shape: FeatureShape;
  readonly #fit: Fit;

  /** @throws ShapeError where `image` has not three channels; as `PlanBuilder.build`. */
  static async create(gpu: Gpu, image: Tensor, settings: PictureSettings): Promise<PictureTensor> {
    if (image.shape.channels !== 3) {
      throw new ShapeError(`The input '${image.label}' is ${formatShape(image.shape)}; a picture has three channels.`);
    }
    const { order, white, mean, std, fit } = settings;
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
    const records = gpu.createBuffer(`${image.label}.crop`, CROP_RECORD_BYTES, usage);
    const step = await FrameStep.create(gpu, (frame) =>
      pictureTensorStep(frame, records, {
        image,
        bgr: order === 'bgr',
        scale: [white / std[0], white / std[1], white / std[2]],
        offset: [-mean[0] / std[0], -mean[1] / std[1], -mean[2] / std[2]],
      }),
    );
    return new PictureTensor(gpu, records, step, image.shape, fit);
  }

  private constructor(gpu: Gpu, records: GPUBuffer, step: FrameStep, shape: FeatureShape, fit: Fit) {
    this.#gpu = gpu;
    this.#frames = new FrameTexture(gpu);
    this.#records = records;
    this.#step = step;
    this.#shape = shape;
    this.#fit = fit;
  }

  /** @throws as `FrameTexture.prepare` */
  prepare(source: PictureSource): Promise<PreparedPicture> {
    return this.#frames.prepare(source);
  }

  /** What fills the tensor from a frame, to be encoded before the next is placed. */
  place({ texture, texels }: Frame): Sequence {
    const view = new DataView(new ArrayBuffer(CROP_RECORD_BYTES));
    writeCropRecord(view, 0, fitRecord(texels, this.#shape, this.#fit));
    this.#gpu.device.queue.writeBuffer(this.#records, 0, view.buffer);
    return this.#step.on(texture);
  }

  destroy(): void {
    this.#frames.destroy();
  }
}
