import { type DetectedFace, FaceDetector, parseDetectorWeights } from '../../src/detect/index.js';
import {
  type Candidate,
  countCandidates,
  listBytes,
  readCandidates,
  recordCandidates,
} from '../../src/detect/kernels/candidates.js';
import { DeviceLostError, FullposeError, InputError, WeightsError } from '../../src/engine/errors.js';
import { NetworkWeights, NetworkWorkspace, packNetworkWeights, recordNetwork } from '../../src/engine/network.js';
import { readBuffer } from '../../src/engine/readback.js';
import { requireFloats } from '../../src/engine/safetensors.js';
import type { PictureSource } from '../../src/pictures/frame.js';
import { countCalls } from '../align/calls.js';
import { expectClose, expectEqual, expectError, expectThat, POISON, poison } from '../browser/numbers.js';
import { type GpuCaseContext, gpuSuite } from '../browser/suite.js';
import { expectTensor, poisonedTensor, randomBatch, runSteps, uploadTensor } from '../engine/tensors.js';
import type { Batch } from '../reference/layers.js';
import { type ReferenceLayer, runNetwork } from '../reference/network.js';

async function loadWeights({ load }: GpuCaseContext) {
  const [network, weights] = await Promise.all(
    ['face_detector.json', 'face_detector.safetensors'].map((file) => load(`weights/${file}`)),
  );
  expectThat(network !== undefined && weights !== undefined, 'no weights');
  const text = new TextDecoder().decode(network);
  const { layers }: { layers: ReferenceLayer[] } = JSON.parse(text);
  return { weights: parseDetectorWeights({ network: text, weights }), layers };
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

export const candidates = gpuSuite('candidates', (test) => {
  test('are the anchors whose score reaches the threshold, and nothing else is written', async ({ gpu }) => {
    const [batch, size, anchors, first, threshold] = [2, 3, 5, 100, 0.25];
    const shape = { height: size, width: size, channels: anchors };
    const scores = randomBatch(1, batch, shape);
    scores.values[4] = Number.NaN;
    scores.values[5] = threshold;
    const boxes = randomBatch(2, batch, { ...shape, channels: anchors * 16 });
    const tags = [7, 3];
    const list = gpu.createBuffer(
      'list',
      listBytes(batch * size * size * anchors + 1),
      GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    );
    poison(gpu.device, list);
    gpu.device.queue.writeBuffer(list, 0, new Uint32Array(4));
    const items = gpu.uploadBuffer('items', Uint32Array.from(tags.flatMap((tag) => [9, 9, 9, 9, 9, 9, 9, tag])));
    const args = { scores: uploadTensor(gpu, 'scores', scores), boxes: uploadTensor(gpu, 'boxes', boxes), items, list };
    const head = { inputSize: 24, first, threshold };
    await runSteps(gpu, (builder) => recordCandidates(builder, { label: 'c', stage: 'c' }, head, args), batch);

    const expected: Candidate[] = [];
    for (let item = 0; item < batch; item++) {
      for (let anchor = 0; anchor < size * size * anchors; anchor++) {
        const at = item * size * size * anchors + anchor;
        const score = scores.values[at] ?? 0;
        if (!(score >= threshold)) continue;
        const cell = Math.floor(anchor / anchors);
        const centre = [((cell % size) + 0.5) * 8, (Math.floor(cell / size) + 0.5) * 8] as const;
        const values = Float32Array.from({ length: 16 }, (_, i) => {
          const isSize = i === 2 || i === 3;
          return (boxes.values[at * 16 + i] ?? 0) + (isSize ? 0 : (centre[i % 2] ?? 0));
        });
        expected.push({ item: tags[item] ?? 0, anchor: first + anchor, score: 1 / (1 + Math.exp(-score)), values });
      }
    }
    expected.sort((a, b) => a.item - b.item || a.anchor - b.anchor);
    const data = await readBuffer(gpu, list);
    const count = countCandidates(data);
    expectEqual(count, expected.length, 'count');
    expectThat(count > 20, `only ${count} candidates`);
    const found = readCandidates(data, count);
    expectEqual(
      found.map(({ item, anchor }) => [item, anchor]),
      expected.map(({ item, anchor }) => [item, anchor]),
    );
    for (const [index, { score, values }] of expected.entries()) {
      expectClose([found[index]?.score ?? 0, ...(found[index]?.values ?? [])], [score, ...values], { rtol: 1e-6 });
    }
    const behind = new Uint32Array(data, listBytes(count));
    expectThat(
      behind.every((word) => word === POISON),
      'something behind the last candidate was written',
    );
  });
});

export const detectorNetwork = gpuSuite('detector network', (test) => {
  test('is what its layers are in float64', async (context) => {
    const { gpu } = context;
    const { weights, layers } = await loadWeights(context);
    const { graph, file, inputSize } = weights;
    const picture = randomBatch(5, 1, { height: inputSize, width: inputSize, channels: 3 });
    const values = Object.fromEntries(
      [...file.tensors.keys()].map((name) => [name, requireFloats(file, name, file.tensors.get(name)?.shape ?? [])]),
    );
    const outputs = Object.fromEntries(
      [...graph.outputs].map(([name, shape]) => [name, poisonedTensor(gpu, name, shape, 1)]),
    );
    const output = outputs[graph.output.name];
    expectThat(output !== undefined, 'no output');
    const recording = {
      graph,
      weights: new NetworkWeights(gpu, 'weights', packNetworkWeights(graph, file)),
      workspace: new NetworkWorkspace(gpu, 'workspace', graph),
      inputs: { picture: uploadTensor(gpu, 'picture', picture) },
      output,
      outputs,
    };
    await runSteps(gpu, (builder) => recordNetwork(builder, recording), 1);
    const expected = runNetwork(layers, values, { picture });
    for (const [name, tensor] of Object.entries(outputs)) {
      const wanted: Batch | undefined = expected.get(name);
      expectThat(wanted !== undefined, `the reference has no ${name}`);
      const largest = wanted.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      await expectTensor(gpu, tensor, wanted, { atol: 1e-5 * largest, rtol: 1e-4 });
    }
  });
});

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
      expectFaces([face], [ASTRONAUT], 3);
      expectThat(face.score > 0.85 && face.score < 1, `score ${face.score}`);
      const { rightEye, leftEye, nose, mouth, rightEar, leftEar } = face.keypoints;
      expectThat(rightEar.x < rightEye.x && rightEye.x < nose.x, 'the right side is on the left');
      expectThat(nose.x < leftEye.x && leftEye.x < leftEar.x, 'the left side is on the right');
      expectThat(rightEye.y < nose.y && nose.y < mouth.y, 'eyes, nose, mouth go down');

      const { canvas, context: canvasContext } = toCanvas(width, height, (drawing) => drawing.drawImage(bitmap, 0, 0));
      const pixels = canvasContext.getImageData(0, 0, width, height);
      const texture = context.gpu.device.createTexture({
        size: [width, height],
        format: 'rgba8unorm',
        usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST,
      });
      context.gpu.device.queue.writeTexture({ texture }, pixels.data, { bytesPerRow: width * 4 }, [width, height]);
      const image = new Image();
      image.src = '/assets/astronaut.png';
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

  test('is one submit and one readback of 3,856 bytes, and creates nothing', async (context) => {
    const bitmap = await loadAstronaut(context);
    const { canvas } = toCanvas(bitmap.width, bitmap.height, (drawing) => drawing.drawImage(bitmap, 0, 0));
    await withDetector(context, async (detector) => {
      await detector.detect(canvas);
      const before = detector.counters;
      const { calls } = await countCalls(() => detector.detect(canvas));
      // Crop, 21 + 16 convolutions, 16 sums, 3 pools, 2 heads; docs/passes.md says this number.
      const dispatches = 1 + 37 + 16 + 3 + 2;
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
        'GPUQueue.copyExternalImageToTexture': 1,
        'GPUQueue.submit': 1,
        'GPUQueue.writeBuffer': 1,
      });
      const { pictures, submits, bytesRead } = detector.counters;
      expectEqual([pictures - before.pictures, submits - before.submits, bytesRead - before.bytesRead], [1, 1, 3856]);
      expectEqual(detector.counters.dispatches - before.dispatches, dispatches);
    });
  });

  test('looks into tiles for faces too small in the whole, all tiles in one submit', async (context) => {
    const bitmap = await loadAstronaut(context);
    const { canvas } = toCanvas(1600, 620, (drawing) => {
      for (const [x, y] of [
        [30, 100],
        [560, 20],
        [1080, 90],
      ] as const) {
        drawing.drawImage(bitmap, x, y);
      }
    });
    const wanted = [
      [30, 100],
      [560, 20],
      [1080, 90],
    ].map(([x = 0, y = 0]) => ASTRONAUT.map((value, index) => value + (index % 2 === 0 ? x : y)));
    await withDetector(context, async (detector) => {
      expectEqual((await detector.detect(canvas, { search: 'whole' })).length, 0, 'faces in the whole');
      const before = detector.counters.submits;
      expectFaces(await detector.detect(canvas), wanted, 8);
      // The whole, the margin, 2 tiles, 4 tiles.
      expectEqual(detector.counters.submits - before, 4);
      const { calls } = await countCalls(async () => {
        const faces = await detector.detect(canvas, { search: 'everywhere' });
        const three = faces.filter(({ y0 }) => y0 < 200);
        expectFaces(three, wanted, 8);
      });
      expectEqual(calls.get('GPUQueue.submit'), 1);
    });
  });

  test('reads more than the usual number of candidates in a second readback, the same every time', async (context) => {
    const bitmap = await loadAstronaut(context);
    await withDetector(
      context,
      async (detector) => {
        const first = await detector.detect(bitmap, { search: 'whole' });
        expectThat(detector.counters.bytesRead > 2 * 3856, `${detector.counters.bytesRead} bytes read`);
        expectThat(
          first.some((face) => Math.abs(face.x0 - ASTRONAUT[0]) < 6 && Math.abs(face.y1 - ASTRONAUT[3]) < 6),
          'her face is not among them',
        );
        expectEqual(await detector.detect(bitmap, { search: 'whole' }), first);
      },
      { minScore: 1e-4 },
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
    await withDetector(context, async (again) => expectFaces(await again.detect(bitmap), [ASTRONAUT], 3));

    const own = await FaceDetector.create({ weights });
    expectThat(own.device !== context.gpu.device, 'the same device');
    own.destroy();
    expectThat((await own.lost) instanceof DeviceLostError, 'not lost');
  });

  test('loads its files from a manifest, with progress, and stops when told', async (context) => {
    const steps: number[] = [];
    const detector = await FaceDetector.create({
      device: context.gpu.device,
      weights: '/weights/detector.json',
      cache: false,
      onProgress: ({ loaded, total }) => steps.push(loaded / total),
    });
    expectEqual(steps.at(-1), 1);
    detector.destroy();
    const stop = new AbortController();
    stop.abort(new InputError('stopped'));
    await expectError(
      () => FaceDetector.create({ weights: '/weights/detector.json', signal: stop.signal }),
      InputError,
      /stopped/,
    );
    await expectError(
      () => FaceDetector.create({ weights: '/weights/manifest.json', cache: false }),
      WeightsError,
      /format is "fullpose-weights\/1"; wanted "fullpose-detector-manifest\/1"/,
    );
  });

  test('refuses impossible options and sources', async (context) => {
    const options = (change: object) => FaceDetector.create({ device: context.gpu.device, ...change });
    await expectError(() => options({ minScore: 1 }), InputError, /minScore is 1; wanted a number between 0 and 1/);
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
    });
  });
});
