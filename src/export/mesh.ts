/**
 * Mesh files. Vertices come in picture pixels (x right, y down, z toward the viewer) and are written with y up, as mesh
 * viewers expect: `y_file = (pictureHeight - 1) - y`. x, z and the unit (picture pixels) stay, so the mesh lies over
 * the picture when that is shown as a plane of its own size. Triangles are counter-clockwise seen from outside.
 */
import { InputError } from '../engine/errors.js';
import { refuse } from '../engine/expect.js';
import { list, show } from '../engine/show.js';

/** One face, ready to be written. */
export interface MeshDescription {
  /** [V,3] in picture pixels. */
  readonly vertices: Float32Array | Float64Array;
  /** [T,3] vertex indices. */
  readonly triangles: Uint32Array;
  /** Height of the picture that the vertices lie in. */
  readonly pictureHeight: number;
  /** [V,2] texture coordinates, v up. */
  readonly uv?: Float32Array;
  /** [V,3] sRGB bytes. */
  readonly colours?: Uint8Array | Uint8ClampedArray;
  /** Written as a comment, one line. */
  readonly comment?: string;
}

/**
 * Wavefront OBJ: `v x y z` (with `r g b` in [0,1] where there are colours), `vt u v`, `f a b c` counted from 1.
 * @throws InputError where array lengths do not fit each other or an index has no vertex.
 */
export function writeObj(mesh: MeshDescription): string {
  check(mesh);
  const { vertices, triangles, pictureHeight, uv, colours, comment } = mesh;
  const lines: string[] = [];
  if (comment !== undefined) lines.push(`# ${oneLine(comment)}`);
  for (let i = 0; i < vertices.length; i += 3) {
    const position = `v ${fixed(vertices[i]!)} ${fixed(pictureHeight - 1 - vertices[i + 1]!)} ${fixed(vertices[i + 2]!)}`;
    lines.push(
      colours === undefined
        ? position
        : `${position} ${[colours[i]!, colours[i + 1]!, colours[i + 2]!].map((byte) => fixed(byte / 255)).join(' ')}`,
    );
  }
  if (uv !== undefined) {
    for (let i = 0; i < uv.length; i += 2) lines.push(`vt ${uv[i]!.toFixed(6)} ${uv[i + 1]!.toFixed(6)}`);
  }
  const corner = uv === undefined ? (v: number) => `${v + 1}` : (v: number) => `${v + 1}/${v + 1}`;
  for (let i = 0; i < triangles.length; i += 3) {
    lines.push(`f ${corner(triangles[i]!)} ${corner(triangles[i + 1]!)} ${corner(triangles[i + 2]!)}`);
  }
  return `${lines.join('\n')}\n`;
}

/**
 * Binary little-endian PLY: float x, y, z; float s, t where there are texture coordinates; uchar red, green, blue where
 * there are colours; faces as `list uchar uint vertex_indices`.
 * @throws InputError where array lengths do not fit each other or an index has no vertex.
 */
export function writePly(mesh: MeshDescription): Uint8Array<ArrayBuffer> {
  check(mesh);
  const { vertices, triangles, pictureHeight, uv, colours, comment } = mesh;
  const vertexCount = vertices.length / 3;
  const faceCount = triangles.length / 3;
  const header = [
    'ply',
    'format binary_little_endian 1.0',
    ...(comment === undefined ? [] : [`comment ${oneLine(comment)}`]),
    `element vertex ${vertexCount}`,
    ...['x', 'y', 'z'].map((name) => `property float ${name}`),
    ...(uv === undefined ? [] : ['property float s', 'property float t']),
    ...(colours === undefined ? [] : ['red', 'green', 'blue'].map((name) => `property uchar ${name}`)),
    `element face ${faceCount}`,
    'property list uchar uint vertex_indices',
    'end_header\n',
  ].join('\n');
  const head = new TextEncoder().encode(header);
  const vertexBytes = 12 + (uv === undefined ? 0 : 8) + (colours === undefined ? 0 : 3);
  const file = new Uint8Array(head.length + vertexCount * vertexBytes + faceCount * 13);
  file.set(head);
  const view = new DataView(file.buffer);
  let at = head.length;
  const float = (value: number) => {
    view.setFloat32(at, value, true);
    at += 4;
  };
  for (let v = 0; v < vertexCount; v++) {
    float(vertices[v * 3]!);
    float(pictureHeight - 1 - vertices[v * 3 + 1]!);
    float(vertices[v * 3 + 2]!);
    if (uv !== undefined) {
      float(uv[v * 2]!);
      float(uv[v * 2 + 1]!);
    }
    if (colours !== undefined) {
      file.set(colours.subarray(v * 3, v * 3 + 3), at);
      at += 3;
    }
  }
  for (let i = 0; i < triangles.length; i += 3) {
    file[at] = 3;
    for (let corner = 0; corner < 3; corner++) view.setUint32(at + 1 + corner * 4, triangles[i + corner]!, true);
    at += 13;
  }
  return file;
}

function check(mesh: MeshDescription): void {
  if (typeof mesh !== 'object' || mesh === null) refuse('The mesh', mesh, 'an object');
  const { vertices, triangles, uv, colours, pictureHeight, comment } = mesh;
  expectArray('vertices', vertices, [Float32Array, Float64Array]);
  expectArray('triangles', triangles, [Uint32Array]);
  const count = vertices.length / 3;
  if (!Number.isInteger(count)) throw new InputError(`Mesh vertices hold ${vertices.length} numbers; wanted [V,3].`);
  if (triangles.length % 3 !== 0)
    throw new InputError(`Mesh triangles hold ${triangles.length} indices; wanted [T,3].`);
  const stray = triangles.find((index) => index >= count);
  if (stray !== undefined) throw new InputError(`A mesh triangle names vertex ${stray}; there are ${count}.`);
  if (uv !== undefined) expectArray('uv', uv, [Float32Array], [count, 2]);
  if (colours !== undefined) expectArray('colours', colours, [Uint8Array, Uint8ClampedArray], [count, 3]);
  if (!Number.isFinite(pictureHeight)) refuse('pictureHeight', pictureHeight, 'a finite number');
  if (comment !== undefined && typeof comment !== 'string') refuse("The mesh's comment", comment, 'text');
}

type ArrayType = new (length: number) => ArrayLike<number>;

function expectArray(
  name: string,
  value: unknown,
  types: readonly ArrayType[],
  shape?: readonly [number, number],
): void {
  const type = types.find((candidate) => value instanceof candidate);
  if (type === undefined) {
    throw new InputError(
      `Mesh ${name} are ${show(value)}; wanted a ${list(
        types.map((wanted) => wanted.name),
        ' or ',
      )}.`,
    );
  }
  const { length } = value as ArrayLike<number>;
  if (shape !== undefined && length !== shape[0] * shape[1])
    throw new InputError(`Mesh ${name} hold ${length} numbers; wanted [${list(shape, ',')}].`);
}

/** Four decimals, a ten-thousandth of a pixel, without trailing zeros. */
function fixed(value: number): string {
  return `${Number(value.toFixed(4))}`;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ');
}
