/**
 * Crops that follow the face, through the whole of the library: small networks with random weights against float64, and
 * turned pictures.
 */
import { FaceAligner } from '../../src/align/aligner.js';
import type { Face } from '../../src/align/face.js';
import { recrop } from '../../src/cascade/recrop.js';
import { parseWeights, type WeightBuffers } from '../../src/cascade/weights.js';
import { readBuffer } from '../../src/engine/readback.js';
import { decodeVertices, pickVertices, toPicturePixels } from '../../src/mmm/decode.js';
import { selectVertices } from '../../src/mmm/model.js';
import { eulerToMatrix, type Matrix3 } from '../../src/mmm/pose.js';
import { cropOf, type FaceBox } from '../../src/pictures/boxes.js';
import { cropToPicture, rotate, turnOf, wrapDegrees } from '../../src/pictures/crop.js';
import type { PixelData } from '../../src/pictures/frame.js';
import { CROP_RECORD_BYTES, cropOfRecord } from '../../src/pictures/kernels/crop.js';
import { expectClose, expectEqual, expectThat } from '../browser/numbers.js';
import { type GpuCaseContext, gpuSuite } from '../browser/suite.js';
import { wavyPicture } from '../cascade/pictures.js';
import { shippedWeights } from '../cascade/shipped-weights.js';
import {
  followingWeightBuffers,
  SMALL_FOLLOWING_NETWORK,
  SMALL_NETWORK,
  smallWeightBuffers,
} from '../cascade/small-weights.js';
import { runCascade } from '../reference/cascade.js';
import { countCalls } from './calls.js';

const SOURCE = wavyPicture(80, 64);
const BOXES: readonly FaceBox[] = [
  { x0: 20, y0: 15, x1: 60, y1: 50, kind: 'landmarks' },
  { x0: 25, y0: 12, x1: 66, y1: 52, kind: 'landmarks', roll: 130 },
  { x0: 40, y0: 30, x1: 90, y1: 66, kind: 'detector', roll: -40 },
];

async function withAligner(
  { gpu }: GpuCaseContext,
  weights: WeightBuffers,
  action: (aligner: FaceAligner) => Promise<void>,
): Promise<void> {
  const aligner = await FaceAligner.create({ weights, device: gpu.device, maxFaces: 4 });
  try {
    await action(aligner);
  } finally {
    aligner.destroy();
  }
}

/** Gives a quaternion the sign of another. */
function signed(parameters: ArrayLike<number>, like: ArrayLike<number>): number[] {
  const product = [0, 1, 2, 3].reduce((sum, i) => sum + parameters[i]! * like[i]!, 0);
  return Array.from(parameters, (value, i) => (i < 4 && product < 0 ? -value : value));
}

