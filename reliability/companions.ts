/** What goes with `align`, given what it should not be: the caller's encoder, the tracker, the detector. On the GPU. */
import fc from 'fast-check';
import { FaceAligner } from '../src/align/aligner.js';
import type { EncodeInput, EncodeOutput } from '../src/align/encode.js';
import { type DetectOptions, FaceDetector, type FaceDetectorOptions } from '../src/detect/detector.js';
import type { FaceBox } from '../src/pictures/boxes.js';
import type { PictureSource, UploadedPicture } from '../src/pictures/frame.js';
import type { TrackerOptions } from '../src/track/options.js';
import { FaceTracker } from '../src/track/tracker.js';
import { smallWeightBuffers } from '../tests/cascade/small-weights.js';
import { smallDetectorBuffers } from '../tests/detect/small-detector.js';
import { anyBox } from './parsers.js';
import { waves } from './pictures.js';
import type { Tally } from './tally.js';
import { anyPixels, anything, expectFaces } from './values.js';

const PICTURE = waves(80, 64);
const BOX: FaceBox = { x0: 20, y0: 15, x1: 60, y1: 50, kind: 'landmarks' };

const wrong = <T>(right: fc.Arbitrary<T>, weight = 4): fc.Arbitrary<unknown> =>
  fc.oneof({ weight, arbitrary: right }, { weight: 1, arbitrary: anything });

const anySource = fc.oneof(
  { weight: 5, arbitrary: fc.constant<unknown>(PICTURE) },
  { weight: 2, arbitrary: anyPixels },
  { weight: 1, arbitrary: anything },
);

/**
 * Frames in the caller's encoder. What the library lets pass and the GPU refuses, as a destroyed buffer, is the error
 * of the caller's encoder, which is watched here as the caller would.
 */
export async function fuzzEncode(tally: Tally, aligner: FaceAligner, cases: number, seed: number): Promise<void> {
  const { device } = aligner;
  const other = await (await navigator.gpu.requestAdapter())?.requestDevice();
  if (other === undefined) throw new Error('no GPU device');
  const { TEXTURE_BINDING } = GPUTextureUsage;
  const texture = (on: GPUDevice, descriptor: Partial<GPUTextureDescriptor> = {}) =>
    on.createTexture({ size: [80, 64], format: 'rgba8unorm', usage: TEXTURE_BINDING, ...descriptor });
  const buffer = (on: GPUDevice, size: number, usage: GPUBufferUsageFlags) => on.createBuffer({ size, usage });
  const { COPY_SRC, COPY_DST, STORAGE } = GPUBufferUsage;
  const good = texture(device);
  const destroyed = texture(device);
  destroyed.destroy();
  const gone = buffer(device, 2 ** 20, COPY_SRC | COPY_DST);
  gone.destroy();
  const textures: readonly unknown[] = [
    good,
    destroyed,
    texture(other),
    texture(device, { format: 'r32float' }),
    texture(device, { size: [4, 4, 2] }),
    texture(device, { usage: GPUTextureUsage.COPY_DST }),
  ];
  const large = buffer(device, 2 ** 20, COPY_SRC | COPY_DST | STORAGE);
  const buffers: readonly unknown[] = [
    large,
    buffer(device, 64, COPY_SRC | COPY_DST),
    buffer(device, 2 ** 20, STORAGE),
    buffer(other, 2 ** 20, COPY_SRC | COPY_DST),
    gone,
  ];
  const offset = wrong(fc.constantFrom(0, 4, 256, 2, 2 ** 20, -4));
  const range = fc.record(
    { buffer: wrong(fc.oneof(fc.constant(large), fc.constantFrom(...buffers)), 8), offset },
    { requiredKeys: ['buffer'] },
  );
  const call = fc.record({
    encoder: fc.constantFrom('new', 'new', 'new', 'new', 'finished', 'none'),
    input: wrong(
      fc.record(
        {
          texture: wrong(fc.oneof(fc.constant<unknown>(good), fc.constantFrom(...textures)), 8),
          iterations: wrong(fc.constantFrom(1, 2, 3)),
          boxes: wrong(fc.oneof(fc.constant<unknown>([BOX]), fc.array(anyBox, { maxLength: 6 }))),
          crops: wrong(
            fc.record({ buffer: wrong(fc.constantFrom(...buffers)), offset, count: wrong(fc.constantFrom(1, 2, 99)) }),
          ),
        },
        { requiredKeys: ['texture'] },
      ),
      9,
    ),
    output: wrong(
      fc.record(
        { faces: wrong(range), vertices: wrong(range), visibility: wrong(range), crops: wrong(range) },
        { requiredKeys: [] },
      ),
      9,
    ),
  });
  for (const { encoder: kind, input, output } of fc.sample(call, { numRuns: cases, seed })) {
    device.pushErrorScope('validation');
    const encoder: unknown = kind === 'none' ? {} : device.createCommandEncoder();
    if (kind === 'finished') (encoder as GPUCommandEncoder).finish();
    await tally.run(
      () => `encode(${kind}, ${fc.stringify([input, output]).slice(0, 300)})`,
      () => {
        aligner.encode(encoder as GPUCommandEncoder, input as EncodeInput, output as EncodeOutput);
        device.queue.submit([(encoder as GPUCommandEncoder).finish()]);
      },
    );
    await device.popErrorScope();
  }
  for (const one of [...textures, ...buffers]) (one as GPUBuffer | GPUTexture).destroy();
  other.destroy();
  await tally.run(
    'align after all that was encoded',
    () => aligner.align(PICTURE, [BOX]),
    (faces) => expectFaces(faces, 1),
  );
}

