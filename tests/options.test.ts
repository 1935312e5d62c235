import { describe, expect, it } from 'vitest';
import { FaceDetector, fetchDetectorWeights } from '../src/detect/index.js';
import { Gpu } from '../src/engine/index.js';
import { encodePng, writeGlb } from '../src/export.js';
import { FaceFinder } from '../src/find.js';
import { FaceAligner, fetchWeights, loadFaceModel } from '../src/index.js';
import { Network, type NetworkDescription } from '../src/networks/index.js';
import { FaceTracker } from '../src/track.js';
import { smallModelFile } from './mmm/files.js';

type Call = (options: object) => unknown;

const description: NetworkDescription = { inputs: {}, layers: [] };
const model = loadFaceModel(smallModelFile());
const face = { identity: new Float32Array(model.identity.count), expression: {} };
const dot = { width: 1, height: 1, data: new Uint8Array(4) };
const manifest = 'data:,{}';

const downloads = ['onProgress', 'signal', 'cache'];
const gpu = ['device', 'powerPreference'];

/** Functions that take options, all names that they know, and some that they do not. */
const calls: readonly (readonly [string, Call, readonly string[], readonly string[]])[] = [
  [
    'FaceAligner.create',
    (options) => FaceAligner.create(options),
    [
      ...downloads,
      ...gpu,
      ...['weights', 'iterations', 'dtype', 'maxFaces', 'textureSize', 'maxPending', 'tuning', 'tuningStorage'],
    ],
    ['maxFace', 'minConfidence'],
  ],
  [
    'FaceDetector.create',
    (options) => FaceDetector.create(options),
    [...downloads, ...gpu, 'weights', 'minConfidence', 'search', 'maxPending'],
    ['minScore', 'maxFaces'],
  ],
  [
    'FaceFinder.create',
    (options) => FaceFinder.create(options),
    [...downloads, ...gpu, 'aligner', 'detector'],
    ['weights', 'maxFaces'],
  ],
  [
    'FaceTracker.create',
    (options) => FaceTracker.create(options),
    ['aligner', 'detector', 'finder', 'maxFaces', 'iterations', 'smoothing', 'detectEvery', 'lost'],
    ['smothing', 'device', 'onProgress'],
  ],
  [
    "FaceTracker.create's finder",
    (finder) => FaceTracker.create({ finder }),
    [...downloads, ...gpu, 'aligner', 'detector'],
    ['maxFaces'],
  ],
  ['Gpu.create', (options) => Gpu.create(options), [...gpu, 'label'], ['name']],
  ['fetchWeights', (options) => fetchWeights(manifest, options), [...downloads, 'iterations'], ['weights', 'device']],
  ['fetchDetectorWeights', (options) => fetchDetectorWeights(manifest, options), downloads, ['iterations']],
  [
    'Network.load',
    (options) => Network.load(manifest, options),
    [...downloads, ...gpu, 'layout', 'dtype'],
    ['weights', 'type'],
  ],
  [
    'Network.create',
    (options) => Network.create(description, new ArrayBuffer(0), options),
    [...gpu, 'layout', 'dtype'],
    ['cache'],
  ],
  ['writeGlb', (options) => writeGlb(model, face, options), ['texture', 'morphTargets'], ['morphTarget', 'uv']],
  ['encodePng', (options) => encodePng(dot, options), ['alpha'], ['width']],
];

/** What a call throws or rejects with. */
const failure = async (call: Call, options: object): Promise<unknown> => {
  try {
    await call(options);
  } catch (error) {
    return error;
  }
  return undefined;
};

describe.each(calls)('the options of %s', (_, call, known, unknown) => {
  it.each([...unknown, 'toString', 'constructor'])('have no %s, and say which there are', async (name) => {
    for (const value of [1, undefined]) {
      const error = await failure(call, { [name]: value });
      expect(error).toMatchObject({ code: 'bad-input' });
      const [found, wanted = ''] = String(error).split('; wanted ');
      expect(found).toBe(`InputError: There is no option "${name}"`);
      expect(wanted.replace(/\.$/, '').split(', ').sort()).toEqual([...known].sort());
    }
  });

  it('may be undefined, all of them', async () => {
    const error = await failure(call, Object.fromEntries(known.map((name) => [name, undefined])));
    expect(error).not.toMatchObject({ code: 'bad-input' });
  });
});
