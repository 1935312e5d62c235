/** Pictures, boxes and options that a caller should not give, given to an aligner on the GPU. */
import fc from 'fast-check';
import { FaceAligner } from '../src/align/aligner.js';
import type { Face } from '../src/align/face.js';
import type { AlignerOptions, AlignOptions } from '../src/align/options.js';
import { OUTPUT_NAMES } from '../src/align/outputs.js';
import type { FaceBox } from '../src/pictures/boxes.js';
import type { PictureSource } from '../src/pictures/frame.js';
import { smallWeightBuffers } from '../tests/cascade/small-weights.js';
import { fuzzDetector, fuzzEncode, fuzzTracker, fuzzUpload } from './companions.js';
import { anyBox, textOf } from './parsers.js';
import { hardFiles, toCanvas, waves } from './pictures.js';
import { Tally } from './tally.js';
import { anyPixels, anything, expectFaces } from './values.js';
import { listenToErrors } from './watch.js';

const box = (x0: number, y0: number, x1: number, y1: number): FaceBox => ({ x0, y0, x1, y1, kind: 'landmarks' });

const goodPixels = waves(80, 64);

const someOutputs: fc.Arbitrary<unknown> = fc.array(
  fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...OUTPUT_NAMES) }, { weight: 1, arbitrary: anything }),
  { maxLength: 5 },
);

const anyCall = fc.record({
  source: fc.oneof(
    { weight: 5, arbitrary: fc.constant<unknown>(goodPixels) },
    { weight: 3, arbitrary: anyPixels },
    { weight: 1, arbitrary: anything },
  ),
  boxes: fc.oneof({ weight: 6, arbitrary: fc.array(anyBox, { maxLength: 3 }) }, { weight: 1, arbitrary: anything }),
  options: fc.oneof(
    { weight: 5, arbitrary: fc.constant<unknown>(undefined) },
    { weight: 2, arbitrary: fc.record({ iterations: anything }) },
    {
      weight: 2,
      arbitrary: fc.record({ outputs: fc.oneof(someOutputs, anything), mirror: fc.oneof(fc.boolean(), anything) }),
    },
    { weight: 1, arbitrary: anything },
  ),
});

/** A face with one part replaced, or no face at all; `good` is one of align's. */
const anyFace = (good: Face): fc.Arbitrary<unknown> =>
  fc.oneof(
    { weight: 2, arbitrary: anything },
    {
      weight: 4,
      arbitrary: fc
        .record({ part: fc.constantFrom('landmarks', 'parameters', 'crop', 'visibility', 'pose'), value: anything })
        .map(({ part, value }) => ({ ...good, [part]: value })),
    },
    {
      weight: 2,
      arbitrary: fc
        .record({
          part: fc.constantFrom('landmarks', 'parameters'),
          value: fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, 0, 1e30, -1e9),
        })
        .map(({ part, value }) => ({ ...good, [part]: new Float32Array(part === 'landmarks' ? 204 : 16).fill(value) })),
    },
    {
      weight: 2,
      arbitrary: fc
        .record({ side: fc.constantFrom('side', 'centreX', 'centreY', 'roll', 'size'), value: anything })
        .map(({ side, value }) => ({ ...good, crop: { ...good.crop, [side]: value } })),
    },
    { weight: 1, arbitrary: fc.constant<unknown>(good) },
  );

/** Tunings as a storage may hold them: of other adapters, of other weights, of other formats, of none. */
const anyTuning = fc.oneof(
  { weight: 1, arbitrary: anything },
  {
    weight: 2,
    arbitrary: fc.record({
      format: fc.constantFrom<unknown>('fullpose-tuning/1', 'fullpose-tuning/9', null),
      adapter: fc.oneof(fc.string(), anything),
      network: fc.oneof(fc.constantFrom('', '00000000'), anything),
      variants: fc.oneof(fc.dictionary(fc.string(), fc.oneof(fc.constant('channels'), anything)), anything),
    }),
  },
);

