import { cascadeCropStep, pixelBytes } from '../../src/cascade/kernels/crop.js';
import { packBasis, packMean, packScale, recordDecode } from '../../src/cascade/kernels/decode.js';
import { packLandmarks, recordOutputs } from '../../src/cascade/kernels/outputs.js';
import { packAnchors, recordPaf, uploadFilters } from '../../src/cascade/kernels/paf.js';
import { recordRaster } from '../../src/cascade/kernels/raster.js';
import { packCodes, recordResolve } from '../../src/cascade/kernels/resolve.js';
import type { Gpu } from '../../src/engine/device.js';
import { recordFill } from '../../src/engine/kernels/fill.js';
import { readBuffer } from '../../src/engine/readback.js';
import { decodeVertices } from '../../src/mmm/decode.js';
import { type FaceModel, loadFaceModel, normalisedCoordinateCode } from '../../src/mmm/model.js';
import { type ParameterLayout, parseParameterLayout } from '../../src/mmm/parameters.js';
import { eulerToQuaternion } from '../../src/mmm/pose.js';
import { CROP_RECORD_BYTES, cropRecord, cropStep, writeCropRecord } from '../../src/pictures/kernels/crop.js';
import { expectClose, expectEqual, expectThat, POISON, poison, randomFloats } from '../browser/numbers.js';
import { type GpuCaseContext, gpuSuite } from '../browser/suite.js';
import { expectTensor, poisonedTensor, runSteps, uploadTensor } from '../engine/tensors.js';
import { layoutJson, smallModelFile } from '../mmm/files.js';
import { cropReference } from '../reference/crop.js';
import { batchOf } from '../reference/layers.js';
import {
  gatherReference,
  landmarkVisibilityReference,
  pafReference,
  rasterReference,
  resolveReference,
} from '../reference/raster.js';
import { packPixels } from './crops.js';
import { awkwardTriangles, type TestMesh, tessellatedQuad } from './meshes.js';

const names = { label: 'step', stage: 'stage' } as const;

/** A poisoned buffer. */
function poisoned(gpu: Gpu, label: string, bytes: number): GPUBuffer {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const buffer = gpu.createBuffer(label, bytes, usage);
  poison(gpu.device, buffer);
  return buffer;
}

/** [n,3] -> [n] vec4, w poisoned: nothing may read it. */
function padded(vertices: ArrayLike<number>): Float32Array<ArrayBuffer> {
  const packed = new Float32Array((vertices.length / 3) * 4).fill(Number.NaN);
  for (let i = 0; i < vertices.length; i++) packed[Math.floor(i / 3) * 4 + (i % 3)] = vertices[i] ?? 0;
  return packed;
}

function unpadded(packed: Float32Array): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: (packed.length / 4) * 3 }, (_, i) => packed[Math.floor(i / 3) * 4 + (i % 3)] ?? 0);
}

/** What lies behind the first `count` words must still be poison. */
function expectUntouched(words: ArrayBuffer, count: number, label: string): void {
  const rest = new Uint32Array(words, count * 4);
  const at = rest.findIndex((word) => word !== POISON);
  expectThat(at === -1, `${label}: word ${count + at} behind the batch was overwritten`);
}

/** Draws `faces` (vertices of one mesh) and returns their keys; a face more than drawn has room and stays poisoned. */
async function raster(
  gpu: Gpu,
  faces: readonly Float32Array[],
  triangles: Uint32Array,
  size: number,
): Promise<Uint32Array> {
  const vertexCount = (faces[0]?.length ?? 0) / 3;
  const stride = Math.ceil((size * size) / 4) * 16;
  expectEqual(stride, size * size * 4, 'sizes in this test are even');
  const all = new Float32Array(faces.flatMap((face) => [...padded(face)]));
  const drawn = poisoned(gpu, 'keys', (faces.length + 1) * stride);
  await runSteps(
    gpu,
    (builder) => {
      recordFill(builder, names, { buffer: drawn, itemBytes: stride });
      recordRaster(
        builder,
        names,
        { vertexCount, triangleCount: triangles.length / 3, size },
        {
          vertices: gpu.uploadBuffer('vertices', all),
          triangles: gpu.uploadBuffer('triangles', triangles),
          keys: drawn,
        },
      );
    },
    faces.length,
  );
  const words = await readBuffer(gpu, drawn);
  expectUntouched(words, (faces.length * stride) / 4, 'keys');
  return new Uint32Array(words, 0, (faces.length * stride) / 4);
}

