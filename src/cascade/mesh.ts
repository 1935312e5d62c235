/** The face model on the GPU, and the passes that draw it. */
import type { Gpu } from '../engine/device.js';
import { recordFill } from '../engine/kernels/fill.js';
import type { PlanBuilder } from '../engine/plan.js';
import { coarseMesh, type FaceModel, type MeshModel, selectVertices, wholeMesh } from '../mmm/model.js';
import type { ParameterLayout } from '../mmm/parameters.js';
import type { Geometry } from './kernels/common.js';
import { type DecodeBuffers, type LandmarkBuffers, recordDecode, uploadShape } from './kernels/decode.js';
import { type LandmarkTable, packLandmarks } from './kernels/outputs.js';
import { packAnchors } from './kernels/paf.js';
import { recordRaster } from './kernels/raster.js';
import { packCodes } from './kernels/resolve.js';

/** What every kernel wants to know of a mesh and the crop. */
export interface MeshSpec {
  readonly vertexCount: number;
  readonly triangleCount: number;
  readonly size: number;
}

/** A mesh as the kernels read it. */
export interface Mesh extends DecodeBuffers {
  readonly spec: MeshSpec;
  readonly triangles: GPUBuffer;
  readonly codes: GPUBuffer;
}

export interface ModelBuffers {
  /** What a frame ends with, and what is shown of a face. */
  readonly whole: Mesh;
  /** What the iterations see. */
  readonly coarse: Mesh;
  /** On the coarse mesh. */
  readonly anchors: GPUBuffer;
  /** Of the whole mesh. */
  readonly landmarks: GPUBuffer;
  readonly table: LandmarkTable;
  /** What crops are made anew by. */
  readonly points: LandmarkBuffers;
}

/** Uploads the model for crops of `size` pixels. */
export function uploadModel(gpu: Gpu, model: FaceModel, layout: ParameterLayout, size: number): ModelBuffers {
  const mesh = (label: string, { shape, triangles, codes }: MeshModel): Mesh => ({
    spec: { vertexCount: shape.mean.length / 3, triangleCount: triangles.length / 3, size },
    ...uploadShape(gpu, label, shape, layout),
    triangles: gpu.uploadBuffer(`${label}.triangles`, triangles),
    codes: gpu.uploadBuffer(`${label}.codes`, packCodes(codes)),
  });
  const whole = wholeMesh(model);
  const coarse = coarseMesh(model, whole);
  const table = packLandmarks(model);
  return {
    whole: mesh('model', whole),
    coarse: mesh('coarse', coarse),
    anchors: gpu.uploadBuffer('anchors', packAnchors(coarse.anchors)),
    landmarks: gpu.uploadBuffer('landmarks', table.data),
    table,
    points: {
      count: model.landmarks.length,
      ...uploadShape(gpu, 'points', selectVertices(model, model.landmarks), layout),
    },
  };
}

/** Bytes of one face's vertices. */
export function vertexBytes({ vertexCount }: MeshSpec): number {
  return vertexCount * 16;
}

/** Bytes of one face's keys. */
export function keyBytes({ size }: MeshSpec): number {
  return size * size * 4;
}

/** Vertices and keys for `faces` faces: room for a mesh of `spec`, or a smaller one. */
export function createGeometry(gpu: Gpu, label: string, spec: MeshSpec, faces: number, shared: boolean): Geometry {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC;
  return {
    vertices: gpu.createBuffer(`${label}.vertices`, faces * vertexBytes(spec), usage),
    keys: gpu.createBuffer(`${label}.keys`, faces * keyBytes(spec), usage),
    shared,
  };
}

/** Adds decode, clear and raster of `mesh`: `parameters` [N,stride] vec4 to `geometry`. */
export function recordGeometry(
  builder: PlanBuilder,
  prefix: string,
  mesh: Mesh,
  layout: ParameterLayout,
  args: { readonly parameters: GPUBuffer; readonly geometry: Geometry },
): void {
  const { spec, triangles } = mesh;
  const { vertices, keys } = args.geometry;
  const names = (stage: string) => ({ label: `${prefix}${stage}`, stage });
  recordDecode(builder, names('decode'), { ...spec, layout }, { parameters: args.parameters, model: mesh, vertices });
  recordFill(builder, names('clear'), { buffer: keys, itemBytes: keyBytes(spec) });
  recordRaster(builder, names('raster'), spec, { vertices, triangles, keys });
}
