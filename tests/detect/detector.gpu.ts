import { type DetectedFace, FaceDetector, parseDetectorWeights } from '../../src/detect/index.js';
import { DeviceLostError, FullposeError, InputError, WeightsError } from '../../src/engine/errors.js';
import type { PictureSource } from '../../src/pictures/frame.js';
import { countCalls, uploadCall } from '../align/calls.js';
import { expectClose, expectEqual, expectError, expectThat } from '../browser/numbers.js';
import { addressOf, type GpuCaseContext, gpuSuite } from '../browser/suite.js';
import { smallDetectorBuffers } from './small-detector.js';

async function loadWeights({ load }: GpuCaseContext) {
  const [network, weights] = await Promise.all(
    ['face_detector.json', 'face_detector.safetensors'].map((file) => load(`weights/${file}`)),
  );
  expectThat(network !== undefined && weights !== undefined, 'no weights');
  const text = new TextDecoder().decode(network);
  return { weights: parseDetectorWeights({ network: text, weights }) };
}

async function loadAstronaut({ load }: GpuCaseContext): Promise<ImageBitmap> {
  return createImageBitmap(new Blob([await load('assets/astronaut.png')]));
}

function toCanvas(width: number, height: number, paint: (context: OffscreenCanvasRenderingContext2D) => void) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  expectThat(context !== null, 'no 2D canvas');
  paint(context);
  return { canvas, context };
}

const corners = ({ x0, y0, x1, y1 }: DetectedFace) => [x0, y0, x1, y1];

/** Her face: hair line to chin, temple to temple. */
const ASTRONAUT = [177, 80, 272, 175] as const;

function expectFaces(faces: readonly DetectedFace[], wanted: readonly (readonly number[])[], tolerance: number): void {
  expectEqual(faces.length, wanted.length, 'number of faces');
  const byPlace = [...faces].sort((a, b) => a.x0 - b.x0);
  for (const [index, box] of wanted.entries()) {
    const face = byPlace[index];
    if (face !== undefined) expectClose(corners(face), box, { atol: tolerance, label: `box ${index}` });
  }
}

