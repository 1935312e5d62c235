/**
 * Looks for faces in squares of a picture, on the GPU: crops, network and candidates of all squares in one submit, one
 * small readback. A single square is looked at where it shows the picture: of 640 x 480 that is three quarters of it.
 */
import type { Gpu } from '../engine/device.js';
import { FullposeError } from '../engine/errors.js';
import { NetworkWeights, NetworkWorkspace, packNetworkWeights, recordNetwork } from '../engine/network.js';
import { type Plan, PlanBuilder } from '../engine/plan.js';
import { readBuffer, StagingRing } from '../engine/readback.js';
import { createTensor, type Tensor } from '../engine/tensor.js';
import type { Crop } from '../pictures/crop.js';
import type { Frame } from '../pictures/frame.js';
import { FrameStep } from '../pictures/frame-step.js';
import { CROP_RECORD_BYTES, cropRecord, cropStep, writeCropRecord } from '../pictures/kernels/crop.js';
import { type Candidate, countCandidates, listBytes, readCandidates, recordCandidates } from './kernels/candidates.js';
import { shownPart } from './regions.js';
import type { DetectorView, DetectorWeights } from './weights.js';

/** Regions that pass through the network together: enough to fill a GPU, and 29 MB of intermediate results. */
const BATCH = 8;

/** Squares that a scan may have: one submit of milliseconds, whatever the size of the picture, and a list of 3.4 MB. */
export const MOST_REGIONS = 32;

/**
 * Candidates that are read back with every scan: 7,696 bytes. A face is 5 to 20 of them. Where there are more, the rest
 * takes a readback of its own.
 */
const USUAL_CANDIDATES = 96;

/** Texels from one sample to the next: a sample is bilinear, so that every texel counts. */
const TAP_SPACING = 2;

/** What a scan did. */
export interface Scan {
  /** In the order of squares and cells. */
  readonly candidates: readonly Candidate[];
  readonly dispatches: number;
  readonly bytesRead: number;
}

/** What looks at regions, or at the middle of one. */
interface Lens {
  readonly height: number;
  readonly width: number;
  /** Regions that pass through it together. */
  readonly batch: number;
  readonly plan: Plan;
  readonly cropper: FrameStep;
}

interface Parts {
  readonly gpu: Gpu;
  /** The first shows whole regions. */
  readonly lenses: readonly [Lens, ...Lens[]];
  /** Records of all squares of a frame, and of those that are on their way. */
  readonly records: GPUBuffer;
  readonly batch: GPUBuffer;
  readonly list: GPUBuffer;
  readonly capacity: number;
  readonly staging: StagingRing;
}

export class Scanner {
  readonly #parts: Parts;
  readonly #data = new DataView(new ArrayBuffer(MOST_REGIONS * CROP_RECORD_BYTES));

  /**
   * Uploads the weights and compiles all kernels. What it makes belongs to `gpu` and is freed with it.
   * @param minScore 0 to 1, both excluded
   * @throws as `FaceDetector.create`.
   */
  static async create(gpu: Gpu, weights: DetectorWeights, minScore: number): Promise<Scanner> {
    const { value, accepted } = gpu.watch('The buffers of the detector could not be made', () =>
      record(gpu, weights, minScore),
    );
    const { recorded, ...buffers } = value;
    await accepted;
    const { inputRange: range, inputSize: size } = weights;
    const made = recorded.map(async ({ builder, image, ...view }): Promise<Lens> => {
      const step = (frame: GPUTextureView) => cropStep(frame, buffers.batch, { image, size, range });
      const [plan, cropper] = await Promise.all([builder.build(), FrameStep.create(gpu, step)]);
      return { ...view, plan, cropper };
    });
    const lenses = (await Promise.all(made)) as [Lens, ...Lens[]];
    return new Scanner({ gpu, lenses, ...buffers });
  }

