/** What a recording holds beside its pictures: the faces of every frame. */
import type { Face } from 'fullpose';
import type { ShownFace } from '../scene.js';
import type { Keyframes } from './animation.js';

interface Frame {
  /** Seconds from the beginning. */
  readonly time: number;
  readonly faces: readonly ShownFace[];
}

export class Take {
  readonly #frames: Frame[] = [];
  #startMs: number | undefined;

  get length(): number {
    return this.#frames.length;
  }

  /** @param timeMs rising */
  add(timeMs: number, faces: readonly ShownFace[]): void {
    this.#startMs ??= timeMs;
    this.#frames.push({ time: (timeMs - this.#startMs) / 1000, faces });
  }

  /** One line of JSON a frame. */
  toLines(): string {
    return this.#frames.map((frame) => `${JSON.stringify(describe(frame))}\n`).join('');
  }

  /** The face that is in most frames; undefined where there is none. */
  get lead(): Face | undefined {
    const id = this.#leadId();
    return this.#frames.flatMap(({ faces }) => faces).find((shown) => shown.id === id)?.face;
  }

  /** The lead's moves. @param names of the morph targets, in their order @param turn a face's turn, x, y, z, w */
  keyframes(names: readonly string[], turn: (face: Face) => readonly number[]): Keyframes {
    const id = this.#leadId();
    const moves = this.#frames.flatMap(({ time, faces }) => {
      const face = faces.find((shown) => shown.id === id)?.face;
      return face === undefined ? [] : [{ time, face }];
    });
    let last: readonly number[] | undefined;
    const rotations = moves.map(({ face }) => {
      const turned = turn(face);
      // Both signs are one turn; the way between two frames is the short one.
      const isFar = last !== undefined && turned.reduce((sum, value, i) => sum + value * (last?.[i] ?? 0), 0) < 0;
      last = isFar ? turned.map((value) => -value) : turned;
      return last;
    });
    return {
      times: moves.map(({ time }) => time),
      rotations,
      weights: moves.map(({ face }) => names.map((name) => face.expression[name] ?? 0)),
    };
  }

  #leadId(): number | undefined {
    const counts = new Map<number, number>();
    for (const { id } of this.#frames.flatMap(({ faces }) => faces)) counts.set(id, (counts.get(id) ?? 0) + 1);
    return [...counts].sort(([, p], [, q]) => q - p)[0]?.[0];
  }
}

function describe({ time, faces }: Frame): object {
  return {
    time: Number(time.toFixed(4)),
    faces: faces.map(({ id, face: { confidence, landmarks, pose, expression } }) => ({
      id,
      confidence,
      pose: { yaw: pose.yaw, pitch: pose.pitch, roll: pose.roll, matrix: [...pose.matrix] },
      landmarks: Array.from({ length: landmarks.length / 3 }, (_, i) => [...landmarks.subarray(i * 3, i * 3 + 3)]),
      expression,
    })),
  };
}
