import { FaceAligner } from '../../src/align/aligner.js';
import type { EncodeInput, EncodeOutput } from '../../src/align/encode.js';
import { DeviceLostError, InputError } from '../../src/engine/errors.js';
import { readBuffer } from '../../src/engine/readback.js';
import { toPicturePixels } from '../../src/mmm/decode.js';
import { cropToPicture } from '../../src/pictures/crop.js';
import { CROP_RECORD_BYTES, cropRecord, writeCropRecord } from '../../src/pictures/kernels/crop.js';
import { expectClose, expectEqual, expectError, expectThat, POISON, poison } from '../browser/numbers.js';
import { type GpuCaseContext, gpuSuite } from '../browser/suite.js';
import { wavyPicture } from '../cascade/pictures.js';
import { smallWeightBuffers } from '../cascade/small-weights.js';
import { countCalls } from './calls.js';

const BOXES = [
  { x0: 20, y0: 15, x1: 60, y1: 50, kind: 'landmarks' },
  { x0: 10, y0: 20, x1: 48, y1: 55, kind: 'landmarks' },
] as const;
const NAMES = ['faces', 'vertices', 'keys', 'crops'] as const;

/**
 * An aligner, a texture with a picture, and poisoned buffers with room for a face more than there are boxes, from byte
 * 256.
 */
async function setUp({ gpu }: GpuCaseContext) {
  const { device } = gpu;
  const aligner = await FaceAligner.create({ weights: smallWeightBuffers(), device, maxFaces: 2 });
  const source = wavyPicture(80, 64);
  const usage = GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST;
  const texture = device.createTexture({ size: [80, 64], format: 'rgba8unorm', usage });
  device.queue.writeTexture({ texture }, source.data, { bytesPerRow: 320 }, [80, 64]);
  const makeOutput = () => {
    const make = (name: (typeof NAMES)[number]) => {
      const buffer = gpu.createBuffer(
        name,
        256 + 3 * aligner.outputBytes[name],
        GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
      );
      poison(device, buffer);
      return { buffer, offset: 256 };
    };
    return { faces: make('faces'), vertices: make('vertices'), keys: make('keys'), crops: make('crops') };
  };
  return { aligner, device, source, texture, makeOutput };
}

