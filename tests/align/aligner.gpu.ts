import { FaceAligner } from '../../src/align/aligner.js';
import type { Face } from '../../src/align/face.js';
import type { AlignerOptions } from '../../src/align/options.js';
import { Cascade } from '../../src/cascade/cascade.js';
import { parseWeights } from '../../src/cascade/weights.js';
import {
  DeviceLostError,
  InputError,
  LimitError,
  WebGPUUnavailableError,
  WeightsError,
} from '../../src/engine/errors.js';
import { readBuffer } from '../../src/engine/readback.js';
import { decodeVertices, pickVertices, toPicturePixels } from '../../src/mmm/decode.js';
import { normalisedCoordinateCode } from '../../src/mmm/model.js';
import { cropOf, type FaceBox } from '../../src/pictures/boxes.js';
import { cropToPicture } from '../../src/pictures/crop.js';
import type { PictureSource, PixelData } from '../../src/pictures/frame.js';
import { CROP_RECORD_BYTES } from '../../src/pictures/kernels/crop.js';
import { expectClose, expectEqual, expectError, expectThat } from '../browser/numbers.js';
import { addressOf, type GpuCaseContext, gpuSuite } from '../browser/suite.js';
import { runOnCrops } from '../cascade/crops.js';
import { wavyPicture as picture } from '../cascade/pictures.js';
import { smallWeightBuffers } from '../cascade/small-weights.js';
import { cropReference } from '../reference/crop.js';
import { rasterReference, resolveReference } from '../reference/raster.js';
import { countCalls, uploadCall } from './calls.js';

function toCanvas({ width, height, data }: ReturnType<typeof picture>): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  expectThat(context !== null, 'no 2d context');
  context.putImageData(new ImageData(data, width, height), 0, 0);
  return canvas;
}

const landmarksBox = (x0: number, y0: number, x1: number, y1: number): FaceBox => ({
  x0,
  y0,
  x1,
  y1,
  kind: 'landmarks',
});

const BOX = landmarksBox(20, 15, 60, 50);

/** Runs `action` on an aligner with the small weights, on the case's device. */
async function withAligner<T>(
  { gpu }: GpuCaseContext,
  options: Partial<AlignerOptions>,
  action: (aligner: FaceAligner) => Promise<T>,
): Promise<T> {
  const aligner = await FaceAligner.create({ weights: smallWeightBuffers(), device: gpu.device, ...options });
  try {
    return await action(aligner);
  } finally {
    aligner.destroy();
  }
}

function only(faces: readonly Face[]): Face {
  const [face] = faces;
  expectThat(face !== undefined && faces.length === 1, `${faces.length} faces; wanted one`);
  return face;
}

function expectSameFace(actual: Face, expected: Face, atol: number, label: string): void {
  expectClose(actual.landmarks, expected.landmarks, { atol, label: `landmarks of ${label}`, shape: [68, 3] });
  expectClose(actual.parameters, expected.parameters, { atol, label: `parameters of ${label}` });
}

/** What the aligner should find, from the reference crop and the bare cascade. */
async function expectedFace({ gpu }: GpuCaseContext, source: PixelData, box: FaceBox) {
  const weights = parseWeights(smallWeightBuffers());
  const { cropSize, parameters: layout } = weights.network;
  const crop = cropOf(box, source, cropSize);
  const image = cropReference(source, crop.centreX, crop.centreY, crop.side, cropSize);
  const cascade = await Cascade.create(gpu, weights, { maxFaces: 1 });
  await runOnCrops(cascade, cascade.plan(3), [image], 1);
  const p = cascade.parameters[3];
  expectThat(p !== undefined, 'no p3');
  const parameters = new Float32Array(await readBuffer(gpu, p.buffer));
  const vertices = toPicturePixels(decodeVertices(weights.model, layout, parameters, cropSize), cropToPicture(crop));
  return { parameters, landmarks: pickVertices(vertices, weights.model.landmarks), vertices, crop };
}

async function playing(canvas: HTMLCanvasElement): Promise<HTMLVideoElement> {
  const video = document.createElement('video');
  video.muted = true;
  video.srcObject = canvas.captureStream();
  const context = canvas.getContext('2d');
  const drawing = setInterval(() => context?.drawImage(canvas, 0, 0), 20);
  try {
    await video.play();
    await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
  } finally {
    clearInterval(drawing);
  }
  return video;
}

