import { FaceAligner } from '../../src/align/aligner.js';
import type { Face } from '../../src/align/face.js';
import type { AlignOptions } from '../../src/align/options.js';
import type { OutputName } from '../../src/align/outputs.js';
import { InputError } from '../../src/engine/errors.js';
import { vertexNormals } from '../../src/mmm/normals.js';
import { expectClose, expectEqual, expectError, expectThat } from '../browser/numbers.js';
import { gpuSuite } from '../browser/suite.js';
import { wavyPicture as picture } from '../cascade/pictures.js';
import { smallWeightBuffers } from '../cascade/small-weights.js';
import { countCalls } from './calls.js';

const BOX = { x0: 20, y0: 15, x1: 60, y1: 50, kind: 'landmarks' } as const;
const OTHER = { x0: 10, y0: 20, x1: 48, y1: 55, kind: 'landmarks' } as const;
const ALL = ['vertices', 'normals', 'depth', 'pncc', 'texture'] as const;
const TEXTURE = 40;

export const outputs = gpuSuite('outputs of a frame', (test) => {
  const create = (device: GPUDevice) =>
    FaceAligner.create({ weights: smallWeightBuffers(), device, maxFaces: 2, textureSize: TEXTURE });

  test('are what later calls give, in one submit and one readback', async ({ gpu: { device } }) => {
    const aligner = await create(device);
    const source = picture(80, 64);
    const plain = await aligner.align(source, [BOX, OTHER, BOX]);
    // Three faces in two frames.
    const boxes = [BOX, OTHER, BOX];
    const faces = await aligner.align(source, boxes, { outputs: ALL, mirror: true });
    for (const [i, face] of faces.entries()) {
      const expected = plain[i];
      expectThat(expected !== undefined, 'no plain face');
      expectClose(face.landmarks, expected.landmarks, { label: `landmarks of face ${i}` });
      expectClose(face.vertices, await aligner.vertices(expected), { label: `vertices of face ${i}`, atol: 1e-4 });
      const normals = vertexNormals(face.vertices, aligner.model.triangles);
      expectClose(face.normals, normals, { label: `normals of face ${i}`, atol: 1e-6 });
      const { pncc, depth } = await aligner.render(expected);
      expectClose(face.pncc, pncc, { label: `pncc of face ${i}` });
      expectEqual(new Uint32Array(face.depth.buffer), new Uint32Array(depth.buffer), `depth of face ${i}`);
      const texture = await aligner.texture(source, expected, { mirror: true });
      expectEqual([texture.width, texture.height, texture.data.length], [TEXTURE, TEXTURE, TEXTURE * TEXTURE * 4]);
      expectClose(face.texture.data, texture.data, { label: `texture of face ${i}` });
      const opaque = face.texture.data.filter((value, at) => at % 4 === 3 && value > 128).length;
      expectThat(opaque > 200, `${opaque} texels are seen`);
    }
    expectThat(!('vertices' in (plain[0] ?? {})), 'a face has outputs that nobody asked for');

    const before = aligner.counters;
    const { calls, bytes } = await countCalls(() => aligner.align(source, [BOX], { outputs: ['texture', 'vertices'] }));
    expectEqual(calls.get('GPUQueue.submit'), 1);
    expectEqual(calls.get('GPUBuffer.mapAsync'), 1);
    const extra = TEXTURE * TEXTURE * 4 + aligner.model.vertexCount * 16;
    expectThat(bytes > extra && bytes - extra <= 4096, `${bytes} bytes were copied, ${extra} of them for the outputs`);
    expectEqual(aligner.counters.bytesRead - before.bytesRead, bytes);
    const both = await countCalls(() => aligner.align(source, [BOX], { outputs: ['vertices', 'normals'] }));
    const one = await countCalls(() => aligner.align(source, [BOX], { outputs: ['normals'] }));
    expectEqual(both.bytes, one.bytes);
    aligner.destroy();
  });

  test('create nothing in a steady state', async ({ gpu: { device } }) => {
    const aligner = await create(device);
    const source = picture(80, 64);
    for (const names of [['vertices'], ['depth', 'texture'], ALL] satisfies readonly (readonly OutputName[])[]) {
      await aligner.align(source, [BOX], { outputs: names });
      const { calls } = await countCalls(() => aligner.align(source, [BOX, OTHER], { outputs: names }));
      const made = [...calls.keys()].filter((name) => /GPUDevice\.(create|import)|createView/.test(name));
      expectEqual(made, ['GPUDevice.createCommandEncoder']);
    }
    aligner.destroy();
  });

  test('come with refined faces, too', async ({ gpu: { device } }) => {
    const aligner = await create(device);
    const source = picture(80, 64);
    const faces = await aligner.align(source, [BOX]);
    const [plain] = await aligner.refine(source, faces);
    const [face] = await aligner.refine(source, faces, { outputs: ['vertices'] });
    expectThat(plain !== undefined && face !== undefined, 'the face is lost');
    expectClose(face.vertices, await aligner.vertices(plain), { atol: 1e-4 });
    aligner.destroy();
  });

  test('of unknown names, and other wrong options, are refused', async ({ gpu: { device } }) => {
    const aligner = await create(device);
    // What untyped code may pass.
    const align = (options: unknown) => aligner.align(picture(60, 60), [BOX], options as AlignOptions);
    await expectError(
      () => align({ outputs: ['mesh'] }),
      InputError,
      /outputs is \["mesh"\]; wanted a list of vertices/,
    );
    await expectError(() => align({ outputs: 'depth' }), InputError, /outputs is "depth"/);
    await expectError(() => align({ mirror: 1 }), InputError, /mirror is 1; wanted true or false/);
    await expectError(
      () => align({ output: ['depth'] }),
      InputError,
      /no option "output"; wanted iterations, outputs, mirror, minConfidence\.$/,
    );
    const face: unknown = {};
    const others: readonly ((options: object) => Promise<unknown>)[] = [
      (options) => aligner.refine(picture(60, 60), [], options),
      (options) => aligner.profile(picture(60, 60), [BOX], options),
      (options) => aligner.texture(picture(60, 60), face as Face, options),
      (options) => aligner.recover(options),
    ];
    for (const call of others) {
      await expectError(() => call({ minConfidence: 0.5 }), InputError, /no option "minConfidence"; wanted/);
    }
    for (const textureSize of [0, 15, 2049, 64.5]) {
      const call = () => FaceAligner.create({ weights: smallWeightBuffers(1), device, textureSize });
      await expectError(call, InputError, /textureSize is .*; wanted a whole number from 16 to 2048/);
    }
    aligner.destroy();
  });
});