/** Pictures put on the GPU that are none, are gone, or lie on another device. */
export async function fuzzUpload(tally: Tally, aligner: FaceAligner, cases: number, seed: number): Promise<void> {
  for (const [source, into] of fc.sample(fc.tuple(anySource, wrong(fc.constant(undefined))), {
    numRuns: cases,
    seed,
  })) {
    await tally.run(
      () => `upload(${fc.stringify([source, into]).slice(0, 300)})`,
      async () => {
        const picture = await aligner.upload(source as PictureSource, into as UploadedPicture | undefined);
        const aligned = aligner.align(picture, [BOX]);
        picture.destroy();
        await aligned;
      },
    );
  }
  const other = await FaceAligner.create({ weights: smallWeightBuffers(1) });
  const there = await other.upload(PICTURE);
  const gone = await aligner.upload(PICTURE);
  gone.destroy();
  for (const picture of [there, gone]) {
    await tally.run('a picture uploaded elsewhere, or gone', async () => {
      await aligner.align(picture, [BOX]);
      throw new Error('it was aligned');
    });
  }
  other.destroy();
}

/** Trackers with options that are wrong, and one tracker given frames, times and boxes that are. */
export async function fuzzTracker(tally: Tally, aligner: FaceAligner, cases: number, seed: number): Promise<void> {
  const number = wrong(fc.constantFrom<unknown>(0, 1, 2, 3, 0.5, 500));
  const smoothing = wrong(
    fc.dictionary(
      fc.constantFrom('rotation', 'scale', 'toString'),
      wrong(fc.record({ minCutoff: number, beta: number })),
    ),
  );
  const options = fc.record(
    {
      aligner: wrong(fc.constant(aligner), 9),
      detector: anything,
      maxFaces: number,
      iterations: number,
      detectEvery: number,
      smoothing,
      lost: wrong(fc.record({ confidence: number, frames: number })),
    },
    { requiredKeys: ['aligner'] },
  );
  for (const value of fc.sample(wrong(options, 9), { numRuns: Math.ceil(cases / 3), seed })) {
    await tally.run(
      () => `FaceTracker.create(${fc.stringify(value).slice(0, 300)})`,
      async () => (await FaceTracker.create(value as TrackerOptions)).destroy(),
    );
  }
  // Boxes, errors and nonsense from a detector of the caller's; the small weights find no face beyond doubt.
  const answers = fc.sample(wrong(fc.array(anyBox, { maxLength: 2 })), { numRuns: cases, seed: seed + 1 });
  const detector = { detect: async (): Promise<readonly FaceBox[]> => (answers.pop() ?? []) as FaceBox[] };
  const tracker = await FaceTracker.create({
    aligner,
    detector,
    maxFaces: 2,
    lost: { confidence: 0 },
    detectEvery: 0,
    smoothing: true,
  });
  const call = fc.record({
    source: anySource,
    time: wrong(fc.integer({ min: -50, max: 200 }), 9),
    options: wrong(fc.constantFrom<unknown>(undefined, undefined, { boxes: [BOX] }, { boxes: [null] }, { boxes: 'x' })),
    together: fc.boolean(),
  });
  let now = 0;
  for (const { source, time, options: given, together } of fc.sample(call, {
    numRuns: Math.ceil((cases * 2) / 3),
    seed,
  })) {
    const at = typeof time === 'number' ? now + time : time;
    const track = () => tracker.track(source as PictureSource, at as number, given as object);
    const name = () => `track(${fc.stringify([source, at, given]).slice(0, 300)})`;
    const check = (faces: readonly (typeof BOX | object)[]) => expectFaces(faces as never, faces.length);
    await Promise.all([tally.run(name, track, check), together ? tally.run(name, track, check) : undefined]);
    if (typeof at === 'number' && at > now) now = at;
  }
  const last = tracker.track(PICTURE, now + 1e6, { boxes: [BOX] });
  tracker.destroy();
  await tally.run('track, destroyed meanwhile', () => last);
  await tally.run('track after destroy', () =>
    tracker.track(PICTURE, now + 2e6).then(() => Promise.reject(new Error('it tracks'))),
  );
}