const layoutOf = (model: FaceModel): ParameterLayout =>
  parseParameterLayout(layoutJson(model.identity.count, model.expression.count));

/** Parameters of faces in different poses and shapes, some reaching out of a crop of 128 px. */
function posedParameters(layout: ParameterLayout): Float32Array<ArrayBuffer> {
  const poses = [
    { yaw: 0, pitch: 0, roll: 0, scale: 45, x: 63.5, y: 63.5 },
    { yaw: 35, pitch: -12, roll: 8, scale: 48, x: 60, y: 66 },
    { yaw: -88, pitch: 5, roll: -4, scale: 50, x: 70, y: 60 },
    { yaw: 62, pitch: 20, roll: 25, scale: 70, x: 20, y: 110 },
  ];
  const parameters = new Float32Array(poses.length * layout.count);
  for (const [face, { scale, x, y, ...angles }] of poses.entries()) {
    const p = parameters.subarray(face * layout.count, (face + 1) * layout.count);
    p.set([...eulerToQuaternion(angles, scale), x, y]);
    // No larger: all shapes at random together soon make no face any more.
    p.set(randomFloats(face + 1, layout.identity[1], -1, 1), layout.identity[0]);
    p.set(randomFloats(face + 11, layout.expression[1], -0.1, 0.4), layout.expression[0]);
  }
  return parameters;
}

/**
 * Decodes on the GPU, by the kernel for software adapters or the other. One face more than there are parameters stays
 * poisoned.
 */
async function decode(
  gpu: Gpu,
  model: FaceModel,
  layout: ParameterLayout,
  parameters: Float32Array,
  size: number,
  isSoftware: boolean,
): Promise<Float32Array<ArrayBuffer>> {
  const batch = parameters.length / layout.count;
  const words = batch * model.vertexCount * 4;
  const vertices = poisoned(gpu, 'vertices', words * 4 + model.vertexCount * 16);
  await runSteps(
    gpu,
    (builder) =>
      recordDecode(
        builder,
        names,
        { vertexCount: model.vertexCount, layout, size },
        {
          parameters: gpu.uploadBuffer('parameters', parameters),
          model: {
            mean: gpu.uploadBuffer('mean', packMean(model)),
            basis: gpu.uploadBuffer('basis', packBasis(model, layout)),
            scale: gpu.uploadBuffer('scale', packScale(model, layout)),
          },
          vertices,
        },
        { isSoftware },
      ),
    batch,
  );
  const result = await readBuffer(gpu, vertices);
  expectUntouched(result, words, 'vertices');
  return unpadded(new Float32Array(result, 0, words));
}

const loadModel = async (load: GpuCaseContext['load']): Promise<FaceModel> =>
  loadFaceModel(await load('weights/face_model.safetensors'));

