/** Damaged files and impossible values for everything that reads without a GPU. Runs in Node and on the page. */
import fc from 'fast-check';
import { fetchWeights } from '../src/cascade/manifest.js';
import { parseNetworkDescription, parseWeights } from '../src/cascade/weights.js';
import { fetchDetectorWeights } from '../src/detect/manifest.js';
import { parseDetectorWeights } from '../src/detect/weights.js';
import { packNetworkWeights } from '../src/engine/network.js';
import { parseSafetensors } from '../src/engine/safetensors.js';
import { type MeshDescription, writeObj, writePly } from '../src/export/mesh.js';
import { loadFaceModel } from '../src/mmm/model.js';
import { parseParameterLayout } from '../src/mmm/parameters.js';
import { cropOf, type FaceBox } from '../src/pictures/boxes.js';
import {
  SMALL_METADATA,
  SMALL_NETWORK,
  smallIterationTensors,
  smallWeightBuffers,
} from '../tests/cascade/small-weights.js';
import { SMALL_DETECTOR, smallDetectorBuffers } from '../tests/detect/small-detector.js';
import { layoutJson, safetensorsFile, smallModelTensors, type TensorSpecs } from '../tests/mmm/files.js';
import { fuzzExports } from './exports.js';
import { Tally } from './tally.js';

const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  '',
  'x',
  '__proto__',
  [],
  {},
  -1,
  -0,
  1,
  1.5,
  1e9,
  2 ** 53,
  1e308,
  [1e9, 1e9],
];

/** The good files. Only copies of them are damaged. */
const GOOD = smallWeightBuffers(1);
const GOOD_MODEL = smallModelTensors({ anchorRows: 4, anchorColumns: 6 });
const GOOD_MESH: MeshDescription = {
  vertices: Float32Array.of(0, 0, 0, 1, 0, 0, 0, 1, 0),
  triangles: Uint32Array.of(0, 1, 2),
  pictureHeight: 10,
};
const GOOD_DETECTOR = smallDetectorBuffers();
const GOOD_ITERATION = smallIterationTensors(0);

/** Values that JSON can hold and a field should not. */
export const oddJson: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom(...ODD_VALUES) },
  { weight: 10, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
  { weight: 1, arbitrary: fc.constant(nested(20_000)) },
);

/** Lists in lists, deeper than a stack of calls. */
function nested(depth: number): unknown {
  let value: unknown = [];
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}

