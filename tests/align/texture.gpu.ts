import { packUvMap, textureStep } from '../../src/cascade/kernels/texture.js';
import { readBuffer } from '../../src/engine/readback.js';
import { decodeVertices } from '../../src/mmm/decode.js';
import { loadFaceModel } from '../../src/mmm/model.js';
import { parseParameterLayout } from '../../src/mmm/parameters.js';
import { eulerToQuaternion } from '../../src/mmm/pose.js';
import { symmetricVertices } from '../../src/mmm/symmetry.js';
import { uvMap } from '../../src/mmm/uv.js';
import { turnOf } from '../../src/pictures/crop.js';
import { CROP_RECORD_BYTES, writeCropRecord } from '../../src/pictures/kernels/crop.js';
import { expectThat, POISON, poison } from '../browser/numbers.js';
import { gpuSuite } from '../browser/suite.js';
import { runSteps } from '../engine/tensors.js';
import { layoutJson, smallModelFile } from '../mmm/files.js';
import { rasterReference } from '../reference/raster.js';
import { textureReference } from '../reference/texture.js';

const CROP = 64;
/** Odd, and no multiple of a workgroup. */
const SIZE = 37;
const WIDTH = 90;
const HEIGHT = 70;

/** A picture whose every pixel tells where it is. */
function colours(): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(WIDTH * HEIGHT * 4);
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++)
      data.set([x * 2.8, y * 3.6, 128 + 100 * Math.sin(x / 7 + y / 5), 255], (y * WIDTH + x) * 4);
  }
  return data;
}

/**
 * Poses in the crop, and where the crop lies: within the picture; reaching out of it; over a large part of it; turned.
 */
const FACES = [
  { yaw: 0, pitch: 0, roll: 0, scale: 26, x: 31.5, y: 31.5, originX: 10, originY: 3, step: 0.9, turn: 0 },
  { yaw: 55, pitch: -15, roll: 12, scale: 28, x: 30, y: 33, originX: -20, originY: 20.5, step: 1.1, turn: 0 },
  { yaw: -80, pitch: 10, roll: -5, scale: 30, x: 33, y: 30, originX: -31, originY: -40, step: 2.4, turn: 0 },
  { yaw: 30, pitch: 5, roll: 3, scale: 27, x: 31, y: 32, originX: 60, originY: 2, step: 0.8, turn: 115 },
] as const;

export const textureKernel = gpuSuite('texture', (test) => {
  for (const mirror of [false, true]) {
    test(`unwraps the picture as the reference does${mirror ? ', with the hidden half mirrored' : ''}`, async ({
      gpu,
    }) => {
      const model = loadFaceModel(smallModelFile());
      const layout = parseParameterLayout(layoutJson(model.identity.count, model.expression.count));
      const map = uvMap(model, SIZE);
      const partners = symmetricVertices(model);
      const data = colours();
      const usage = GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST;
      // Larger than the picture, as a frame texture that has seen a larger one.
      const frame = gpu.device.createTexture({ size: [WIDTH + 11, HEIGHT + 7], format: 'rgba8unorm', usage });
      gpu.device.queue.writeTexture({ texture: frame }, data, { bytesPerRow: WIDTH * 4 }, [WIDTH, HEIGHT]);

      const records = new DataView(new ArrayBuffer(FACES.length * CROP_RECORD_BYTES));
      const vertices = new Float32Array(FACES.length * model.vertexCount * 4).fill(Number.NaN);
      const keys = new Uint32Array(FACES.length * CROP * CROP);
      const expected = FACES.map((face, i) => {
        const { originX, originY, step, turn, scale, x, y, ...angles } = face;
        const [cosine, sine] = turnOf(turn);
        writeCropRecord(records, i, {
          originX,
          originY,
          rightX: step * cosine,
          rightY: step * sine,
          downX: -step * sine,
          downY: step * cosine,
          width: WIDTH,
          height: HEIGHT,
          taps: 1,
        });
        const parameters = new Float32Array(layout.count);
        parameters.set([...eulerToQuaternion(angles, scale), x, y]);
        const mesh = {
          vertices: Float32Array.from(decodeVertices(model, layout, parameters, CROP)),
          triangles: model.triangles,
        };
        for (let v = 0; v < model.vertexCount; v++) {
          vertices.set(mesh.vertices.subarray(v * 3, v * 3 + 3), (i * model.vertexCount + v) * 4);
        }
        const drawn = rasterReference(mesh, CROP);
        keys.set(drawn, i * CROP * CROP);
        const picture = { width: WIDTH, height: HEIGHT, data };
        return textureReference(mesh, map, picture, drawn, CROP, face, mirror ? partners : undefined);
      });

      const words = FACES.length * SIZE * SIZE;
      const output = gpu.createBuffer(
        'output',
        (words + SIZE * SIZE) * 4,
        GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
      );
      poison(gpu.device, output);
      const spec = { vertexCount: model.vertexCount, triangleCount: model.triangleCount, size: CROP };
      const buffers = {
        crops: gpu.uploadBuffer('crops', records),
        vertices: gpu.uploadBuffer('vertices', vertices),
        keys: gpu.uploadBuffer('keys', keys),
        triangles: gpu.uploadBuffer('triangles', model.triangles),
        texels: gpu.uploadBuffer('texels', packUvMap(map)),
        partners: gpu.uploadBuffer('partners', partners),
        output,
      };
      const names = { label: 'texture', stage: 'texture' };
      await runSteps(
        gpu,
        (builder) => builder.add(textureStep(names, spec, { size: SIZE, mirror }, frame.createView(), buffers)),
        FACES.length,
      );
      const result = new Uint32Array(await readBuffer(gpu, output));
      expectThat(
        result.subarray(words).every((word) => word === POISON),
        'what lies behind the batch was overwritten',
      );
      const bytes = new Uint8Array(result.buffer, 0, words * 4);
      for (const [i, wanted] of expected.entries()) {
        let [wrong, seen] = [0, 0];
        for (let texel = 0; texel < SIZE * SIZE; texel++) {
          const at = texel * 4;
          if (wanted[at + 3]! > 0.5) seen++;
          const off = [0, 1, 2, 3].some(
            (c) => Math.abs(bytes[i * SIZE * SIZE * 4 + at + c]! - 255 * wanted[at + c]!) > 2,
          );
          if (off) wrong++;
        }
        expectThat(seen > 150, `face ${i}: only ${seen} texels are seen`);
        // Where something begins to hide something else, rounding decides.
        expectThat(wrong <= 8, `face ${i}: ${wrong} of ${SIZE * SIZE} texels differ`);
      }
      frame.destroy();
    });
  }
});