export const decodeKernel = gpuSuite('decode', (test) => {
  for (const [identityCount, expressionCount] of [
    [5, 3],
    [1, 1],
    [13, 7],
    [16, 16],
  ] as const) {
    test(`${identityCount} + ${expressionCount} coefficients, 2 faces, both variants`, async ({ gpu }) => {
      const model = loadFaceModel(smallModelFile({ identityCount, expressionCount }));
      const layout = layoutOf(model);
      const parameters = posedParameters(layout).subarray(0, 2 * layout.count);
      // Padding coefficients have no column: whatever they hold must not matter.
      const end = layout.expression[0] + layout.expression[1];
      for (let i = end; i < layout.count; i++) parameters[i] = 1000;
      for (const isSoftware of [false, true]) {
        const vertices = await decode(gpu, model, layout, parameters, 96, isSoftware);
        for (const face of [0, 1]) {
          const p = parameters.subarray(face * layout.count, (face + 1) * layout.count);
          const expected = decodeVertices(model, layout, p, 96);
          const actual = vertices.subarray(face * expected.length, (face + 1) * expected.length);
          expectClose(actual, expected, { atol: 2e-4, label: `face ${face}`, shape: [model.vertexCount, 3] });
        }
      }
    });
  }

  test('a face whose parameters are NaN leaves its neighbours alone', async ({ gpu }) => {
    const model = loadFaceModel(smallModelFile());
    const layout = layoutOf(model);
    const parameters = posedParameters(layout).subarray(0, 2 * layout.count);
    parameters.fill(Number.NaN, layout.count);
    const expected = decodeVertices(model, layout, parameters.subarray(0, layout.count), 128);
    for (const isSoftware of [false, true]) {
      const vertices = await decode(gpu, model, layout, parameters, 128, isSoftware);
      expectClose(vertices.subarray(0, expected.length), expected, { atol: 2e-4 });
    }
  });

  test('the shipped model agrees with float64 to a thousandth of a pixel', async ({ gpu, load }) => {
    const model = await loadModel(load);
    const layout = layoutOf(model);
    const parameters = posedParameters(layout);
    for (const isSoftware of [false, true]) {
      const vertices = await decode(gpu, model, layout, parameters, 128, isSoftware);
      for (let face = 0; face < 4; face++) {
        const p = parameters.subarray(face * layout.count, (face + 1) * layout.count);
        const expected = decodeVertices(model, layout, p, 128);
        const actual = vertices.subarray(face * expected.length, (face + 1) * expected.length);
        expectClose(actual, expected, { atol: 1e-3, label: `face ${face}`, shape: [model.vertexCount, 3] });
      }
    }
  });
});

export const rasterKernel = gpuSuite('raster', (test) => {
  const cases: readonly (readonly [string, number, readonly TestMesh[]])[] = [
    ['awkward triangles', 34, [awkwardTriangles(34)]],
    ['awkward triangles in a crop of 2 px', 2, [awkwardTriangles(2)]],
    ['tessellated quads, 3 faces', 64, [0, 0.3, 2].map((angle) => tessellatedQuad(31.3, 40, 9, angle))],
    ['a quad larger than the crop', 20, [tessellatedQuad(10, 60, 3, 0.2)]],
  ];
  for (const [name, size, meshes] of cases) {
    test(`${name}: keys equal the reference's`, async ({ gpu }) => {
      const triangles = meshes[0]?.triangles ?? new Uint32Array();
      const keys = await raster(
        gpu,
        meshes.map(({ vertices }) => vertices),
        triangles,
        size,
      );
      const expected = meshes.flatMap(({ vertices }) => [...rasterReference({ vertices, triangles }, size)]);
      expectClose(keys, expected, { shape: [meshes.length, size, size] });
      expectThat(
        expected.some((key) => key !== 0),
        'nothing was drawn',
      );
    });
  }

  test('the shipped model in four poses: keys and PNCC equal the references bit for bit', async ({ gpu, load }) => {
    const model = await loadModel(load);
    const size = 128;
    const layout = layoutOf(model);
    const all = await decode(gpu, model, layout, posedParameters(layout), size, gpu.adapter.isSoftware);
    const faces = [0, 1, 2, 3].map((face) =>
      all.slice(face * model.vertexCount * 3, (face + 1) * model.vertexCount * 3),
    );
    const keys = await raster(gpu, faces, model.triangles, size);
    const codes = normalisedCoordinateCode(model);
    const stemShape = { height: size, width: size, channels: 8 };
    const expected = randomFloats(5, 4 * size * size * 8, 0, 1);
    const stem = uploadTensor(gpu, 'stem', batchOf(4, stemShape, expected));
    await runSteps(
      gpu,
      (builder) =>
        recordResolve(
          builder,
          names,
          { vertexCount: model.vertexCount, triangleCount: model.triangleCount, size },
          {
            geometry: {
              vertices: gpu.uploadBuffer('vertices', padded(all)),
              keys: gpu.uploadBuffer('keys', keys),
              shared: false,
            },
            triangles: gpu.uploadBuffer('triangles', model.triangles),
            codes: gpu.uploadBuffer('codes', packCodes(codes)),
            stem,
          },
        ),
      4,
    );
    for (const [face, vertices] of faces.entries()) {
      const mesh = { vertices, triangles: model.triangles };
      const drawn = rasterReference(mesh, size);
      const part = keys.subarray(face * size * size, (face + 1) * size * size);
      expectClose(part, drawn, { label: `keys of face ${face}`, shape: [size, size] });
      const covered = drawn.filter((key) => key !== 0).length;
      expectThat(covered > 500, `face ${face} covers ${covered} pixels; wanted a face`);
      const pncc = resolveReference(mesh, codes, drawn, size);
      for (let pixel = 0; pixel < size * size; pixel++) {
        const at = (face * size * size + pixel) * 8;
        expected.set(pncc.subarray(pixel * 3, pixel * 3 + 3), at + 3);
      }
    }
    await expectTensor(gpu, stem, batchOf(4, stemShape, expected), {});
  });
});

