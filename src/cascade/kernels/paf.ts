/** Pose adaptive convolution, gather and filters in one. See paf.wgsl. */
import type { Gpu } from '../../engine/device.js';
import { ShapeError } from '../../engine/errors.js';
import type { StepNames } from '../../engine/kernels/common.js';
import type { Kernel, KernelDeclaration } from '../../engine/pipelines.js';
import type { PlanBuilder } from '../../engine/plan.js';
import { preprocess } from '../../engine/preprocess.js';
import { blocksOf, type Tensor, tensorBinding } from '../../engine/tensor.js';
import { UniformStruct } from '../../engine/uniform.js';
import type { AnchorGrid } from '../../mmm/model.js';
import source from '../../shaders/paf.wgsl?raw';
import { type Geometry, keyLayout, LIBRARY, WORKGROUP_SIZE } from './common.js';

const PARAMS = new UniformStruct({
  vertices: 'u32',
  size: 'u32',
  id_bits: 'u32',
  depth_shift: 'u32',
  anchors: 'u32',
  share: 'u32',
  blocks: 'u32',
  first_block: 'u32',
  shared_geometry: 'u32',
});

/**
 * Anchors that one invocation computes, and invocations of a workgroup: a software adapter wants few, which read the
 * filters for many anchors.
 */
const ANCHORS_EACH = { hardware: 1, software: 32 } as const;
const THREADS = { hardware: WORKGROUP_SIZE, software: 8 } as const;

const [hardware, software] = [false, true].map(
  (SOFTWARE): Kernel => ({
    name: 'paf',
    code: preprocess(source, { files: LIBRARY, flags: { SOFTWARE } }),
    constants: { THREADS: THREADS[SOFTWARE ? 'software' : 'hardware'] },
    bindings: {
      vertices: 'read',
      keys: 'read',
      anchors: 'read',
      pixels: 'read',
      filters: 'uniform',
      output: 'read-write',
    },
  }),
) as [Kernel, Kernel];

/** Taps of one filter: 3 x 3 positions of 3 colours. */
const TAPS = 27;

/**
 * Blocks of four channels that one dispatch computes, and the bytes of their filters: any device's uniform bindings may
 * start at such multiples.
 */
const BLOCKS_EACH = 4;
const FILTER_BYTES = BLOCKS_EACH * (TAPS + 1) * 16;

/** Anchors as an array of the struct { v0, v1, v2: u32, w0, w1, w2: f32 }. */
export function packAnchors({ vertices, weights }: AnchorGrid): Uint8Array<ArrayBuffer> {
  const count = vertices.length / 3;
  const view = new DataView(new ArrayBuffer(count * 24));
  for (let a = 0; a < count; a++) {
    for (let corner = 0; corner < 3; corner++) {
      view.setUint32(a * 24 + corner * 4, vertices[a * 3 + corner]!, true);
      view.setFloat32(a * 24 + 12 + corner * 4, weights[a * 3 + corner]!, true);
    }
  }
  return new Uint8Array(view.buffer);
}

/**
 * Uploads filters [C,3,3,3] (channel, v, u, rgb) and biases [C] as [C4,28] vec4, C4 a multiple of 4: 27 taps for
 * colours of 65535, then the bias, of four channels each.
 * @throws ShapeError where the arrays do not fit each other.
 */
export function uploadFilters(gpu: Gpu, label: string, weights: Float32Array, bias: Float32Array): GPUBuffer {
  const channels = bias.length;
  if (weights.length !== channels * TAPS) {
    throw new ShapeError(`The pose adaptive filters hold ${weights.length} weights; wanted [${channels},3,3,3].`);
  }
  const packed = new Float32Array((Math.ceil(channels / (4 * BLOCKS_EACH)) * FILTER_BYTES) / 4);
  for (let c = 0; c < channels; c++) {
    const first = Math.floor(c / 4) * (TAPS + 1) * 4 + (c % 4);
    for (let tap = 0; tap < TAPS; tap++) packed[first + tap * 4] = weights[c * TAPS + tap]! / 65535;
    packed[first + TAPS * 4] = bias[c]!;
  }
  return gpu.uploadBuffer(label, packed);
}

/**
 * Adds the pose adaptive convolution of `pixels` (crop.wgsl, with CASCADE) at the anchors of `geometry` into `output`
 * [N,rows,columns,C] to a plan.
 * @param isSoftware the kernel for software adapters; default: where the adapter is one
 */
export function recordPaf(
  builder: PlanBuilder,
  names: StepNames,
  spec: { readonly vertexCount: number; readonly triangleCount: number; readonly size: number },
  args: {
    readonly geometry: Geometry;
    readonly anchors: GPUBuffer;
    readonly pixels: GPUBuffer;
    /** `uploadFilters`. */
    readonly filters: GPUBuffer;
    readonly output: Tensor;
  },
  { isSoftware }: Pick<Gpu['adapter'], 'isSoftware'> = builder.gpu.adapter,
): void {
  const { geometry, anchors, pixels, filters, output } = args;
  const { idBits, depthShift } = keyLayout(spec.triangleCount, spec.size);
  const { height, width, channels } = output.shape;
  const kind = isSoftware ? 'software' : 'hardware';
  const share = Math.ceil((height * width) / ANCHORS_EACH[kind]);
  const blocks = blocksOf(channels);
  for (let block = 0; block < blocks; block += BLOCKS_EACH) {
    builder.add({
      ...names,
      kernel: isSoftware ? software : hardware,
      bindings: {
        vertices: { buffer: geometry.vertices },
        keys: { buffer: geometry.keys },
        anchors: { buffer: anchors },
        pixels: { buffer: pixels },
        filters: { buffer: filters, offset: (block / BLOCKS_EACH) * FILTER_BYTES, size: FILTER_BYTES },
        output: tensorBinding(output),
      },
      params: PARAMS.pack({
        vertices: spec.vertexCount,
        size: spec.size,
        id_bits: idBits,
        depth_shift: depthShift,
        anchors: height * width,
        share,
        blocks,
        first_block: block,
        shared_geometry: geometry.shared ? 1 : 0,
      }),
      workgroups: [Math.ceil(share / THREADS[kind]), 1, 1],
      batchAxis: 1,
    });
  }
}

export const declarations: readonly KernelDeclaration[] = [
  { shader: 'paf.wgsl', kernels: [hardware, software], params: PARAMS },
];