const anyStorage = fc.oneof(
  { weight: 1, arbitrary: anything },
  {
    weight: 3,
    arbitrary: anyTuning.map((held): unknown => ({ getItem: () => textOf(held), setItem: () => {} })),
  },
  {
    weight: 1,
    arbitrary: fc.constant<unknown>({
      getItem() {
        throw new DOMException('forbidden', 'SecurityError');
      },
      setItem() {
        throw new DOMException('full', 'QuotaExceededError');
      },
    }),
  },
  { weight: 1, arbitrary: anything.map((held): unknown => ({ getItem: () => held, setItem: held })) },
);

/** What `create` takes, one option wrong. */
const anyOptions = fc.oneof(
  fc.record({ option: fc.constant('tuning'), value: anyTuning }),
  fc.record({ option: fc.constant('tuningStorage'), value: anyStorage }),
  fc.record({
    option: fc.constantFrom('maxFaces', 'iterations', 'maxPending', 'signal', 'cache', 'textureSize', 'dtype'),
    value: anything,
  }),
  fc.record({ option: fc.constantFrom('weights', 'onProgress', 'device', 'powerPreference'), value: anything }),
  fc.record({ option: fc.constant('all'), value: anything }),
);

/** Runs about `cases` cases on a device of its own. */
export async function fuzzInputs(cases: number, seed: number, onProgress: (done: number) => void): Promise<Tally> {
  const tally = new Tally();
  const weights = smallWeightBuffers();
  const aligner = await FaceAligner.create({ weights });
  const { errors } = listenToErrors(aligner.device);
  try {
    await alignHardPictures(tally, aligner);
    for (const { source, boxes, options } of fc.sample(anyCall, { numRuns: Math.ceil(cases * 0.6), seed })) {
      const name = `align(${fc.stringify([source, boxes, options]).slice(0, 300)})`;
      const call = () => aligner.align(source as PictureSource, boxes as FaceBox[], options as AlignOptions);
      await tally.run(name, call, (faces) => expectFaces(faces, Array.isArray(boxes) ? boxes.length : 0));
      onProgress(tally.counts.cases);
    }
    const [good] = await aligner.align(goodPixels, [box(20, 15, 60, 50)]);
    if (good === undefined) throw new Error('the good picture has no face');
    for (const [method, count] of [
      ['vertices', 0.1],
      ['render', 0.1],
    ] as const) {
      for (const face of fc.sample(anyFace(good), { numRuns: Math.ceil(cases * count), seed })) {
        const call = async (): Promise<unknown> => aligner[method](face as Face);
        await tally.run(`${method}(${fc.stringify(face).slice(0, 300)})`, call);
      }
    }
    const anyRefinement = fc.record({
      source: fc.oneof({ weight: 4, arbitrary: fc.constant<unknown>(goodPixels) }, { weight: 1, arbitrary: anything }),
      faces: fc.oneof(
        { weight: 5, arbitrary: fc.array(anyFace(good), { maxLength: 3 }) },
        { weight: 1, arbitrary: anything },
      ),
      options: fc.constantFrom<unknown>(undefined, undefined, {}, { iterations: 2 }, { iterations: 9 }, null, 'x'),
    });
    for (const { source, faces, options } of fc.sample(anyRefinement, { numRuns: Math.ceil(cases * 0.2), seed })) {
      const call = () => aligner.refine(source as PictureSource, faces as Face[], options as AlignOptions);
      const check = (refined: readonly (Face | undefined)[]) => {
        const wanted = Array.isArray(faces) ? faces.length : 0;
        if (refined.length !== wanted) throw new Error(`${refined.length} results for ${wanted} faces`);
        const found = refined.filter((face) => face !== undefined);
        expectFaces(found, found.length);
      };
      await tally.run(`refine(${fc.stringify([source, faces, options]).slice(0, 300)})`, call, check);
      onProgress(tally.counts.cases);
    }
    for (const { option, value } of fc.sample(anyOptions, { numRuns: Math.ceil(cases * 0.2), seed })) {
      const right = { weights, device: aligner.device, maxFaces: 1 };
      const options = (option === 'all' ? value : { ...right, [option]: value }) as AlignerOptions;
      const create = () => FaceAligner.create(options).then((made) => made.destroy());
      await tally.run(`create({ ${option}: ${fc.stringify(value).slice(0, 300)} })`, create);
      onProgress(tally.counts.cases);
    }
    await fuzzEncode(tally, aligner, Math.ceil(cases * 0.3), seed);
    await fuzzUpload(tally, aligner, Math.ceil(cases * 0.1), seed);
    await fuzzTracker(tally, aligner, Math.ceil(cases * 0.3), seed);
    await fuzzDetector(tally, aligner.device, Math.ceil(cases * 0.3), seed);
    // The aligner still works.
    await tally.run(
      'a good picture at the end',
      () => aligner.align(goodPixels, [box(20, 15, 60, 50)]),
      (faces) => {
        expectFaces(faces, 1);
      },
    );
  } finally {
    await aligner.device.queue.onSubmittedWorkDone();
    aligner.destroy();
  }
  for (const error of errors) tally.uncaught(error);
  return tally;
}