/** Detectors with options that are wrong, and one given pictures that are. */
export async function fuzzDetector(tally: Tally, device: GPUDevice, cases: number, seed: number): Promise<void> {
  const weights = smallDetectorBuffers();
  const anyOption = fc.record({
    option: fc.constantFrom(
      'weights',
      'device',
      'minConfidence',
      'search',
      'maxPending',
      'onProgress',
      'signal',
      'cache',
      'all',
    ),
    value: fc.oneof(
      anything,
      fc.constantFrom<unknown>({ network: '{}', weights: null }, { graph: 1 }, { manifest: {} }, { href: 1 }),
    ),
  });
  for (const { option, value } of fc.sample(anyOption, { numRuns: Math.ceil(cases / 2), seed })) {
    const options = option === 'all' ? value : { weights, device, [option]: value };
    await tally.run(
      () => `FaceDetector.create({ ${option}: ${fc.stringify(value).slice(0, 300)} })`,
      () => FaceDetector.create(options as FaceDetectorOptions).then((made) => made.destroy()),
    );
  }
  const detector = await FaceDetector.create({ weights, device });
  const call = fc.record({
    source: anySource,
    options: wrong(
      fc.constantFrom<unknown>(undefined, {}, { search: 'whole' }, { search: 'everywhere' }, { search: 'x' }),
    ),
  });
  for (const { source, options } of fc.sample(call, { numRuns: Math.ceil(cases / 2), seed })) {
    await tally.run(
      () => `detect(${fc.stringify([source, options]).slice(0, 300)})`,
      () => detector.detect(source as PictureSource, options as DetectOptions),
      (faces) => {
        const numbers = faces.flatMap(({ x0, y0, x1, y1, score }) => [x0, y0, x1, y1, score]);
        if (!numbers.every(Number.isFinite)) throw new Error('a box is not finite');
      },
    );
  }
  const last = detector.detect(PICTURE);
  detector.destroy();
  await tally.run('detect, destroyed meanwhile', () => last);
  await tally.run('detect after destroy', () =>
    detector.detect(PICTURE).then(() => Promise.reject(new Error('it detects'))),
  );
}