/** A JPEG whose EXIF says that row 0 is the right-hand side: a viewer turns it clockwise by a quarter. */
async function turnedJpeg(canvas: HTMLCanvasElement): Promise<Blob> {
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/jpeg', 1));
  expectThat(blob !== null, 'no JPEG');
  const jpeg = new Uint8Array(await blob.arrayBuffer());
  const tiff = [0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0];
  const body = [...new TextEncoder().encode('Exif'), 0, 0, ...tiff];
  const segment = Uint8Array.of(0xff, 0xe1, 0, body.length + 2, ...body);
  return new Blob([jpeg.slice(0, 2), segment, jpeg.slice(2)], { type: 'image/jpeg' });
}

async function loadImage(blob: Blob): Promise<HTMLImageElement> {
  const image = new Image();
  image.src = URL.createObjectURL(blob);
  await image.decode();
  return image;
}

async function toPng(canvas: HTMLCanvasElement): Promise<Blob> {
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve));
  expectThat(blob !== null, 'no PNG');
  return blob;
}

function toTexture(device: GPUDevice, { width, height, data }: PixelData, format: GPUTextureFormat): GPUTexture {
  const usage = GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST;
  const texture = device.createTexture({ size: [width, height], format, usage });
  const bytes = Uint8Array.from(data);
  if (format === 'bgra8unorm') {
    for (let i = 0; i < bytes.length; i += 4) [bytes[i], bytes[i + 2]] = [data[i + 2] ?? 0, data[i] ?? 0];
  }
  device.queue.writeTexture({ texture }, bytes, { bytesPerRow: width * 4 }, [width, height]);
  return texture;
}