async function alignHardPictures(tally: Tally, aligner: FaceAligner): Promise<void> {
  const align = (name: string, source: PictureSource, boxes: readonly FaceBox[]) =>
    tally.run(
      name,
      () => aligner.align(source, boxes),
      (faces) => expectFaces(faces, boxes.length),
    );
  for (const [name, file] of await hardFiles()) {
    const image = new Image();
    image.src = URL.createObjectURL(file);
    await image.decode().catch(() => {});
    await align(name, image, [box(0, 0, 12, 12)]);
    URL.revokeObjectURL(image.src);
    const bitmap = await createImageBitmap(file).catch(() => undefined);
    if (bitmap !== undefined) await align(`${name} as a bitmap`, bitmap, [box(0, 0, 12, 12)]);
    bitmap?.close();
    await align(`${name} as a Blob`, file, [box(0, 0, 12, 12)]);
    const named = new File([file], 'picture.jpg', { type: 'image/jpeg' });
    await align(`${name} as a File that says it is a JPEG`, named, [box(0, 0, 12, 12)]);
  }
  await align('one pixel', waves(1, 1), [box(-3, -3, 3, 3)]);
  await align('a column of 10,000 pixels', waves(1, 10_000), [box(-20, 9_950, 20, 9_990)]);
  await align('a row of 16,384 pixels', waves(16_384, 3), [box(16_300, -20, 16_350, 20)]);
  await align('a canvas of 16,384 pixels', toCanvas(waves(16_384, 2)), [box(0, -20, 50, 20)]);
  await align(
    'more faces than places',
    goodPixels,
    Array.from({ length: 23 }, (_, i) => box(i, i, i + 30, i + 28)),
  );
  await align('no face', goodPixels, []);
  await alignTextures(align, aligner.device);
}

async function alignTextures(
  align: (name: string, source: PictureSource, boxes: readonly FaceBox[]) => Promise<void>,
  device: GPUDevice,
): Promise<void> {
  const usage = GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST;
  const destroyed = device.createTexture({ size: [40, 40], format: 'rgba8unorm', usage });
  await align('a texture', destroyed, [box(5, 5, 30, 30)]);
  destroyed.destroy();
  await align('a destroyed texture', destroyed, [box(5, 5, 30, 30)]);
  const other = await (await navigator.gpu.requestAdapter())?.requestDevice();
  const foreign = other?.createTexture({ size: [40, 40], format: 'rgba8unorm', usage });
  if (foreign !== undefined) await align("another device's texture", foreign, [box(5, 5, 30, 30)]);
  other?.destroy();
  const nan = device.createTexture({ size: [4, 4], format: 'rgba16float', usage });
  const layout = { bytesPerRow: 32 };
  device.queue.writeTexture({ texture: nan }, new Uint16Array(64).fill(0x7e00), layout, [4, 4]);
  await align('a texture of NaN', nan, [box(0, 0, 4, 4)]);
  nan.destroy();
}