  private constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Looks into at most `MOST_REGIONS` regions of a frame. One scan at a time: the next may begin when this one has its
   * result.
   * @throws DeviceLostError; FullposeError `gpu-error` where the GPU refused the frame or gave what no network gives.
   */
  async scan(frame: Frame, regions: readonly Crop[]): Promise<Scan> {
    const { picture, texels } = frame;
    const { gpu, lenses, records, batch, list, capacity, staging } = this.#parts;
    const parts = regions.map((region) => shownPart(region, picture));
    const isEnough = (lens: Lens) =>
      regions.length <= lens.batch && parts.every(({ width, height }) => width <= lens.width && height <= lens.height);
    const { plan, cropper, batch: most } = lenses.slice(1).find(isEnough) ?? lenses[0];
    const slot = await staging.takeWhenFree();
    let accepted: Promise<void>;
    try {
      ({ accepted } = gpu.watch('The search was refused', () => {
        for (const [tag, region] of regions.entries()) {
          writeCropRecord(this.#data, tag, { ...cropRecord(region, picture, texels, TAP_SPACING), tag });
        }
        gpu.device.queue.writeBuffer(records, 0, this.#data.buffer, 0, regions.length * CROP_RECORD_BYTES);
        const encoder = gpu.device.createCommandEncoder({ label: 'search' });
        encoder.clearBuffer(list, 0, listBytes(0));
        for (let first = 0; first < regions.length; first += most) {
          const count = Math.min(most, regions.length - first);
          encoder.copyBufferToBuffer(records, first * CROP_RECORD_BYTES, batch, 0, count * CROP_RECORD_BYTES);
          const pass = encoder.beginComputePass({ label: 'search' });
          cropper.on(frame.texture).encode(pass, count);
          plan.encode(pass, count);
          pass.end();
        }
        slot.copyFrom(encoder, list, 0, staging.bytes);
        gpu.device.queue.submit([encoder.finish()]);
      }));
    } catch (error) {
      slot.release();
      throw error;
    }
    // A refused frame leaves an earlier one's bytes in the staging buffer: read them only to give the buffer back.
    const [start] = await Promise.all([slot.read(), accepted, frame.accepted]);
    const count = countCandidates(start);
    if (count > capacity) throw new FullposeError('gpu-error', `The GPU counted ${count} of ${capacity} cells.`);
    const isAll = count <= USUAL_CANDIDATES;
    const data = isAll ? start : await readBuffer(gpu, list, 0, listBytes(count));
    const candidates = readCandidates(data, count);
    if (candidates.some(({ values }) => !values.every(Number.isFinite))) {
      throw new FullposeError('gpu-error', 'The GPU gave numbers that are no face (NaN or infinite).');
    }
    const passes = Math.ceil(regions.length / most);
    return {
      candidates,
      dispatches: passes * (1 + plan.steps.length),
      bytesRead: start.byteLength + (isAll ? 0 : data.byteLength),
    };
  }
}

function record(gpu: Gpu, weights: DetectorWeights, minScore: number) {
  const { views, inputSize } = weights;
  const [whole] = views;
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
  const cells = whole.heads.reduce((sum, { shape }) => sum + shape.height * shape.width, 0);
  const capacity = MOST_REGIONS * cells;
  const buffers = {
    records: gpu.createBuffer(
      'detector.records',
      MOST_REGIONS * CROP_RECORD_BYTES,
      GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    ),
    batch: gpu.createBuffer('detector.batch', BATCH * CROP_RECORD_BYTES, usage),
    list: gpu.createBuffer(
      'detector.list',
      listBytes(Math.max(capacity, USUAL_CANDIDATES)),
      usage | GPUBufferUsage.COPY_SRC,
    ),
    staging: new StagingRing(gpu, 'detector.staging', listBytes(USUAL_CANDIDATES), 1),
  };
  const packed = packNetworkWeights(whole.graph, weights.file, 'ohwi');
  const shared = { ...buffers, weights: new NetworkWeights(gpu, 'detector.weights', packed), inputSize, minScore };
  const recorded = views.map((view) => recordView(gpu, view, view === whole ? BATCH : 1, shared));
  return { recorded, capacity, ...buffers };
}

interface Shared {
  readonly batch: GPUBuffer;
  readonly list: GPUBuffer;
  readonly weights: NetworkWeights;
  readonly inputSize: number;
  readonly minScore: number;
}

function recordView(gpu: Gpu, view: DetectorView, batch: number, shared: Shared) {
  const { graph, heads, height, width } = view;
  const image = createTensor(gpu, 'detector.image', { height, width, channels: 3 }, batch);
  const outputs = new Map(
    [...graph.outputs].map(([name, shape]): [string, Tensor] => [name, createTensor(gpu, name, shape, batch)]),
  );
  const outputOf = (name: string): Tensor => {
    const tensor = outputs.get(name);
    if (tensor === undefined) throw new FullposeError('bad-weights', `The network has no output '${name}'.`);
    return tensor;
  };
  const builder = new PlanBuilder(gpu, 'detector');
  recordNetwork(builder, {
    graph,
    weights: shared.weights,
    workspace: new NetworkWorkspace(gpu, 'detector.workspace', graph, batch),
    inputs: { picture: image },
    output: outputOf(graph.output.name),
    outputs: Object.fromEntries(outputs),
  });
  let first = 0;
  for (const { name, shape } of heads) {
    recordCandidates(
      builder,
      { label: `candidates ${name}`, stage: 'candidates' },
      { inputSize: shared.inputSize, inputWidth: width, first, threshold: shared.minScore },
      { head: outputOf(name), items: shared.batch, list: shared.list },
    );
    first += shape.height * shape.width;
  }
  return { builder, image, height, width, batch };
}
