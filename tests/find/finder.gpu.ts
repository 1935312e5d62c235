import type { FaceWith } from '../../src/align/outputs.js';
import { parseDetectorWeights } from '../../src/detect/index.js';
import { DeviceLostError, InputError } from '../../src/engine/errors.js';
import { FaceFinder, type FindOptions } from '../../src/find/finder.js';
import { countCalls, uploadCall } from '../align/calls.js';
import { expectEqual, expectError, expectThat } from '../browser/numbers.js';
import { type GpuCaseContext, gpuSuite } from '../browser/suite.js';
import { smallWeightBuffers } from '../cascade/small-weights.js';

/** The package's detector, and an aligner that gives some face or other. */
async function parts({ load }: GpuCaseContext) {
  const network = new TextDecoder().decode(await load('weights/face_detector.json'));
  const weights = parseDetectorWeights({ network, weights: await load('weights/face_detector.safetensors') });
  return { aligner: { weights: smallWeightBuffers() }, detector: { weights } };
}

export const faceFinder = gpuSuite('face finder', (test) => {
  test('finds and aligns on one device by one upload, and leaves out who is in doubt', async (context) => {
    const photo = await createImageBitmap(new Blob([await context.load('assets/astronaut.png')]));
    const { device } = context.gpu;
    const finder = await FaceFinder.create({ device, ...(await parts(context)) });
    expectThat(finder.aligner.device === device && finder.detector.device === device, 'two devices');
    let faces: readonly FaceWith<'vertices'>[] = [];
    const { calls } = await countCalls(async () => {
      faces = await finder.find(photo, { search: 'whole', minConfidence: 0, outputs: ['vertices'] });
    });
    expectEqual(calls.get(uploadCall(context.gpu)), 1, 'uploads');
    expectEqual([faces.length, finder.detector.counters.pictures, finder.aligner.counters.faces], [1, 1, 1], 'faces');
    expectThat(faces[0]?.vertices instanceof Float32Array, 'no vertices');
    expectEqual((await finder.find(photo, { search: 'whole', minConfidence: 1 })).length, 0, 'sure faces');
    await expectError(() => finder.find(photo, { minConfidence: 2 }), InputError, /minConfidence is 2/);
    const strange: object = { maxFaces: 2 };
    await expectError(
      () => finder.find(photo, strange),
      InputError,
      /no option "maxFaces"; wanted search, onProgress, signal, iterations, outputs, mirror, minConfidence\.$/,
    );
    finder.destroy();
    await expectError(() => finder.find(photo), DeviceLostError, /destroy/);
  });

  test('takes what is undefined for its own default, not for that of its parts', async (context) => {
    const finder = await FaceFinder.create({ device: context.gpu.device, ...(await parts(context)) });
    const asked: unknown[] = [];
    const detect = async (_: unknown, { search }: FindOptions) => {
      asked.push(search);
      return [];
    };
    const align = async (_: unknown, __: unknown, { minConfidence }: FindOptions) => {
      asked.push(minConfidence);
      return [];
    };
    Object.assign(finder.detector, { detect });
    Object.assign(finder.aligner, { align });
    // As callers may whose compilers are less strict.
    const options = { search: undefined, minConfidence: undefined } as unknown as FindOptions<never>;
    await finder.find({ width: 1, height: 1, data: new Uint8Array(4) }, options);
    expectEqual(asked, ['everywhere', 0.5], 'search and limit');
    finder.destroy();
  });

  test('comes back after its own device was lost, with both parts', async (context) => {
    const finder = await FaceFinder.create(await parts(context));
    const first = finder.device;
    first.destroy();
    await finder.lost;
    await finder.recover();
    expectThat(finder.device !== first, 'the same device');
    expectThat(finder.aligner.device === finder.device && finder.detector.device === finder.device, 'two devices');
    const grey = { width: 64, height: 64, data: new Uint8Array(64 * 64 * 4).fill(128) };
    expectEqual((await finder.find(grey, { search: 'whole' })).length, 0, 'faces');
    finder.destroy();
  });
});
