/** What a head can wear, in its own frame: model decimetres, x to the subject's left, y up, z to the front. */
import type { FaceModel } from 'fullpose';
import * as three from 'three';

type Vector = readonly [number, number, number];

/** Sunglasses for the mean head. */
export function makeGlasses({ mean, landmarks }: Pick<FaceModel, 'mean' | 'landmarks'>): three.Object3D {
  const at = (point: number): Vector => {
    const v = (landmarks[point] ?? 0) * 3;
    return [mean[v] ?? 0, mean[v + 1] ?? 0, mean[v + 2] ?? 0];
  };
  const eyeOf = (first: number): Vector => {
    const points = Array.from({ length: 6 }, (_, i) => at(first + i));
    const middle = (axis: 0 | 1 | 2) => points.reduce((sum, point) => sum + point[axis], 0) / points.length;
    return [middle(0), middle(1), middle(2)];
  };
  const frame = new three.MeshStandardMaterial({ color: '#15171b', roughness: 0.3, metalness: 0.4 });
  const glass = new three.MeshStandardMaterial({
    color: '#26343f',
    roughness: 0.1,
    metalness: 0.6,
    transparent: true,
    opacity: 0.72,
    side: three.DoubleSide,
  });
  const group = new three.Group();
  // Before the bridge of the nose.
  const front = at(27)[2] + 0.09;
  for (const [first, ear] of [
    [42, at(16)],
    [36, at(0)],
  ] as const) {
    const [x, y] = eyeOf(first);
    const side = Math.sign(x);
    const lens = new three.Group();
    lens.add(new three.Mesh(new three.CircleGeometry(0.235, 40), glass));
    lens.add(new three.Mesh(new three.TorusGeometry(0.235, 0.024, 10, 48), frame));
    lens.scale.set(1.08, 0.86, 1);
    lens.position.set(x * 1.02, y - 0.045, front);
    // Wrapped round the face a little.
    lens.rotation.y = side * 0.12;
    group.add(lens);
    const hinge: Vector = [x * 1.02 + side * 0.25, y + 0.01, front - 0.035];
    // To the ears, and on behind them, where the head hides them.
    group.add(rod(hinge, [ear[0] * 1.01, ear[1] + 0.05, ear[2] - 0.25], 0.022, frame));
  }
  const [, y] = eyeOf(42);
  const bridge = new three.Mesh(new three.TorusGeometry(0.09, 0.02, 8, 24, Math.PI), frame);
  bridge.position.set(0, y - 0.03, front);
  bridge.scale.y = 0.6;
  group.add(bridge);
  return group;
}

function rod(from: Vector, to: Vector, radius: number, material: three.Material): three.Mesh {
  const [a, b] = [new three.Vector3(...from), new three.Vector3(...to)];
  const mesh = new three.Mesh(new three.CylinderGeometry(radius, radius, a.distanceTo(b), 10), material);
  mesh.position.copy(a).lerp(b, 0.5);
  mesh.quaternion.setFromUnitVectors(new three.Vector3(0, 1, 0), b.sub(a).normalize());
  return mesh;
}

/** Side of the mask's picture, in texels. */
const maskSide = 512;

/** A carnival mask over the model's texture coordinates. */
export function paintMask({ uv, landmarks }: Pick<FaceModel, 'uv' | 'landmarks'>): three.Texture {
  const canvas = new OffscreenCanvas(maskSide, maskSide);
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('the browser gave no 2D canvas');
  const at = (point: number): readonly [number, number] => {
    const v = (landmarks[point] ?? 0) * 2;
    return [(uv[v] ?? 0) * maskSide, (1 - (uv[v + 1] ?? 0)) * maskSide];
  };
  const [[right], [left], [middle, bridge], [, tip]] = [at(36), at(45), at(27), at(30)];
  const [eye, brow] = [at(36)[1], at(19)[1]];
  const reach = (left - right) * 0.33;
  const top = brow - (eye - brow) * 0.4;
  const low = eye + (tip - bridge) * 0.75;
  const outline = new Path2D();
  outline.moveTo(middle, top + (eye - top) * 0.3);
  outline.bezierCurveTo(right + reach, top - 18, right - reach * 0.4, top, right - reach, top - 24);
  outline.bezierCurveTo(right - reach * 0.9, eye + 20, right, low + 14, right + reach * 0.9, low);
  outline.bezierCurveTo(
    middle - reach * 0.7,
    low - 6,
    middle - reach * 0.35,
    tip,
    middle,
    bridge + (tip - bridge) * 0.55,
  );
  outline.bezierCurveTo(middle + reach * 0.35, tip, middle + reach * 0.7, low - 6, left - reach * 0.9, low);
  outline.bezierCurveTo(left, low + 14, left + reach * 0.9, eye + 20, left + reach, top - 24);
  outline.bezierCurveTo(left + reach * 0.4, top, left - reach, top - 18, middle, top + (eye - top) * 0.3);
  const colour = context.createLinearGradient(right - reach, 0, left + reach, 0);
  for (const [stop, value] of [
    [0, '#3b1c8c'],
    [0.5, '#b3125f'],
    [1, '#3b1c8c'],
  ] as const) {
    colour.addColorStop(stop, value);
  }
  context.fillStyle = colour;
  context.fill(outline);
  context.strokeStyle = '#f2c14e';
  context.lineWidth = 7;
  context.lineJoin = 'round';
  context.stroke(outline);
  for (const first of [36, 42]) {
    const points = Array.from({ length: 6 }, (_, i) => at(first + i));
    const [x, y] = [0, 1].map((axis) => points.reduce((sum, point) => sum + (point[axis] ?? 0), 0) / 6) as [
      number,
      number,
    ];
    context.beginPath();
    for (const [px, py] of points) context.lineTo(x + (px - x) * 1.35, y + (py - y) * 1.9);
    context.closePath();
    context.stroke();
    context.globalCompositeOperation = 'destination-out';
    context.fill();
    context.globalCompositeOperation = 'source-over';
  }
  const texture = new three.CanvasTexture(canvas);
  texture.colorSpace = three.SRGBColorSpace;
  texture.anisotropy = 4;
  return texture;
}
