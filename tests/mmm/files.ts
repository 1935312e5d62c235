/** Builds safetensors files and a small face model in memory. */
import { random } from '../browser/numbers.js';

export type TensorData = Float32Array | Int8Array | Uint8Array | Uint16Array | Uint32Array;

export interface TensorSpec {
  readonly shape: readonly number[];
  readonly data: TensorData;
}

export type TensorSpecs = Readonly<Record<string, TensorSpec>>;

function dtypeOf(data: TensorData): string {
  if (data instanceof Float32Array) return 'F32';
  if (data instanceof Int8Array) return 'I8';
  if (data instanceof Uint8Array) return 'U8';
  return data instanceof Uint16Array ? 'U16' : 'U32';
}

/** A safetensors file; widest element types first, so that every tensor is aligned. */
export function safetensorsFile(tensors: TensorSpecs, metadata: Readonly<Record<string, string>> = {}): ArrayBuffer {
  const entries = Object.entries(tensors).sort(([, a], [, b]) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT);
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const [name, { shape, data }] of entries) {
    header[name] = { dtype: dtypeOf(data), shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  const json = JSON.stringify(header);
  const text = new TextEncoder().encode(json.padEnd(Math.ceil(json.length / 8) * 8));
  const file = new Uint8Array(8 + text.length + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  let at = 8 + text.length;
  for (const [, { data }] of entries) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return file.buffer;
}

export interface SmallModelOptions {
  readonly rows?: number;
  readonly columns?: number;
  readonly identityCount?: number;
  readonly expressionCount?: number;
  readonly wideIndices?: boolean;
  readonly anchorRows?: number;
  readonly anchorColumns?: number;
  /**
   * Of every second row and column of the vertices, for odd numbers of them; without it the file has no coarse mesh.
   */
  readonly coarse?: boolean;
}

export const SMALL_METADATA: Readonly<Record<string, string>> = {
  format: 'fullpose-face-model/1',
  unit: 'dm',
  origin: 'made by a test',
  licence: 'none',
};

/** Tensors of a half cylinder bulging to the front, `rows` x `columns` vertices, about the size of a face. */
export function smallModelTensors(options: SmallModelOptions = {}): {
  readonly tensors: TensorSpecs;
  readonly metadata: Readonly<Record<string, string>>;
} {
  const { rows = 9, columns = 11, identityCount = 5, expressionCount = 3, wideIndices = false } = options;
  const { anchorRows = 4, anchorColumns = 6, coarse = false } = options;
  const next = random(7);
  const count = rows * columns;
  const mean = new Float32Array(count * 3);
  const uv = new Float32Array(count * 2);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const v = row * columns + column;
      const angle = (column / (columns - 1) - 0.5) * Math.PI * 1.1;
      mean.set([Math.sin(angle) * 0.8, 1 - (2 * row) / (rows - 1), Math.cos(angle) * 0.8], v * 3);
      uv.set([column / (columns - 1), 1 - row / (rows - 1)], v * 2);
    }
  }
  const gridTriangles = (step: number) => {
    const triangles: number[] = [];
    for (let row = 0; row + step < rows; row += step) {
      for (let column = 0; column + step < columns; column += step) {
        const a = row * columns + column;
        const [right, below] = [a + step, a + step * columns];
        triangles.push(a, below, right, right, below, below + step);
      }
    }
    return triangles;
  };
  const triangles = gridTriangles(1);
  const coarseTriangles = gridTriangles(2);
  const anchored = coarse ? coarseTriangles : triangles;
  const indices = (values: readonly number[]) => (wideIndices ? Uint32Array.from(values) : Uint16Array.from(values));
  const basis = (n: number) => Int8Array.from({ length: n * count * 3 }, () => Math.round(next() * 254 - 127));
  const scales = (n: number) => Float32Array.from({ length: n }, () => 0.0002 + next() * 0.0008);
  const anchors: number[] = [];
  const weights: number[] = [];
  for (let i = 0; i < anchorRows * anchorColumns; i++) {
    const triangle = Math.floor(next() * (anchored.length / 3));
    anchors.push(...anchored.slice(triangle * 3, triangle * 3 + 3));
    const [a, b] = [next(), next()];
    weights.push(...(a + b < 1 ? [a, b, 1 - a - b] : [1 - a, 1 - b, a + b - 1]));
  }
  return {
    tensors: {
      mean: { shape: [count, 3], data: mean },
      identity: { shape: [identityCount, count, 3], data: basis(identityCount) },
      identity_scale: { shape: [identityCount], data: scales(identityCount) },
      expression: { shape: [expressionCount, count, 3], data: basis(expressionCount) },
      expression_scale: { shape: [expressionCount], data: scales(expressionCount) },
      triangles: { shape: [triangles.length / 3, 3], data: indices(triangles) },
      ...(coarse && {
        coarse_triangles: { shape: [coarseTriangles.length / 3, 3], data: indices(coarseTriangles) },
      }),
      uv: { shape: [count, 2], data: uv },
      landmarks68: { shape: [68], data: indices(Array.from({ length: 68 }, (_, i) => (i * 7) % count)) },
      anchor_vertices: { shape: [anchorRows, anchorColumns, 3], data: indices(anchors) },
      anchor_weights: { shape: [anchorRows, anchorColumns, 3], data: Float32Array.from(weights) },
    },
    metadata: {
      ...SMALL_METADATA,
      expression_names: JSON.stringify(Array.from({ length: expressionCount }, (_, i) => `shape${i}`)),
    },
  };
}

/** Bytes of the small model's file. */
export function smallModelFile(options: SmallModelOptions = {}): ArrayBuffer {
  const { tensors, metadata } = smallModelTensors(options);
  return safetensorsFile(tensors, metadata);
}

/** A parameter layout with room for `identity` and `expression` coefficients, like the shipped one. */
export function layoutJson(identity: number, expression: number): Record<string, unknown> {
  return {
    count: Math.ceil((8 + identity + expression) / 4) * 4,
    quaternion: [0, 4],
    translation: [4, 2],
    identity: [8, identity],
    expression: [8 + identity, expression],
  };
}
