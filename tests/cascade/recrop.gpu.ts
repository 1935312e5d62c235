/**
 * The crop that follows the face: the kernel against float64, and whole cascades of small networks against loops that
 * do everything anew.
 */
import { uploadShape } from '../../src/cascade/kernels/decode.js';
import { recordTurn } from '../../src/cascade/kernels/recrop.js';
import { applyTurn, recrop } from '../../src/cascade/recrop.js';
import type { Gpu } from '../../src/engine/device.js';
import { readBuffer } from '../../src/engine/readback.js';
import { tensorBytes } from '../../src/engine/tensor.js';
import { decodeShape } from '../../src/mmm/decode.js';
import { type FaceModel, loadFaceModel, selectVertices } from '../../src/mmm/model.js';
import { type ParameterLayout, parseParameterLayout } from '../../src/mmm/parameters.js';
import { wrapDegrees } from '../../src/pictures/crop.js';
import { CROP_RECORD_BYTES, cropOfRecord, cropRecord, writeCropRecord } from '../../src/pictures/kernels/crop.js';
import { expectClose, expectEqual, expectThat, POISON } from '../browser/numbers.js';
import { gpuSuite } from '../browser/suite.js';
import { poisonedTensor, runSteps, uploadTensor } from '../engine/tensors.js';
import { layoutJson, smallModelFile } from '../mmm/files.js';
import { batchOf } from '../reference/layers.js';
import { recropReference, turnReference } from '../reference/recrop.js';
import { type RecropCase, recropCases } from './recrop-cases.js';

const names = { label: 'step', stage: 'stage' } as const;
const PICTURE = { width: 640, height: 480 };
/** A picture that was shrunk, not by quite the same in both directions. */
const TEXELS = { width: 531, height: 399 };
const MARGIN = 1.2;