export const aligner = gpuSuite('aligner', (test) => {
  test('is the crop, the cascade and the way back to the picture', async (context) => {
    const source = picture(80, 64);
    const expected = await expectedFace(context, source, BOX);
    await withAligner(context, {}, async (aligner) => {
      const face = only(await aligner.align(source, [BOX]));
      expectClose(face.parameters, expected.parameters, { atol: 1e-4, label: 'parameters' });
      expectClose(face.landmarks, expected.landmarks, { atol: 1e-3, label: 'landmarks', shape: [68, 3] });
      expectEqual(face.crop, expected.crop);
      const [xs, ys] = [0, 1].map((axis) => face.landmarks.filter((_, i) => i % 3 === axis));
      expectThat(xs !== undefined && ys !== undefined, 'no coordinates');
      const edges = { x0: Math.min(...xs), y0: Math.min(...ys), x1: Math.max(...xs), y1: Math.max(...ys) };
      expectEqual(face.box, { ...edges, kind: 'landmarks' });
      expectClose(face.identity, expected.parameters.subarray(8, 13), { atol: 1e-4 });
      expectEqual(Object.keys(face.expression), ['shape0', 'shape1', 'shape2']);
      expectClose(Object.values(face.expression), expected.parameters.subarray(13, 16), { atol: 1e-4 });
      // The pose's matrix takes the model's landmarks where they were found.
      const m = face.pose.matrix;
      const shape = aligner.model;
      const at = (shape.landmarks[30] ?? 0) * 3;
      const s = [0, 1, 2].map((axis) => {
        const sum = (columns: number, values: Int8Array, scale: Float32Array, first: number) => {
          let total = 0;
          for (let c = 0; c < columns; c++) {
            const value = values[c * shape.vertexCount * 3 + at + axis] ?? 0;
            total += value * (scale[c] ?? 0) * (face.parameters[first + c] ?? 0);
          }
          return total;
        };
        const { identity, expression, mean } = shape;
        return (
          (mean[at + axis] ?? 0) +
          sum(identity.count, identity.values, identity.scale, 8) +
          sum(expression.count, expression.values, expression.scale, 13)
        );
      });
      const mapped = [0, 4, 8].map((row) =>
        [0, 1, 2].reduce((sum, k) => sum + (m[row + k] ?? 0) * (s[k] ?? 0), m[row + 3] ?? 0),
      );
      expectClose(mapped, face.landmarks.subarray(90, 93), { atol: 1e-3, label: 'matrix times model point' });
      expectThat(face.visibility.length === 68 && face.visibility.some((flag) => flag === 1), 'no landmark is visible');
    });
  });

  test('takes every kind of source', async (context) => {
    const source = picture(80, 64);
    const canvas = toCanvas(source);
    const { device } = context.gpu;
    const offscreen = new OffscreenCanvas(80, 64);
    offscreen.getContext('2d')?.drawImage(canvas, 0, 0);
    const bitmap = await createImageBitmap(canvas);
    const frame = new VideoFrame(canvas, { timestamp: 0 });
    const video = await playing(toCanvas(source));
    const textures = (['rgba8unorm', 'bgra8unorm'] as const).map((format) => toTexture(device, source, format));
    // Video goes through YUV, which costs colour.
    const kinds: readonly (readonly [string, PictureSource, number])[] = [
      ['ImageData', new ImageData(source.data, 80, 64), 0],
      ['canvas', canvas, 1e-3],
      ['OffscreenCanvas', offscreen, 1e-3],
      ['ImageBitmap', bitmap, 1e-3],
      ['image', await loadImage(await toPng(canvas)), 1e-3],
      ['VideoFrame', frame, 1e-3],
      ['video', video, 0.5],
      ...textures.map((texture) => [texture.format, texture, 1e-3] as const),
    ];
    try {
      await withAligner(context, {}, async (aligner) => {
        const expected = only(await aligner.align(source, [BOX]));
        const other = only(await aligner.align(picture(80, 64, 2), [BOX]));
        const difference = Math.max(
          ...other.landmarks.map((value, i) => Math.abs(value - (expected.landmarks[i] ?? 0))),
        );
        expectThat(difference > 1, `another picture moves the landmarks by ${difference}; the comparison is blind`);
        for (const [name, kind, atol] of kinds) {
          expectSameFace(only(await aligner.align(kind, [BOX])), expected, atol, name);
        }
      });
    } finally {
      frame.close();
      video.srcObject = null;
      for (const texture of textures) texture.destroy();
    }
  });

  test('turns a JPEG upright as its EXIF says', async (context) => {
    const stored = picture(64, 80);
    const upright = new Uint8ClampedArray(stored.data.length);
    // A quarter turn clockwise: row y becomes column 79 - y.
    for (let y = 0; y < 80; y++) {
      for (let x = 0; x < 64; x++) {
        upright.set(stored.data.subarray((y * 64 + x) * 4, (y * 64 + x) * 4 + 4), (x * 80 + (79 - y)) * 4);
      }
    }
    const image = await loadImage(await turnedJpeg(toCanvas(stored)));
    expectEqual([image.naturalWidth, image.naturalHeight], [80, 64], 'size of the upright image');
    await withAligner(context, {}, async (aligner) => {
      const expected = only(await aligner.align({ width: 80, height: 64, data: upright }, [BOX]));
      const sources: readonly (readonly [string, PictureSource])[] = [
        ['image', image],
        ['bitmap', await createImageBitmap(image)],
        ['Blob', await turnedJpeg(toCanvas(stored))],
        ['File', new File([await turnedJpeg(toCanvas(stored))], 'turned.jpg')],
      ];
      for (const [name, source] of sources) {
        expectSameFace(only(await aligner.align(source, [BOX])), expected, 0.3, name);
      }
    });
  });

  test('does with any number of faces what it does with one', async (context) => {
    const source = picture(120, 100);
    const boxes = Array.from({ length: 7 }, (_, i) => landmarksBox(5 + 9 * i, 8 + 5 * i, 40 + 11 * i, 38 + 9 * i));
    await withAligner(context, { maxFaces: 3 }, async (aligner) => {
      const single: Face[] = [];
      for (const box of boxes) single.push(only(await aligner.align(source, [box])));
      const before = aligner.counters;
      // 2 of 3 places taken, then more boxes than places.
      for (const count of [2, 7]) {
        const faces = await aligner.align(source, boxes.slice(0, count));
        expectEqual(faces.length, count);
        for (const [i, face] of faces.entries()) {
          const expected = single[i];
          expectThat(expected !== undefined, 'no single face');
          expectSameFace(face, expected, 0, `face ${i} of ${count}`);
        }
      }
      expectEqual(aligner.counters.frames - before.frames, 1 + 3);
      expectEqual(aligner.counters.faces - before.faces, 9);
      expectEqual(await aligner.align(source, []), []);
    });
  });

  test('keeps overlapping calls apart', async (context) => {
    const pictures = [0, 1, 2, 3, 4].map((phase) => picture(70 + 12 * phase, 60 + 8 * phase, phase));
    const boxes = [BOX, landmarksBox(10, 10, 55, 52), landmarksBox(30, 5, 66, 40)];
    await withAligner(context, { maxFaces: 2 }, async (aligner) => {
      const expected: Face[][] = [];
      for (const source of pictures) expected.push(await aligner.align(source, boxes));
      // The canvases take longer to prepare than the pixels.
      const together = await Promise.all(
        pictures.map(async (source, i) =>
          aligner.align(i % 2 === 0 ? await loadImage(await toPng(toCanvas(source))) : source, boxes),
        ),
      );
      const raced = await Promise.all(pictures.map((source) => aligner.align(source, boxes)));
      for (const [i, faces] of expected.entries()) {
        for (const [k, face] of faces.entries()) {
          for (const results of [together, raced]) {
            const actual = results[i]?.[k];
            expectThat(actual !== undefined, `face ${k} of picture ${i} is missing`);
            expectSameFace(actual, face, 1e-3, `face ${k} of picture ${i}`);
          }
        }
      }
    });
  });

  test('keeps the turns where a call fails between two others', async (context) => {
    const [first, second] = [picture(80, 64), picture(80, 64, 2)];
    // Four frames, one more than there are staging buffers: the call has to wait in the middle.
    const boxes = Array.from({ length: 8 }, (_, i) => landmarksBox(10 + i, 10, 50 + i, 48));
    await withAligner(context, { maxFaces: 2 }, async (aligner) => {
      const expected = await aligner.align(first, boxes);
      const calls = [aligner.align(first, boxes), aligner.align(first, [landmarksBox(5, 5, 1, 1)])] as const;
      const [long, failing, last] = await Promise.allSettled([...calls, aligner.align(second, [BOX])]);
      expectThat(long?.status === 'fulfilled' && last?.status === 'fulfilled', 'a good call failed');
      expectThat(failing?.status === 'rejected', 'the bad call passed');
      for (const [i, face] of long.value.entries()) {
        const wanted = expected[i];
        expectThat(wanted !== undefined, 'a face too many');
        expectSameFace(face, wanted, 0, `face ${i}`);
      }
    });
  });

  test('runs fewer iterations when asked, and loads fewer when told', async (context) => {
    const source = picture(80, 64);
    const byCount = await withAligner(context, {}, async (aligner) => {
      expectEqual(aligner.iterations, 3);
      const faces: Face[] = [];
      for (const iterations of [1, 2, 3]) faces.push(only(await aligner.align(source, [BOX], { iterations })));
      return faces;
    });
    const [one, two, three] = byCount;
    expectThat(one !== undefined && two !== undefined && three !== undefined, 'a face is missing');
    const moved = (a: Face, b: Face) =>
      Math.max(...a.landmarks.map((value, i) => Math.abs(value - (b.landmarks[i] ?? 0))));
    expectThat(moved(one, two) > 0.01 && moved(two, three) > 0.01, 'an iteration changes nothing');
    await withAligner(context, { iterations: 1 }, async (aligner) => {
      expectEqual(aligner.iterations, 1);
      expectSameFace(only(await aligner.align(source, [BOX])), one, 0, 'one iteration');
      await expectError(
        () => aligner.align(source, [BOX], { iterations: 2 }),
        InputError,
        /iterations is 2; wanted .* 1 to 1/,
      );
    });
  });

  test('takes pictures of one pixel and crops over every border', async (context) => {
    const small = picture(1, 1);
    const wide = picture(80, 64);
    for (const [source, box] of [
      [small, landmarksBox(-3, -3, 3, 3)],
      [wide, landmarksBox(-25, -20, 20, 25)],
      [wide, landmarksBox(60, 50, 110, 95)],
      [wide, landmarksBox(-40, -40, 140, 120)],
    ] as const) {
      const expected = await expectedFace(context, source, box);
      await withAligner(context, { maxFaces: 1 }, async (aligner) => {
        const face = only(await aligner.align(source, [box]));
        expectClose(face.landmarks, expected.landmarks, { atol: 2e-3, shape: [68, 3] });
      });
    }
  });

  test('shrinks a picture that is too large for a texture, and maps back', async (context) => {
    const adapter = await navigator.gpu.requestAdapter();
    const device = await adapter?.requestDevice({ requiredLimits: { maxTextureDimension2D: 2048 } });
    expectThat(device !== undefined, 'no device');
    // WebGPU grants at least 8192; a picture just beyond it.
    const most = device.limits.maxTextureDimension2D;
    const source = picture(most + 808, 60);
    const box = landmarksBox(most + 730, 12, most + 770, 48);
    try {
      const expected = await expectedFace(context, source, box);
      await withAligner(context, { device }, async (aligner) => {
        for (const kind of [source, await createImageBitmap(toCanvas(source))]) {
          const face = only(await aligner.align(kind, [box]));
          expectClose(face.landmarks, expected.landmarks, { atol: 0.6, shape: [68, 3] });
        }
      });
    } finally {
      device.destroy();
    }
  });

  test('gives dense vertices, PNCC and depth of a face on demand', async (context) => {
    const source = picture(80, 64);
    await withAligner(context, {}, async (aligner) => {
      const face = only(await aligner.align(source, [BOX]));
      // Whatever happens between does not matter.
      await aligner.align(picture(90, 90, 3), [BOX, BOX]);
      const [vertices, rendering] = await Promise.all([aligner.vertices(face), aligner.render(face)]);
      const { model } = aligner;
      expectEqual(vertices.length, model.vertexCount * 3);
      expectClose(pickVertices(vertices, model.landmarks), face.landmarks, { atol: 1e-4, label: 'landmark vertices' });
      const { size, pncc, depth } = rendering;
      const { scale, x0, y0 } = cropToPicture(face.crop);
      const inCrop = vertices.map((value, i) => (i % 3 === 2 ? value : value - (i % 3 === 0 ? x0 : y0)) / scale);
      const mesh = { vertices: inCrop, triangles: model.triangles };
      const keys = rasterReference(mesh, size);
      const expected = resolveReference(mesh, normalisedCoordinateCode(model), keys, size);
      // Vertices went to the picture and back: at a few border pixels another triangle may win.
      const different = pncc.filter((value, i) => Math.abs(value - (expected[i] ?? 0)) > 0.01).length;
      expectThat(different <= 12, `${different} PNCC values differ`);
      const shown = depth.filter((value) => !Number.isNaN(value));
      const covered = keys.filter((key) => key !== 0).length;
      expectThat(
        covered > 50 && Math.abs(shown.length - covered) <= 4,
        `${shown.length} of ${covered} pixels have depth`,
      );
      const z = inCrop.filter((_, i) => i % 3 === 2);
      const [low, high] = [Math.min(...z), Math.max(...z)];
      expectThat(
        shown.every((value) => value >= low - 0.01 && value <= high + 0.01),
        'a depth is not on the face',
      );
    });
  });

  test('measures every stage of a frame', async (context) => {
    await withAligner(context, {}, async (aligner) => {
      const stages = await aligner.profile(picture(80, 64), [BOX, BOX]);
      const named = new Set(stages.map(({ stage }) => stage));
      for (const stage of [
        'crop',
        'resolve',
        'paf',
        'conv conv',
        'fully connected out',
        'update',
        'decode',
        'raster',
        'outputs',
      ]) {
        expectThat(named.has(stage), `stage '${stage}' is missing from ${[...named].join(', ')}`);
      }
      expectThat(
        stages.every(({ milliseconds }) => milliseconds >= 0),
        'a stage has negative time',
      );
      await expectError(
        () => aligner.profile(picture(80, 64), []),
        InputError,
        /box count is 0; wanted a whole number from 1 to 4/,
      );
    });
  });
});

