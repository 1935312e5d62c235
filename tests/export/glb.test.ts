import { readFileSync } from 'node:fs';
import { inflateSync } from 'node:zlib';
import { validateBytes } from 'gltf-validator';
import { Box3, type Mesh, Vector3 } from 'three';
import { GLTFLoader } from 'three/examples/jsm/loaders/GLTFLoader.js';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/engine/errors.js';
import { writeGlb } from '../../src/export/glb.js';
import { encodePng } from '../../src/export/png.js';
import { decodeShape } from '../../src/mmm/decode.js';
import { loadFaceModel } from '../../src/mmm/model.js';
import { randomFloats } from '../browser/numbers.js';
import { smallModelFile } from '../mmm/files.js';

const shipped = loadFaceModel(new Uint8Array(readFileSync('weights/face_model.safetensors')).buffer);
const small = loadFaceModel(smallModelFile());

const faceOf = (model: typeof shipped) => ({
  identity: randomFloats(5, model.identity.count),
  expression: Object.fromEntries(model.expressionNames.map((name, i) => [name, i % 3 === 0 ? 0.4 : 0])),
});

const gradient = (width: number, height: number) => ({
  width,
  height,
  data: Uint8Array.from({ length: width * height * 4 }, (_, i) => (i * 7 + (i >> 5)) & 255),
});

async function load(file: Uint8Array<ArrayBuffer>): Promise<Mesh> {
  const { scene } = await new GLTFLoader().parseAsync(file.buffer, '');
  const mesh = scene.getObjectByProperty('isMesh', true);
  if (mesh === undefined) throw new Error('no mesh');
  return mesh as Mesh;
}

describe('writeGlb', () => {
  it.each([
    ['the shipped model, textured', shipped, true, true],
    ['the shipped model in its expression', shipped, false, false],
    ['a small model, textured', small, true, true],
  ])('writes a valid file of %s', async (_, model, textured, morphTargets) => {
    const texture = textured ? { texture: await encodePng(gradient(64, 64), { alpha: false }) } : {};
    const file = writeGlb(model, faceOf(model), { ...texture, morphTargets });
    const report = await validateBytes(file);
    expect(report.issues.messages).toEqual([]);
    expect(report.issues).toMatchObject({ numErrors: 0, numWarnings: 0, numInfos: 0 });
    expect(report.info).toMatchObject({
      totalVertexCount: model.vertexCount,
      totalTriangleCount: model.triangleCount,
      hasMorphTargets: morphTargets,
      hasTextures: textured,
    });
  });

  it('is read by three.js as the face it was, expressions by name, upright and in metres', async () => {
    const face = faceOf(shipped);
    const mesh = await load(writeGlb(shipped, face));
    const expected = decodeShape(shipped, face.identity, Object.values(face.expression));
    expect(Object.keys(mesh.morphTargetDictionary ?? {})).toEqual([...shipped.expressionNames]);
    expect(mesh.morphTargetInfluences?.[mesh.morphTargetDictionary?.jawOpen ?? -1]).toBe(face.expression.jawOpen);
    const at = new Vector3();
    for (let v = 0; v < shipped.vertexCount; v += 97) {
      mesh.getVertexPosition(v, at);
      for (const [axis, value] of at.toArray().entries()) expect(value).toBeCloseTo(expected[v * 3 + axis]! / 10, 6);
    }
    const size = new Box3().setFromObject(mesh).getSize(new Vector3());
    expect(size.y).toBeGreaterThan(0.15);
    // The box holds what every expression may do.
    expect(size.y).toBeLessThan(0.35);
    // Normals of the nose tip look to the front.
    expect(mesh.geometry.getAttribute('normal').getZ(shipped.landmarks[30]!)).toBeGreaterThan(0.7);
  });

  it('refuses a texture that is no picture, and a face of another model', () => {
    expect(() => writeGlb(small, faceOf(small), { texture: Uint8Array.of(1, 2, 3, 4) })).toThrow(InputError);
    expect(() => writeGlb(small, faceOf(shipped))).toThrow(/48 identity numbers; the model has 5/);
  });
});

describe('encodePng', () => {
  it.each([
    [true, 4],
    [false, 3],
  ])('keeps every byte (alpha: %s)', async (alpha, channels) => {
    const picture = gradient(13, 7);
    const file = Buffer.from(await encodePng(picture, { alpha }));
    expect(file.subarray(1, 4).toString()).toBe('PNG');
    expect([file.readUInt32BE(16), file.readUInt32BE(20), file[24], file[25]]).toEqual([13, 7, 8, alpha ? 6 : 2]);
    const length = file.readUInt32BE(33);
    const rows = inflateSync(file.subarray(41, 41 + length));
    for (let y = 0; y < 7; y++) {
      const row = rows.subarray(y * (1 + 13 * channels), (y + 1) * (1 + 13 * channels));
      expect(row[0]).toBe(1);
      for (let i = 1; i < row.length; i++) {
        if (i > channels) row[i] = (row[i]! + row[i - channels]!) & 255;
        const [x, c] = [Math.floor((i - 1) / channels), (i - 1) % channels];
        expect(row[i]).toBe(picture.data[(y * 13 + x) * 4 + c]);
      }
    }
  });

  it('refuses pixels that do not fit the size', async () => {
    await expect(encodePng({ width: 2, height: 2, data: new Uint8Array(15) })).rejects.toThrow(InputError);
  });
});
