import { readFileSync } from 'node:fs';
import { validateBytes } from 'gltf-validator';
import { describe, expect, it } from 'vitest';
import { animateGlb } from '../../demo/recording/animation.js';
import { Take } from '../../demo/recording/take.js';
import type { ShownFace } from '../../demo/scene.js';
import { writeGlb } from '../../src/export/glb.js';
import { loadFaceModel } from '../../src/mmm/model.js';

const file = readFileSync('weights/face_model.safetensors');
const model = loadFaceModel(file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength) as ArrayBuffer);
const names = model.expressionNames;
const still = writeGlb(model, { identity: new Float32Array(model.identity.count), expression: {} });

/** A face that opens its mouth by `jawOpen`. */
function faceOf(id: number, jawOpen: number): ShownFace {
  const face = {
    confidence: 0.9,
    landmarks: Float32Array.from({ length: 68 * 3 }, (_, i) => i),
    pose: { yaw: 10 * jawOpen, pitch: 0, roll: 0, matrix: new Array(12).fill(jawOpen) },
    expression: { jawOpen },
  };
  return { id, face, box: {}, details: {} } as unknown as ShownFace;
}

function takeOf(): Take {
  const take = new Take();
  take.add(1000, [faceOf(1, 0), faceOf(2, 0.5)]);
  take.add(1040, [faceOf(2, 0.75)]);
  take.add(1100, []);
  take.add(1140, [faceOf(2, 1)]);
  return take;
}

describe('a recording', () => {
  it('has a line a frame, with its faces', () => {
    const lines = takeOf()
      .toLines()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ time }) => time)).toEqual([0, 0.04, 0.1, 0.14]);
    expect(lines.map(({ faces }) => faces.map(({ id }: { id: number }) => id))).toEqual([[1, 2], [2], [], [2]]);
    expect(lines[1].faces[0]).toMatchObject({ confidence: 0.9, pose: { yaw: 7.5 }, expression: { jawOpen: 0.75 } });
    expect(lines[1].faces[0].landmarks[67]).toEqual([201, 202, 203]);
  });

  it('has the moves of the face that is there most, each turn the short way', () => {
    const take = takeOf();
    expect(take.lead?.expression.jawOpen).toBe(0.5);
    const turns = new Map([
      [0.5, [0, 0, 0, 1]],
      [0.75, [0, -0.1, 0, -0.99]],
      [1, [0, 0.2, 0, 0.98]],
    ]);
    const moves = take.keyframes(names, ({ expression }) => turns.get(expression.jawOpen ?? 0) ?? []);
    expect(moves.times).toEqual([0, 0.04, 0.14]);
    expect(moves.rotations).toEqual([
      [0, 0, 0, 1],
      [-0, 0.1, -0, 0.99],
      [0, 0.2, 0, 0.98],
    ]);
    expect(moves.weights.map((list) => list[names.indexOf('jawOpen')])).toEqual([0.5, 0.75, 1]);
    expect(new Take().lead).toBeUndefined();
  });

  it('becomes a glTF file that the validator takes, with the moves in it', async () => {
    const moves = takeOf().keyframes(names, ({ pose }) => [0, Math.sin(pose.yaw / 90), 0, Math.cos(pose.yaw / 90)]);
    const animated = animateGlb(still, moves);
    const report = await validateBytes(animated);
    expect([report.issues.numErrors, report.issues.numWarnings]).toEqual([0, 0]);
    expect(report.info.animationCount).toBe(1);
    const view = new DataView(animated.buffer);
    const json = JSON.parse(new TextDecoder().decode(animated.subarray(20, 20 + view.getUint32(12, true))));
    expect(json.animations[0].channels.map(({ target }: { target: object }) => target)).toEqual([
      { node: 0, path: 'rotation' },
      { node: 0, path: 'weights' },
    ]);
    const { bufferView, count } = json.accessors[json.animations[0].samplers[1].output];
    expect(count).toBe(3 * names.length);
    const start = 28 + view.getUint32(12, true) + json.bufferViews[bufferView].byteOffset;
    const jaw = [0, 1, 2].map((frame) =>
      view.getFloat32(start + 4 * (frame * names.length + names.indexOf('jawOpen')), true),
    );
    expect(jaw).toEqual([0.5, 0.75, 1]);
  });

  it('of nothing, or of other targets, is refused', () => {
    expect(() => animateGlb(still, { times: [], rotations: [], weights: [] })).toThrow('0 times');
    expect(() => animateGlb(still, { times: [0], rotations: [[0, 0, 0, 1]], weights: [[1]] })).toThrow(
      `a list of 1 weights; the file has ${names.length} morph targets`,
    );
  });
});