export const faceDetector = gpuSuite('face detector', (test) => {
  /** A detector on the case's device, destroyed in the end. */
  const withDetector = async (
    context: GpuCaseContext,
    action: (detector: FaceDetector) => Promise<void>,
    options: Parameters<typeof FaceDetector.create>[0] = {},
  ): Promise<void> => {
    const { weights } = await loadWeights(context);
    const detector = await FaceDetector.create({ weights, device: context.gpu.device, ...options });
    try {
      await action(detector);
    } finally {
      detector.destroy();
    }
  };

  test('finds a face, its points, and the same in every kind of source', async (context) => {
    const bitmap = await loadAstronaut(context);
    const { width, height } = bitmap;
    await withDetector(context, async (detector) => {
      const [face, ...others] = await detector.detect(bitmap);
      expectThat(face !== undefined && others.length === 0, 'wanted one face');
      expectEqual(detector.counters.submits, 1, 'looks that an upright face takes');
      expectFaces([face], [ASTRONAUT], 6);
      expectThat(face.score > 0.85 && face.score < 1, `score ${face.score}`);
      expectThat(Math.abs(face.roll) < 12, `roll ${face.roll}`);
      const { rightEye, leftEye, nose, rightMouthCorner, leftMouthCorner } = face.keypoints;
      expectThat(rightEye.x < nose.x && nose.x < leftEye.x, 'eyes left and right of the nose');
      expectThat(rightMouthCorner.x < leftMouthCorner.x, 'the right side of the mouth is on the left');
      expectThat(rightEye.y < nose.y && nose.y < rightMouthCorner.y, 'eyes, nose, mouth go down');

      const { canvas, context: canvasContext } = toCanvas(width, height, (drawing) => drawing.drawImage(bitmap, 0, 0));
      const pixels = canvasContext.getImageData(0, 0, width, height);
      const texture = context.gpu.device.createTexture({
        size: [width, height],
        format: 'rgba8unorm',
        usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST,
      });
      context.gpu.device.queue.writeTexture({ texture }, pixels.data, { bytesPerRow: width * 4 }, [width, height]);
      const image = new Image();
      image.src = addressOf('assets/astronaut.png');
      await image.decode();
      const video = new VideoFrame(canvas, { timestamp: 0 });
      const sources: readonly PictureSource[] = [canvas, pixels, texture, image, video];
      for (const source of sources) {
        const found = await detector.detect(source, { search: 'whole' });
        expectFaces(found, [corners(face)], source === video ? 1 : 0.05);
      }
      video.close();
      texture.destroy();
      expectEqual(detector.counters.pictures, 6);
    });
  });

  test('is one submit and one readback of 7,696 bytes in a video, and creates nothing', async (context) => {
    const bitmap = await loadAstronaut(context);
    const { canvas } = toCanvas(bitmap.width, bitmap.height, (drawing) => drawing.drawImage(bitmap, 0, 0));
    await withDetector(context, async (detector) => {
      await detector.detect(canvas, { search: 'whole' });
      const before = detector.counters;
      const { calls } = await countCalls(() => detector.detect(canvas, { search: 'whole' }));
      // Crop, 21 + 20 convolutions, 2 pools, 2 resizes, 2 sums, 3 heads; docs/passes.md says this number.
      const dispatches = 1 + 41 + 2 + 2 + 2 + 3;
      expectEqual(Object.fromEntries([...calls].sort()), {
        'GPUBuffer.getMappedRange': 1,
        'GPUBuffer.mapAsync': 1,
        'GPUBuffer.unmap': 1,
        'GPUCommandEncoder.beginComputePass': 1,
        'GPUCommandEncoder.clearBuffer': 1,
        'GPUCommandEncoder.copyBufferToBuffer': 2,
        'GPUCommandEncoder.finish': 1,
        'GPUComputePassEncoder.dispatchWorkgroups': dispatches,
        'GPUComputePassEncoder.end': 1,
        'GPUDevice.createCommandEncoder': 1,
        'GPUQueue.submit': 1,
        'GPUQueue.writeBuffer': 1,
        [uploadCall(context.gpu)]: 1,
      });
      const { pictures, submits, bytesRead } = detector.counters;
      expectEqual([pictures - before.pictures, submits - before.submits, bytesRead - before.bytesRead], [1, 1, 7696]);
      expectEqual(detector.counters.dispatches - before.dispatches, dispatches);
    });
  });

  test('finds a face in the part of a region that shows a wide or a high picture', async (context) => {
    const bitmap = await loadAstronaut(context);
    await withDetector(context, async (detector) => {
      for (const [width, height] of [
        [640, 480],
        [480, 640],
      ] as const) {
        const scale = 480 / 512;
        const [x, y] = [width - 480, height - 480];
        const { canvas } = toCanvas(width, height, (drawing) => drawing.drawImage(bitmap, x, y, 480, 480));
        const wanted = ASTRONAUT.map((value, index) => scale * value + (index % 2 === 0 ? x : y));
        expectFaces(await detector.detect(canvas), [wanted], 8);
      }
      expectEqual(detector.counters.submits, 2);
    });
  });

  test('finds faces that lie or stand on their crown, with their roll', async (context) => {
    const bitmap = await loadAstronaut(context);
    const side = 512;
    await withDetector(context, async (detector) => {
      for (const degrees of [90, 180, -60]) {
        const { canvas } = toCanvas(side, side, (drawing) => {
          drawing.translate(side / 2, side / 2);
          drawing.rotate((degrees * Math.PI) / 180);
          drawing.drawImage(bitmap, -side / 2, -side / 2);
        });
        const [face] = await detector.detect(canvas);
        expectThat(face !== undefined, `no face at ${degrees} degrees`);
        const off = ((((face.roll - degrees + 180) % 360) + 360) % 360) - 180;
        // Points of a tilted face lean toward upright.
        expectThat(Math.abs(off) < 30, `roll ${face.roll} at ${degrees} degrees`);
        const [u, v] = [224.5 - side / 2, 127.5 - side / 2];
        const radians = (degrees * Math.PI) / 180;
        const middle = [
          side / 2 + u * Math.cos(radians) - v * Math.sin(radians),
          side / 2 + u * Math.sin(radians) + v * Math.cos(radians),
        ];
        expectClose([(face.x0 + face.x1) / 2, (face.y0 + face.y1) / 2], middle, { atol: 12, label: `${degrees}` });
      }
    });
  });

  test('looks at a picture every other way up where a head that lies shows beside an upright one', async (context) => {
    const bitmap = await loadAstronaut(context);
    const lying = (roll: number, scale: number) =>
      toCanvas(640, 480, (drawing) => {
        drawing.fillStyle = '#808080';
        drawing.fillRect(0, 0, 640, 480);
        drawing.drawImage(bitmap, 0, 0, 380, 400, 0, 0, 380, 400);
        drawing.translate(520, 300);
        drawing.rotate((roll * Math.PI) / 180);
        drawing.scale(scale, scale);
        drawing.drawImage(bitmap, 90, 0, 280, 330, 90 - 224.5, -127.5, 280, 330);
      }).canvas;
    await withDetector(context, async (detector) => {
      for (const [roll, scale] of [
        [90, 0.6],
        [-90, 0.8],
      ] as const) {
        const picture = lying(roll, scale);
        expectFaces(await detector.detect(picture, { search: 'whole' }), [ASTRONAUT], 18);
        const { submits } = detector.counters;
        const faces = await detector.detect(picture);
        expectEqual(detector.counters.submits - submits, 2);
        const half = 47.5 * scale;
        expectFaces(faces, [ASTRONAUT, [520 - half, 300 - half, 520 + half, 300 + half]], 18);
        expectThat(Math.abs((faces.at(-1)?.roll ?? 0) - roll) < 30, `roll ${faces.at(-1)?.roll} at ${roll} degrees`);
      }
    });
  });

  test('looks everywhere for faces of 20 pixels beside a large one, and tells how far it is', async (context) => {
    const bitmap = await loadAstronaut(context);
    // Her face is 116 pixels high, hair line to chin: one as it is, three of 20 pixels.
    const scale = 20 / 116;
    const places = [
      [20, 380],
      [430, 30],
      [540, 330],
    ] as const;
    const { canvas } = toCanvas(640, 480, (drawing) => {
      drawing.fillStyle = '#808080';
      drawing.fillRect(0, 0, 640, 480);
      drawing.drawImage(bitmap, 0, 0, 380, 400, 0, 0, 380, 400);
      drawing.imageSmoothingQuality = 'high';
      for (const [x, y] of places) drawing.drawImage(bitmap, x, y, 512 * scale, 512 * scale);
    });
    const small = places.map(([x, y]) => ASTRONAUT.map((value, index) => scale * value + (index % 2 === 0 ? x : y)));
    await withDetector(context, async (detector) => {
      const before = detector.counters.submits;
      const told: number[] = [];
      const faces = await detector.detect(canvas, {
        search: 'everywhere',
        onProgress: ({ done, total }) => told.push(done, total),
      });
      // Of several views the surest is kept, which may be a tile's.
      expectFaces(faces.slice(0, 1), [ASTRONAUT], 18);
      for (const wanted of small) {
        const isFound = faces.some((face) => corners(face).every((value, i) => Math.abs(value - (wanted[i] ?? 0)) < 5));
        expectThat(isFound, `no face at ${wanted.join(', ')} among ${JSON.stringify(faces.map(corners))}`);
      }
      expectEqual(told, [24, 24]);
      expectEqual(detector.counters.submits - before, 1);
    });
  });

  test('stops between submits where it is told to', async (context) => {
    const pixels = { width: 640, height: 480, data: new Uint8Array(640 * 480 * 4).fill(90) };
    await withDetector(
      context,
      async (detector) => {
        const stop = new AbortController();
        const before = detector.counters.submits;
        const search = detector.detect(pixels, {
          search: 'everywhere',
          signal: stop.signal,
          onProgress: () => stop.abort(new Error('enough')),
        });
        await expectError(() => search, Error, /^enough$/);
        expectEqual(detector.counters.submits - before, 1);
        await expectError(
          () => detector.detect(pixels, { onProgress: 3 as never }),
          InputError,
          /onProgress is 3; wanted a function/,
        );
      },
      { weights: smallDetectorBuffers() },
    );
  });

  test('reads more than the usual number of candidates in a second readback, the same every time', async (context) => {
    const bitmap = await loadAstronaut(context);
    await withDetector(
      context,
      async (detector) => {
        const first = await detector.detect(bitmap, { search: 'whole' });
        expectThat(detector.counters.bytesRead > 2 * 7696, `${detector.counters.bytesRead} bytes read`);
        expectThat(
          first.some((face) => Math.abs(face.x0 - ASTRONAUT[0]) < 12 && Math.abs(face.y1 - ASTRONAUT[3]) < 12),
          'her face is not among them',
        );
        expectEqual(await detector.detect(bitmap, { search: 'whole' }), first);
      },
      { minConfidence: 1e-4 },
    );
  });

  test('finds nothing where nothing is, in pictures of any size', async (context) => {
    await withDetector(context, async (detector) => {
      for (const [width, height] of [
        [1, 1],
        [1, 700],
        [200, 3],
      ] as const) {
        const pixels = { width, height, data: new Uint8Array(width * height * 4).fill(90) };
        expectEqual(await detector.detect(pixels), [], `${width} x ${height}`);
      }
    });
  });

  test('serves overlapping calls in order, and refuses one too many', async (context) => {
    const bitmap = await loadAstronaut(context);
    const grey = { width: 40, height: 40, data: new Uint8Array(40 * 40 * 4).fill(128) };
    await withDetector(
      context,
      async (detector) => {
        const calls = [bitmap, grey, bitmap].map((source) => detector.detect(source, { search: 'whole' }));
        const busy = detector.detect(grey);
        await expectError(() => busy, FullposeError, /3 calls are unfinished; wanted fewer than maxPending = 3/);
        expectEqual(
          (await Promise.all(calls)).map(({ length }) => length),
          [1, 0, 1],
        );
      },
      { maxPending: 3 },
    );
  });

  test('leaves the caller his device, and is over after destroy()', async (context) => {
    const bitmap = await loadAstronaut(context);
    const { weights } = await loadWeights(context);
    const detector = await FaceDetector.create({ weights, device: context.gpu.device });
    expectThat(detector.device === context.gpu.device, 'another device');
    const pending = detector.detect(bitmap);
    detector.destroy();
    detector[Symbol.dispose]();
    await expectError(() => pending, DeviceLostError, /lost/);
    await expectError(() => detector.detect(bitmap), DeviceLostError, /lost/);
    await withDetector(context, async (again) => expectFaces(await again.detect(bitmap), [ASTRONAUT], 6));

    const own = await FaceDetector.create({ weights });
    expectThat(own.device !== context.gpu.device, 'the same device');
    own.destroy();
    expectThat((await own.lost) instanceof DeviceLostError, 'not lost');
  });

  test('loads its files from a manifest, with progress, and stops when told', async (context) => {
    const steps: number[] = [];
    const detector = await FaceDetector.create({
      device: context.gpu.device,
      weights: addressOf('weights/detector.json'),
      cache: false,
      onProgress: ({ loaded, total }) => steps.push(loaded / total),
    });
    expectEqual(steps.at(-1), 1);
    detector.destroy();
    const stop = new AbortController();
    stop.abort(new InputError('stopped'));
    await expectError(
      () => FaceDetector.create({ weights: addressOf('weights/detector.json'), signal: stop.signal }),
      InputError,
      /stopped/,
    );
    await expectError(
      () => FaceDetector.create({ weights: addressOf('weights/manifest.json'), cache: false }),
      WeightsError,
      /format is "fullpose-weights\/1"; wanted "fullpose-detector-manifest\/1"/,
    );
  });

  test('refuses impossible options and sources', async (context) => {
    const options = (change: object) => FaceDetector.create({ device: context.gpu.device, ...change });
    await expectError(
      () => options({ minConfidence: 1 }),
      InputError,
      /minConfidence is 1; wanted a number between 0 and 1/,
    );
    await expectError(() => options({ search: 'all' }), InputError, /search is "all"; wanted "whole"/);
    await expectError(() => options({ maxPending: 0 }), InputError, /maxPending is 0/);
    await expectError(() => options({ weights: 3 }), InputError, /weights is 3/);
    await expectError(
      () => options({ weights: { network: '{}', weights: new ArrayBuffer(8) } }),
      WeightsError,
      /format is undefined/,
    );
    await withDetector(context, async (detector) => {
      const empty = { width: 2, height: 2, data: new Uint8Array(3) };
      await expectError(() => detector.detect(empty), InputError, /3 bytes; wanted 2 x 2 x 4/);
      await expectError(
        () => detector.detect(empty, JSON.parse('{"search":"nowhere"}')),
        InputError,
        /search is "nowhere"/,
      );
      await expectError(() => detector.detect(empty, JSON.parse('null')), InputError, /options are null/);
      await expectError(
        () => detector.detect(empty, JSON.parse('{"minConfidence":0.5}')),
        InputError,
        /no option "minConfidence"; wanted search, onProgress, signal\.$/,
      );
    });
  });
});