export const steadyState = gpuSuite('a steady-state frame', (test) => {
  test('is one pass, one submit and one small readback, and creates nothing', async (context) => {
    const source = picture(80, 64);
    const canvas = toCanvas(source);
    await withAligner(context, { maxFaces: 4 }, async (aligner) => {
      await aligner.align(canvas, [BOX]);
      const before = aligner.counters;
      for (const [iterations, steps] of [
        // crop; iteration 0: paf, 5 layers (concat takes a dispatch an input), update; each later one also decode,
        // clear, raster and resolve; end: decode, clear, raster, outputs.
        [1, 1 + 8 + 4],
        [3, 1 + 8 + 2 * 12 + 4],
      ] as const) {
        for (const boxes of [[BOX], [BOX, BOX, BOX]]) {
          const { calls, bytes } = await countCalls(() => aligner.align(canvas, boxes, { iterations }));
          const perFace = (iterations * 16 + 68 * 4) * 4;
          expectEqual(
            Object.fromEntries([...calls].sort()),
            {
              'GPUBuffer.getMappedRange': 1,
              'GPUBuffer.mapAsync': 1,
              'GPUBuffer.unmap': 1,
              'GPUCommandEncoder.beginComputePass': 1,
              // The output, and the steps to it.
              'GPUCommandEncoder.copyBufferToBuffer': iterations,
              'GPUCommandEncoder.finish': 1,
              'GPUComputePassEncoder.dispatchWorkgroups': steps,
              'GPUComputePassEncoder.end': 1,
              'GPUDevice.createCommandEncoder': 1,
              'GPUQueue.submit': 1,
              'GPUQueue.writeBuffer': 1,
              [uploadCall(context.gpu)]: 1,
            },
            `calls with ${boxes.length} faces and ${iterations} iterations`,
          );
          expectEqual(bytes, boxes.length * perFace, 'bytes copied to staging');
        }
      }
      const { frames, faces, submits, dispatches, bytesRead } = aligner.counters;
      expectEqual(frames - before.frames, 4);
      expectEqual(submits - before.submits, 4);
      expectEqual(faces - before.faces, 8);
      expectEqual(dispatches - before.dispatches, 2 * 13 + 2 * 37);
      expectEqual(bytesRead - before.bytesRead, 4 * (16 + 68 * 4) * 4 + 4 * (3 * 16 + 68 * 4) * 4);
    });
  });

  test('stays within 4 KB a face with the shipped weights', async ({ gpu, load }) => {
    const files = ['face_model.safetensors', 'network.json', ...[0, 1, 2].map((k) => `iteration${k}.safetensors`)];
    const [faceModel, network, ...iterations] = await Promise.all(files.map((file) => load(`weights/${file}`)));
    expectThat(faceModel !== undefined && network !== undefined, 'no weights');
    const weights = { faceModel, network: new TextDecoder().decode(network), iterations };
    const aligner = await FaceAligner.create({ weights, device: gpu.device, maxFaces: 2 });
    try {
      const source = picture(200, 180);
      const boxes = [landmarksBox(40, 30, 120, 110), landmarksBox(90, 60, 170, 150)];
      await aligner.align(source, boxes);
      const { calls, bytes } = await countCalls(() => aligner.align(source, boxes));
      expectEqual(calls.get('GPUQueue.submit'), 1);
      // docs/passes.md says these numbers.
      const follows = parseWeights(weights).network.recrop !== undefined;
      expectEqual(calls.get('GPUComputePassEncoder.dispatchWorkgroups'), follows ? 63 : 61);
      expectEqual(bytes, 2 * ((3 * 104 + 68 * 4) * 4 + (follows ? 2 * CROP_RECORD_BYTES : 0)));
      expectThat(bytes / 2 <= 4096, `${bytes / 2} bytes a face`);
      expectEqual(
        [...calls.keys()].filter((name) => name.startsWith('GPUDevice.')),
        ['GPUDevice.createCommandEncoder'],
      );
    } finally {
      aligner.destroy();
    }
  });

  test('makes one texture view and bind group for a texture it has not seen, and none for one it has', async (context) => {
    const { device } = context.gpu;
    const textures = [0, 1].map((phase) => toTexture(device, picture(40, 40, phase), 'rgba8unorm'));
    const box = landmarksBox(8, 8, 30, 30);
    await withAligner(context, {}, async (aligner) => {
      for (const expected of [1, 0]) {
        for (const texture of textures) {
          const { calls } = await countCalls(() => aligner.align(texture, [box]));
          expectEqual(calls.get('GPUDevice.createBindGroup') ?? 0, expected);
          expectEqual(calls.get('GPUTexture.createView') ?? 0, expected);
        }
      }
      for (const texture of textures) texture.destroy();
    });
  });
});