interface PafCase {
  readonly size: number;
  readonly channels: number;
  readonly shared: boolean;
  readonly isSoftware: boolean;
}

/** Compares the pose adaptive convolution of two faces with float64. */
async function comparePaf(
  gpu: Gpu,
  model: FaceModel,
  faces: readonly Float32Array[],
  { size, channels, shared, isSoftware }: PafCase,
): Promise<void> {
  const geometries = shared ? faces.slice(0, 1) : faces;
  const triangleCount = model.triangleCount;
  const drawn = geometries.map((vertices) => rasterReference({ vertices, triangles: model.triangles }, size));
  const image = randomFloats(21, faces.length * size * size * 3, 0, 1);
  const weights = randomFloats(22, channels * 27, -0.4, 0.4);
  const bias = randomFloats(23, channels, -0.2, 0.5);
  const { rows, columns } = model.anchors;
  const output = poisonedTensor(gpu, 'paf', { height: rows, width: columns, channels }, faces.length + 1);
  await runSteps(
    gpu,
    (builder) =>
      recordPaf(
        builder,
        names,
        { vertexCount: model.vertexCount, triangleCount, size },
        {
          geometry: {
            vertices: gpu.uploadBuffer('vertices', padded(geometries.flatMap((face) => [...face]))),
            keys: gpu.uploadBuffer('keys', new Uint32Array(drawn.flatMap((keys) => [...keys]))),
            shared,
          },
          anchors: gpu.uploadBuffer('anchors', packAnchors(model.anchors)),
          pixels: gpu.uploadBuffer('pixels', packPixels(image, size)),
          filters: uploadFilters(gpu, 'filters', weights, bias),
          output,
        },
        { isSoftware },
      ),
    faces.length,
  );
  const anchors = rows * columns;
  const expected = new Float64Array(faces.length * anchors * channels);
  let visible = 0;
  for (const [face] of faces.entries()) {
    const geometry = shared ? 0 : face;
    const gathered = gatherReference(
      { vertices: geometries[geometry] ?? new Float32Array(), triangles: model.triangles },
      model.anchors.vertices,
      model.anchors.weights,
      drawn[geometry] ?? new Uint32Array(),
      image.subarray(face * size * size * 3, (face + 1) * size * size * 3),
      size,
    );
    visible += gathered.occluded.filter((flag) => flag === 0).length;
    expected.set(pafReference(gathered, weights, bias), face * anchors * channels);
  }
  expectThat(visible > 0 && visible < faces.length * anchors, `${visible} anchors are visible; wanted some, not all`);
  const shape = { height: rows, width: columns, channels };
  await expectTensor(gpu, output, batchOf(faces.length, shape, Float32Array.from(expected)), { atol: 2e-4 });
}

