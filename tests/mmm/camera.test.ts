import { Matrix4, OrthographicCamera, PerspectiveCamera, Vector3 } from 'three';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/engine/errors.js';
import { pictureCamera, toPerspective, toThreeMatrix, toUnitSquare } from '../../src/mmm/camera.js';
import { LANDMARK_CONNECTIONS, LANDMARK_CONTOURS } from '../../src/mmm/landmarks.js';
import { type EulerAngles, eulerToQuaternion, matrixToEuler, poseInPicture } from '../../src/mmm/pose.js';
import { random } from '../browser/numbers.js';

const PICTURE = { width: 640, height: 360 };

/** A head at (x, y) of the picture, `scale` pixels a decimetre. */
function pose(angles: EulerAngles, x: number, y: number, scale = 60) {
  return poseInPicture(eulerToQuaternion(angles, scale), [x, 127 - y], 128, { scale: 1, x0: 0, y0: 0 });
}

/** Points of a head's size, model decimetres. */
const points = (() => {
  const next = random(3);
  return Array.from({ length: 40 }, () => [1.4 * next() - 0.7, 1.8 * next() - 0.9, 0.3 + next()] as const);
})();

const inPicture = ({ matrix: m }: ReturnType<typeof pose>, [x, y, z]: readonly [number, number, number]) =>
  [0, 4, 8].map((row) => m[row]! * x + m[row + 1]! * y + m[row + 2]! * z + m[row + 3]!);

/** Picture pixels of a point in a scene before a camera of three.js. */
function project(camera: OrthographicCamera | PerspectiveCamera, point: Vector3): readonly [number, number] {
  camera.updateMatrixWorld();
  const { x, y } = point.clone().project(camera);
  return [((x + 1) / 2) * PICTURE.width - 0.5, ((1 - y) / 2) * PICTURE.height - 0.5];
}

const ANGLES: readonly EulerAngles[] = [
  { yaw: 0, pitch: 0, roll: 0 },
  { yaw: 35, pitch: -12, roll: 8 },
  { yaw: -80, pitch: 20, roll: -15 },
];

describe('toThreeMatrix and pictureCamera', () => {
  it.each(ANGLES)('show every point at its pixel through three.js: %o', (angles) => {
    const head = pose(angles, 410, 95);
    const { left, right, top, bottom, near, far, z } = pictureCamera(PICTURE);
    const camera = new OrthographicCamera(left, right, top, bottom, near, far);
    camera.position.z = z;
    const matrix = new Matrix4().fromArray(toThreeMatrix(head));
    expect(matrix.determinant()).toBeGreaterThan(0);
    for (const point of points) {
      const scene = new Vector3(...point).applyMatrix4(matrix);
      const [x, y, depth] = inPicture(head, point);
      const [px, py] = project(camera, scene);
      expect(px).toBeCloseTo(x!, 6);
      expect(py).toBeCloseTo(y!, 6);
      expect(scene.z).toBeCloseTo(depth!, 9);
    }
  });

  it("frame the picture's corners, half a pixel out from the centres of its corner pixels", () => {
    expect(pictureCamera(PICTURE)).toMatchObject({ left: -0.5, right: 639.5, top: 0.5, bottom: -359.5 });
    for (const size of [
      { width: 0, height: 5 },
      { width: 5, height: Number.NaN },
      { width: 5, height: Infinity },
    ]) {
      expect(() => pictureCamera(size)).toThrow(InputError);
    }
  });
});

