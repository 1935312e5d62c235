/**
 * Every function that users can import, called with one argument, or one part of one, that it should not be given.
 * Needs no GPU.
 */
import fc from 'fast-check';
import * as detect from '../src/detect/index.js';
import * as engine from '../src/engine/index.js';
import * as files from '../src/export.js';
import * as main from '../src/index.js';
import * as networks from '../src/networks/index.js';
import * as track from '../src/track.js';
import * as weights from '../src/weights.js';
import {
  SMALL_METADATA,
  SMALL_NETWORK,
  smallIterationTensors,
  smallWeightBuffers,
} from '../tests/cascade/small-weights.js';
import { smallDetectorBuffers } from '../tests/detect/small-detector.js';
import { layoutJson, safetensorsFile, smallModelFile } from '../tests/mmm/files.js';
import type { Tally } from './tally.js';
import { anything } from './values.js';

/** The entries of the package, by name. */
export const ENTRIES = { fullpose: main, engine, export: files, weights, detect, networks, track } as const;

interface Call {
  readonly call: (...args: readonly never[]) => unknown;
  /** Arguments that are right. */
  readonly args: readonly unknown[];
  /** How deep into the arguments damage goes (default 2). Less where a part is what another function made. */
  readonly depth?: number;
  /** Whether it computes with NaN as with any number: tensors, and models that were tampered with. */
  readonly takesNaN?: boolean;
  readonly needsNetwork?: boolean;
}

const POSE = main.poseInPicture([2, 0.1, 0.2, 0.3], [60, 60], 120, { scale: 2, x0: 10, y0: 20 });
const MODEL = main.loadFaceModel(smallModelFile());
const [IDENTITY, EXPRESSION] = [new Float32Array(MODEL.identity.count), new Float32Array(MODEL.expression.count)];
const FACE = { identity: IDENTITY, expression: Object.fromEntries(MODEL.expressionNames.map((name) => [name, 0.1])) };
const LAYOUT = layoutJson(IDENTITY.length, EXPRESSION.length);
const COUNT = Number(LAYOUT.count);
const SIZE = { width: 20, height: 10 };
const CROP = { centreX: 10, centreY: 5, side: 12, roll: 20, size: 120 };
const POINTS = Float32Array.of(1, 2, 3, 4, 5, 6);
const FILE = safetensorsFile(smallIterationTensors(0), SMALL_METADATA);
const PIXELS = { width: 3, height: 2, data: new Uint8ClampedArray(24) };
const MESH = {
  vertices: Float32Array.of(0, 0, 0, 1, 0, 0, 0, 1, 0),
  triangles: Uint32Array.of(0, 1, 2),
  pictureHeight: 9,
};
const BOX = { x0: 2, y0: 2, x1: 9, y1: 9, kind: 'landmarks' };
const SHAPE = { height: 4, width: 6, channels: 3 };
/** Nothing lies beside a data URL. */
const NOWHERE = 'data:application/json,{}';

const ALIGNER = {
  maxFaces: 2,
  iterations: 3,
  model: MODEL,
  layout: LAYOUT,
  align: async () => [],
  refine: async () => [],
};
const TENSORS = engine.parseSafetensors(FILE);
const GRAPH = main.parseWeights(smallWeightBuffers(1)).network.graph;

