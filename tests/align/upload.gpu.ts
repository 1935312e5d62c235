import { FaceAligner } from '../../src/align/aligner.js';
import { FaceDetector } from '../../src/detect/index.js';
import { Gpu } from '../../src/engine/device.js';
import { DeviceLostError, InputError } from '../../src/engine/errors.js';
import type { FaceBox } from '../../src/pictures/boxes.js';
import { FrameTexture, MOST_TEXELS, type PictureSource, type UploadedPicture } from '../../src/pictures/frame.js';
import { FaceTracker } from '../../src/track/tracker.js';
import { expectClose, expectEqual, expectError, expectThat } from '../browser/numbers.js';
import { type GpuCaseContext, gpuSuite } from '../browser/suite.js';
import { wavyPicture } from '../cascade/pictures.js';
import { smallWeightBuffers } from '../cascade/small-weights.js';
import { countCalls } from './calls.js';

const BOX: FaceBox = { x0: 20, y0: 15, x1: 60, y1: 50, kind: 'landmarks' };

async function createDetector({ load }: GpuCaseContext, device?: GPUDevice): Promise<FaceDetector> {
  const [network, weights] = await Promise.all([
    load('weights/face_detector.json'),
    load('weights/face_detector.safetensors'),
  ]);
  const buffers = { network: new TextDecoder().decode(network), weights };
  return FaceDetector.create({ weights: buffers, ...(device && { device }) });
}

/** Pictures that went to the GPU, and textures that were made, while `action` ran. */
async function uploads(action: () => Promise<unknown>): Promise<readonly [number, number]> {
  const { calls } = await countCalls(action);
  const count = (name: string) => calls.get(name) ?? 0;
  return [
    count('GPUQueue.copyExternalImageToTexture') + count('GPUQueue.writeTexture'),
    count('GPUDevice.createTexture'),
  ];
}

