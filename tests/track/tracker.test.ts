import { describe, expect, it, vi } from 'vitest';
import type { Face } from '../../src/align/face.js';
import { FullposeError, InputError } from '../../src/engine/errors.js';
import { type FaceModel, loadFaceModel } from '../../src/mmm/model.js';
import { parseParameterLayout } from '../../src/mmm/parameters.js';
import { poseInPicture } from '../../src/mmm/pose.js';
import { cropOf, type FaceBox, landmarksBox } from '../../src/pictures/boxes.js';
import type { Detector } from '../../src/pictures/detector.js';
import type { UploadedPicture } from '../../src/pictures/frame.js';
import type { TrackerOptions, TrackingAligner } from '../../src/track/options.js';
import { FaceTracker, type TrackedFace } from '../../src/track/tracker.js';
import { layoutJson, smallModelFile } from '../mmm/files.js';

/** One face of a made-up video: a square of picture, and how sure the aligner is of it. */
interface Spot {
  readonly x: number;
  readonly y: number;
  readonly confidence?: number;
  readonly yaw?: number;
}

const SIZE = { width: 640, height: 480 };
const SIDE = 100;
const FRAME = { ...SIZE, data: new Uint8ClampedArray(SIZE.width * SIZE.height * 4) };

const boxAt = (x: number, y: number): FaceBox => ({
  x0: x - SIDE / 2,
  y0: y - SIDE / 2,
  x1: x + SIDE / 2,
  y1: y + SIDE / 2,
  kind: 'landmarks',
});

/** A model whose landmarks are the corners of a square: at the size that the fake gives its faces, the spot's. */
function squareModel(): FaceModel {
  const model = loadFaceModel(smallModelFile());
  const half = SIDE / 2 / (9 * (cropOf(boxAt(100, 100), SIZE, 32).side / 32));
  const mean = Float32Array.from(model.mean);
  for (let i = 0; i < 4; i++) mean.set([i % 2 ? half : -half, i < 2 ? -half : half, 0], 3 * i);
  return { ...model, mean, landmarks: Uint32Array.from({ length: 68 }, (_, i) => i % 4) };
}

/** Finds the spot nearest to where it looks, if that is near; otherwise what it sees is no face. */
class FakeAligner implements TrackingAligner {
  readonly maxFaces = 4;
  readonly iterations = 3;
  readonly model = squareModel();
  readonly layout = parseParameterLayout(layoutJson(5, 3));
  spots: readonly Spot[] = [];
  readonly calls: string[] = [];

  async align(_: unknown, boxes: readonly FaceBox[]): Promise<Face[]> {
    this.calls.push(`align ${boxes.length}`);
    return boxes.map((box) => this.#faceNear((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2));
  }

  async refine(_: unknown, faces: readonly Face[], options: { iterations: number }): Promise<(Face | undefined)[]> {
    this.calls.push(`refine ${faces.length} by ${options.iterations}`);
    return faces.map(({ landmarks }) => {
      const { x0, y0, x1, y1 } = landmarksBox(landmarks);
      const [x, y] = [(x0 + x1) / 2, (y0 + y1) / 2];
      return x < 0 || x > SIZE.width ? undefined : this.#faceNear(x, y);
    });
  }

  #faceNear(x: number, y: number): Face {
    const spot = this.spots.find((candidate) => Math.hypot(candidate.x - x, candidate.y - y) < 40);
    const at: Spot = spot ?? { x, y, confidence: 0.01 };
    const crop = cropOf(boxAt(at.x, at.y), SIZE, 32);
    const parameters = new Float32Array(this.layout.count);
    const half = ((at.yaw ?? 0) * Math.PI) / 360;
    parameters.set([3 * Math.cos(half), 0, 3 * Math.sin(half), 0, 15.5, 15.5]);
    const landmarks = new Float32Array(68 * 3);
    const width = 50 * Math.cos(2 * half);
    for (let i = 0; i < 68; i++) {
      landmarks.set([at.x + (i % 2 ? width : -width), at.y + (i % 4 < 2 ? 50 : -50), 0], i * 3);
    }
    return {
      landmarks,
      box: landmarksBox(landmarks),
      visibility: new Uint8Array(68),
      parameters,
      path: [Float32Array.of(3, 0, 0, 0, 15.5, 15.5, ...parameters.subarray(6))],
      crop,
      confidence: at.confidence ?? 0.9,
      pose: poseInPicture([3, 0, 0, 0], [15.5, 15.5], 32, { scale: 1, x0: 0, y0: 0 }),
      identity: new Float32Array(5),
      expression: {} as Face['expression'],
      blendshapes: {} as Face['blendshapes'],
    };
  }
}