describe('toPerspective', () => {
  const errorOf = (head: ReturnType<typeof pose>, verticalFov: number, turned = true) => {
    const perspective = toPerspective(head, PICTURE, { verticalFov });
    const matrix = new Matrix4().fromArray(perspective.matrix);
    if (!turned) {
      // The same place and size without turning to the line of sight.
      const centre = new Vector3(0, 0, 0.9);
      const at = centre.clone().applyMatrix4(matrix);
      const r = head.rotation;
      const plain = new Matrix4().set(r[0], r[1], r[2], 0, r[3], r[4], r[5], 0, r[6], r[7], r[8], 0, 0, 0, 0, 1);
      matrix.copy(plain).setPosition(at.sub(centre.applyMatrix4(plain)));
    }
    const camera = new PerspectiveCamera(verticalFov, PICTURE.width / PICTURE.height, 0.01, 1e6);
    return Math.max(
      ...points.map((point) => {
        const [x, y] = inPicture(head, point);
        const [px, py] = project(camera, new Vector3(...point).applyMatrix4(matrix));
        return Math.hypot(px - x!, py - y!);
      }),
    );
  };

  it.each(ANGLES)('sees what scaled orthography does, the more exactly the farther the camera: %o', (angles) => {
    const head = pose(angles, 320, 180);
    const [wide, narrow, narrowest] = [30, 3, 0.3].map((fov) => errorOf(head, fov));
    expect(wide!).toBeGreaterThan(narrow!);
    expect(narrow!).toBeLessThan(1);
    expect(narrowest!).toBeLessThan(0.1);
  });

  it('sees the reference point exactly where it was, at any field of view', () => {
    const head = pose({ yaw: 20, pitch: 10, roll: 5 }, 60, 40);
    for (const verticalFov of [20, 60, 120]) {
      const { matrix, distance } = toPerspective(head, PICTURE, { verticalFov });
      const at = new Vector3(0, 0, 0.9).applyMatrix4(new Matrix4().fromArray(matrix));
      const [x, y] = inPicture(head, [0, 0, 0.9]);
      const camera = new PerspectiveCamera(verticalFov, PICTURE.width / PICTURE.height, 0.01, 1e6);
      const [px, py] = project(camera, at);
      expect(px).toBeCloseTo(x!, 6);
      expect(py).toBeCloseTo(y!, 6);
      expect(-at.z).toBeCloseTo(distance, 9);
    }
  });

  it('turns a head away from the middle to its line of sight, which keeps its looks', () => {
    const head = pose({ yaw: 0, pitch: 0, roll: 0 }, 60, 180, 30);
    const turned = toPerspective(head, PICTURE, { verticalFov: 60 });
    const away = (Math.atan((319.5 - 60) / turned.focalLength) * 180) / Math.PI;
    // It looks at the camera, which is to its image right: the nose goes to image right.
    expect(matrixToEuler(turned.rotation).yaw).toBeCloseTo(-away, 1);
    expect(errorOf(head, 60)).toBeLessThan(errorOf(head, 60, false) / 2);
  });

  it('takes a focal length in pixels as well, and refuses what is none', () => {
    const head = pose(ANGLES[1]!, 300, 200);
    const { focalLength } = toPerspective(head, PICTURE, { verticalFov: 40 });
    const other = toPerspective(head, PICTURE, { focalLength });
    expect(other.verticalFov).toBeCloseTo(40, 9);
    expect(other.matrix).toEqual(toPerspective(head, PICTURE, { verticalFov: 40 }).matrix);
    for (const view of [{ verticalFov: 0 }, { verticalFov: 180 }, { verticalFov: Number.NaN }, { focalLength: -1 }]) {
      expect(() => toPerspective(head, PICTURE, view)).toThrow(InputError);
    }
  });
});

describe('toUnitSquare', () => {
  it('takes the picture from corner to corner', () => {
    const unit = toUnitSquare([-0.5, -0.5, 0, 639.5, 359.5, 64, 319.5, 179.5, -32], PICTURE);
    expect([...unit]).toEqual([0, 0, 0, 1, 1, Math.fround(0.1), 0.5, 0.5, Math.fround(-0.05)]);
  });
});

describe('the contours of the 68 points', () => {
  it('hold every point once, and join neighbours', () => {
    const all = Object.values(LANDMARK_CONTOURS).flatMap(({ points: indices }) => indices);
    expect(all).toEqual(Array.from({ length: 68 }, (_, i) => i));
    // Open lines of 17, 5, 5, 4 and 5 points; rings of 6, 6, 12 and 8.
    expect(LANDMARK_CONNECTIONS).toHaveLength(16 + 4 + 4 + 3 + 4 + 6 + 6 + 12 + 8);
    expect(LANDMARK_CONNECTIONS).toContainEqual([41, 36]);
    expect(LANDMARK_CONNECTIONS).not.toContainEqual([16, 0]);
  });
});