/** By entry and name. Classes are called by their `create`. */
const CALLS: Readonly<Record<string, Call>> = {
  'fullpose.cropOf': { call: main.cropOf, args: [BOX, SIZE, 120] },
  'fullpose.cropToPicture': { call: main.cropToPicture, args: [CROP] },
  'fullpose.pictureToCrop': { call: main.pictureToCrop, args: [CROP] },
  'fullpose.decodeShape': { call: main.decodeShape, args: [MODEL, IDENTITY, EXPRESSION], takesNaN: true },
  'fullpose.decodeVertices': {
    call: main.decodeVertices,
    args: [MODEL, LAYOUT, new Float32Array(COUNT).fill(1), 120],
    takesNaN: true,
  },
  'fullpose.eulerToMatrix': { call: main.eulerToMatrix, args: [{ yaw: 1, pitch: 2, roll: 3 }] },
  'fullpose.eulerToQuaternion': { call: main.eulerToQuaternion, args: [{ yaw: 1, pitch: 2, roll: 3 }, 2] },
  'fullpose.fetchWeights': { call: main.fetchWeights, args: [NOWHERE, {}], needsNetwork: true },
  'fullpose.loadFaceModel': { call: main.loadFaceModel, args: [smallModelFile()] },
  'fullpose.matrixToEuler': { call: main.matrixToEuler, args: [POSE.rotation] },
  'fullpose.matrixToQuaternion': { call: main.matrixToQuaternion, args: [POSE.rotation] },
  'fullpose.parseWeights': { call: main.parseWeights, args: [smallWeightBuffers(1)] },
  'fullpose.pickVertices': { call: main.pickVertices, args: [POINTS, [1, 0]] },
  'fullpose.pictureCamera': { call: main.pictureCamera, args: [SIZE] },
  'fullpose.poseInPicture': { call: main.poseInPicture, args: [[1, 0, 0, 0], [1, 2], 120, { scale: 1, x0: 0, y0: 0 }] },
  'fullpose.quaternionToMatrix': { call: main.quaternionToMatrix, args: [[1, 0, 0, 0]] },
  'fullpose.toPerspective': { call: main.toPerspective, args: [POSE, SIZE, { verticalFov: 40 }, [0, 0, 1]] },
  'fullpose.vertexNormals': { call: main.vertexNormals, args: [MESH.vertices, MESH.triangles] },
  'fullpose.toPicturePixels': { call: main.toPicturePixels, args: [POINTS, { scale: 1, x0: 0, y0: 0 }] },
  'fullpose.toThreeMatrix': { call: main.toThreeMatrix, args: [POSE] },
  'fullpose.toUnitSquare': { call: main.toUnitSquare, args: [POINTS, SIZE] },
  'engine.packNetworkWeights': { call: engine.packNetworkWeights, args: [GRAPH, TENSORS, 'ohwi'], depth: 0 },
  'engine.packTensor': { call: engine.packTensor, args: [new Float32Array(72), SHAPE], takesNaN: true },
  'engine.parseNetwork': {
    call: engine.parseNetwork,
    args: [SMALL_NETWORK.layers, Object.fromEntries(GRAPH.inputs), ['both']],
  },
  'engine.parseSafetensors': { call: engine.parseSafetensors, args: [FILE] },
  'engine.requireFloats': { call: engine.requireFloats, args: [TENSORS, 'initial_parameters', [COUNT]], depth: 1 },
  'engine.requireTensor': {
    call: engine.requireTensor,
    args: [TENSORS, 'initial_parameters', 'F32', [COUNT]],
    depth: 1,
  },
  'engine.tensorBytes': { call: engine.tensorBytes, args: [SHAPE, 2] },
  'engine.unpackTensor': { call: engine.unpackTensor, args: [new Float32Array(96), 3], takesNaN: true },
  'export.encodePng': { call: files.encodePng, args: [PIXELS, { alpha: true }] },
  'export.writeGlb': { call: files.writeGlb, args: [MODEL, FACE, { morphTargets: false }] },
  'export.writeObj': { call: files.writeObj, args: [MESH] },
  'export.writePly': { call: files.writePly, args: [MESH] },
  'detect.fetchDetectorWeights': { call: detect.fetchDetectorWeights, args: [NOWHERE, {}], needsNetwork: true },
  'detect.parseDetectorWeights': { call: detect.parseDetectorWeights, args: [smallDetectorBuffers()] },
  'networks.parseDescription': {
    call: networks.parseDescription,
    args: [{ inputs: Object.fromEntries(GRAPH.inputs), layers: SMALL_NETWORK.layers, picture: { std: [1, 2, 3] } }],
  },
  'networks.toOhwi': { call: networks.toOhwi, args: [GRAPH, TENSORS, 'ohwi'], depth: 0 },
  'track.FaceTracker': {
    call: track.FaceTracker.create,
    args: [{ aligner: ALIGNER, maxFaces: 1, smoothing: {}, lost: {} }],
  },
};

