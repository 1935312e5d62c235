/**
 * Binary glTF 2.0 of a face: the neutral shape in metres, upright, looking along +z as glTF's viewers expect, with the
 * model's expressions as morph targets by name and the face's own expression as their weights. One file, no extensions.
 */
import { InputError } from '../engine/errors.js';
import { expectNumbers, expectObject, expectOptions, refuse } from '../engine/expect.js';
import { show } from '../engine/show.js';
import { checkModel, decodeShape, refuseModel } from '../mmm/decode.js';
import type { FaceModel } from '../mmm/model.js';

/** A face as `align` gives it, as far as its shape goes. */
export interface FaceShape {
  /** Identity coefficients in training standard deviations, as many as the model has. */
  readonly identity: ArrayLike<number>;
  /** Expression weights by the model's names; those left out are 0. */
  readonly expression: Readonly<Record<string, number>>;
}

/** What is written beside the mesh. */
export interface GlbOptions {
  /** An encoded PNG or JPEG over the model's texture coordinates: `encodePng(texture, { alpha: false })`. */
  readonly texture?: Uint8Array;
  /** Whether expressions are morph targets (default true). Without them the shape is fixed in its expression. */
  readonly morphTargets?: boolean;
}

/** Metres in a model decimetre. */
const METRES = 0.1;

const FLOAT = 5126;
const UNSIGNED_SHORT = 5123;
const UNSIGNED_INT = 5125;
const ARRAY_BUFFER = 34962;
const ELEMENT_ARRAY_BUFFER = 34963;

/** The binary part, and the JSON that describes it. */
class GlbBuffer {
  readonly views: object[] = [];
  readonly accessors: object[] = [];
  readonly #parts: Uint8Array[] = [];
  #bytes = 0;

  get byteLength(): number {
    return this.#bytes;
  }

  /** @returns the index of the new buffer view, which starts at a multiple of 4. */
  view(data: ArrayBufferView, target?: number): number {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.views.push({
      buffer: 0,
      byteOffset: this.#bytes,
      byteLength: bytes.length,
      ...(target !== undefined && { target }),
    });
    const padding = new Uint8Array(-bytes.length & 3);
    this.#parts.push(bytes, padding);
    this.#bytes += bytes.length + padding.length;
    return this.views.length - 1;
  }

  /** @returns the index of the new accessor. */
  accessor(description: object): number {
    this.accessors.push(description);
    return this.accessors.length - 1;
  }

  writeTo(file: Uint8Array, at: number): void {
    let to = at;
    for (const part of this.#parts) {
      file.set(part, to);
      to += part.length;
    }
  }
}

/**
 * Writes a GLB file.
 * @throws InputError for a texture that is neither PNG nor JPEG, or a model or face that is none, or the face of
 * another model.
 */