/** A tracker, its aligner, and a clock of 40 ms a frame. */
async function tracking(options: Partial<TrackerOptions> = {}) {
  const aligner = new FakeAligner();
  const tracker = await FaceTracker.create({ aligner, ...options });
  let time = 0;
  const next = (spots: readonly Spot[], boxes?: readonly FaceBox[]): Promise<TrackedFace[]> => {
    aligner.spots = spots;
    time += 40;
    return tracker.track(FRAME, time, boxes && { boxes });
  };
  return { aligner, tracker, next, now: () => time };
}

const summary = (faces: readonly TrackedFace[]) =>
  faces.map(({ id, age, confidence }) => `${id}:${age}${confidence < 0.5 ? '?' : ''}`).join(' ');

/** A detector that answers when told to. */
class SlowDetector implements Detector {
  readonly answers: ((boxes: readonly FaceBox[]) => void)[] = [];
  readonly failures: ((error: unknown) => void)[] = [];

  detect(): Promise<readonly FaceBox[]> {
    return new Promise((resolve, reject) => {
      this.answers.push(resolve);
      this.failures.push(reject);
    });
  }
}

describe('FaceTracker', () => {
  it('takes new faces from boxes, and follows them by refining, all in one call', async () => {
    const { aligner, next } = await tracking({ maxFaces: 3, iterations: 1 });
    const spots = [
      { x: 100, y: 100 },
      { x: 300, y: 200 },
    ];
    expect(summary(await next(spots))).toBe('');
    expect(aligner.calls).toEqual([]);
    expect(summary(await next(spots, [boxAt(100, 100), boxAt(305, 200)]))).toBe('1:0 2:0');
    const moved = spots.map(({ x, y }) => ({ x: x + 4, y: y + 3 }));
    const faces = await next(moved);
    expect(summary(faces)).toBe('1:1 2:1');
    expect(landmarksBox(faces[0]?.landmarks ?? [])).toEqual(boxAt(104, 103));
    expect(aligner.calls).toEqual(['align 2', 'refine 2 by 1']);
  });

  it('passes over boxes of faces that it knows, boxes over each other, and those beyond its room', async () => {
    const { aligner, next } = await tracking({ maxFaces: 2 });
    const spots = [
      { x: 100, y: 100 },
      { x: 300, y: 200 },
      { x: 500, y: 300 },
    ];
    expect(summary(await next(spots, [boxAt(100, 100), boxAt(110, 108)]))).toBe('1:0');
    const all = [boxAt(92, 104), boxAt(300, 200), boxAt(500, 300)];
    expect(summary(await next(spots, all))).toBe('1:1 2:0');
    expect(summary(await next(spots, all))).toBe('1:2 2:1');
    expect(aligner.calls).toEqual(['align 1', 'refine 1 by 2', 'align 1', 'refine 2 by 2']);
  });

  it('does not take for a face what the aligner doubts', async () => {
    const { next } = await tracking();
    expect(summary(await next([], [boxAt(100, 100)]))).toBe('');
    expect(summary(await next([{ x: 100, y: 100 }], [boxAt(100, 100)]))).toBe('1:0');
  });

  it('holds a face in doubt where it was, and loses it after some frames', async () => {
    const { aligner, next } = await tracking({ lost: { frames: 3, confidence: 0.5 } });
    const [spot, moved] = [
      { x: 100, y: 100 },
      { x: 130, y: 100 },
    ];
    await next([spot], [boxAt(100, 100)]);
    const held = await next([{ ...moved, confidence: 0.3 }]);
    expect(summary(held)).toBe('1:1?');
    expect(held[0]?.confidence).toBe(0.3);
    expect(landmarksBox(held[0]?.landmarks ?? [])).toEqual(boxAt(100, 100));
    expect(summary(await next([]))).toBe('1:2?');
    // Found again by a run in full: the doubt is forgotten.
    expect(summary(await next([spot]))).toBe('1:3');
    // The whole cascade had a look before the first doubt, too.
    expect(aligner.calls.slice(1)).toEqual(['refine 1 by 2', 'refine 1 by 3', 'refine 1 by 3', 'refine 1 by 3']);
    expect(summary(await next([]))).toBe('1:4?');
    expect(summary(await next([]))).toBe('1:5?');
    expect(summary(await next([]))).toBe('');
    expect(summary(await next([spot], [boxAt(100, 100)]))).toBe('2:0');
  });

  it('runs the cascade in full for a face that has turned', async () => {
    const { aligner, next } = await tracking({ maxFaces: 2 });
    const spots = [
      { x: 100, y: 100 },
      { x: 300, y: 200 },
    ];
    await next(spots, [boxAt(100, 100), boxAt(300, 200)]);
    await next(spots.map((spot, i) => ({ ...spot, yaw: i * 24 })));
    await next(spots.map((spot, i) => ({ ...spot, yaw: i * 26 })));
    expect(aligner.calls.slice(1)).toEqual(['refine 2 by 2', 'refine 2 by 2']);
    await next(spots);
    expect(aligner.calls.slice(3)).toEqual(['refine 1 by 3', 'refine 1 by 2']);
  });

  it('runs the cascade in full for a face that is far from where it was expected, until the frame after it no longer is', async () => {
    const { aligner, next } = await tracking({ maxFaces: 2 });
    const spots = (x: number) => [
      { x, y: 100 },
      { x: 300, y: 200 },
    ];
    await next(spots(100), [boxAt(100, 100), boxAt(300, 200)]);
    const calls = async (x: number) => {
      aligner.calls.length = 0;
      expect((await next(spots(x))).map(({ landmarks }) => landmarksBox(landmarks))).toEqual([
        boxAt(x, 100),
        boxAt(300, 200),
      ]);
      return [...aligner.calls];
    };
    expect(await calls(105)).toEqual(['refine 2 by 2']);
    expect(await calls(120)).toEqual(['refine 2 by 2', 'refine 1 by 3']);
    expect(await calls(140)).toEqual(['refine 1 by 3', 'refine 1 by 2']);
    expect(await calls(158)).toEqual(['refine 1 by 3', 'refine 1 by 2']);
    // As fast as before: it is where it was expected.
    expect(await calls(176)).toEqual(['refine 2 by 2']);
    expect(await calls(176)).toEqual(['refine 2 by 2', 'refine 1 by 3']);
  });

  it('loses a face that leaves the picture', async () => {
    const { next } = await tracking({ lost: { frames: 1 } });
    await next([{ x: 630, y: 100 }], [boxAt(620, 100)]);
    expect(summary(await next([{ x: 660, y: 100 }]))).toBe('1:1');
    expect(summary(await next([]))).toBe('');
  });

  it('keeps one of two faces that have come to lie on each other', async () => {
    const { next } = await tracking({ maxFaces: 2 });
    const start = [
      { x: 100, y: 100 },
      { x: 170, y: 100 },
    ];
    expect(summary(await next(start, [boxAt(100, 100), boxAt(195, 100)]))).toBe('1:0 2:0');
    expect(summary(await next([{ x: 135, y: 100 }]))).toBe('1:1');
  });

  it('awaits the detector where it follows no face, in every frame', async () => {
    const detect = vi.fn(async (): Promise<FaceBox[]> => []);
    const { next } = await tracking({ detector: { detect } });
    await next([]);
    await next([]);
    detect.mockResolvedValueOnce([boxAt(100, 100)]);
    expect(summary(await next([{ x: 100, y: 100 }]))).toBe('1:0');
    expect(detect).toHaveBeenCalledTimes(3);
    // No room for more: nobody looks.
    for (let i = 0; i < 20; i++) await next([{ x: 100, y: 100 }]);
    expect(detect).toHaveBeenCalledTimes(3);
  });

  it('lets the detector look at a copy, at times, while it follows faces', async () => {
    const closed = vi.fn();
    const copies: unknown[] = [];
    vi.stubGlobal('ImageData', class {});
    vi.stubGlobal('createImageBitmap', async () => {
      const copy = { close: closed };
      copies.push(copy);
      return copy;
    });
    try {
      const detector = new SlowDetector();
      const { next, now } = await tracking({ detector, maxFaces: 2, detectEvery: 200 });
      const spots = [
        { x: 100, y: 100 },
        { x: 300, y: 200 },
      ];
      const first = next(spots);
      detector.answers[0]?.([boxAt(100, 100)]);
      expect(summary(await first)).toBe('1:0');
      // 80 .. 200 ms: too early; at 240 ms it looks, and the video goes on.
      for (const age of [1, 2, 3, 4]) expect(summary(await next(spots))).toBe(`1:${age}`);
      expect([detector.answers.length, now()]).toEqual([1, 200]);
      for (const age of [5, 6, 7, 8, 9, 10, 11]) expect(summary(await next(spots))).toBe(`1:${age}`);
      expect([detector.answers.length, copies.length, closed.mock.calls.length]).toEqual([2, 1, 0]);
      detector.answers[1]?.([boxAt(102, 100), boxAt(300, 200)]);
      await vi.waitFor(() => expect(closed).toHaveBeenCalledTimes(1));
      expect(summary(await next(spots))).toBe('1:12 2:0');
      expect(summary(await next(spots))).toBe('1:13 2:1');
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it('passes on what the detector throws, and goes on', async () => {
    vi.stubGlobal('ImageData', class {});
    vi.stubGlobal('createImageBitmap', async () => ({ close() {} }));
    try {
      const detector = new SlowDetector();
      const { next } = await tracking({ detector, maxFaces: 2, detectEvery: 0 });
      const spots = [{ x: 100, y: 100 }];
      const first = next(spots);
      detector.failures[0]?.(new RangeError('blind'));
      await expect(first).rejects.toThrow('blind');
      await next(spots, [boxAt(100, 100)]);
      await next(spots);
      detector.failures[1]?.(new RangeError('blind again'));
      await new Promise((resolve) => setTimeout(resolve));
      await expect(next(spots)).rejects.toThrow('blind again');
      expect(summary(await next(spots))).toBe('1:2');
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it('looks again after a detector that threw at once, and does not believe what is no list of boxes', async () => {
    vi.stubGlobal('ImageData', class {});
    vi.stubGlobal('createImageBitmap', async () => ({ close() {} }));
    try {
      const detect = vi.fn(async (): Promise<FaceBox[]> => []);
      const { next } = await tracking({ detector: { detect }, maxFaces: 2, detectEvery: 0 });
      const spots = [{ x: 100, y: 100 }];
      await next(spots, [boxAt(100, 100)]);
      detect.mockImplementationOnce(() => {
        throw new RangeError('at once');
      });
      await next(spots);
      await new Promise((resolve) => setTimeout(resolve));
      await expect(next(spots)).rejects.toThrow('at once');
      const nonsense: unknown = [{ x0: Number.NaN }];
      detect.mockResolvedValueOnce(nonsense as FaceBox[]);
      expect(summary(await next(spots))).toBe('1:2');
      await new Promise((resolve) => setTimeout(resolve));
      await expect(next(spots)).rejects.toThrow(/^The detector's box \[NaN, .*\] is not finite; wanted four numbers/);
      expect(summary(await next(spots))).toBe('1:3');
      expect(detect).toHaveBeenCalledTimes(3);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it('wants times that increase, one frame at a time, until a reset', async () => {
    const { aligner, tracker } = await tracking();
    aligner.spots = [{ x: 100, y: 100 }];
    const boxes = [boxAt(100, 100)];
    const call = tracker.track(FRAME, 1000, { boxes });
    const busy = await tracker.track(FRAME, 1040).catch((error: unknown) => error);
    expect(busy instanceof FullposeError && busy.code).toBe('busy');
    expect(summary(await call)).toBe('1:0');
    for (const time of [1000, 999, Number.NaN]) {
      await expect(tracker.track(FRAME, time)).rejects.toThrow(InputError);
      await expect(tracker.track(FRAME, time)).rejects.toThrow(/timestamp is .*; wanted more than 1000/);
    }
    expect(summary(await tracker.track(FRAME, 1001))).toBe('1:1');
    tracker.reset();
    expect(summary(await tracker.track(FRAME, 5))).toBe('');
    expect(summary(await tracker.track(FRAME, 6, { boxes }))).toBe('2:0');
  });

  it('tells seconds from milliseconds by the first two frames', async () => {
    const { aligner, tracker } = await tracking();
    aligner.spots = [{ x: 100, y: 100 }];
    await tracker.track(FRAME, 0, { boxes: [boxAt(100, 100)] });
    await expect(tracker.track(FRAME, 0.04)).rejects.toThrow(/0 and 0.04 ms; wanted milliseconds.*currentTime/);
    expect(summary(await tracker.track(FRAME, 40))).toBe('1:1');
    // Once they are known to be milliseconds, two frames may be close.
    expect(summary(await tracker.track(FRAME, 40.5))).toBe('1:2');
  });

  it('does not take what trembles between two frames that are close for speed', async () => {
    const { aligner, tracker } = await tracking();
    const at = async (x: number, time: number, boxes?: readonly FaceBox[]) => {
      aligner.spots = [{ x, y: 100 }];
      return summary(await tracker.track(FRAME, time, boxes && { boxes }));
    };
    await at(100, 0, [boxAt(100, 100)]);
    await at(100, 40);
    expect(await at(100.5, 40.01)).toBe('1:2');
    expect(await at(100, 80)).toBe('1:3');
  });

  it('names reset() where a film starts anew', async () => {
    const { tracker } = await tracking();
    await tracker.track(FRAME, 5000);
    await expect(tracker.track(FRAME, 0)).rejects.toThrow(/0 ms; wanted more than 5000 ms, or reset\(\)/);
  });

  it('follows a face through a change of resolution by its id, and starts anew where the picture has another shape', async () => {
    const { aligner, tracker } = await tracking();
    const frame = (width: number, height: number) => ({
      width,
      height,
      data: new Uint8ClampedArray(width * height * 4),
    });
    aligner.spots = [{ x: 100, y: 80 }];
    await tracker.track(frame(320, 240), 0, { boxes: [boxAt(100, 80)] });
    // It would not be found at its old pixels.
    aligner.spots = [{ x: 200.5, y: 160.5 }];
    const [face] = await tracker.track(frame(640, 480), 40);
    expect(summary(face === undefined ? [] : [face])).toBe('1:1');
    expect(landmarksBox(face?.landmarks ?? [])).toEqual(boxAt(200.5, 160.5));
    expect(summary(await tracker.track(frame(480, 640), 80))).toBe('');
  });

  it('after a gap or a jump runs the whole cascade, and believes what the detector sees', async () => {
    const detect = vi.fn(async (): Promise<FaceBox[]> => [boxAt(100, 100)]);
    const { aligner, tracker } = await tracking({ detector: { detect } });
    const at = async (x: number, y: number, time: number) => {
      aligner.spots = [{ x, y }];
      aligner.calls.length = 0;
      detect.mockResolvedValueOnce([boxAt(x + 3, y)]);
      const faces = await tracker.track(FRAME, time);
      expect(landmarksBox(faces[0]?.landmarks ?? [])).toEqual(boxAt(x, y));
      return summary(faces);
    };
    expect(await at(100, 100, 0)).toBe('1:0');
    expect(await at(101, 100, 40)).toBe('1:1');
    expect(aligner.calls).toEqual(['refine 1 by 2']);
    expect(detect).toHaveBeenCalledTimes(1);
    // Too far for the refinement, near enough to be the same face.
    detect.mockReset();
    expect(await at(160, 130, 540)).toBe('1:2');
    expect(aligner.calls).toEqual(['refine 1 by 3', 'align 1']);
    detect.mockReset();
    expect(await at(190, 130, 580)).toBe('1:3');
    expect(aligner.calls).toEqual(['refine 1 by 3', 'align 1']);
    expect(detect).toHaveBeenCalledTimes(1);
    // In peace again, nobody asks the detector.
    expect(await at(191, 130, 620)).toBe('1:4');
    expect(detect).toHaveBeenCalledTimes(1);
  });

  it('uploads a frame once, into the same picture, and frees it when the last call is done', async () => {
    const { aligner, tracker } = await tracking();
    const destroy = vi.fn();
    const picture: unknown = { destroy };
    const upload = vi.fn(async (_: unknown, into?: UploadedPicture) => into ?? (picture as UploadedPicture));
    Object.assign(aligner, { upload });
    aligner.spots = [{ x: 100, y: 100 }];
    const [align, refine] = [vi.spyOn(aligner, 'align'), vi.spyOn(aligner, 'refine')];
    await tracker.track(FRAME, 1000, { boxes: [boxAt(100, 100)] });
    const call = tracker.track(FRAME, 1040);
    tracker.destroy();
    expect(destroy).not.toHaveBeenCalled();
    expect(summary(await call)).toBe('1:1');
    expect(destroy).toHaveBeenCalled();
    expect(upload.mock.calls).toEqual([
      [FRAME, undefined],
      [FRAME, picture],
    ]);
    for (const spy of [align, refine]) expect(spy.mock.calls.map(([source]) => source)).toEqual([picture]);
  });

  it('does not keep what a frame from before a reset found', async () => {
    const { aligner, tracker } = await tracking();
    aligner.spots = [{ x: 100, y: 100 }];
    const call = tracker.track(FRAME, 1000, { boxes: [boxAt(100, 100)] });
    tracker.reset();
    expect(summary(await call)).toBe('1:0');
    expect(summary(await tracker.track(FRAME, 1))).toBe('');
  });

  it('goes on after a frame that failed, with the faces and the time from before it', async () => {
    const { aligner, tracker } = await tracking();
    aligner.spots = [{ x: 100, y: 100 }];
    await tracker.track(FRAME, 1000, { boxes: [boxAt(100, 100)] });
    vi.spyOn(aligner, 'refine').mockRejectedValueOnce(new InputError('no picture'));
    await expect(tracker.track(FRAME, 1040)).rejects.toThrow('no picture');
    expect(summary(await tracker.track(FRAME, 1040))).toBe('1:1');
  });

  it('looks for a face where it is going, and after a jump where it is', async () => {
    const { next, aligner } = await tracking();
    const starts: number[] = [];
    const refine = aligner.refine.bind(aligner);
    vi.spyOn(aligner, 'refine').mockImplementation((source, faces, options) => {
      starts.push(...faces.map(({ landmarks }) => landmarksBox(landmarks).x0 + SIDE / 2));
      return refine(source, faces, options);
    });
    await next([{ x: 100, y: 100 }], [boxAt(100, 100)]);
    for (const x of [104, 108, 112, 116]) await next([{ x, y: 100 }]);
    expect(starts.at(-1)).toBeGreaterThan(114);
    await next([{ x: 150, y: 100 }]);
    await next([{ x: 150, y: 100 }]);
    expect(starts.at(-1)).toBeCloseTo(150, 3);
  });

  it('smooths what it shows, not what it starts from', async () => {
    const follow = async (smoothing: boolean) => {
      const { next, aligner } = await tracking({ smoothing });
      const starts: number[] = [];
      const refine = aligner.refine.bind(aligner);
      vi.spyOn(aligner, 'refine').mockImplementation((source, faces, options) => {
        starts.push(...faces.map(({ landmarks }) => landmarksBox(landmarks).x0 + SIDE / 2));
        return refine(source, faces, options);
      });
      const shown: number[] = [];
      for (const [i, x] of [100, 101, 99, 101, 99].entries()) {
        const [face] = await next([{ x, y: 100 }], i === 0 ? [boxAt(100, 100)] : undefined);
        shown.push((face?.pose.matrix[3] ?? 0) - 100);
      }
      return { starts, shown };
    };
    const { starts, shown } = await follow(true);
    expect(starts).toEqual((await follow(false)).starts);
    for (const offset of shown.slice(1)) expect(Math.abs(offset)).toBeLessThan(0.9);
    expect(shown.slice(1).some((offset) => Math.abs(offset) > 0.05)).toBe(true);
  });

  it.each([
    [{ maxFaces: 0 }, /maxFaces is 0; wanted a whole number from 1 to 4/],
    [{ maxFaces: 5 }, /maxFaces is 5/],
    [{ iterations: 4 }, /iterations is 4; wanted a whole number from 1 to 3/],
    [{ detectEvery: -1 }, /detectEvery is -1; wanted a number from 0/],
    [{ lost: { confidence: 2 } }, /lost.confidence is 2; wanted a number from 0 to 1/],
    [{ lost: { frames: 0.5 } }, /lost.frames is 0.5; wanted a whole number from 1/],
    [{ lost: null }, /lost is null; wanted an object/],
    [{ detector: {} }, /detector is .*; wanted an object with detect/],
    [{ smoothing: 1 }, /smoothing is 1; wanted true, false or an object/],
    [{ smoothing: null }, /smoothing is null; wanted true, false or an object/],
    [{ smoothing: [] }, /smoothing is \[\]; wanted true, false or an object/],
    [{ smoothing: { rotation: { minCutoff: -1, beta: 0 } } }, /smoothing.rotation/],
    [{ aligner: null }, /aligner is null; wanted an object/],
    [{ smothing: true }, /no option "smothing"; wanted aligner, detector, finder, maxFaces, iterations, smoothing, /],
    [{ lost: { frame: 2 } }, /no option "frame"; wanted confidence, frames\.$/],
  ])('refuses the options %o', async (options, message) => {
    // What untyped code may pass.
    const bad: unknown = { aligner: new FakeAligner(), ...options };
    const call = FaceTracker.create(bad as TrackerOptions);
    await expect(call).rejects.toThrow(InputError);
    await expect(call).rejects.toThrow(message);
  });

  it('refuses bad boxes, and everything once it is destroyed', async () => {
    const { tracker } = await tracking();
    const boxes: unknown = 'here';
    await expect(tracker.track(FRAME, 1, { boxes: boxes as FaceBox[] })).rejects.toThrow(/boxes are .*wanted a list/);
    const empty: unknown = null;
    await expect(tracker.track(FRAME, 1, { boxes: [empty as FaceBox] })).rejects.toThrow(
      /^The box is null; wanted an object/,
    );
    await expect(tracker.track(FRAME, 1, empty as object)).rejects.toThrow(/options are null; wanted an object/);
    const strange: object = { box: [] };
    await expect(tracker.track(FRAME, 1, strange)).rejects.toThrow('There is no option "box"; wanted boxes.');
    await expect(tracker.track(FRAME, 1, [] as object)).rejects.toThrow(/options are .*wanted an object with boxes/);
    tracker.destroy();
    tracker[Symbol.dispose]();
    await expect(tracker.track(FRAME, 2)).rejects.toThrow(/destroyed/);
  });

  it('refuses bad boxes also while it has no room for another face', async () => {
    const { next } = await tracking();
    const spots = [{ x: 100, y: 100 }];
    const good = boxAt(100, 100);
    await next(spots, [good]);
    const turned = { ...good, x1: good.x0 - 1 };
    await expect(next(spots, [turned])).rejects.toThrow(/^The box .* is -1 x .* pixels; wanted x0 < x1/);
    const round: object = { ...good, kind: 'round' };
    await expect(next(spots, [round as FaceBox])).rejects.toThrow(/^The box .* is of kind "round"; wanted/);
    await expect(next(spots, [{ ...good, roll: Number.NaN }])).rejects.toThrow(/^The box .* has a roll of NaN/);
    expect(summary(await next(spots, [good]))).toBe('1:1');
  });
});
