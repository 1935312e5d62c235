/**
 * The cascade p^{k+1} = p^k + Net^k(PAF(p^k, I), PNCC(p^k, I)) on the GPU (TPAMI eq. 1 and 2): all its buffers, and one
 * prepared sequence a frame for every number of iterations. Where the network says so the crop follows the face: it is
 * made anew before each iteration. docs/passes.md lists the frame line by line.
 */
import type { Gpu } from '../engine/device.js';
import { InputError } from '../engine/errors.js';
import { expectWhole } from '../engine/expect.js';
import { recordAdd } from '../engine/kernels/add.js';
import { type DType, NetworkWeights, NetworkWorkspace, packNetworkWeights, recordNetwork } from '../engine/network.js';
import { PlanBuilder, type PreparedStep, Sequence } from '../engine/plan.js';
import { requireFloats, type SafeTensors } from '../engine/safetensors.js';
import { createTensor, type Tensor } from '../engine/tensor.js';
import { chooseVariants, type VariantsByLayer, withVariants } from '../engine/tuning.js';
import { FrameStep } from '../pictures/frame-step.js';
import { CROP_RECORD_BYTES } from '../pictures/kernels/crop.js';
import type { Geometry } from './kernels/common.js';
import { cascadeCropStep, pixelBytes, STEM_CHANNELS } from './kernels/crop.js';
import { faceBytes, recordOutputs } from './kernels/outputs.js';
import { recordPaf, uploadFilters } from './kernels/paf.js';
import { recordTurn } from './kernels/recrop.js';
import { recordResolve } from './kernels/resolve.js';
import { createGeometry, type ModelBuffers, recordGeometry, uploadModel } from './mesh.js';
import type { CascadeWeights, NetworkDescription } from './weights.js';

export interface CascadeOptions {
  /** Faces that one frame may hold. */
  readonly maxFaces: number;
  /** Of the network's layers that have a choice; default: what their shapes suggest. */
  readonly variants?: VariantsByLayer;
  /** How weights that are halves are held (default f32). */
  readonly dtype?: DType;
}

/** A face takes about 3 MB; more than this is a mistake rather than a wish. */
const MAX_FACES = 64;

/** Records and buffers shared by the plans while they are made. */
interface Parts {
  readonly gpu: Gpu;
  readonly network: NetworkDescription;
  readonly model: ModelBuffers;
  readonly pixels: GPUBuffer;
  readonly stem: Tensor;
  readonly initialStem: Tensor;
  readonly paf: Tensor;
  readonly delta: Tensor;
  readonly parameters: readonly Tensor[];
  readonly initial: Geometry;
  readonly geometry: Geometry;
  readonly workspace: NetworkWorkspace;
  readonly crops: GPUBuffer;
  readonly maxFaces: number;
  readonly output: GPUBuffer;
}

/** What a frame runs: parts, before each of which the picture is cropped. */
export interface CascadePlan {
  readonly parts: readonly Sequence[];
  /** With those of the crops. */
  readonly dispatches: number;
}

export class Cascade {
  readonly gpu: Gpu;
  readonly network: NetworkDescription;
  readonly maxFaces: number;
  readonly model: ModelBuffers;
  /**
   * Crop records, one a face (`writeCropRecord`); write them before the frame is submitted. Where the crop follows the
   * face, they become those of the last iteration, and `cropsAt(k)` says where those of iteration k are kept.
   */
  readonly crops: GPUBuffer;
  /** Colours of the crops in unorm16, each in a frame of zeros; the stem holds the same as floats. */
  readonly pixels: GPUBuffer;
  /** p^0 .. p^K, each [N,1,1,count]; those of iterations that a frame did not run are left from an earlier one. */
  readonly parameters: readonly Tensor[];
  /** The PNCC of p^0 in channels 3 to 5 of [1,S,S,8]: the same for every face, so the crop writes it into the stem. */
  readonly initialStem: Tensor;
  /** Inputs of the two streams, as the last iteration left them. */
  readonly stem: Tensor;
  readonly paf: Tensor;
  /** Geometry of the final parameters. */
  readonly geometry: Geometry;
  /** Per face: parameters, then x, y, z, visible of every landmark. */
  readonly output: GPUBuffer;
  /** Bytes of one face in `output`. */
  readonly faceBytes: number;
  /** Bytes of one face's parameters. */
  readonly parameterBytes: number;

