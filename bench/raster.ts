/** PNCC of a few posed faces: our compute rasteriser against the adapter's own. */
import type { Geometry } from '../src/cascade/kernels/common.js';
import { recordRaster } from '../src/cascade/kernels/raster.js';
import { packCodes, recordResolve } from '../src/cascade/kernels/resolve.js';
import { uploadModel } from '../src/cascade/mesh.js';
import type { CascadeWeights } from '../src/cascade/weights.js';
import type { Gpu } from '../src/engine/device.js';
import { recordFill } from '../src/engine/kernels/fill.js';
import { PlanBuilder } from '../src/engine/plan.js';
import { readBuffer } from '../src/engine/readback.js';
import { decodeHalves, parseSafetensors, requireTensor } from '../src/engine/safetensors.js';
import { createTensor, packTensor, unpackTensor } from '../src/engine/tensor.js';
import { normalisedCoordinateCode } from '../src/mmm/model.js';
import shader from './hardwareRaster.wgsl?raw';
import { type Check, maxAbsDifference, type Strategy } from './strategies.js';
import { GpuTimer, type Timed, timedPass } from './timing.js';

/** Vertices and their PNCC by the CPU reference, from tests/fixtures/pncc.safetensors. */
export interface RasterCase {
  readonly weights: CascadeWeights;
  readonly faces: number;
  /** [N,V] vec4, w = 0. */
  readonly vertices: Float32Array<ArrayBuffer>;
  /** [N,S,S,3]. */
  readonly pncc: Float32Array;
}

export function readRasterCase(file: ArrayBuffer, weights: CascadeWeights): RasterCase {
  const { vertexCount } = weights.model;
  const { cropSize } = weights.network;
  const fixture = parseSafetensors(file);
  const { data, shape } = requireTensor(fixture, 'vertices', 'F32', [undefined, vertexCount, 3]);
  const faces = shape[0] ?? 0;
  return {
    weights,
    faces,
    vertices: packTensor(data, { height: 1, width: vertexCount, channels: 3 }),
    pncc: requireTensor(fixture, 'pncc', 'F32', [faces, cropSize, cropSize, 3]).data,
  };
}

/** Clear, raster and resolve, as in a frame. */
export class ComputeRaster implements Strategy {
  readonly name = 'compute rasteriser (ours)';
  readonly group = 'rasteriser';
  readonly #gpu: Gpu;
  readonly #case: RasterCase;
  #timer: GpuTimer | undefined;
  #read: (() => Promise<Float32Array>) | undefined;

  constructor(gpu: Gpu, rasterCase: RasterCase) {
    this.#gpu = gpu;
    this.#case = rasterCase;
  }