export const following = gpuSuite('a crop that follows the face', (test) => {
  for (const [name, buffers, { layers }] of [
    ['follows', followingWeightBuffers(), SMALL_FOLLOWING_NETWORK],
    ['stays', smallWeightBuffers(), SMALL_NETWORK],
  ] as const) {
    test(`whole cascades agree with float64 where the crop ${name}, from turned boxes too`, async (context) => {
      const weights = parseWeights(buffers);
      const { cropSize, parameters: layout } = weights.network;
      await withAligner(context, buffers, async (aligner) => {
        for (const iterations of [1, 2, 3]) {
          const faces = await aligner.align(SOURCE, BOXES, { iterations, outputs: ['vertices'] });
          for (const [i, face] of faces.entries()) {
            const box = BOXES[i];
            expectThat(box !== undefined, 'a face too many');
            const start = {
              crop: cropOf(box, SOURCE, cropSize),
              parameters: Float64Array.from(weights.initialParameters),
            };
            const steps = runCascade(weights, layers, SOURCE, start, iterations);
            const end = steps.at(-1)!;
            const label = `face ${i} after ${iterations}`;
            expectClose(signed(face.parameters, end.parameters), end.parameters, { atol: 3e-3, label });
            for (const field of ['centreX', 'centreY', 'side'] as const) {
              expectClose([face.crop[field]], [end.crop[field]], { atol: 0.02, label: `${field} of ${label}` });
            }
            expectClose([wrapDegrees(face.crop.roll - end.crop.roll)], [0], { atol: 0.05, label: `roll of ${label}` });
            const inPicture = toPicturePixels(
              decodeVertices(weights.model, layout, end.parameters, cropSize),
              cropToPicture({ ...end.crop, size: cropSize }),
            );
            expectClose(face.vertices, inPicture, { atol: 0.05, label: `vertices of ${label}` });
            const landmarks = pickVertices(inPicture, weights.model.landmarks);
            expectClose(face.landmarks, landmarks, { atol: 0.05, label: `landmarks of ${label}` });
            // The matrix is of the picture, whatever the crop.
            const m = face.pose.matrix;
            expectClose([face.pose.scale], [Math.hypot(m[8], m[9], m[10])], { rtol: 1e-5 });
            const rotation = eulerToMatrix(face.pose) as Matrix3;
            expectClose(rotation, face.pose.rotation, { atol: 1e-5, label: `angles of ${label}` });
          }
          if (name === 'follows')
            expectThat(
              faces.some(({ crop }) => Math.abs(crop.roll) > 20),
              'no crop was turned',
            );
          else
            expectEqual(
              faces.map(({ crop }) => crop),
              BOXES.map((box) => cropOf(box, SOURCE, cropSize)),
            );
        }
      });
    });
  }

  test('is one submit and one pass, two dispatches more, and creates nothing', async (context) => {
    await withAligner(context, followingWeightBuffers(), async (aligner) => {
      await aligner.align(SOURCE, BOXES);
      for (const [iterations, dispatches, copies] of [
        // As where the crop stays (tests/align/aligner.gpu.ts), and a crop before each later iteration.
        [1, 13, 1 + 0 + 1],
        [2, 25 + 1, 1 + 1 + 2],
        [3, 37 + 2, 1 + 2 + 2],
      ] as const) {
        const { calls, bytes } = await countCalls(() => aligner.align(SOURCE, BOXES, { iterations }));
        expectEqual(
          Object.fromEntries([...calls].sort()),
          {
            'GPUBuffer.getMappedRange': 1,
            'GPUBuffer.mapAsync': 1,
            'GPUBuffer.unmap': 1,
            'GPUCommandEncoder.beginComputePass': 1,
            // Output, the steps to it, and the crops that these and the end are given in.
            'GPUCommandEncoder.copyBufferToBuffer': copies,
            'GPUCommandEncoder.finish': 1,
            'GPUComputePassEncoder.dispatchWorkgroups': dispatches,
            'GPUComputePassEncoder.end': 1,
            'GPUDevice.createCommandEncoder': 1,
            'GPUQueue.submit': 1,
            'GPUQueue.writeBuffer': 1,
            'GPUQueue.writeTexture': 1,
          },
          `calls of ${iterations} iterations`,
        );
        const crops = Math.min(iterations, 2) * CROP_RECORD_BYTES;
        expectEqual(bytes, 3 * ((iterations * 16 + 68 * 4) * 4 + crops), 'bytes copied to staging');
      }
    });
  });

  test('goes on from known faces in the crop that they give, as float64 does', async (context) => {
    const buffers = followingWeightBuffers();
    const weights = parseWeights(buffers);
    const { parameters: layout, recrop: how } = weights.network;
    expectThat(how !== undefined, 'the network has no recrop');
    const now = wavyPicture(80, 64, 0.4);
    await withAligner(context, buffers, async (aligner) => {
      const known = await aligner.align(SOURCE, BOXES);
      const points = selectVertices(weights.model, weights.model.landmarks);
      for (const iterations of [1, 2]) {
        const refined = await aligner.refine(now, known, { iterations });
        for (const [i, face] of refined.entries()) {
          const old = known[i];
          expectThat(old !== undefined && face !== undefined, `face ${i} was not found again`);
          // From the run's own step, as far from its end as it was, in a crop of its own.
          const step = old.path[3 - iterations - 1];
          expectThat(step !== undefined, 'no step');
          const start = recrop(points, layout, step, old.crop, how.margin);
          const p = Float64Array.from(start.parameters);
          p[7] = 0;
          const steps = runCascade(
            weights,
            SMALL_FOLLOWING_NETWORK.layers,
            now,
            { crop: start.crop, parameters: p },
            iterations,
            3 - iterations,
          );
          const end = steps.at(-1)!;
          const label = `face ${i}, last ${iterations}`;
          expectClose(signed(face.parameters, end.parameters), end.parameters, { atol: 5e-3, label });
          expectClose(
            [face.crop.centreX, face.crop.centreY, face.crop.side],
            [end.crop.centreX, end.crop.centreY, end.crop.side],
            { atol: 0.03, label: `crop of ${label}` },
          );
          expectEqual(face.path, old.path);
        }
      }
    });
  });

  test('encode leaves the last crops, which take its landmarks to the texture', async (context) => {
    const { device } = context.gpu;
    const usage = GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST;
    const texture = device.createTexture({ size: [80, 64], format: 'rgba8unorm', usage });
    device.queue.writeTexture({ texture }, SOURCE.data, { bytesPerRow: 320 }, [80, 64]);
    await withAligner(context, followingWeightBuffers(), async (aligner) => {
      const faces = await aligner.align(texture, BOXES);
      const output = (bytes: number) =>
        context.gpu.createBuffer('output', BOXES.length * bytes, GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC);
      const crops = output(aligner.outputBytes.crops);
      const encoder = device.createCommandEncoder();
      const before = aligner.counters.dispatches;
      aligner.encode(encoder, { texture, boxes: BOXES }, { crops: { buffer: crops } });
      device.queue.submit([encoder.finish()]);
      expectEqual(aligner.counters.dispatches - before, 39);
      const records = new Float32Array(await readBuffer(context.gpu, crops));
      for (const [i, face] of faces.entries()) {
        const record = records.subarray(i * 10, i * 10 + 6);
        expectEqual(cropOfRecord(record, SOURCE, SOURCE, face.crop.size), face.crop, `crop ${i}`);
      }
    });
    texture.destroy();
  });
});

