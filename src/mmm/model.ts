/**
 * The 3D morphable model as loaded from weights/face_model.safetensors (docs/formats.md): mean, 8-bit identity and
 * expression bases, triangles, texture coordinates, the 68 landmark vertices and the PAF anchors. Any model in this
 * format loads, whatever its counts.
 */
import { WeightsError } from '../engine/errors.js';
import { expectFinite, parseSafetensors, requireTensor, type SafeTensors } from '../engine/safetensors.js';
import { show } from '../engine/show.js';

export const FACE_MODEL_FORMAT = 'fullpose-face-model/1';

/** Offsets for coefficient 1 are `values * scale[column]`, decimetres. */
export interface QuantisedBasis {
  /** Columns. */
  readonly count: number;
  /** [count,V,3], -127..127. */
  readonly values: Int8Array;
  /** [count]. */
  readonly scale: Float32Array;
}

/** Points of the pose adaptive feature on the mesh: each is three vertices of one triangle and barycentric weights. */
export interface AnchorGrid {
  /** Heights, top first. */
  readonly rows: number;
  /** Azimuths, image left first. */
  readonly columns: number;
  /** [rows,columns,3], counter-clockwise seen from outside. */
  readonly vertices: Uint32Array;
  /** [rows,columns,3]; each sums to 1. */
  readonly weights: Float32Array;
}

/** What decoding needs of a face model. */
export interface ShapeModel {
  /** [V,3] mean face: decimetres, x to the subject's left, y up, z to the front. */
  readonly mean: Float32Array;
  /** What a coefficient of identity moves. */
  readonly identity: QuantisedBasis;
  /** What a weight of expression moves. */
  readonly expression: QuantisedBasis;
}

/** A morphable model of faces with V vertices and T triangles. */
export interface FaceModel extends ShapeModel {
  /** V. */
  readonly vertexCount: number;
  /** T. */
  readonly triangleCount: number;
  /** Name of each expression column; ARKit's names with _L and _R for the shipped model. */
  readonly expressionNames: readonly string[];
  /** [T,3], counter-clockwise seen from outside in the model frame. */
  readonly triangles: Uint32Array;
  /** [V,2], v up. */
  readonly uv: Float32Array;
  /** Vertex of each of the 68 iBUG points, 3D jaw line. */
  readonly landmarks: Uint32Array;
  /**
   * [C,3], a coarser mesh of some of the vertices, which is all that the cascade's iterations see; `triangles` where
   * the file has no other.
   */
  readonly coarseTriangles: Uint32Array;
  /** Points of the pose adaptive feature, on the coarse mesh. */
  readonly anchors: AnchorGrid;
  /** Where the model comes from and its licence, as the file states them. */
  readonly origin: string;
  /** Its licence, as the file states it. */
  readonly licence: string;
}

/** A mesh that can be drawn. */
export interface MeshModel {
  readonly shape: ShapeModel;
  /** [T,3] numbers of the shape's vertices. */
  readonly triangles: Uint32Array;
  /** [V,3], `normalisedCoordinateCode`. */
  readonly codes: Uint16Array;
}

const LANDMARK_COUNT = 68;

/** Barycentric weights are stored as f32; a row sums to 1 to well within this. */
const WEIGHT_SUM_TOLERANCE = 1e-3;

/**
 * Loads a face model from the bytes of its file. The bases stay views of `file`; do not change it afterwards.
 * @throws WeightsError for anything but a complete, consistent model.
 */
export function loadFaceModel(file: ArrayBuffer): FaceModel {
  return readFaceModel(parseSafetensors(file));
}

/**
 * Reads a face model from a parsed file.
 * @throws WeightsError for a wrong format, a missing or misshapen tensor, an index without a vertex, or a value that is
 * not finite.
 */