export function writeGlb(model: FaceModel, face: FaceShape, options: GlbOptions = {}): Uint8Array<ArrayBuffer> {
  checkModel(model);
  const { vertexCount, triangles, uv, expressionNames: names } = model;
  if (
    model.mean.length / 3 !== vertexCount ||
    !(triangles instanceof Uint32Array && uv instanceof Float32Array && Array.isArray(names)) ||
    !names.every((name) => typeof name === 'string') ||
    uv.length / 2 !== vertexCount ||
    names.length !== model.expression.count
  ) {
    refuseModel(model);
  }
  expectObject(face, 'The face');
  expectObject(face.expression, "The face's expression");
  expectNumbers("The face's identity", face.identity);
  expectOptions(options, { texture: 1, morphTargets: 1 });
  const { texture, morphTargets = true } = options;
  if (typeof morphTargets !== 'boolean') refuse('morphTargets', morphTargets, 'true or false');
  if (face.identity.length !== model.identity.count) {
    throw new InputError(
      `The face has ${face.identity.length} identity numbers; the model has ${model.identity.count}.`,
    );
  }
  const weights = names.map((name) => face.expression[name] ?? 0);
  expectNumbers("The face's expression", weights);
  const shape = decodeShape(model, face.identity, morphTargets ? [] : weights);
  const positions = Float32Array.from(shape, (value) => value * METRES);
  const buffer = new GlbBuffer();
  const vec3 = { componentType: FLOAT, count: model.vertexCount, type: 'VEC3' } as const;
  const attributes = {
    POSITION: buffer.accessor({ ...vec3, bufferView: buffer.view(positions, ARRAY_BUFFER), ...bounds(positions) }),
    NORMAL: buffer.accessor({ ...vec3, bufferView: buffer.view(normals(positions, model.triangles), ARRAY_BUFFER) }),
    ...(texture !== undefined && { TEXCOORD_0: textureCoordinates(buffer, model) }),
  };
  // The last value of a type restarts a strip.
  const wide = model.vertexCount > 65535;
  const indices = buffer.accessor({
    componentType: wide ? UNSIGNED_INT : UNSIGNED_SHORT,
    count: model.triangles.length,
    type: 'SCALAR',
    bufferView: buffer.view(wide ? model.triangles : Uint16Array.from(model.triangles), ELEMENT_ARRAY_BUFFER),
  });
  const targets = morphTargets ? names.map((_, column) => ({ POSITION: morphTarget(buffer, model, column) })) : [];
  const primitive = { attributes, indices, material: 0, ...(targets.length > 0 && { targets }) };
  const mesh = {
    name: 'face',
    primitives: [primitive],
    ...(targets.length > 0 && { weights, extras: { targetNames: names } }),
  };
  const material = {
    name: 'skin',
    doubleSided: true,
    pbrMetallicRoughness: {
      metallicFactor: 0,
      roughnessFactor: 0.8,
      ...(texture === undefined ? { baseColorFactor: [0.8, 0.65, 0.55, 1] } : { baseColorTexture: { index: 0 } }),
    },
  };
  const image = texture !== undefined && { bufferView: buffer.view(texture), mimeType: mimeTypeOf(texture) };
  return pack(buffer, {
    asset: { version: '2.0', generator: 'fullpose' },
    scene: 0,
    scenes: [{ nodes: [0] }],
    nodes: [{ name: 'head', mesh: 0 }],
    meshes: [mesh],
    materials: [material],
    ...(image && {
      textures: [{ source: 0, sampler: 0 }],
      images: [image],
      samplers: [{ magFilter: 9729, minFilter: 9987, wrapS: 33071, wrapT: 33071 }],
    }),
  });
}

function textureCoordinates(buffer: GlbBuffer, { uv, vertexCount: count }: FaceModel): number {
  // glTF counts v from the top.
  const flipped = Float32Array.from(uv, (value, i) => (i % 2 === 1 ? 1 - value : value));
  return buffer.accessor({ componentType: FLOAT, count, type: 'VEC2', bufferView: buffer.view(flipped, ARRAY_BUFFER) });
}

/** Offsets of one expression at weight 1, as a sparse accessor where most vertices rest. */
function morphTarget(buffer: GlbBuffer, { expression, vertexCount }: FaceModel, column: number): number {
  const scale = expression.scale[column]! * METRES;
  const values = expression.values.subarray(column * vertexCount * 3, (column + 1) * vertexCount * 3);
  const offsets = Float32Array.from(values, (value) => value * scale);
  const moved: number[] = [];
  for (let v = 0; v < vertexCount; v++) if (values[v * 3] || values[v * 3 + 1] || values[v * 3 + 2]) moved.push(v);
  const accessor = { componentType: FLOAT, count: vertexCount, type: 'VEC3', ...bounds(offsets) };
  const wide = vertexCount > 65535;
  // Each listed vertex costs its index as well.
  if (moved.length * (12 + (wide ? 4 : 2)) >= vertexCount * 12) {
    return buffer.accessor({ ...accessor, bufferView: buffer.view(offsets, ARRAY_BUFFER) });
  }
  // An accessor without data is all zeros; a list must not be empty.
  const listed = moved.length > 0 ? moved : [0];
  const shifts = Float32Array.from(listed.flatMap((v) => [...offsets.subarray(v * 3, v * 3 + 3)]));
  const sparse = {
    count: listed.length,
    indices: {
      componentType: wide ? UNSIGNED_INT : UNSIGNED_SHORT,
      bufferView: buffer.view(wide ? Uint32Array.from(listed) : Uint16Array.from(listed)),
    },
    values: { bufferView: buffer.view(shifts) },
  };
  return buffer.accessor({ ...accessor, sparse });
}