/** A picture turned clockwise about its middle, with a border of black round it; and where a point of it goes. */
function turnPicture(photo: ImageBitmap, degrees: number) {
  const side = Math.ceil(Math.hypot(photo.width, photo.height));
  const canvas = new OffscreenCanvas(side, side);
  const context = canvas.getContext('2d');
  expectThat(context !== null, 'no 2D canvas');
  context.imageSmoothingQuality = 'high';
  context.translate(side / 2, side / 2);
  context.rotate((degrees * Math.PI) / 180);
  context.translate(-photo.width / 2, -photo.height / 2);
  context.drawImage(photo, 0, 0);
  const picture: PixelData = context.getImageData(0, 0, side, side);
  const [cx, cy] = [(photo.width - 1) / 2, (photo.height - 1) / 2];
  const move = (x: number, y: number): readonly [number, number] => {
    const [across, down] = rotate(x - cx, y - cy, turnOf(degrees));
    return [across + (side - 1) / 2, down + (side - 1) / 2];
  };
  return { picture, move };
}

export const turned = gpuSuite('turned pictures with the shipped weights', (test) => {
  test('a box with the roll of the face gives what the upright picture gives, turned', async (context) => {
    const photo = await createImageBitmap(new Blob([await context.load('assets/astronaut.png')]));
    const aligner = await FaceAligner.create({
      weights: await shippedWeights(context.load),
      device: context.gpu.device,
    });
    const box = { x0: 180, y0: 86, x1: 268, y1: 178, kind: 'landmarks' } as const;
    const only = async (picture: PixelData | ImageBitmap, at: FaceBox): Promise<Face> => {
      const [face] = await aligner.align(picture, [at]);
      expectThat(face !== undefined, 'no face');
      return face;
    };
    const upright = await only(photo, box);
    const size = Math.max(upright.box.x1 - upright.box.x0, upright.box.y1 - upright.box.y0);
    for (const degrees of [30, 90, -125, 180]) {
      const { picture, move } = turnPicture(photo, degrees);
      const [x, y] = move((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2);
      const [w, h] = [(box.x1 - box.x0) / 2, (box.y1 - box.y0) / 2];
      const face = await only(picture, {
        x0: x - w,
        y0: y - h,
        x1: x + w,
        y1: y + h,
        kind: 'landmarks',
        roll: degrees,
      });
      let sum = 0;
      for (let i = 0; i < 68; i++) {
        const [px, py] = move(upright.landmarks[3 * i] ?? 0, upright.landmarks[3 * i + 1] ?? 0);
        sum += Math.hypot((face.landmarks[3 * i] ?? 0) - px, (face.landmarks[3 * i + 1] ?? 0) - py);
      }
      expectThat(sum / 68 < 0.01 * size, `${degrees} degrees: landmarks are off by ${sum / 68} px on average`);
      // The pose turns with it: R = Rz R, clockwise.
      const [c, s] = turnOf(degrees);
      const r = upright.pose.rotation;
      const rotation = [0, 1, 2].map((k) => c * r[k]! + s * r[3 + k]!);
      expectClose(face.pose.rotation.slice(0, 3), rotation, { atol: 0.02, label: `rotation at ${degrees}` });
      expectClose([face.pose.scale], [upright.pose.scale], { rtol: 0.02, label: `scale at ${degrees}` });
      expectClose([wrapDegrees((face.box.roll ?? 0) - degrees)], [0], {
        atol: 15,
        label: `roll of the box at ${degrees}`,
      });
      // The box that it gives finds it again.
      const again = await only(picture, face.box);
      let moved = 0;
      for (let i = 0; i < 204; i++) moved += Math.abs((again.landmarks[i] ?? 0) - (face.landmarks[i] ?? 0));
      expectThat(moved / 204 < 0.01 * size, `${degrees} degrees: from its own box it moves by ${moved / 204} px`);
    }
    photo.close();
    aligner.destroy();
  });
});