export const pafKernel = gpuSuite('paf', (test) => {
  for (const shared of [false, true]) {
    for (const channels of [1, 6, 16, 35]) {
      test(`small model, ${channels} channels, ${shared ? 'shared' : 'own'} geometry, both variants`, async ({
        gpu,
      }) => {
        const model = loadFaceModel(smallModelFile({ anchorRows: 5, anchorColumns: 15 }));
        const layout = layoutOf(model);
        const size = 36;
        const parameters = posedParameters(layout).slice(layout.count, 3 * layout.count);
        const faces = [0, 1].map((face) => {
          const p = parameters.subarray(face * layout.count, (face + 1) * layout.count);
          p.set(p.subarray(0, 4).map((value) => value * 0.55));
          p.set([18 + 14 * face, 20], 4);
          return Float32Array.from(decodeVertices(model, layout, p, size));
        });
        for (const isSoftware of [false, true]) {
          await comparePaf(gpu, model, faces, { size, channels, shared, isSoftware });
        }
      });
    }
  }

  test('the shipped model, half out of the crop and in profile', async ({ gpu, load }) => {
    const model = await loadModel(load);
    const layout = layoutOf(model);
    const parameters = posedParameters(layout);
    const faces = [2, 3].map((face) =>
      Float32Array.from(
        decodeVertices(model, layout, parameters.subarray(face * layout.count, (face + 1) * layout.count), 128),
      ),
    );
    for (const isSoftware of [false, true]) {
      await comparePaf(gpu, model, faces, { size: 128, channels: 16, shared: false, isSoftware });
    }
  });

  test('anchors that are not finite or far away see black and count as occluded', async ({ gpu }) => {
    const model = loadFaceModel(smallModelFile());
    const layout = layoutOf(model);
    const faces = [Number.NaN, 5000, Number.POSITIVE_INFINITY].map((value) => {
      const face = Float32Array.from(
        decodeVertices(model, layout, posedParameters(layout).subarray(0, layout.count), 64),
      );
      if (value === 5000) for (let i = 0; i < face.length; i++) face[i] = face[i]! + 5000;
      else for (let i = 0; i < face.length; i += 7) face[i] = value;
      return face;
    });
    const size = 8;
    const { rows, columns } = model.anchors;
    const output = poisonedTensor(gpu, 'paf', { height: rows, width: columns, channels: 4 }, faces.length);
    await runSteps(
      gpu,
      (builder) =>
        recordPaf(
          builder,
          names,
          { vertexCount: model.vertexCount, triangleCount: model.triangleCount, size },
          {
            geometry: {
              vertices: gpu.uploadBuffer('vertices', padded(faces.flatMap((face) => [...face]))),
              keys: gpu.uploadBuffer('keys', new Uint32Array(faces.length * size * size)),
              shared: false,
            },
            anchors: gpu.uploadBuffer('anchors', packAnchors(model.anchors)),
            pixels: gpu.uploadBuffer('pixels', packPixels(new Float32Array(3 * size * size * 3).fill(1), size)),
            filters: uploadFilters(gpu, 'filters', new Float32Array(108).fill(1), Float32Array.of(1, 2, 3, -1)),
            output,
          },
        ),
      faces.length,
    );
    const values = new Float32Array(await readBuffer(gpu, output.buffer), 256, 3 * rows * columns * 4);
    const far = values.subarray(rows * columns * 4, 2 * rows * columns * 4);
    const expected = Float32Array.from({ length: far.length }, (_, i) => [0.5, 1, 1.5, 0][i % 4] ?? 0);
    expectClose(far, expected, { label: 'far face' });
    expectThat(values.every(Number.isFinite), 'a response is not finite');
  });
});