  readonly #plans: readonly CascadePlan[];
  /** Frames that start later: the last 1, 2, ... iterations. */
  readonly #refinements: readonly CascadePlan[];
  readonly #cropper: FrameStep;

  /**
   * Uploads the weights, compiles all kernels and draws the first iteration's geometry, which is the same for every
   * face. What it makes belongs to `gpu` and is freed with it.
   * @throws InputError for an impossible number of faces; LimitError where the device is too small; WeightsError where
   * a tensor is missing.
   */
  static async create(gpu: Gpu, weights: CascadeWeights, options: CascadeOptions): Promise<Cascade> {
    const { maxFaces, dtype = 'f32', variants = chooseVariants(gpu, weights.network.graph) } = options;
    expectWhole('maxFaces', maxFaces, 1, MAX_FACES);
    const network = { ...weights.network, graph: withVariants(weights.network.graph, variants) };
    const { value, accepted } = gpu.watch('The buffers of the cascade could not be made', () =>
      recordAll(gpu, { ...weights, network }, maxFaces, dtype),
    );
    const { parts, start, iterations, endings } = value;
    const { crops } = parts;
    await accepted;
    const [cropper, startPlan, ...rest] = await Promise.all([
      FrameStep.create(gpu, (frame) => cascadeCropStep(frame, crops, parts)),
      start.build(),
      ...[...iterations, ...endings].map((builder) => builder.build()),
    ]);

    const started = gpu.watch('The start of the cascade was refused', () => {
      const encoder = gpu.device.createCommandEncoder({ label: 'cascade.start' });
      const pass = encoder.beginComputePass({ label: 'cascade.start' });
      startPlan.encode(pass);
      pass.end();
      gpu.device.queue.submit([encoder.finish()]);
    });
    await started.accepted;
    startPlan.destroy();

    const count = iterations.length;
    const frame = (label: string, from: number, to: number): CascadePlan => {
      const last = rest[count + to - 1]?.steps ?? [];
      const run = rest.slice(from, to).map((plan, i) => [...plan.steps, ...(from + i === to - 1 ? last : [])]);
      const parts = (network.recrop === undefined ? [run.flat()] : run).map((steps) => new Sequence(gpu, label, steps));
      return { parts, dispatches: parts.reduce((sum, { steps }) => sum + 1 + steps.length, 0) };
    };
    const plans = endings.map((_, k) => frame(`cascade of ${k + 1}`, 0, k + 1));
    const refinements = endings.slice(1).map((_, m) => frame(`last ${m + 1} of the cascade`, count - 1 - m, count));
    return new Cascade(parts, { plans, refinements }, cropper);
  }

  private constructor(
    parts: Parts,
    { plans, refinements }: { readonly plans: readonly CascadePlan[]; readonly refinements: readonly CascadePlan[] },
    cropper: FrameStep,
  ) {
    this.gpu = parts.gpu;
    this.network = parts.network;
    this.maxFaces = parts.maxFaces;
    this.model = parts.model;
    this.crops = parts.crops;
    this.pixels = parts.pixels;
    this.parameters = parts.parameters;
    this.initialStem = parts.initialStem;
    this.stem = parts.stem;
    this.paf = parts.paf;
    this.geometry = parts.geometry;
    this.output = parts.output;
    this.faceBytes = parts.output.size / parts.maxFaces;
    this.parameterBytes = parts.network.parameters.count * 4;
    this.#plans = plans;
    this.#refinements = refinements;
    this.#cropper = cropper;
  }

  /** Iterations that a frame may run. */
  get iterations(): number {
    return this.#plans.length;
  }

  /** The crop of `texture`. Made once for each texture. */
  cropPlan(texture: GPUTexture): Sequence {
    return this.#cropper.on(texture);
  }

  /** All steps of a frame of `texture`, in order. */
  steps(texture: GPUTexture, { parts }: CascadePlan): readonly PreparedStep[] {
    const crop = this.cropPlan(texture);
    return parts.flatMap((part) => [...crop.steps, ...part.steps]);
  }