export const encode = gpuSuite('encode', (test) => {
  test("fills the caller's buffers with what align finds, by copies in one pass, and submits nothing", async (context) => {
    const { aligner, device, source, texture, makeOutput } = await setUp(context);
    const expected = await aligner.align(source, BOXES, { outputs: ['vertices'] });
    aligner.encode(device.createCommandEncoder(), { texture, boxes: BOXES }, {});
    const output = makeOutput();
    const before = aligner.counters;
    let commands: GPUCommandBuffer | undefined;
    const { calls } = await countCalls(async () => {
      const encoder = device.createCommandEncoder();
      aligner.encode(encoder, { texture, boxes: BOXES }, output);
      commands = encoder.finish();
    });
    expectEqual(Object.fromEntries([...calls].sort()), {
      'GPUCommandEncoder.beginComputePass': 1,
      'GPUCommandEncoder.copyBufferToBuffer': 5,
      'GPUCommandEncoder.finish': 1,
      'GPUComputePassEncoder.dispatchWorkgroups': 37,
      'GPUComputePassEncoder.end': 1,
      'GPUDevice.createCommandEncoder': 1,
      'GPUQueue.writeBuffer': 1,
    });
    const after = aligner.counters;
    expectEqual(
      [after.frames - before.frames, after.faces - before.faces, after.dispatches - before.dispatches],
      [1, 2, 37],
    );
    expectEqual([after.submits, after.bytesRead], [before.submits, before.bytesRead]);
    expectThat(commands !== undefined, 'no commands');
    device.queue.submit([commands]);

    const read = async (name: (typeof NAMES)[number]) => {
      const words = new Uint32Array(await readBuffer(context.gpu, output[name].buffer));
      const end = 64 + (2 * aligner.outputBytes[name]) / 4;
      expectThat(
        [...words.subarray(0, 64), ...words.subarray(end)].every((word) => word === POISON),
        `${name} is overrun`,
      );
      return words.buffer.slice(256, end * 4);
    };
    const faces = new Float32Array(await read('faces'));
    const vertices = new Float32Array(await read('vertices'));
    const keys = new Uint32Array(await read('keys'));
    const records = new Float32Array(await read('crops'));
    const { count } = aligner.layout;
    expectEqual(aligner.outputBytes.faces, (count + 68 * 4) * 4);
    for (const [i, face] of expected.entries()) {
      const own = faces.subarray((i * faces.length) / 2, ((i + 1) * faces.length) / 2);
      expectEqual(own.slice(0, count), face.parameters, `parameters of face ${i}`);
      const [originX = 0, originY = 0, stepX = 0] = records.subarray(i * 10, i * 10 + 3);
      const points = own.slice(count, count + 68 * 4);
      const landmarks = points.filter((_, at) => at % 4 !== 3);
      // docs/gpu.md: the records take crop pixels to the texture's.
      const toTexture = { scale: stepX, x0: originX, y0: originY };
      expectClose(toPicturePixels(landmarks, toTexture), face.landmarks, {
        atol: 1e-3,
        label: `landmarks of face ${i}`,
      });
      expectEqual([...points.filter((_, at) => at % 4 === 3)], [...face.visibility], `visibility of face ${i}`);
      const half = vertices.slice((i * vertices.length) / 2, ((i + 1) * vertices.length) / 2);
      const dense = half.filter((_, at) => at % 4 !== 3);
      expectClose(toPicturePixels(dense, cropToPicture(face.crop)), face.vertices, { atol: 1e-3 });
      const size = face.crop.size ** 2;
      expectThat(
        keys.subarray(i * size, (i + 1) * size).some((key) => key !== 0),
        `face ${i} was not drawn`,
      );
    }
    // What is the caller's still works, and so does the aligner.
    expectEqual((await aligner.align(texture, BOXES))[1]?.parameters, expected[1]?.parameters);
    texture.destroy();
    aligner.destroy();
    device.queue.writeBuffer(output.faces.buffer, 0, new Uint32Array(4));
  });

  test('takes crop records of a buffer, and several frames in one submit', async (context) => {
    const { aligner, device, source, texture, makeOutput } = await setUp(context);
    const expected = await aligner.align(source, BOXES, { iterations: 2 });
    const picture = { width: 80, height: 64 };
    const records = new DataView(new ArrayBuffer(256 + 2 * CROP_RECORD_BYTES));
    const last = new DataView(records.buffer, 256);
    for (const [i, face] of expected.entries()) writeCropRecord(last, i, cropRecord(face.crop, picture, picture));
    const buffer = context.gpu.uploadBuffer('records', records, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
    const [both, first, second] = [makeOutput(), makeOutput(), makeOutput()];
    const encoder = device.createCommandEncoder();
    aligner.encode(
      encoder,
      { texture, crops: { buffer, offset: 256, count: 2 }, iterations: 2 },
      { faces: both.faces },
    );
    // Two frames with boxes before anything is submitted: each keeps its own.
    aligner.encode(encoder, { texture, boxes: [BOXES[0]], iterations: 2 }, { faces: first.faces });
    aligner.encode(encoder, { texture, boxes: [BOXES[1]], iterations: 2 }, { faces: second.faces });
    device.queue.submit([encoder.finish()]);
    const parametersAt = async (output: ReturnType<typeof makeOutput>, index: number) => {
      const at = 256 + index * aligner.outputBytes.faces;
      return new Float32Array(await readBuffer(context.gpu, output.faces.buffer, at, aligner.layout.count * 4));
    };
    for (const [i, face] of expected.entries()) {
      expectEqual(await parametersAt(both, i), face.parameters, `face ${i} of the records`);
      expectEqual(await parametersAt(i === 0 ? first : second, 0), face.parameters, `face ${i} alone`);
    }
    texture.destroy();
    aligner.destroy();
  });

  test('refuses what it cannot use with an InputError, and anything once destroyed', async (context) => {
    const { aligner, device, texture, makeOutput } = await setUp(context);
    const { gpu } = context;
    const output = makeOutput();
    const small = gpu.createBuffer('small', 64, GPUBufferUsage.COPY_DST);
    const wrong = gpu.createBuffer('wrong', 1 << 20, GPUBufferUsage.STORAGE);
    const binding = GPUTextureUsage.TEXTURE_BINDING;
    const linear = device.createTexture({ size: [4, 4], format: 'rgba8unorm-srgb', usage: binding });
    const boxes = [BOXES[0]];
    const cases: readonly (readonly [unknown, unknown, RegExp])[] = [
      [undefined, {}, /input is undefined; wanted an object/],
      [{ texture, boxes }, null, /output is null; wanted an object/],
      [{ texture: {}, boxes }, {}, /wanted a GPUTexture/],
      [{ texture: linear, boxes }, {}, /format is rgba8unorm-srgb/],
      [{ texture, boxes: 3 }, {}, /boxes are 3; wanted a list/],
      [{ texture, boxes: [] }, {}, /face count is 0; wanted a whole number from 1 to 2/],
      [{ texture, boxes: [...BOXES, BOXES[0]] }, {}, /face count is 3; wanted a whole number from 1 to 2/],
      [{ texture, boxes: [BOXES[0], { ...BOXES[1], x0: 99 }] }, {}, /^Box 1: /],
      [{ texture, boxes, iterations: 4 }, {}, /iterations is 4/],
      [{ texture, boxes, iteration: 1 }, {}, /no option "iteration"; wanted texture, iterations, boxes, crops\.$/],
      [{ texture, boxes }, { face: output.faces }, /no option "face"; wanted faces, vertices, keys, crops\.$/],
      [{ texture, crops: { buffer: wrong, count: 1 } }, {}, /crops has a buffer of usage 128; wanted COPY_SRC/],
      [
        { texture, crops: { buffer: output.faces.buffer, count: 1.5 } },
        {},
        /face count is 1\.5; wanted a whole number/,
      ],
      [{ texture, crops: { buffer: 'b', count: 1 } }, {}, /crops has the buffer "b"; wanted a GPUBuffer/],
      [{ texture, boxes }, { faces: { buffer: small } }, /output\.faces is \d+ bytes from 0 of a buffer of 64/],
      [
        { texture, boxes },
        { vertices: { buffer: wrong } },
        /output\.vertices has a buffer of usage 128; wanted COPY_DST/,
      ],
      [{ texture, boxes }, { crops: { buffer: small, offset: 2 } }, /from 2 of .* multiple of 4/],
    ];
    const encoder = device.createCommandEncoder();
    for (const [input, target, message] of cases) {
      // What untyped code may pass.
      const call = () => aligner.encode(encoder, input as EncodeInput, target as EncodeOutput);
      await expectError(call, InputError, message);
    }
    const noEncoder: unknown = {};
    const call = () => aligner.encode(noEncoder as GPUCommandEncoder, { texture, boxes }, {});
    await expectError(call, InputError, /wanted a GPUCommandEncoder/);
    // Refusals recorded nothing: the encoder can still be used.
    aligner.encode(encoder, { texture, boxes }, { faces: output.faces });
    device.queue.submit([encoder.finish()]);
    aligner.destroy();
    const late = () => aligner.encode(device.createCommandEncoder(), { texture, boxes }, {});
    await expectError(late, DeviceLostError, /destroy/);
    linear.destroy();
    texture.destroy();
  });
});