/** Ends an iteration on the GPU, with `before` and `update` that add up to the parameters. */
async function run(
  gpu: Gpu,
  model: FaceModel,
  layout: ParameterLayout,
  cases: readonly RecropCase[],
  size: number,
  isFollowed: boolean,
) {
  const faces = cases.length;
  const shape = { height: 1, width: 1, channels: layout.count };
  const sums = cases.flatMap(({ parameters }) => [...parameters]);
  // Powers of two that do not round, but for what is not finite.
  const update = sums.map((value) => (Number.isFinite(value) && Math.abs(value) < 1e6 ? value / 2 : value));
  const before = sums.map((value, i) => (value === update[i] ? 0 : value - update[i]!));
  const tensors = [before, update].map((values, i) =>
    uploadTensor(gpu, `input ${i}`, batchOf(faces, shape, Float32Array.from(values))),
  );
  const after = poisonedTensor(gpu, 'after', shape, faces + 1);
  const [left, right] = tensors;
  expectThat(left !== undefined && right !== undefined, 'no tensors');
  const slots = 3;
  const records = new DataView(new ArrayBuffer(slots * (faces + 1) * CROP_RECORD_BYTES));
  new Uint32Array(records.buffer).fill(POISON);
  for (const [i, { crop }] of cases.entries()) {
    writeCropRecord(records, i, { ...cropRecord(crop, PICTURE, TEXELS), tag: i });
  }
  const crops = gpu.uploadBuffer('crops', records, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
  const shapeOf = selectVertices(model, model.landmarks);
  const points = { count: model.landmarks.length, ...uploadShape(gpu, 'points', shapeOf, layout) };
  const next = { crops, faces: faces + 1, slot: 2, points, size, margin: MARGIN };
  await runSteps(
    gpu,
    (builder) => recordTurn(builder, names, { before: left, update: right, after }, isFollowed ? next : undefined),
    faces,
  );
  const words = new Uint32Array(await readBuffer(gpu, after.buffer));
  const [first, end] = [after.offset / 4, (after.offset + tensorBytes(shape, faces)) / 4];
  expectThat(
    words.every((word, i) => word === POISON || (i >= first && i < end)),
    'what lies round the parameters of the batch was overwritten',
  );
  return {
    parameters: new Float32Array(words.buffer, 4 * first, end - first),
    records: await readBuffer(gpu, crops),
  };
}

/** The same up to the sign of the quaternion, where nothing says which. */
function expectPose(actual: Float32Array, expected: ArrayLike<number>, atol: number, label: string): void {
  const flip = [0, 1, 2, 3].reduce((sum, i) => sum + actual[i]! * expected[i]!, 0) < 0 ? -1 : 1;
  expectClose(
    actual.map((value, i) => (i < 4 ? flip * value : value)),
    expected,
    { atol, rtol: 1e-5, label },
  );
}

export const recropKernel = gpuSuite('recrop', (test) => {
  const models: readonly (readonly [string, number, number, number])[] = [
    ['5 + 2 coefficients, crops of 32 px', 5, 2, 32],
    ['13 + 6 coefficients, crops of 128 px', 13, 6, 128],
  ];
  for (const [name, identityCount, expressionCount, size] of models) {
    test(`${name}: agrees with float64 and with the processor's`, async ({ gpu }) => {
      const model = loadFaceModel(smallModelFile({ identityCount, expressionCount }));
      await compare(gpu, model, parseParameterLayout(layoutJson(identityCount, expressionCount)), size);
    });
  }

  test("the shipped model: agrees with float64 and with the processor's", async ({ gpu, load }) => {
    const model = loadFaceModel(await load('weights/face_model.safetensors'));
    const { parameters } = JSON.parse(new TextDecoder().decode(await load('weights/network.json')));
    await compare(gpu, model, parseParameterLayout(parameters), 128);
  });

  test('after the last iteration: turns, and leaves the crop alone', async ({ gpu }) => {
    const model = loadFaceModel(smallModelFile({ identityCount: 5, expressionCount: 2 }));
    const layout = parseParameterLayout(layoutJson(5, 2));
    const cases = recropCases(layout, 128);
    const { parameters } = await run(gpu, model, layout, cases, 128, false);
    for (const [i, one] of cases.entries()) {
      if (!one.parameters.every(Number.isFinite)) continue;
      const own = parameters.subarray(i * layout.count, (i + 1) * layout.count);
      expectPose(own, turnReference(one.parameters), 1e-5, one.name);
    }
  });

  async function compare(gpu: Gpu, model: FaceModel, layout: ParameterLayout, size: number): Promise<void> {
    const cases = recropCases(layout, size);
    const points = selectVertices(model, model.landmarks);
    const { parameters, records } = await run(gpu, model, layout, cases, size, true);
    const stride = cases.length + 1;
    const slot = (k: number, words: Uint32Array | Float32Array, i: number) =>
      words.subarray((k * stride + i) * 10, (k * stride + i + 1) * 10);
    const [floats, words] = [new Float32Array(records), new Uint32Array(records)];
    const start = new DataView(new ArrayBuffer(CROP_RECORD_BYTES));
    for (const [i, { name, parameters: p, crop, stays }] of cases.entries()) {
      const own = parameters.subarray(i * layout.count, (i + 1) * layout.count);
      // In place, and kept in slot 2; nothing in slot 1.
      expectEqual(slot(0, words, i), slot(2, words, i), `${name}: what was kept of the record`);
      expectThat(
        slot(1, words, i).every((word) => word === POISON),
        `${name}: another slot was overwritten`,
      );
      const turned = applyTurn(p);
      if (stays) {
        writeCropRecord(start, 0, { ...cropRecord(crop, PICTURE, TEXELS), tag: i });
        expectEqual(slot(0, words, i), new Uint32Array(start.buffer), `${name}: record`);
        if (turned.every(Number.isFinite)) expectPose(own, turned, 1e-5, name);
        continue;
      }
      const [first, count] = layout.identity;
      const [second, countOfExpression] = layout.expression;
      const shape = decodeShape(
        points,
        turned.subarray(first, first + count),
        turned.subarray(second, second + countOfExpression),
      );
      const reference = recropReference(shape, turned, crop, size, MARGIN);
      const twin = recrop(points, layout, turned, crop, MARGIN);
      expectPose(own, reference.parameters, 2e-6 * size, `${name}: parameters`);
      expectPose(own, twin.parameters, 2e-6 * size, `${name}: parameters of the twin`);
      const found = cropOfRecord(slot(0, floats, i) as Float32Array, PICTURE, TEXELS, size);
      for (const expected of [reference.crop, twin.crop]) {
        const off = [found.centreX - expected.centreX, found.centreY - expected.centreY, found.side - expected.side];
        expectClose(off, [0, 0, 0], { atol: 2e-5 * Math.max(expected.side, 100), label: `${name}: crop` });
        expectClose([wrapDegrees(found.roll - expected.roll)], [0], { atol: 1e-3, label: `${name}: roll` });
      }
      const { taps, tag, width, height } = { ...cropRecord(found, PICTURE, TEXELS), tag: i };
      expectEqual([...slot(0, words, i).subarray(6)], [width, height, taps, tag], `${name}: rest of the record`);
    }
  }
});
