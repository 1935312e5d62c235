import { FaceAligner } from '../../src/align/aligner.js';
import { type Face, startOf } from '../../src/align/face.js';
import { Cascade, type CascadePlan } from '../../src/cascade/cascade.js';
import { parseWeights } from '../../src/cascade/weights.js';
import { InputError } from '../../src/engine/errors.js';
import { readBuffer } from '../../src/engine/readback.js';
import { decodeVertices, pickVertices, toPicturePixels } from '../../src/mmm/decode.js';
import { cropOf, type FaceBox, landmarksBox } from '../../src/pictures/boxes.js';
import { cropToPicture } from '../../src/pictures/crop.js';
import { expectClose, expectEqual, expectError, expectThat, poison, randomFloats } from '../browser/numbers.js';
import { type GpuCaseContext, gpuSuite } from '../browser/suite.js';
import { writeCrops } from '../cascade/crops.js';
import { wavyPicture } from '../cascade/pictures.js';
import { smallWeightBuffers } from '../cascade/small-weights.js';
import { cropReference } from '../reference/crop.js';
import { countCalls } from './calls.js';

const BOXES: readonly FaceBox[] = [
  { x0: 20, y0: 15, x1: 60, y1: 50, kind: 'landmarks' },
  { x0: 40, y0: 30, x1: 78, y1: 66, kind: 'landmarks' },
];

async function withAligner(
  { gpu }: GpuCaseContext,
  maxFaces: number,
  action: (aligner: FaceAligner) => Promise<void>,
): Promise<void> {
  const aligner = await FaceAligner.create({ weights: smallWeightBuffers(), device: gpu.device, maxFaces });
  try {
    await action(aligner);
  } finally {
    aligner.destroy();
  }
}

/** Crops are written already. */
function runPlan({ gpu }: GpuCaseContext, { parts }: CascadePlan, batch: number): void {
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (const part of parts) part.encode(pass, batch);
  pass.end();
  gpu.device.queue.submit([encoder.finish()]);
}

function present(faces: readonly (Face | undefined)[]): Face[] {
  return faces.map((face, i) => {
    expectThat(face !== undefined, `face ${i} was not found again`);
    return face;
  });
}

