/** Adds an animation to a GLB file of `writeGlb`: the head's turns and its expression over time. */

export interface Keyframes {
  /** Seconds, rising. */
  readonly times: readonly number[];
  /** Quaternions x, y, z, w, one a time. */
  readonly rotations: readonly (readonly number[])[];
  /** Weights of the morph targets in the file's order, one list a time. */
  readonly weights: readonly (readonly number[])[];
}

/** The parts of a glTF description that are read and added to. */
interface Gltf {
  readonly accessors: object[];
  readonly bufferViews: object[];
  readonly buffers: { byteLength: number }[];
  readonly meshes: readonly { readonly weights?: readonly number[] }[];
  animations?: object[];
}

const float = 5126;
const jsonChunk = 0x4e4f534a;
const binaryChunk = 0x004e4942;

/** @throws Error for a file without the morph targets that are moved, and for keyframes that do not fit each other */
export function animateGlb(file: Uint8Array, { times, rotations, weights }: Keyframes): Uint8Array<ArrayBuffer> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const jsonLength = view.getUint32(12, true);
  const gltf: Gltf = JSON.parse(new TextDecoder().decode(file.subarray(20, 20 + jsonLength)));
  const binary = file.subarray(28 + jsonLength, 28 + jsonLength + view.getUint32(20 + jsonLength, true));
  const targets = gltf.meshes[0]?.weights?.length ?? 0;
  if (times.length === 0 || rotations.length !== times.length || weights.length !== times.length) {
    throw new Error(
      `${times.length} times, ${rotations.length} rotations and ${weights.length} lists of weights; wanted as many of each`,
    );
  }
  const odd = weights.find((list) => list.length !== targets);
  if (odd !== undefined) throw new Error(`a list of ${odd.length} weights; the file has ${targets} morph targets`);
  let at = binary.length;
  const parts: Float32Array[] = [];
  const add = (values: readonly number[], type: 'SCALAR' | 'VEC4', bounds = {}): number => {
    const data = Float32Array.from(values);
    gltf.bufferViews.push({ buffer: 0, byteOffset: at, byteLength: data.byteLength });
    parts.push(data);
    at += data.byteLength;
    const count = type === 'VEC4' ? data.length / 4 : data.length;
    gltf.accessors.push({ bufferView: gltf.bufferViews.length - 1, componentType: float, count, type, ...bounds });
    return gltf.accessors.length - 1;
  };
  const stored = Float32Array.from(times);
  const input = add(times, 'SCALAR', { min: [stored[0]], max: [stored.at(-1)] });
  const outputs = { rotation: add(rotations.flat(), 'VEC4'), weights: add(weights.flat(), 'SCALAR') };
  gltf.animations = [
    {
      name: 'recording',
      samplers: Object.values(outputs).map((output) => ({ input, output, interpolation: 'LINEAR' })),
      channels: Object.keys(outputs).map((path, sampler) => ({ sampler, target: { node: 0, path } })),
    },
  ];
  gltf.buffers[0] = { byteLength: at };
  return pack(gltf, binary, parts);
}

function pack(gltf: Gltf, binary: Uint8Array, parts: readonly Float32Array[]): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(JSON.stringify(gltf));
  const jsonLength = Math.ceil(text.length / 4) * 4;
  const binaryLength = binary.length + parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const result = new Uint8Array(28 + jsonLength + binaryLength);
  const view = new DataView(result.buffer);
  for (const [i, word] of [0x46546c67, 2, result.length, jsonLength, jsonChunk].entries())
    view.setUint32(i * 4, word, true);
  result.fill(0x20, 20, 20 + jsonLength);
  result.set(text, 20);
  view.setUint32(20 + jsonLength, binaryLength, true);
  view.setUint32(24 + jsonLength, binaryChunk, true);
  let at = 28 + jsonLength;
  result.set(binary, at);
  at += binary.length;
  for (const part of parts) {
    result.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), at);
    at += part.byteLength;
  }
  return result;
}