export const lifetime = gpuSuite("an aligner's lifetime", (test) => {
  test('leaves no buffer and no texture behind, and the caller its device', async ({ gpu }) => {
    const alive = new Set<GPUBuffer | GPUTexture>();
    const { createBuffer, createTexture } = gpu.device;
    const watch = <T extends GPUBuffer | GPUTexture>(resource: T): T => {
      alive.add(resource);
      const { destroy } = resource;
      resource.destroy = () => {
        alive.delete(resource);
        return destroy.call(resource);
      };
      return resource;
    };
    gpu.device.createBuffer = (descriptor) => watch(createBuffer.call(gpu.device, descriptor));
    gpu.device.createTexture = (descriptor) => watch(createTexture.call(gpu.device, descriptor));
    try {
      for (let round = 0; round < 2; round++) {
        const aligner = await FaceAligner.create({ weights: smallWeightBuffers(), device: gpu.device });
        for (const size of [40, 80, 60]) {
          const face = only(await aligner.align(picture(size, size), [landmarksBox(5, 5, 30, 30)]));
          await aligner.vertices(face);
          await aligner.render(face);
        }
        await aligner.profile(picture(40, 40), [landmarksBox(5, 5, 30, 30)]);
        expectThat(alive.size > 10, `${alive.size} resources are watched`);
        aligner.destroy();
        aligner.destroy();
        expectEqual(
          [...alive].map(({ label }) => label),
          [],
        );
      }
      // Loading that fails leaves nothing either.
      const maxFaces = 0;
      await expectError(
        () => FaceAligner.create({ weights: smallWeightBuffers(), device: gpu.device, maxFaces }),
        InputError,
        /maxFaces is 0; wanted a whole number from 1/,
      );
      expectEqual(
        [...alive].map(({ label }) => label),
        [],
      );
    } finally {
      // The device is shared: what was put over its prototype goes away again.
      Reflect.deleteProperty(gpu.device, 'createBuffer');
      Reflect.deleteProperty(gpu.device, 'createTexture');
    }
    // The device still works.
    gpu.device.createBuffer({ size: 4, usage: GPUBufferUsage.STORAGE }).destroy();
  });

  test('keeps the number of buffers constant over many frames', async ({ gpu }) => {
    let buffers = 0;
    const { createBuffer } = gpu.device;
    gpu.device.createBuffer = (descriptor) => {
      buffers++;
      return createBuffer.call(gpu.device, descriptor);
    };
    try {
      const aligner = await FaceAligner.create({ weights: smallWeightBuffers(1), device: gpu.device });
      const source = picture(60, 60);
      await aligner.align(source, [BOX]);
      const made = buffers;
      for (let frame = 0; frame < 100; frame++) await aligner.align(source, [BOX]);
      expectEqual(buffers, made);
      aligner.destroy();
    } finally {
      Reflect.deleteProperty(gpu.device, 'createBuffer');
    }
  });

  test('ends with destroy(): later and pending calls reject', async ({ gpu }) => {
    const aligner = await FaceAligner.create({ weights: smallWeightBuffers(), device: gpu.device });
    const source = picture(60, 60);
    const face = only(await aligner.align(source, [BOX]));
    const pending = aligner.align(source, [BOX]).then(
      () => undefined,
      (error: unknown) => error,
    );
    aligner[Symbol.dispose]();
    expectThat((await pending) instanceof DeviceLostError, `the pending call gave ${String(await pending)}`);
    await expectError(() => aligner.align(source, [BOX]), DeviceLostError, /destroy/);
    await expectError(() => aligner.vertices(face), DeviceLostError, /destroy/);
  });

  test('owns its device where it made it, and says when it is lost', async () => {
    const aligner = await FaceAligner.create({ weights: smallWeightBuffers(1) });
    const face = only(await aligner.align(picture(60, 60), [BOX]));
    expectThat(face.landmarks.every(Number.isFinite), 'a landmark is not finite');
    aligner.device.destroy();
    expectThat((await aligner.lost) instanceof DeviceLostError, 'no DeviceLostError');
    await expectError(() => aligner.align(picture(60, 60), [BOX]), DeviceLostError, /lost/);
    aligner.destroy();
  });
});