  /**
   * From the crops to `output`.
   * @throws InputError where there are no weights for so many iterations.
   */
  plan(iterations: number): CascadePlan {
    expectWhole('iterations', iterations, 1, this.iterations);
    return this.#plans[iterations - 1]!;
  }

  /**
   * From the crops and given parameters to `output`: the last `iterations` iterations, which start from
   * `parametersAfter(K - iterations)`. Not the first one: it knows only p^0, and draws nothing.
   * @throws InputError where there are not more iterations than that.
   */
  refinement(iterations: number): CascadePlan {
    expectWhole('iterations from a known face', iterations, 1, this.#refinements.length);
    return this.#refinements[iterations - 1]!;
  }

  /**
   * p^k of all faces, [N,1,1,count]: what `refinement(K - k)` starts from, if it is written before the frame is
   * submitted.
   */
  parametersAfter(k: number): GPUBuffer {
    return parameterBuffer(this.parameters, k);
  }

  /** Whether the crop is made anew between iterations. */
  get followsFace(): boolean {
    return this.network.recrop !== undefined;
  }

  /**
   * Where the records of iteration k's crops (1 <= k < K) are kept in `crops`, in bytes: of frames that ran the
   * iteration before, where the crop follows the face.
   */
  cropsAt(k: number): number {
    return k * this.maxFaces * CROP_RECORD_BYTES;
  }

  /**
   * Records a frame into `pass`: the crops of `texture` that the first `batch` records of `crops` describe, and `plan`
   * (one of this cascade's) on them. Allocates nothing, save once a texture.
   */
  encode(pass: GPUComputePassEncoder, texture: GPUTexture, { parts }: CascadePlan, batch: number): void {
    const crop = this.cropPlan(texture);
    for (const part of parts) {
      crop.encode(pass, batch);
      part.encode(pass, batch);
    }
  }
}

/** Makes all buffers, uploads the weights and lists every plan's steps. */
function recordAll(gpu: Gpu, weights: CascadeWeights, maxFaces: number, dtype: DType) {
  const parts = createParts(gpu, weights, maxFaces);
  const { initial, parameters, network } = parts;
  const { coarse } = parts.model;
  const start = new PlanBuilder(gpu, 'start');
  recordGeometry(start, '', coarse, network.parameters, {
    parameters: parameterBuffer(parameters, 0),
    geometry: initial,
  });
  const drawn = { ...coarse, geometry: initial, stem: parts.initialStem };
  recordResolve(start, { label: 'resolve', stage: 'resolve' }, coarse.spec, drawn);
  const iterations = weights.iterations.map((file, k) => recordIteration(parts, file, k, dtype));
  const endings = weights.iterations.map((_, k) => recordEnding(parts, k + 1));
  return { parts, start, iterations, endings };
}

function createParts(gpu: Gpu, weights: CascadeWeights, maxFaces: number): Parts {
  const { network, model, initialParameters } = weights;
  const { cropSize: size, parameters: layout, pac, graph } = network;
  const vector = { height: 1, width: 1, channels: layout.count };
  const parameters = Array.from({ length: weights.iterations.length + 1 }, (_, k) =>
    createTensor(gpu, `p${k}`, vector, maxFaces),
  );
  const initial = new Float32Array(layout.count * maxFaces);
  for (let face = 0; face < maxFaces; face++) initial.set(initialParameters, face * layout.count);
  gpu.device.queue.writeBuffer(parameterBuffer(parameters, 0), 0, initial);
  const buffers = uploadModel(gpu, model, layout, size);
  const image = { height: size, width: size, channels: STEM_CHANNELS };
  return {
    gpu,
    network,
    model: buffers,
    pixels: gpu.createBuffer('pixels', maxFaces * pixelBytes(size), GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST),
    stem: createTensor(gpu, 'stem', image, maxFaces),
    initialStem: createTensor(gpu, 'initial stem', image),
    paf: createTensor(gpu, 'paf', { height: pac.rows, width: pac.columns, channels: pac.outChannels }, maxFaces),
    delta: createTensor(gpu, 'delta', vector, maxFaces),
    parameters,
    initial: createGeometry(gpu, 'initial', buffers.coarse.spec, 1, true),
    geometry: createGeometry(gpu, 'geometry', buffers.whole.spec, maxFaces, false),
    workspace: new NetworkWorkspace(gpu, 'workspace', graph, maxFaces),
    crops: gpu.createBuffer(
      'crops',
      (network.recrop === undefined ? 1 : weights.iterations.length) * maxFaces * CROP_RECORD_BYTES,
      GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    ),
    maxFaces,
    output: gpu.createBuffer(
      'output',
      maxFaces * faceBytes(layout.count, buffers.table.count),
      GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC,
    ),
  };
}

/**
 * Iteration k: the coarse geometry of p^k and its PNCC (drawn at load for k = 0), both streams' inputs, the network,
 * p^{k+1} = p^k + update.
 */
function recordIteration(parts: Parts, file: SafeTensors, k: number, dtype: DType): PlanBuilder {
  const { gpu, network, pixels, stem, paf, delta, parameters, workspace } = parts;
  const { coarse, anchors } = parts.model;
  const { pac, graph } = network;
  const prefix = `iteration${k}/`;
  const builder = new PlanBuilder(gpu, `iteration${k}`);
  const geometry = k === 0 ? parts.initial : parts.geometry;
  if (k > 0) {
    const args = { parameters: parameterBuffer(parameters, k), geometry };
    recordGeometry(builder, prefix, coarse, network.parameters, args);
    const resolve = { label: `${prefix}resolve`, stage: 'resolve' };
    recordResolve(builder, resolve, coarse.spec, { ...coarse, geometry, stem });
  }
  const filters = uploadFilters(
    gpu,
    `${prefix}${pac.name}`,
    requireFloats(file, `${pac.name}.weight`, [pac.outChannels, 3, 3, 3]),
    requireFloats(file, `${pac.name}.bias`, [pac.outChannels]),
  );
  const gather = { geometry, anchors, pixels, filters, output: paf };
  recordPaf(builder, { label: `${prefix}paf`, stage: 'paf' }, coarse.spec, gather);
  const weights = new NetworkWeights(gpu, `${prefix}weights`, packNetworkWeights(graph, file, 'ohwi', dtype));
  recordNetwork(builder, {
    graph,
    weights,
    workspace,
    inputs: { stem, paf },
    output: delta,
    labelPrefix: prefix,
  });
  const update = { label: `${prefix}update`, stage: 'update' };
  const [before, after] = [parameterTensor(parameters, k), parameterTensor(parameters, k + 1)];
  if (network.recrop === undefined) {
    recordAdd(builder, update, 'none', { left: before, right: delta, output: after });
  } else {
    const { crops, maxFaces: faces, model } = parts;
    const next = { crops, faces, slot: k + 1, points: model.points, size: network.cropSize, ...network.recrop };
    const isLast = k + 2 === parameters.length;
    recordTurn(builder, update, { before, update: delta, after }, isLast ? undefined : next);
  }
  return builder;
}

/** The end of a frame of k iterations: the whole geometry of p^k, then what goes back to the CPU. */
function recordEnding(parts: Parts, k: number): PlanBuilder {
  const { gpu, network, model, geometry, output } = parts;
  const { whole, landmarks, table } = model;
  const prefix = `end${k}/`;
  const builder = new PlanBuilder(gpu, `end${k}`);
  const parameters = parameterBuffer(parts.parameters, k);
  recordGeometry(builder, prefix, whole, network.parameters, { parameters, geometry });
  recordOutputs(
    builder,
    { label: `${prefix}outputs`, stage: 'outputs' },
    { ...whole.spec, parameterCount: network.parameters.count, table },
    {
      parameters,
      vertices: geometry.vertices,
      keys: geometry.keys,
      triangles: whole.triangles,
      landmarks,
      output,
    },
  );
  return builder;
}

function parameterTensor(parameters: readonly Tensor[], k: number): Tensor {
  const tensor = parameters[k];
  if (tensor === undefined) throw new InputError(`There is no p${k}; the cascade ends at p${parameters.length - 1}.`);
  return tensor;
}

function parameterBuffer(parameters: readonly Tensor[], k: number): GPUBuffer {
  return parameterTensor(parameters, k).buffer;
}
