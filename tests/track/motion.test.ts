import { describe, expect, it } from 'vitest';
import { eulerToQuaternion } from '../../src/mmm/pose.js';
import { Motion } from '../../src/track/motion.js';
import { type Move, moveBetween, moved, placeOf } from '../../src/track/poses.js';
import { expectClose, random } from '../browser/numbers.js';

const MIDDLE = [0, -0.04, 0.93] as const;
/** Pixels a decimetre. */
const SIZE = 60;

function posed(yaw: number, x: number, y: number, size = SIZE): Float64Array<ArrayBuffer> {
  const parameters = new Float64Array(12).fill(0.5);
  parameters.set(eulerToQuaternion({ yaw, pitch: 5, roll: -10 }, size));
  parameters.set([x, y, 0, 0], 4);
  return parameters;
}

describe('moves', () => {
  it('take one pose to the other, whatever the sign of its quaternion', () => {
    const next = random(1);
    const some = () => posed(120 * (next() - 0.5), 300 * next(), -200 * next(), 20 + 80 * next());
    for (let i = 0; i < 20; i++) {
      const [a, b] = [some(), some()];
      const negated = Float64Array.from(b, (value, k) => (k < 4 ? -value : value));
      for (const to of [b, negated]) {
        const there = moved(a, moveBetween(a, to, MIDDLE), 1, MIDDLE);
        expectClose(moveBetween(there, b, MIDDLE), new Float64Array(6), { atol: 1e-9, label: `pose ${i}` });
        expectClose(there.subarray(4, 6), b.subarray(4, 6), { atol: 1e-9, label: `translation ${i}` });
      }
    }
  });

  it('turn a head about the middle of its face', () => {
    const turn: Move = [0.1, -0.2, 0.3, 0, 0, 0];
    const [before, after] = [posed(20, 100, -80), moved(posed(20, 100, -80), turn, 0.5, MIDDLE)];
    expectClose(placeOf(after, MIDDLE), placeOf(before, MIDDLE), { atol: 1e-12 });
    expectClose(moveBetween(before, after, MIDDLE), [0.05, -0.1, 0.15, 0, 0, 0], { atol: 1e-12 });
  });
});

describe('Motion', () => {
  const follow = (poses: readonly Float64Array<ArrayBuffer>[], frameMs = 40) => {
    let motion = Motion.of(MIDDLE, poses[0]!, 0);
    for (const [i, pose] of poses.slice(1).entries()) motion = motion.after(pose, (i + 1) * frameMs);
    return { motion, expected: motion.at(poses.length * frameMs) };
  };

  it('expects a new face where it is, and a face at rest there with its last shape', () => {
    expectClose(follow([posed(10, 200, -100)]).expected, posed(10, 200, -100), { rtol: 1e-12 });
    expectClose(follow(Array.from({ length: 5 }, () => posed(10, 200, -100))).expected, posed(10, 200, -100), {
      rtol: 1e-12,
    });
  });

  it('expects a face that moves where it is going, at half the frames, too', () => {
    // A twentieth of the face's width and 2 degrees a frame.
    const poses = Array.from({ length: 14 }, (_, i) => posed(2 * i, 200 + 4 * i, -100, SIZE * 1.01 ** i));
    const next = posed(28, 256, -100, SIZE * 1.01 ** 14);
    const [last, off] = [moveBetween(poses[13]!, next, MIDDLE), moveBetween(follow(poses).expected, next, MIDDLE)];
    expect(Math.hypot(...off)).toBeLessThan(0.25 * Math.hypot(...last));
    const slower = follow(poses, 80);
    expectClose(slower.expected, follow(poses).expected, { rtol: 1e-9 });
    expectClose(slower.expected.subarray(6), poses[13]!.subarray(6), { atol: 0 });
  });

  it('expects a face that trembles nearer to where it rests than it was last', () => {
    const next = random(2);
    // Of standard deviation 1.
    const noise = () => Math.sqrt(3) * (2 * next() - 1);
    const rest = posed(10, 200, -100);
    // 0.3% of a decimetre and a third of a degree.
    const poses = Array.from({ length: 200 }, () =>
      moved(rest, [0.006 * noise(), 0.004 * noise(), 0, 0.003 * noise(), 0.003 * noise(), 0.004 * noise()], 1, MIDDLE),
    );
    let motion = Motion.of(MIDDLE, rest, 0);
    let [expected, last] = [0, 0];
    for (const [i, pose] of poses.entries()) {
      motion = motion.after(pose, 40 * (i + 1));
      expected += Math.hypot(...moveBetween(rest, motion.at(40 * (i + 2)), MIDDLE)) ** 2;
      last += Math.hypot(...moveBetween(rest, pose, MIDDLE)) ** 2;
    }
    expect(Math.sqrt(expected / last)).toBeLessThan(0.85);
  });
});
