/**
 * Where a followed face is looked for next: at rest where it was on average, in motion where it is going. What an
 * iteration gives is noise for a third of the noise that it starts with; speed carries more of it into the start than
 * the last pose does, and a mean less, but late (docs/tracking.md).
 */
import { type Middle, type Move, moveBetween, moved, STILL } from './poses.js';

/** Weight of a new frame in the mean of a face at rest, and in the speed. */
const [NEW_POSE, NEW_SPEED] = [0.3, 0.5];

/** Frames less ms apart than this say the less of the speed: over so short a time trembling would be a fast move. */
const SHORT = 8;

/**
 * A face moves, and does not tremble, where it moves by much more than this from frame to frame: decimetres of its own
 * size.
 */
const TREMBLING = 0.012;

/** Decimetres at the rim of the face for a radian and for a growth of 1. */
const [OF_TURN, OF_GROWTH] = [0.5, 0.7];

/** How a face has moved so far; each frame makes it anew. */
export class Motion {
  readonly #middle: Middle;
  readonly #last: Float64Array<ArrayBuffer>;
  readonly #lastMs: number;
  readonly #mean: Float64Array<ArrayBuffer>;
  /** In a ms. */
  readonly #speed: Move;

  private constructor(
    middle: Middle,
    last: Float64Array<ArrayBuffer>,
    lastMs: number,
    mean: Float64Array<ArrayBuffer>,
    speed: Move,
  ) {
    this.#middle = middle;
    this.#last = last;
    this.#lastMs = lastMs;
    this.#mean = mean;
    this.#speed = speed;
  }

  /** Of a face that is seen for the first time. @param parameters in `PICTURE_FRAME` */
  static of(middle: Middle, parameters: Float64Array<ArrayBuffer>, timestampMs: number): Motion {
    return new Motion(middle, parameters, timestampMs, parameters, STILL);
  }

  /** After the next frame. */
  after(parameters: Float64Array<ArrayBuffer>, timestampMs: number): Motion {
    const ms = timestampMs - this.#lastMs;
    const last = moveBetween(this.#last, parameters, this.#middle);
    const fresh = NEW_SPEED * Math.min(1, ms / SHORT);
    const speed = this.#speed.map((value, i) => value + fresh * (last[i]! / ms - value)) as unknown as Move;
    const weight = NEW_POSE + (1 - NEW_POSE) * certainty(speed, ms);
    const mean = moved(this.#mean, moveBetween(this.#mean, parameters, this.#middle), weight, this.#middle);
    return new Motion(this.#middle, parameters, timestampMs, mean, speed);
  }

  /** Parameters in `PICTURE_FRAME` as they may be found then: the last ones, with another pose. */
  at(timestampMs: number): Float64Array<ArrayBuffer> {
    const ms = timestampMs - this.#lastMs;
    const next = Float64Array.from(this.#last);
    const pose = moved(this.#mean, this.#speed, ms * certainty(this.#speed, ms), this.#middle);
    next.set(pose.subarray(0, 6));
    return next;
  }
}

/** From 0 for a face that trembles to 1 for one that moves. */
function certainty([turnX, turnY, turnZ, x, y, growth]: Move, ms: number): number {
  const length = ms * Math.hypot(OF_TURN * Math.hypot(turnX, turnY, turnZ), x, y, OF_GROWTH * growth);
  return length ** 2 / (length ** 2 + TREMBLING ** 2);
}