function bounds(points: Float32Array): { readonly min: number[]; readonly max: number[] } {
  const min = [Infinity, Infinity, Infinity];
  const max = [-Infinity, -Infinity, -Infinity];
  for (let i = 0; i < points.length; i++) {
    min[i % 3] = Math.min(min[i % 3]!, points[i]!);
    max[i % 3] = Math.max(max[i % 3]!, points[i]!);
  }
  return { min, max };
}

/** Unit normals [V,3], each the mean of those of the triangles round the vertex, weighted by area. */
function normals(positions: Float32Array, triangles: Uint32Array): Float32Array<ArrayBuffer> {
  const sums = new Float64Array(positions.length);
  for (let t = 0; t < triangles.length; t += 3) {
    const [a, b, c] = [triangles[t]! * 3, triangles[t + 1]! * 3, triangles[t + 2]! * 3];
    const edge = (to: number, axis: number): number => positions[to + axis]! - positions[a + axis]!;
    for (let axis = 0; axis < 3; axis++) {
      const [j, k] = [(axis + 1) % 3, (axis + 2) % 3];
      const component = edge(b, j) * edge(c, k) - edge(b, k) * edge(c, j);
      for (const corner of [a, b, c]) sums[corner + axis]! += component;
    }
  }
  const unit = new Float32Array(positions.length);
  for (let v = 0; v < positions.length; v += 3) {
    const length = Math.hypot(sums[v]!, sums[v + 1]!, sums[v + 2]!);
    // A vertex of no triangle looks to the front.
    unit.set(length > 0 ? [sums[v]! / length, sums[v + 1]! / length, sums[v + 2]! / length] : [0, 0, 1], v);
  }
  return unit;
}

function mimeTypeOf(bytes: Uint8Array): string {
  if (!(bytes instanceof Uint8Array)) refuse('The texture', bytes, 'the bytes of a PNG or JPEG file');
  if (bytes[0] === 0x89 && bytes[1] === 0x50) return 'image/png';
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return 'image/jpeg';
  throw new InputError(`The texture starts with bytes ${show([...bytes.subarray(0, 4)])}; wanted a PNG or JPEG file.`);
}

function pack(buffer: GlbBuffer, description: object): Uint8Array<ArrayBuffer> {
  const { views: bufferViews, accessors, byteLength } = buffer;
  const text = JSON.stringify({ ...description, accessors, bufferViews, buffers: [{ byteLength }] });
  const json = new TextEncoder().encode(text);
  const jsonBytes = Math.ceil(json.length / 4) * 4;
  const file = new Uint8Array(12 + 8 + jsonBytes + 8 + byteLength);
  const view = new DataView(file.buffer);
  const header = [0x46546c67, 2, file.length, jsonBytes, 0x4e4f534a] as const;
  for (const [i, word] of header.entries()) view.setUint32(i * 4, word, true);
  file.fill(0x20, 20, 20 + jsonBytes);
  file.set(json, 20);
  view.setUint32(20 + jsonBytes, byteLength, true);
  view.setUint32(24 + jsonBytes, 0x004e4942, true);
  buffer.writeTo(file, 28 + jsonBytes);
  return file;
}