export const refusals = gpuSuite('what the aligner refuses', (test) => {
  test('boxes, by their number in the list', async (context) => {
    await withAligner(context, {}, async (aligner) => {
      const source = picture(60, 60);
      await expectError(
        () => aligner.align(source, [BOX, landmarksBox(1, 2, 1, 9)]),
        InputError,
        /^Box 1: .*0 x 7 pixels/,
      );
      await expectError(
        () => aligner.align(source, [landmarksBox(0, 0, Number.NaN, 9)]),
        InputError,
        /^Box 0: .*not finite/,
      );
      // A refused call does not stop the next.
      only(await aligner.align(source, [BOX]));
    });
  });

  test('numbers of iterations', async (context) => {
    await withAligner(context, {}, async (aligner) => {
      for (const iterations of [0, 4, 1.5, Number.NaN]) {
        const call = () => aligner.align(picture(60, 60), [BOX], { iterations });
        await expectError(call, InputError, /iterations is .*; wanted a whole number from 1 to 3/);
      }
    });
  });

  test('sources that hold no picture', async (context) => {
    const { device } = context.gpu;
    const closed = await createImageBitmap(toCanvas(picture(8, 8)));
    closed.close();
    const frame = new VideoFrame(toCanvas(picture(8, 8)), { timestamp: 0 });
    frame.close();
    const empty = document.createElement('canvas');
    empty.width = 0;
    const broken = new Image();
    broken.src = 'data:image/png;base64,AAAA';
    await broken.decode().catch(() => {});
    // Asked for at once: what is not there yet when the call is made.
    const loading = () => {
      const image = new Image();
      image.src = addressOf('assets/astronaut.png?again');
      return image;
    };
    const usage = GPUTextureUsage.COPY_DST;
    const binding = GPUTextureUsage.TEXTURE_BINDING;
    const textures = [
      device.createTexture({ size: [4, 4], format: 'rgba8unorm', usage }),
      device.createTexture({ size: [4, 4], format: 'rgba8unorm-srgb', usage: binding }),
      device.createTexture({ size: [4, 4, 2], format: 'rgba8unorm', usage: binding }),
    ];
    const [unbound, linear, layered] = textures;
    expectThat(unbound !== undefined && linear !== undefined && layered !== undefined, 'no textures');
    const cases: readonly (readonly [unknown, RegExp])[] = [
      [closed, /bitmap \(closed\?\) is 0 x 0/],
      [frame, /video frame \(closed\?\) is 0 x 0/],
      [empty, /canvas is 0 x 150/],
      [broken, /image .* is 0 x 0|not loaded/],
      [loading, /not loaded yet/],
      [document.createElement('video'), /readyState is 0; wanted at least 2/],
      [{ width: 4, height: 4, data: new Uint8Array(63) }, /63 bytes; wanted 4 x 4 x 4/],
      [{ width: 0, height: 4, data: new Uint8Array(0) }, /0 x 4 pixels/],
      [unbound, /usage is 2; wanted TEXTURE_BINDING/],
      [linear, /format is rgba8unorm-srgb; wanted one of/],
      [layered, /2d with 2 layers/],
      [document.createElement('div'), /\[object HTMLDivElement\]; wanted an image/],
      [null, /\[object Null\]; wanted an image/],
      [new Blob(['no picture']), /could not be decoded/],
      ['photo.jpg', /\[object String\]; wanted an image/],
    ];
    await withAligner(context, {}, async (aligner) => {
      for (const [source, message] of cases) {
        const call = () => {
          const value: unknown = typeof source === 'function' ? source() : source;
          // What untyped code may pass.
          return aligner.align(value as PictureSource, [landmarksBox(0, 0, 4, 4)]);
        };
        await expectError(call, InputError, message);
      }
    });
    for (const texture of textures) texture.destroy();
  });

  test('faces of another model', async (context) => {
    await withAligner(context, {}, async (aligner) => {
      const face = only(await aligner.align(picture(60, 60), [BOX]));
      const other = { ...face, parameters: new Float32Array(104) };
      await expectError(() => aligner.vertices(other), InputError, /104 parameters; this aligner's model has 16/);
      await expectError(() => aligner.render(other), InputError, /104 parameters/);
    });
  });

  test('weights that are damaged or missing', async ({ gpu: { device } }) => {
    const buffers = smallWeightBuffers();
    const create = (options: Partial<AlignerOptions>) => FaceAligner.create({ weights: buffers, device, ...options });
    await expectError(
      () => create({ weights: { ...buffers, network: '{}' } }),
      WeightsError,
      /network description: format/,
    );
    await expectError(
      () => create({ weights: '/no/such/manifest.json' }),
      WeightsError,
      /the manifest .*status 404|starts with/,
    );
    await expectError(
      () => create({ iterations: 4 }),
      InputError,
      /iterations is 4; wanted a whole number from 1 to 3/,
    );
    const missing = { ...buffers, iterations: [buffers.iterations[0] ?? new ArrayBuffer(0), new ArrayBuffer(3)] };
    await expectError(() => create({ weights: missing }), WeightsError, /weights of iteration 1/);
    await expectError(() => create({ signal: AbortSignal.abort(new RangeError('stop')) }), RangeError, /stop/);
  });

  test('a browser without WebGPU, and a device that cannot measure', async () => {
    const { gpu } = navigator;
    gpu.requestAdapter = async () => null;
    try {
      await expectError(
        () => FaceAligner.create({ weights: smallWeightBuffers() }),
        WebGPUUnavailableError,
        /no adapter/,
      );
    } finally {
      Reflect.deleteProperty(gpu, 'requestAdapter');
    }
    const device = await (await gpu.requestAdapter())?.requestDevice();
    expectThat(device !== undefined, 'no device');
    const aligner = await FaceAligner.create({ weights: smallWeightBuffers(1), device });
    await expectError(() => aligner.profile(picture(60, 60), [BOX]), LimitError, /timestamp-query/);
    aligner.destroy();
    device.destroy();
  });
});