export const refine = gpuSuite('a frame that starts from known faces', (test) => {
  test('goes on where the whole cascade was, bit for bit', async (context) => {
    const { gpu } = context;
    const faces = 2;
    const weights = parseWeights(smallWeightBuffers());
    const { cropSize, parameters } = weights.network;
    const cascade = await Cascade.create(gpu, weights, { maxFaces: 3 });
    const crops = randomFloats(3, faces * cropSize * cropSize * 3, 0, 1);
    await writeCrops(cascade, crops);
    runPlan(context, cascade.plan(3), faces);
    const buffers = cascade.parameters.map(({ buffer }) => buffer);
    const steps = await Promise.all(buffers.map((buffer) => readBuffer(gpu, buffer, 0, faces * parameters.count * 4)));
    const output = await readBuffer(gpu, cascade.output, 0, faces * cascade.faceBytes);
    for (const iterations of [1, 2]) {
      // Another result in the output, and nothing usable in what may not be read.
      runPlan(context, cascade.plan(1), faces);
      for (const buffer of buffers.slice(1)) poison(gpu.device, buffer);
      gpu.device.queue.writeBuffer(
        cascade.parametersAfter(3 - iterations),
        0,
        steps[3 - iterations] ?? new ArrayBuffer(0),
      );
      runPlan(context, cascade.refinement(iterations), faces);
      const again = await readBuffer(gpu, cascade.output, 0, faces * cascade.faceBytes);
      expectEqual(new Uint32Array(again), new Uint32Array(output), `output of the last ${iterations} iterations`);
    }
    for (const wrong of [0, 3, 1.5]) {
      await expectError(
        () => cascade.refinement(wrong),
        InputError,
        /from a known face is .*; wanted a whole number from 1 to 2/,
      );
    }
  });

  test('looks where the landmarks are, and starts from the same face there', async (context) => {
    const { gpu } = context;
    const [before, now] = [wavyPicture(80, 64), wavyPicture(80, 64, 0.4)];
    const weights = parseWeights(smallWeightBuffers());
    const { cropSize, parameters: layout } = weights.network;
    await withAligner(context, 2, async (aligner) => {
      const known = await aligner.align(before, BOXES);
      for (const iterations of [1, 2]) {
        const refined = present(await aligner.refine(now, known, { iterations }));
        for (const [i, face] of refined.entries()) {
          const old = known[i];
          expectThat(old !== undefined, 'a face too many');
          const crop = cropOf(landmarksBox(old.landmarks), now, cropSize);
          expectEqual(face.crop, crop);
          const start = Float32Array.from(startOf(old, crop, 3 - iterations));
          const image = cropReference(now, crop.centreX, crop.centreY, crop.side, cropSize);
          const cascade = await Cascade.create(gpu, weights, { maxFaces: 1 });
          await writeCrops(cascade, image);
          gpu.device.queue.writeBuffer(cascade.parametersAfter(3 - iterations), 0, start);
          runPlan(context, cascade.refinement(iterations), 1);
          const end = new Float32Array(await readBuffer(gpu, cascade.output, 0, layout.count * 4));
          expectClose(face.parameters, end, { atol: 1e-4, label: `parameters of face ${i}` });
          const vertices = decodeVertices(weights.model, layout, end, cropSize);
          const landmarks = pickVertices(toPicturePixels(vertices, cropToPicture(crop)), weights.model.landmarks);
          expectClose(face.landmarks, landmarks, { atol: 2e-3, label: `landmarks of face ${i}`, shape: [68, 3] });
        }
      }
    });
  });

  test('is one submit and one small copy, whatever the number of faces, and creates nothing', async (context) => {
    const source = wavyPicture(80, 64);
    await withAligner(context, 4, async (aligner) => {
      const known = await aligner.align(source, BOXES);
      for (const [iterations, steps] of [
        // crop; each iteration: decode, clear, raster, resolve, paf, 6 of layers, update; end: decode, clear, raster,
        // outputs.
        [1, 1 + 12 + 4],
        [2, 1 + 24 + 4],
      ] as const) {
        for (const faces of [known.slice(0, 1), [...known, ...known]]) {
          const before = aligner.counters;
          const { calls, bytes } = await countCalls(() => aligner.refine(source, faces, { iterations }));
          expectEqual(
            Object.fromEntries([...calls].sort()),
            {
              'GPUBuffer.getMappedRange': 1,
              'GPUBuffer.mapAsync': 1,
              'GPUBuffer.unmap': 1,
              'GPUCommandEncoder.beginComputePass': 1,
              'GPUCommandEncoder.copyBufferToBuffer': 1,
              'GPUCommandEncoder.finish': 1,
              'GPUComputePassEncoder.dispatchWorkgroups': steps,
              'GPUComputePassEncoder.end': 1,
              'GPUDevice.createCommandEncoder': 1,
              'GPUQueue.submit': 1,
              // Where the crops lie, and what to start from.
              'GPUQueue.writeBuffer': 2,
              'GPUQueue.writeTexture': 1,
            },
            `calls with ${faces.length} faces and ${iterations} iterations`,
          );
          expectEqual(bytes, faces.length * (16 + 68 * 4) * 4, 'bytes copied to staging');
          expectEqual(aligner.counters.dispatches - before.dispatches, steps);
        }
      }
    });
  });

  test('does with many faces what it does with one, and leaves out those that left the picture', async (context) => {
    const source = wavyPicture(120, 100);
    const boxes = [0, 1, 2, 3, 4].map(
      (i): FaceBox => ({ x0: 5 + 9 * i, y0: 8 + 5 * i, x1: 45 + 11 * i, y1: 40 + 9 * i, kind: 'landmarks' }),
    );
    await withAligner(context, 2, async (aligner) => {
      const known = await aligner.align(source, boxes);
      const alone: Face[] = [];
      for (const face of known) alone.push(...present(await aligner.refine(source, [face])));
      const [first] = known;
      expectThat(first !== undefined, 'no face');
      const gone = { ...first, landmarks: first.landmarks.map((value, i) => (i % 3 === 0 ? value + 900 : value)) };
      const speck = { ...first, landmarks: first.landmarks.map((value) => value / 1000) };
      const together = await aligner.refine(source, [gone, ...known, speck]);
      expectEqual([together[0], together[6], together.length], [undefined, undefined, 7]);
      for (const [i, face] of present(together.slice(1, 6)).entries()) {
        expectClose(face.landmarks, alone[i]?.landmarks ?? [], { label: `landmarks of face ${i}` });
      }
      expectEqual(await aligner.refine(source, [gone]), [undefined]);
      expectEqual(await aligner.refine(source, []), []);
    });
  });

  test('refuses faces of another model and impossible numbers of iterations', async (context) => {
    const source = wavyPicture(80, 64);
    await withAligner(context, 1, async (aligner) => {
      const known = await aligner.align(source, BOXES.slice(0, 1));
      const [face] = known;
      expectThat(face !== undefined, 'no face');
      for (const iterations of [0, 4, Number.NaN]) {
        const call = () => aligner.refine(source, known, { iterations });
        await expectError(call, InputError, /iterations.*wanted a whole number from 1/);
      }
      const other = { ...face, parameters: new Float32Array(104) };
      await expectError(
        () => aligner.refine(source, [other]),
        InputError,
        /104 parameters; this aligner's model has 16/,
      );
      const blind: unknown = { ...face, landmarks: undefined };
      await expectError(() => aligner.refine(source, [blind as Face]), InputError, /landmarks are undefined/);
      const lost: unknown = { ...face, path: [new Float32Array(3)] };
      await expectError(() => aligner.refine(source, [lost as Face]), InputError, /path is .*wanted the one of align/);
    });
  });

  test('runs in full where all iterations are asked for, in the crop of the landmarks', async (context) => {
    const source = wavyPicture(80, 64);
    for (const count of [1, 3]) {
      const aligner = await FaceAligner.create({ weights: smallWeightBuffers(count), device: context.gpu.device });
      const known = await aligner.align(source, BOXES.slice(0, 1));
      const boxes = known.map(({ landmarks }) => landmarksBox(landmarks));
      const [expected] = await aligner.align(source, boxes);
      const [face] = await aligner.refine(source, known, { iterations: count });
      expectEqual(face, expected);
      expectEqual(face?.path.length, count);
      aligner.destroy();
    }
  });
});