export const outputsKernel = gpuSuite('outputs', (test) => {
  test('parameters, landmarks and their visibility of four faces', async ({ gpu, load }) => {
    const model = await loadModel(load);
    const layout = layoutOf(model);
    const size = 128;
    const parameters = posedParameters(layout);
    const faces = [0, 1, 2, 3].map((face) =>
      Float32Array.from(
        decodeVertices(model, layout, parameters.subarray(face * layout.count, (face + 1) * layout.count), size),
      ),
    );
    const drawn = faces.map((vertices) => rasterReference({ vertices, triangles: model.triangles }, size));
    const table = packLandmarks(model);
    const stride = layout.count / 4;
    const words = (stride + table.count) * 4;
    const output = poisoned(gpu, 'output', 5 * words * 4);
    await runSteps(
      gpu,
      (builder) =>
        recordOutputs(
          builder,
          names,
          {
            vertexCount: model.vertexCount,
            triangleCount: model.triangleCount,
            size,
            parameterCount: layout.count,
            table,
          },
          {
            parameters: gpu.uploadBuffer('parameters', parameters),
            vertices: gpu.uploadBuffer('vertices', padded(faces.flatMap((face) => [...face]))),
            keys: gpu.uploadBuffer('keys', new Uint32Array(drawn.flatMap((keys) => [...keys]))),
            triangles: gpu.uploadBuffer('triangles', model.triangles),
            landmarks: gpu.uploadBuffer('landmarks', table.data),
            output,
          },
        ),
      4,
    );
    const result = await readBuffer(gpu, output);
    expectUntouched(result, 4 * words, 'output');
    const floats = new Float32Array(result);
    const shown: number[] = [];
    for (const [face, vertices] of faces.entries()) {
      const own = floats.subarray(face * words, (face + 1) * words);
      expectClose(own.subarray(0, layout.count), parameters.subarray(face * layout.count, (face + 1) * layout.count));
      const seen = landmarkVisibilityReference(
        { vertices, triangles: model.triangles },
        model.landmarks,
        drawn[face] ?? new Uint32Array(),
        size,
      );
      const expected = [...model.landmarks].flatMap((vertex, i) => [
        ...vertices.subarray(vertex * 3, vertex * 3 + 3),
        seen[i] ?? 0,
      ]);
      expectClose(own.subarray(layout.count), expected, {
        label: `landmarks of face ${face}`,
        shape: [68, 4],
      });
      shown.push(seen.reduce((sum, flag) => sum + flag, 0));
    }
    // A frontal face shows nearly all of its landmarks, a profile about half.
    expectThat((shown[0] ?? 0) >= 60, `the frontal face shows ${shown[0]} landmarks`);
    expectThat((shown[2] ?? 0) >= 20 && (shown[2] ?? 0) <= 45, `the profile shows ${shown[2]} landmarks`);
  });
});

interface CropCase {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly crops: readonly { readonly x: number; readonly y: number; readonly side: number; readonly roll?: number }[];
  readonly size: number;
  /** Values of black and white; default 0 and 1. */
  readonly range?: readonly [number, number];
}

const cropCases: readonly CropCase[] = [
  { name: 'one to one', width: 20, height: 16, crops: [{ x: 9.5, y: 7.5, side: 10 }], size: 10 },
  { name: 'enlarged, off the grid', width: 9, height: 7, crops: [{ x: 4.2, y: 2.9, side: 5.3 }], size: 17 },
  {
    name: 'shrunk by 3.4 and 1.2, two faces',
    width: 61,
    height: 47,
    crops: [
      { x: 30.1, y: 20.7, side: 44.2 },
      { x: 12, y: 40, side: 15.6 },
    ],
    size: 13,
  },
  { name: 'over the left upper corner', width: 12, height: 12, crops: [{ x: -2, y: 1, side: 14 }], size: 11 },
  { name: 'over the right lower corner', width: 12, height: 9, crops: [{ x: 11.5, y: 8.7, side: 9 }], size: 12 },
  { name: 'wholly outside', width: 5, height: 5, crops: [{ x: 40, y: 2, side: 8 }], size: 6 },
  { name: 'a picture of one pixel', width: 1, height: 1, crops: [{ x: 0, y: 0, side: 4 }], size: 9 },
  {
    name: 'shrunk beyond the largest number of taps',
    width: 90,
    height: 80,
    crops: [{ x: 45, y: 40, side: 150 }],
    size: 7,
  },
  {
    name: 'from -1 to 1, over the border',
    width: 12,
    height: 9,
    crops: [{ x: 1, y: 8, side: 13 }],
    size: 9,
    range: [-1, 1],
  },
  {
    name: 'turned: by a little, a lot, upside down, over the border and shrunk',
    width: 41,
    height: 33,
    crops: [
      { x: 20, y: 15, side: 17, roll: 7 },
      { x: 18.3, y: 14.1, side: 9, roll: -100 },
      { x: 22, y: 17, side: 21.5, roll: 180 },
      { x: 2, y: 30, side: 48, roll: 143 },
    ],
    size: 15,
  },
];