export function readFaceModel(file: SafeTensors): FaceModel {
  expectMetadata(file, 'format', FACE_MODEL_FORMAT);
  expectMetadata(file, 'unit', 'dm');
  const { data: mean, shape: meanShape } = requireTensor(file, 'mean', 'F32', [undefined, 3]);
  const vertexCount = meanShape[0] ?? 0;
  if (vertexCount < 3) throw new WeightsError(`The face model has ${vertexCount} vertices; wanted at least 3.`);
  expectFinite('mean', mean);

  const expression = readBasis(file, 'expression', vertexCount);
  const expressionNames = readNames(file);
  if (expressionNames.length !== expression.count) {
    throw new WeightsError(
      `The face model names ${expressionNames.length} expressions; its basis has ${expression.count}.`,
    );
  }
  const triangles = readIndices(file, 'triangles', [undefined, 3], vertexCount);
  const coarse = file.tensors.has('coarse_triangles')
    ? readIndices(file, 'coarse_triangles', [undefined, 3], vertexCount)
    : triangles;
  const uv = requireTensor(file, 'uv', 'F32', [vertexCount, 2]).data;
  expectFinite('uv', uv);
  return {
    vertexCount,
    triangleCount: triangles.data.length / 3,
    mean,
    identity: readBasis(file, 'identity', vertexCount),
    expression,
    expressionNames,
    triangles: triangles.data,
    uv,
    landmarks: readIndices(file, 'landmarks68', [LANDMARK_COUNT], vertexCount).data,
    coarseTriangles: coarse.data,
    anchors: readAnchors(file, vertexCount, coarse.data),
    origin: file.metadata.get('origin') ?? '',
    licence: file.metadata.get('licence') ?? '',
  };
}

/**
 * Normalised coordinate code of the mean face (CVPR eq. 4) as unorm16: `round((mean - min) / (max - min) * 65535)` per
 * axis, in f32 with ties to even, exactly as training computes it.
 * @returns [V,3]
 */
