/** Parameters and crops that the crop is made anew from, ordinary and impossible ones. */
import type { ParameterLayout } from '../../src/mmm/parameters.js';
import { eulerToQuaternion } from '../../src/mmm/pose.js';
import type { Crop } from '../../src/pictures/crop.js';
import { random } from '../browser/numbers.js';

export interface RecropCase {
  readonly name: string;
  /** [count], with a turn in float 6 and the last. */
  readonly parameters: Float32Array<ArrayBuffer>;
  readonly crop: Crop;
  /** Whether the crop must stay. */
  readonly stays: boolean;
}

/** Layouts of these cases leave the last float to the turn. */
export function recropCases(layout: ParameterLayout, size: number): RecropCase[] {
  const next = random(11);
  const between = (low: number, high: number) => low + (high - low) * next();
  const made = (name: string, change: (p: Float32Array<ArrayBuffer>) => void, stays = false): RecropCase => {
    const parameters = new Float32Array(layout.count);
    const angles = { yaw: between(-95, 95), pitch: between(-30, 30), roll: between(-180, 180) };
    const scale = size * between(0.2, 0.5);
    parameters.set([...eulerToQuaternion(angles, scale), between(0.3, 0.7) * size, between(0.3, 0.7) * size]);
    for (const [first, count] of [layout.identity, layout.expression]) {
      for (let i = 0; i < count; i++) parameters[first + i] = between(-1.5, 1.5);
    }
    const turn = between(-Math.PI, Math.PI);
    const length = between(0.5, 1.3);
    parameters[6] = length * Math.cos(turn) - 1;
    parameters[7] = between(-3, 3);
    parameters[layout.count - 1] = length * Math.sin(turn);
    change(parameters);
    const crop: Crop = {
      centreX: between(-50, 700),
      centreY: between(-50, 500),
      side: between(30, 900),
      roll: between(-180, 180),
      size,
    };
    return { name, parameters, crop, stays };
  };
  const setTurn = (p: Float32Array, cosine: number, sine: number) => {
    p[6] = cosine - 1;
    p[p.length - 1] = sine;
  };
  const cases = Array.from({ length: 24 }, (_, i) => made(`random pose ${i}`, () => {}));
  for (let roll = -180; roll <= 180; roll += 15) {
    cases.push(
      made(`upright before a turn by ${roll} degrees`, (p) => {
        p.set(eulerToQuaternion({ yaw: 10, pitch: 5, roll: 0 }, 0.35 * size));
        setTurn(p, Math.cos((roll * Math.PI) / 180), Math.sin((roll * Math.PI) / 180));
      }),
    );
  }
  for (const yaw of [-90, -89.9, 89.9, 90]) {
    cases.push(
      made(`profile of ${yaw} degrees`, (p) => p.set(eulerToQuaternion({ yaw, pitch: 8, roll: 70 }, 0.3 * size))),
    );
  }
  cases.push(
    made('no turn', (p) => setTurn(p, 1, 0)),
    made('a turn of no direction', (p) => setTurn(p, 0, 0)),
    made('half outside the crop', (p) => p.set([0.95 * size, 0.1 * size], 4)),
    made('far outside the crop', (p) => p.set([-3 * size, 5 * size], 4)),
    made('seen along its y axis', (p) => p.set(eulerToQuaternion({ yaw: 0, pitch: 90, roll: 0 }, 0.3 * size))),
    made('a quaternion below 0', (p) => p.set(p.subarray(0, 4).map((value) => -value))),
    made('far too small', (p) => p.set(p.subarray(0, 4).map((value) => 0.1 * value)), true),
    made('far too large', (p) => p.set(p.subarray(0, 4).map((value) => 4 * value)), true),
    made('of scale 0', (p) => p.fill(0, 0, 4), true),
    made('a NaN in the quaternion', (p) => p.fill(Number.NaN, 1, 2), true),
    made('an infinite translation', (p) => p.fill(Number.POSITIVE_INFINITY, 5, 6), true),
    made('a NaN coefficient', (p) => p.fill(Number.NaN, 9, 10), true),
    made('log-odds that are no number', (p) => p.fill(Number.NaN, 7, 8), true),
    made('an overflow', (p) => p.fill(3e38, 8, 10), true),
  );
  return cases;
}