export const cropKernel = gpuSuite('crop', (test) => {
  for (const { name, width, height, crops, size, range = [0, 1] as const } of cropCases) {
    test(name, async ({ gpu }) => {
      const data = Uint8Array.from(randomFloats(9, width * height * 4, 0, 256));
      // The texture is larger than the picture, and white there: nothing of that may be seen.
      const [textureWidth, textureHeight] = [width + 3, height + 2];
      const texels = new Uint8Array(textureWidth * textureHeight * 4).fill(255);
      for (let y = 0; y < height; y++) {
        texels.set(data.subarray(y * width * 4, (y + 1) * width * 4), y * textureWidth * 4);
      }
      const frame = gpu.device.createTexture({
        size: [textureWidth, textureHeight],
        format: 'rgba8unorm',
        usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST,
      });
      gpu.device.queue.writeTexture({ texture: frame }, texels, { bytesPerRow: textureWidth * 4 }, [
        textureWidth,
        textureHeight,
      ]);
      const records = new DataView(new ArrayBuffer(crops.length * CROP_RECORD_BYTES));
      for (const [face, { x, y, side, roll = 0 }] of crops.entries()) {
        const crop = { centreX: x, centreY: y, side, roll, size };
        writeCropRecord(records, face, cropRecord(crop, { width, height }, { width, height }));
      }
      const image = poisonedTensor(gpu, 'image', { height: size, width: size, channels: 3 }, crops.length + 1);
      const faces = gpu.uploadBuffer('faces', records);
      await runSteps(
        gpu,
        (builder) => builder.add(cropStep(frame.createView(), faces, { image, range })),
        crops.length,
      );
      const picture = { width, height, data };
      const [black, white] = range;
      const expected = crops.flatMap(({ x, y, side, roll }) =>
        [...cropReference(picture, x, y, side, size, roll)].map((value) => black + (white - black) * value),
      );
      const shape = { height: size, width: size, channels: 3 };
      await expectTensor(gpu, image, batchOf(crops.length, shape, Float32Array.from(expected)), { atol: 2e-5 });

      // The same into the first channels of a wider tensor, the others given; and in unorm16.
      const wide = { height: size, width: size, channels: 8 };
      const channels = randomFloats(4, crops.length * size * size * 8, 2, 3);
      const stem = uploadTensor(gpu, 'stem', batchOf(crops.length, wide, channels));
      const words = (crops.length * pixelBytes(size)) / 4;
      const pixels = poisoned(gpu, 'pixels', words * 4 + 64);
      const given = randomFloats(5, size * size * 8, 2, 3);
      const initialStem = uploadTensor(gpu, 'initial stem', batchOf(1, wide, given));
      const target = { stem, pixels, initialStem };
      await runSteps(gpu, (builder) => builder.add(cascadeCropStep(frame.createView(), faces, target)), crops.length);
      const colours = expected.map((value) => (value - black) / (white - black));
      for (let pixel = 0; pixel * 3 < colours.length; pixel++) {
        const at = (pixel % (size * size)) * 8;
        channels.set([...colours.slice(pixel * 3, pixel * 3 + 3), ...given.subarray(at + 3, at + 8)], pixel * 8);
      }
      await expectTensor(gpu, stem, batchOf(crops.length, wide, channels), { atol: 2e-5 });
      const result = await readBuffer(gpu, pixels);
      expectUntouched(result, words, 'pixels');
      const packed = packPixels(colours, size, POISON);
      expectClose(new Uint16Array(result, 0, words * 2), new Uint16Array(packed.buffer), { atol: 2 });
      frame.destroy();
    });
  }
});