/**
 * Classes that are tried on a GPU (inputs.ts), and what only takes what others of the engine gave, or numbers of the
 * caller's.
 */
const ELSEWHERE = new Set([
  'fullpose.FaceAligner',
  'fullpose.clearCache',
  'detect.FaceDetector',
  // Its description and its weights are those of the two functions beside it.
  'networks.Network',
  ...Object.keys(engine)
    .map((name) => `engine.${name}`)
    .filter((name) => !(name in CALLS)),
]);

/** Names of the functions of all entries that nothing here knows. */
export function unknownFunctions(): readonly string[] {
  return Object.entries(ENTRIES).flatMap(([entry, exports]) =>
    Object.entries(exports)
      .filter(([, value]) => typeof value === 'function' && !(value.prototype instanceof Error))
      .map(([name]) => `${entry}.${name}`)
      .filter((name) => !(name in CALLS) && !ELSEWHERE.has(name)),
  );
}

/** What is done to the arguments: one is replaced, or a part of it. */
const damage = fc.record({
  name: fc.constantFrom(...Object.keys(CALLS)),
  argument: fc.nat(4),
  depth: fc.nat(2),
  part: fc.nat(40),
  value: anything,
});

/** A copy of `value` in which what `parts` leads to is another value. */
function replaced(value: unknown, parts: readonly number[], by: unknown): unknown {
  const [part, ...rest] = parts;
  if (part === undefined || typeof value !== 'object' || value === null || value instanceof ArrayBuffer) return by;
  if (ArrayBuffer.isView(value)) {
    // Shorter by one, or with a number that is none.
    if (!(value instanceof Float32Array) || part % 2 === 0)
      return Reflect.construct(value.constructor, [Array.from(value as Uint8Array).slice(1)]);
    return value.map((number, i) => (i === part % value.length ? Number.NaN : number));
  }
  if (value instanceof Map) return by;
  const keys = Object.keys(value);
  const key = keys[part % Math.max(1, keys.length)];
  if (key === undefined) return by;
  const copy: object = Array.isArray(value) ? [...value] : { ...value };
  Reflect.set(copy, key, replaced(Reflect.get(value, key), rest, by));
  return copy;
}

/** Whether a result holds NaN: a lie where nothing that was given was one. */
function holdsNaN(result: unknown, depth = 0): boolean {
  if (typeof result === 'number') return Number.isNaN(result);
  if (typeof result !== 'object' || result === null || depth > 3) return false;
  if (result instanceof Float32Array || result instanceof Float64Array) return result.some(Number.isNaN);
  return !ArrayBuffer.isView(result) && Object.values(result).some((value) => holdsNaN(value, depth + 1));
}

/** Runs every function once with what is right, and `cases` calls with what is not. */
export async function fuzzExports(tally: Tally, cases: number, seed: number): Promise<void> {
  const run = (name: string, args: readonly unknown[], isRight: boolean) => {
    const { call, takesNaN = false, needsNetwork = false } = CALLS[name] ?? {};
    const action = async (): Promise<unknown> => {
      try {
        // Some write into the points they are given: every call has its own.
        const own = args.map((value) => (value instanceof Float32Array ? value.slice() : value));
        return await call?.(...(own as never[]));
      } catch (error) {
        if (isRight && !needsNetwork) throw new Error(`refused what is right: ${String(error)}`);
        throw error;
      }
    };
    return tally.run(
      () => `${name}(${fc.stringify(args).slice(0, 300)})`,
      action,
      (result) => {
        if (!takesNaN && holdsNaN(result)) throw new Error('the result holds NaN');
      },
    );
  };
  for (const [name, { args }] of Object.entries(CALLS)) await run(name, args, true);
  for (const { name, argument, depth, part, value } of fc.sample(damage, { numRuns: cases, seed })) {
    const { args: right = [], depth: most = 2 } = CALLS[name] ?? {};
    const at = argument % right.length;
    const parts = Array.from({ length: Math.min(depth, most) }, (_, level) => part + level);
    await run(name, right.with(at, replaced(right[at], parts, value)), false);
  }
}
