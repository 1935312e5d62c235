/** Counts what an aligner does. */

/** What the aligner has done so far. */
export interface AlignerCounters {
  /** Frames that were submitted, or recorded by `encode`; each of at most `maxFaces` faces. */
  readonly frames: number;
  /** Faces in all frames. */
  readonly faces: number;
  /** Submits to the GPU's queue. `encode` leaves them to its caller, and they are not counted. */
  readonly submits: number;
  /** Dispatches of compute shaders in all frames. */
  readonly dispatches: number;
  /** Bytes copied to the staging buffers. */
  readonly bytesRead: number;
}

/** One frame's. */
interface FrameCounts {
  readonly faces: number;
  readonly dispatches: number;
  readonly submits?: number;
  readonly bytesRead?: number;
}

export class Counters {
  #sums: AlignerCounters = { frames: 0, faces: 0, submits: 0, dispatches: 0, bytesRead: 0 };

  get sums(): AlignerCounters {
    return this.#sums;
  }

  addFrame({ faces, dispatches, submits = 0, bytesRead = 0 }: FrameCounts): void {
    const sums = this.#sums;
    this.#sums = {
      frames: sums.frames + 1,
      faces: sums.faces + faces,
      submits: sums.submits + submits,
      dispatches: sums.dispatches + dispatches,
      bytesRead: sums.bytesRead + bytesRead,
    };
  }
}