  async prepare(): Promise<void> {
    const gpu = this.#gpu;
    const { weights, faces, vertices } = this.#case;
    const { model, network } = weights;
    const size = network.cropSize;
    const { spec, triangles, codes } = uploadModel(gpu, model, network.parameters, size).whole;
    const geometry: Geometry = {
      vertices: gpu.uploadBuffer('raster.vertices', vertices),
      keys: gpu.createBuffer('raster.keys', faces * size * size * 4, GPUBufferUsage.STORAGE),
      shared: false,
    };
    const stem = createTensor(gpu, 'raster.stem', { height: size, width: size, channels: 8 }, faces);
    const names = (stage: string) => ({ label: stage, stage });
    const builder = new PlanBuilder(gpu, 'raster');
    recordFill(builder, names('clear'), { buffer: geometry.keys, itemBytes: size * size * 4 });
    recordRaster(builder, names('raster'), spec, { ...geometry, triangles });
    recordResolve(builder, names('resolve'), spec, { geometry, triangles, codes, stem });
    const plan = await builder.build();
    this.#timer = await GpuTimer.create(gpu, [timedPass('raster', (pass) => plan.encode(pass, faces))]);
    this.#read = async () => {
      const values = unpackTensor(new Float32Array(await readBuffer(gpu, stem.buffer)), 8);
      return Float32Array.from(
        { length: faces * size * size * 3 },
        (_, i) => values[Math.floor(i / 3) * 8 + 3 + (i % 3)] ?? 0,
      );
    };
  }

  async check(): Promise<Check> {
    await this.run();
    if (this.#read === undefined) throw new Error(`${this.name} was not prepared`);
    const maxAbsError = maxAbsDifference(await this.#read(), this.#case.pncc);
    return { maxAbsError, ok: maxAbsError === 0, note: 'against the CPU reference, bit for bit' };
  }

  run(): Promise<number> {
    return sampleOne(this.#timer, this.name);
  }
}

/**
 * Where hardware agrees: this near, on this fraction of the pixels. It blends depth over a triangle and has its own
 * subpixel grid.
 */
const NEAR = 0.02;
const AGREEMENT = 0.98;

const COLOUR_FORMAT: GPUTextureFormat = 'rgba16float';
const DEPTH_FORMAT: GPUTextureFormat = 'depth32float';

/** A render pass with a depth buffer, faces side by side in one target. */
export class HardwareRaster implements Strategy {
  readonly name = 'hardware rasteriser';
  readonly group = 'rasteriser';
  readonly #gpu: Gpu;
  readonly #case: RasterCase;
  #timer: GpuTimer | undefined;
  #read: (() => Promise<Float32Array>) | undefined;

  constructor(gpu: Gpu, rasterCase: RasterCase) {
    this.#gpu = gpu;
    this.#case = rasterCase;
  }

  async prepare(): Promise<void> {
    const { device } = this.#gpu;
    const { weights, faces } = this.#case;
    const size = weights.network.cropSize;
    const pipeline = await createRenderPipeline(device);
    const { draw, colour } = createDraw(this.#gpu, this.#case, pipeline);
    this.#timer = await GpuTimer.create(this.#gpu, [draw]);
    const bytesPerRow = faces * size * 8;
    this.#read = async () => {
      const buffer = this.#gpu.createBuffer(
        'pncc',
        size * bytesPerRow,
        GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
      );
      const encoder = device.createCommandEncoder({ label: 'pncc' });
      encoder.copyTextureToBuffer({ texture: colour }, { buffer, bytesPerRow }, [faces * size, size]);
      device.queue.submit([encoder.finish()]);
      const rows = decodeHalves(new Uint16Array(await readBuffer(this.#gpu, buffer)));
      this.#gpu.destroyBuffer(buffer);
      return Float32Array.from({ length: faces * size * size * 3 }, (_, i) => {
        const [pixel, channel] = [Math.floor(i / 3), i % 3];
        const [face, y, x] = [Math.floor(pixel / size / size), Math.floor(pixel / size) % size, pixel % size];
        return rows[((y * faces + face) * size + x) * 4 + channel] ?? Number.NaN;
      });
    };
  }

  async check(): Promise<Check> {
    await this.run();
    if (this.#read === undefined) throw new Error(`${this.name} was not prepared`);
    const actual = await this.#read();
    const expected = this.#case.pncc;
    const pixels = expected.length / 3;
    let near = 0;
    for (let pixel = 0; pixel < pixels; pixel++) {
      const part = [actual, expected].map((values) => values.subarray(pixel * 3, pixel * 3 + 3));
      if (maxAbsDifference(part[0] ?? [], part[1] ?? []) <= NEAR) near++;
    }
    const percent = ((100 * near) / pixels).toFixed(2);
    return {
      maxAbsError: maxAbsDifference(actual, expected),
      ok: near >= AGREEMENT * pixels,
      note: `${percent}% of the pixels within ${NEAR}; the rest are edges and folds`,
    };
  }

  run(): Promise<number> {
    return sampleOne(this.#timer, this.name);
  }
}

function createRenderPipeline(device: GPUDevice): Promise<GPURenderPipeline> {
  const module = device.createShaderModule({ label: 'hardwareRaster', code: shader });
  return device.createRenderPipelineAsync({
    label: 'hardwareRaster',
    layout: 'auto',
    vertex: { module, entryPoint: 'project' },
    fragment: { module, entryPoint: 'shade', targets: [{ format: COLOUR_FORMAT }] },
    primitive: { topology: 'triangle-list', cullMode: 'none' },
    depthStencil: { format: DEPTH_FORMAT, depthWriteEnabled: true, depthCompare: 'greater' },
  });
}

function createDraw(
  gpu: Gpu,
  { weights, faces, vertices }: RasterCase,
  pipeline: GPURenderPipeline,
): { readonly draw: Timed; readonly colour: GPUTexture } {
  const { device } = gpu;
  const { model, network } = weights;
  const size = network.cropSize;
  const triangles = Uint32Array.from(model.triangles);
  const indices = gpu.uploadBuffer('indices', triangles, GPUBufferUsage.INDEX);
  const params = new DataView(new ArrayBuffer(8));
  params.setUint32(0, model.vertexCount, true);
  params.setFloat32(4, size, true);
  const bindings = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [
      gpu.uploadBuffer('vertices', vertices, GPUBufferUsage.STORAGE),
      gpu.uploadBuffer('codes', packCodes(normalisedCoordinateCode(model)), GPUBufferUsage.STORAGE),
      gpu.uploadBuffer('params', params, GPUBufferUsage.UNIFORM),
    ].map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  const target = (format: GPUTextureFormat) =>
    device.createTexture({
      size: [faces * size, size],
      format,
      usage: GPUTextureUsage.RENDER_ATTACHMENT | GPUTextureUsage.COPY_SRC,
    });
  const [colour, depth] = [target(COLOUR_FORMAT), target(DEPTH_FORMAT)];
  const [colourView, depthView] = [colour.createView(), depth.createView()];
  const record: Timed['record'] = (encoder, repeats, { querySet, beginningOfPassWriteIndex, endOfPassWriteIndex }) => {
    for (let repeat = 0; repeat < repeats; repeat++) {
      // Each repetition clears, so each is a pass; the first and the last carry the timestamps.
      const times = {
        ...(repeat === 0 && beginningOfPassWriteIndex !== undefined && { beginningOfPassWriteIndex }),
        ...(repeat === repeats - 1 && endOfPassWriteIndex !== undefined && { endOfPassWriteIndex }),
      };
      const pass = encoder.beginRenderPass({
        colorAttachments: [{ view: colourView, clearValue: [0, 0, 0, 0], loadOp: 'clear', storeOp: 'store' }],
        depthStencilAttachment: { view: depthView, depthClearValue: 0, depthLoadOp: 'clear', depthStoreOp: 'discard' },
        ...(Object.keys(times).length > 0 && { timestampWrites: { querySet, ...times } }),
      });
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindings);
      pass.setIndexBuffer(indices, 'uint32');
      for (let face = 0; face < faces; face++) {
        pass.setViewport(face * size, 0, size, size, 0, 1);
        pass.setScissorRect(face * size, 0, size, size);
        pass.drawIndexed(triangles.length, 1, 0, 0, face);
      }
      pass.end();
    }
  };
  return { draw: { name: 'hardware raster', record }, colour };
}

/** One sample of a timer of one thing. */
export async function sampleOne(timer: GpuTimer | undefined, name: string): Promise<number> {
  if (timer === undefined) throw new Error(`${name} was not prepared`);
  // Timestamps that run backwards are rare: try again.
  for (let attempt = 0; attempt < 5; attempt++) {
    const [time] = await timer.sample();
    if (time !== undefined) return time;
  }
  throw new Error(`${name}: the adapter's timestamps run backwards`);
}