export function normalisedCoordinateCode(model: FaceModel): Uint16Array<ArrayBuffer> {
  const { mean } = model;
  const low = [Infinity, Infinity, Infinity];
  const high = [-Infinity, -Infinity, -Infinity];
  for (let i = 0; i < mean.length; i++) {
    low[i % 3] = Math.min(low[i % 3]!, mean[i]!);
    high[i % 3] = Math.max(high[i % 3]!, mean[i]!);
  }
  return Uint16Array.from(mean, (value, i) => {
    const [from, to] = [low[i % 3]!, high[i % 3]!];
    if (to === from) return 0;
    const code = Math.fround(Math.fround(Math.fround(value - from) / Math.fround(to - from)) * 65535);
    const floor = Math.floor(code);
    const fraction = code - floor;
    return fraction > 0.5 || (fraction === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
  });
}

/** All of the model. */
export function wholeMesh(model: FaceModel): MeshModel {
  return { shape: model, triangles: model.triangles, codes: normalisedCoordinateCode(model) };
}

/**
 * The coarse mesh by itself, and the anchors on it: its vertices, in rising order, are counted anew, their codes are
 * those of the `wholeMesh`.
 */
export function coarseMesh(model: FaceModel, { codes }: MeshModel): MeshModel & { readonly anchors: AnchorGrid } {
  const vertices = [...new Set(model.coarseTriangles)].sort((a, b) => a - b);
  const numbers = new Uint32Array(model.vertexCount);
  vertices.forEach((vertex, number) => {
    numbers[vertex] = number;
  });
  const renumber = (indices: Uint32Array) => indices.map((vertex) => numbers[vertex]!);
  return {
    shape: selectVertices(model, vertices),
    triangles: renumber(model.coarseTriangles),
    codes: Uint16Array.from(vertices.flatMap((vertex) => [...codes.subarray(vertex * 3, vertex * 3 + 3)])),
    anchors: { ...model.anchors, vertices: renumber(model.anchors.vertices) },
  };
}

/**
 * Triangles round each of the given vertices, in rising order: the area they cover in a projection tells whether the
 * surface there faces the viewer.
 */
export function trianglesAround(model: FaceModel, vertices: ArrayLike<number>): readonly (readonly number[])[] {
  const rings = new Map<number, number[]>();
  for (let i = 0; i < vertices.length; i++) rings.set(vertices[i] ?? 0, []);
  for (let corner = 0; corner < model.triangles.length; corner++) {
    const ring = rings.get(model.triangles[corner]!);
    const triangle = Math.floor(corner / 3);
    if (ring !== undefined && ring.at(-1) !== triangle) ring.push(triangle);
  }
  return Array.from({ length: vertices.length }, (_, i) => rings.get(vertices[i] ?? 0) ?? []);
}

/** The model of the chosen vertices alone, in their order: decoding a few points costs little. */
export function selectVertices(model: ShapeModel, vertices: ArrayLike<number>): ShapeModel {
  const count = vertices.length;
  const select = (from: ArrayLike<number>, columns: number, to: { [index: number]: number }) => {
    for (let i = 0; i < columns * count * 3; i++) {
      const column = Math.floor(i / (count * 3));
      const vertex = vertices[Math.floor(i / 3) % count] ?? 0;
      to[i] = from[column * model.mean.length + vertex * 3 + (i % 3)]!;
    }
  };
  const mean = new Float32Array(count * 3);
  select(model.mean, 1, mean);
  const basis = ({ count: columns, values, scale }: QuantisedBasis): QuantisedBasis => {
    const chosen = new Int8Array(columns * count * 3);
    select(values, columns, chosen);
    return { count: columns, values: chosen, scale };
  };
  return { mean, identity: basis(model.identity), expression: basis(model.expression) };
}

function readBasis(file: SafeTensors, name: 'identity' | 'expression', vertexCount: number): QuantisedBasis {
  const { data: values, shape } = requireTensor(file, name, 'I8', [undefined, vertexCount, 3]);
  const count = shape[0] ?? 0;
  const scale = requireTensor(file, `${name}_scale`, 'F32', [count]).data;
  expectFinite(`${name}_scale`, scale);
  // Quantisation is symmetric: a file with -128 was not written by it.
  if (values.includes(-128)) throw new WeightsError(`Tensor '${name}' holds -128; wanted values from -127 to 127.`);
  return { count, values, scale };
}

function readAnchors(file: SafeTensors, vertexCount: number, triangles: Uint32Array): AnchorGrid {
  const vertices = readIndices(file, 'anchor_vertices', [undefined, undefined, 3], vertexCount);
  const drawn = new Set(triangles);
  const stray = vertices.data.find((vertex) => !drawn.has(vertex));
  if (stray !== undefined)
    throw new WeightsError(`An anchor lies on vertex ${stray}, which no triangle of the coarse mesh has.`);
  const [rows = 0, columns = 0] = vertices.shape;
  const weights = requireTensor(file, 'anchor_weights', 'F32', [rows, columns, 3]).data;
  for (let i = 0; i < weights.length; i += 3) {
    const sum = weights[i]! + weights[i + 1]! + weights[i + 2]!;
    if (!(Math.abs(sum - 1) <= WEIGHT_SUM_TOLERANCE)) {
      throw new WeightsError(`The weights of anchor ${i / 3} sum to ${sum}; wanted 1.`);
    }
  }
  return { rows, columns, vertices: vertices.data, weights };
}

/** U16 or U32 indices, each with a vertex. */
function readIndices(
  file: SafeTensors,
  name: string,
  shape: readonly (number | undefined)[],
  vertexCount: number,
): { readonly data: Uint32Array<ArrayBuffer>; readonly shape: readonly number[] } {
  const wide = file.tensors.get(name)?.dtype === 'U32';
  const tensor = requireTensor(file, name, wide ? 'U32' : 'U16', shape);
  const stray = tensor.data.find((index) => index >= vertexCount);
  if (stray !== undefined) throw new WeightsError(`Tensor '${name}' names vertex ${stray}; there are ${vertexCount}.`);
  return { data: Uint32Array.from(tensor.data), shape: tensor.shape };
}

function readNames(file: SafeTensors): readonly string[] {
  const text = file.metadata.get('expression_names') ?? 'nothing';
  let names: unknown;
  try {
    names = JSON.parse(text);
  } catch (cause) {
    throw new WeightsError(`Metadata 'expression_names' is ${show(text)}; wanted a JSON list of strings.`, { cause });
  }
  if (!Array.isArray(names) || !names.every((name): name is string => typeof name === 'string')) {
    throw new WeightsError(`Metadata 'expression_names' is ${show(text)}; wanted a JSON list of strings.`);
  }
  if (new Set(names).size !== names.length)
    throw new WeightsError(`Metadata 'expression_names' repeats a name: ${show(text)}.`);
  return names;
}

function expectMetadata(file: SafeTensors, key: string, wanted: string): void {
  const found = file.metadata.get(key);
  if (found !== wanted) {
    throw new WeightsError(`Metadata '${key}' of the face model is ${show(found)}; wanted '${wanted}'.`);
  }
}