/** The text of a JSON value of any depth. */
export function textOf(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    return `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
  }
}

/** `json` with one part, found by the numbers of `path`, replaced, removed or doubled. */
function damageJson(json: unknown, path: readonly number[], value: unknown): string {
  const copy: unknown = JSON.parse(JSON.stringify(json));
  let at = copy;
  for (const [step, number] of path.entries()) {
    if (typeof at !== 'object' || at === null) break;
    const keys = Object.keys(at);
    const key = keys[number % Math.max(1, keys.length)];
    if (key === undefined) break;
    const child: unknown = Reflect.get(at, key);
    if (step === path.length - 1 || typeof child !== 'object' || child === null) {
      if (value === undefined) Reflect.deleteProperty(at, key);
      else Reflect.set(at, key, value);
      break;
    }
    at = child;
  }
  // A part that nests too deep is put in as text.
  try {
    return JSON.stringify(copy);
  } catch {
    return JSON.stringify(json).replace(/:\s*("[^"]*"|\d+)/, `:${textOf(value)}`);
  }
}

const path = fc.array(fc.nat(40), { minLength: 1, maxLength: 4 });
const damage = fc.record({ path, value: fc.option(oddJson, { nil: undefined }) });

interface ByteDamage {
  readonly edits: readonly { readonly at: number; readonly value: number }[];
  readonly length: number;
}

const byteDamage: fc.Arbitrary<ByteDamage> = fc.record({
  edits: fc.array(fc.record({ at: fc.nat(), value: fc.nat(255) }), { maxLength: 6 }),
  length: fc.double({ min: 0, max: 1.2, noNaN: true }),
});

/** Mostly in the header, where a byte means most. */
function damageBytes(file: ArrayBuffer, { edits, length }: ByteDamage): ArrayBuffer {
  const size = length > 0.5 ? file.byteLength : Math.round(2 * length * file.byteLength);
  const bytes = new Uint8Array(length > 1.1 ? size + 16 : size);
  bytes.set(new Uint8Array(file).subarray(0, size));
  for (const { at, value } of edits) {
    if (bytes.length > 0) bytes[at % Math.min(bytes.length, at % 3 === 0 ? bytes.length : 1200)] = value;
  }
  return bytes.buffer;
}

const tensorDamage = fc.record({
  tensor: fc.nat(20),
  kind: fc.constantFrom('nan', 'infinity', 'largest', 'least', 'shape', 'missing', 'dtype', 'empty', 'none'),
  at: fc.nat(),
});

function damageTensors(
  tensors: TensorSpecs,
  { tensor, kind, at }: { tensor: number; kind: string; at: number },
): TensorSpecs {
  const names = Object.keys(tensors);
  const name = names[tensor % names.length] ?? '';
  const spec = tensors[name];
  if (spec === undefined) return tensors;
  const { [name]: _, ...others } = tensors;
  const data = spec.data.slice();
  const put = (value: number) => {
    data[at % Math.max(1, data.length)] = value;
  };
  if (kind === 'missing') return others;
  if (kind === 'shape') return { ...others, [name]: { data, shape: [...spec.shape, 1] } };
  if (kind === 'dtype') return { ...others, [name]: { shape: spec.shape, data: Uint8Array.from(data) } };
  if (kind === 'empty') return { ...others, [name]: { shape: spec.shape.map(() => 0), data: data.slice(0, 0) } };
  if (kind === 'nan') put(Number.NaN);
  if (kind === 'infinity') put(Number.POSITIVE_INFINITY);
  if (kind === 'largest') put(65_535);
  if (kind === 'least') put(-128);
  return { ...others, [name]: { shape: spec.shape, data } };
}

const oddNumber = fc.oneof(
  fc.double(),
  fc.integer({ min: -300, max: 300 }),
  fc.constantFrom(
    0,
    -0,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    1e308,
    -1e308,
    5e-324,
    2 ** 31,
  ),
);

/** Boxes of every kind of wrong, and right ones among them. */
export const anyBox: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ x0: oddNumber, y0: oddNumber, x1: oddNumber, y1: oddNumber, kind: kinds() }) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.integer({ min: -80, max: 80 }), fc.integer({ min: -80, max: 80 }), fc.nat(120), fc.nat(120), kinds())
      .map(([x0, y0, width, height, kind]) => ({ x0, y0, x1: x0 + width, y1: y0 + height, kind })),
  },
  {
    weight: 1,
    arbitrary: fc.anything({ withBigInt: true, withTypedArray: true, withNullPrototype: true, maxDepth: 2 }),
  },
  { weight: 1, arbitrary: fc.constantFrom(null, undefined, Symbol('box'), () => {}, { x0: 1n, y0: Symbol('y') }) },
);

function kinds(): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom('landmarks', 'detector') },
    { weight: 1, arbitrary: fc.constantFrom(undefined, null, '', 'x', 5n, {}) },
  );
}

type Check = (tally: Tally, cases: number, seed: number) => void | Promise<void>;

/** Every kind of case: its share of them all, and what runs it. */
const CHECKS: Readonly<Record<string, readonly [share: number, check: Check]>> = {
  'bytes as safetensors': [
    2,
    each(fc.uint8Array({ maxLength: 300 }), (bytes) => parseSafetensors(Uint8Array.from(bytes).buffer)),
  ],
  'safetensors headers': [
    3,
    each(
      fc.record({
        header: fc.oneof(
          fc.dictionary(
            fc.string(),
            fc.record({
              dtype: fc.oneof(fc.constantFrom('F32', 'F16', 'I8', 'U16', 'BOOL', 'F64', 'toString'), oddJson),
              shape: fc.oneof(
                fc.array(fc.oneof(fc.nat(5), fc.constantFrom(-1, 1.5, 2 ** 31, 2 ** 53, 1e300))),
                oddJson,
              ),
              data_offsets: fc.oneof(fc.tuple(fc.nat(40), fc.nat(40)), oddJson),
            }),
            { maxKeys: 4 },
          ),
          oddJson,
        ),
        claimed: fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { nil: undefined }),
        data: fc.nat(64),
      }),
      ({ header, claimed, data }) => {
        const text = new TextEncoder().encode(textOf(header));
        const file = new Uint8Array(8 + text.length + data);
        new DataView(file.buffer).setBigUint64(0, claimed ?? BigInt(text.length), true);
        file.set(text, 8);
        parseSafetensors(file.buffer);
      },
    ),
  ],
  'face models, damaged in bytes': [3, damagedFaceModels()],
  'face models, damaged in tensors': [
    3,
    each(tensorDamage, (tensors) => {
      loadFaceModel(safetensorsFile(damageTensors(GOOD_MODEL.tensors, tensors), GOOD_MODEL.metadata));
    }),
  ],
  'iterations, damaged in bytes': [2, damagedIterations()],
  'iterations, damaged in tensors': [
    2,
    each(tensorDamage, (tensors) => {
      const file = safetensorsFile(damageTensors(GOOD_ITERATION, tensors), SMALL_METADATA);
      const { network, iterations } = parseWeights({ ...GOOD, iterations: [file] });
      if (iterations[0] !== undefined) packNetworkWeights(network.graph, iterations[0], 'ohwi');
    }),
  ],
  'network descriptions': [
    5,
    each(fc.array(damage, { minLength: 1, maxLength: 3 }), (edits) => {
      let text = JSON.stringify(SMALL_NETWORK);
      for (const { path: at, value } of edits) {
        if (text.length < 10_000) text = damageJson(JSON.parse(text), at, value);
      }
      parseNetworkDescription(text);
    }),
  ],
  'text as network descriptions': [1, each(fc.string({ maxLength: 200 }), parseNetworkDescription)],
  'parameter layouts': [
    1,
    each(damage, ({ path: at, value }) => parseParameterLayout(JSON.parse(damageJson(layoutJson(5, 3), at, value)))),
  ],
  manifests: [
    1,
    damagedManifests(
      fetchWeights,
      { format: 'fullpose-weights/1', faceModel: 'a', network: 'b', iterations: ['c', 'd'] },
      ['a', 'b', 'c', 'd'],
    ),
  ],
  "the detector's weights, damaged in bytes": [
    1,
    each(byteDamage, (bytes) => {
      const { views, file } = parseDetectorWeights({
        ...GOOD_DETECTOR,
        weights: damageBytes(GOOD_DETECTOR.weights, bytes),
      });
      packNetworkWeights(views[0].graph, file, 'ohwi');
    }),
  ],
  "the detector's network descriptions": [
    2,
    each(fc.array(damage, { minLength: 1, maxLength: 3 }), (edits) => {
      let network = JSON.stringify(SMALL_DETECTOR);
      for (const { path: at, value } of edits) {
        if (network.length < 10_000) network = damageJson(JSON.parse(network), at, value);
      }
      const { views, file } = parseDetectorWeights({ ...GOOD_DETECTOR, network });
      packNetworkWeights(views[0].graph, file, 'ohwi');
    }),
  ],
  "the detector's manifests": [
    1,
    damagedManifests(fetchDetectorWeights, { format: 'fullpose-detector-manifest/1', network: 'a', weights: 'b' }, [
      'a',
      'b',
    ]),
  ],
  'exported functions': [8, fuzzExports],
  'meshes to be written': [
    1,
    each(
      fc.record({
        format: fc.constantFrom('obj', 'ply'),
        part: fc.constantFrom('vertices', 'triangles', 'pictureHeight', 'uv', 'colours', 'comment', 'all'),
        value: fc.oneof(
          oddJson,
          fc.constantFrom<unknown>(undefined, 5n, Symbol('mesh'), new Float32Array(7), new Uint32Array([0, 1, 9])),
          fc.anything({ withTypedArray: true, withNullPrototype: true, maxDepth: 1 }),
        ),
      }),
      ({ format, part, value }) => {
        const mesh = (part === 'all' ? value : { ...GOOD_MESH, [part]: value }) as MeshDescription;
        return format === 'obj' ? writeObj(mesh) : writePly(mesh);
      },
      (file) => {
        if (file.length < 20) throw new Error('an empty file');
      },
    ),
  ],
  boxes: [
    6,
    each(
      fc.tuple(anyBox, fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 1, max: 20_000 })),
      ([box, width, height]) => cropOf(box as FaceBox, { width, height }, 128),
      ({ centreX, centreY, side }) => {
        if (![centreX, centreY, side].every(Number.isFinite) || side <= 0) throw new Error(`a crop of ${side} pixels`);
      },
    ),
  ],
};

/** A check that runs `action` on values of `values`. */
function each<T, R>(values: fc.Arbitrary<T>, action: (value: T) => R, check?: (result: R) => void): Check {
  return (tally, cases, seed) => {
    for (const value of fc.sample(values, { numRuns: cases, seed })) {
      tally.runNow(
        () => `on ${fc.stringify(value).slice(0, 300)}`,
        () => action(value),
        check,
      );
    }
  };
}

function damagedFaceModels(): Check {
  return each(byteDamage, (bytes) => loadFaceModel(damageBytes(GOOD.faceModel, bytes)));
}

function damagedIterations(): Check {
  const [first = new ArrayBuffer(0)] = GOOD.iterations;
  return each(byteDamage, (bytes) => {
    const { network, iterations } = parseWeights({ ...GOOD, iterations: [damageBytes(first, bytes)] });
    if (iterations[0] !== undefined) packNetworkWeights(network.graph, iterations[0], 'ohwi');
  });
}

function damagedManifests(fetch: (from: string) => Promise<unknown>, fields: object, names: readonly string[]): Check {
  const files = Object.fromEntries(names.map((name) => [name, { bytes: 9, sha256: '0'.repeat(64) }]));
  const manifest = { ...fields, files };
  return async (tally, cases, seed) => {
    for (const { path: at, value } of fc.sample(damage, { numRuns: cases, seed })) {
      const text = damageJson(manifest, at, value);
      // The files themselves cannot be had: nothing lies beside a data URL. So no manifest may pass.
      await tally.run(text.slice(0, 300), () =>
        fetch(`data:application/json,${encodeURIComponent(text)}`).then(() => {
          throw new Error('a damaged manifest loaded');
        }),
      );
    }
  };
}

/** Cases that are sampled at a time, to hold few in memory. */
const CHUNK = 500;

/** Runs about `cases` cases, at least one of each kind. */
export async function fuzzParsers(
  cases: number,
  seed: number,
  onProgress: (done: number) => void = () => {},
): Promise<Tally> {
  const tally = new Tally();
  const shares = Object.values(CHECKS).reduce((sum, [share]) => sum + share, 0);
  for (const [share, check] of Object.values(CHECKS)) {
    const wanted = Math.ceil((cases * share) / shares);
    for (let done = 0; done < wanted; done += CHUNK) {
      await check(tally, Math.min(CHUNK, wanted - done), seed + done);
      onProgress(tally.counts.cases);
      // Lets uncaught rejections and timers through.
      await new Promise((resolve) => setTimeout(resolve));
    }
  }
  return tally;
}