export const upload = gpuSuite('a picture uploaded once', (test) => {
  test('serves the detector and the aligner, and a video makes one texture', async (context) => {
    const { device } = context.gpu;
    const photo = await createImageBitmap(new Blob([await context.load('assets/astronaut.png')]));
    const aligner = await FaceAligner.create({ weights: smallWeightBuffers(), device });
    const detector = await createDetector(context, device);
    try {
      const findIn = async (picture: PictureSource) => {
        const [box] = await detector.detect(picture);
        expectThat(box !== undefined, 'no box');
        const [face] = await aligner.align(picture, [box]);
        return { box, landmarks: face?.landmarks };
      };
      const apart = await findIn(photo);
      expectEqual(await uploads(() => findIn(photo)), [2, 0], 'uploads and textures, apart');

      const picture = await aligner.upload(wavyPicture(80, 64));
      let shared: typeof apart | undefined;
      const grown = await uploads(async () => {
        expectThat((await aligner.upload(photo, picture)) === picture, 'another picture was made');
        shared = await findIn(picture);
      });
      expectEqual(grown, [1, 1], 'uploads and textures, shared');
      expectEqual(shared, apart, 'what was found');
      const again = () => aligner.upload(photo, picture).then(findIn);
      expectEqual(await uploads(again), [1, 0], 'uploads and textures in a steady state');

      // A tracker does so itself: the detector and the aligner both see the first frame.
      const tracker = await FaceTracker.create({ aligner, detector });
      expectEqual((await uploads(() => tracker.track(photo, 0)))[0], 1, 'uploads of a frame with a new face');
      tracker.destroy();

      const wrong: unknown = { device };
      const refused = aligner.upload(photo, wrong as UploadedPicture);
      await expectError(() => refused, InputError, /^into is .*; wanted one of upload's pictures/);
      picture.destroy();
      picture[Symbol.dispose]();
      await expectError(() => detector.detect(picture), InputError, /was destroyed; wanted one on the device in use/);
      expectEqual((await findIn(await aligner.upload(photo, picture))).box, apart.box, 'filled anew after destroy');
      picture.destroy();
    } finally {
      aligner.destroy();
      detector.destroy();
      photo.close();
    }
  });

  test('is refused on another device, and made anew after a loss', async (context) => {
    const aligner = await FaceAligner.create({ weights: smallWeightBuffers() });
    const other = await FaceAligner.create({ weights: smallWeightBuffers(), device: context.gpu.device });
    const waves = wavyPicture(80, 64);
    try {
      const picture = await aligner.upload(waves);
      await expectError(() => other.align(picture, [BOX]), InputError, /lies on another device/);
      const [before] = await aligner.align(picture, [BOX]);
      aligner.device.destroy();
      await aligner.lost;
      await expectError(() => aligner.upload(waves, picture), DeviceLostError, /lost/);
      await aligner.recover();
      await expectError(() => aligner.align(picture, [BOX]), InputError, /lies on another device/);
      const next = await aligner.upload(waves, picture);
      expectThat(next !== picture && next.device === aligner.device, 'the picture is not on the new device');
      const [after] = await aligner.align(next, [BOX]);
      expectEqual(after?.landmarks, before?.landmarks, 'landmarks after the loss');
    } finally {
      aligner.destroy();
      other.destroy();
    }
  });
});

export const budget = gpuSuite('memory of pictures', (test) => {
  test('is bounded: larger pictures are drawn down, and keep their own pixels', async ({ gpu }) => {
    expectEqual(MOST_TEXELS * 4, 2 ** 27, 'bytes of the largest frame');
    const frames = new FrameTexture(gpu, 1000);
    const upload = async (width: number, height: number) => {
      const prepared = await frames.prepare(wavyPicture(width, height));
      const frame = await prepared.upload();
      await frame.accepted;
      prepared.release();
      return frame;
    };
    const large = await upload(80, 50);
    expectEqual(large.picture, { width: 80, height: 50 });
    expectEqual(large.texels, { width: 40, height: 25 });
    const flat = await upload(4000, 2);
    expectEqual(flat.texels, { width: 1414, height: 1 }, 'sides are not swapped, and none is 0');
    const [wide, high] = [await upload(100, 8), await upload(8, 100)];
    expectEqual(
      [wide.texels, high.texels],
      [
        { width: 100, height: 8 },
        { width: 8, height: 100 },
      ],
    );
    for (const { texture } of [large, wide, high]) {
      expectThat(texture.width * texture.height <= 1000, `a texture of ${texture.width} x ${texture.height}`);
    }
    const [small, tall] = [await upload(30, 10), await upload(10, 20)];
    expectThat(tall.texture === (await upload(30, 20)).texture, 'room for both is not kept');
    expectThat(small.texture !== high.texture, 'the texture did not grow');
    frames.destroy();
  });
});

export const detectorRecovery = gpuSuite('recovery of the detector', (test) => {
  test('gives a lost detector a new device and the same boxes', async (context) => {
    const photo = await createImageBitmap(new Blob([await context.load('assets/astronaut.png')]));
    const detector = await createDetector(context);
    const before = await detector.detect(photo);
    const lost = detector.device;
    lost.destroy();
    expectThat((await detector.lost) instanceof DeviceLostError, 'not lost');
    await expectError(() => detector.detect(photo), DeviceLostError, /lost/);
    await Promise.all([detector.recover(), detector.recover()]);
    expectThat(detector.device !== lost, 'the device is the lost one');
    expectEqual(await detector.detect(photo), before, 'boxes');
    detector.destroy();
    await expectError(() => detector.recover(), DeviceLostError, /destroy\(\) was called on this detector/);

    const [first, second] = [await Gpu.create(), await Gpu.create()];
    const guest = await createDetector(context, first.device);
    first.destroy();
    await guest.lost;
    await expectError(() => guest.recover(), InputError, /wanted a new one: recover/);
    const wrong: unknown = null;
    await expectError(() => guest.recover(wrong as object), InputError, /options of recover is null/);
    await guest.recover({ device: second.device });
    const [box] = await guest.detect(photo);
    expectClose([box?.x0 ?? 0], [before[0]?.x0 ?? 1], { atol: 1e-6 });
    guest.destroy();
    second.destroy();
    photo.close();
  });
});
