import { describe, expect, it } from 'vitest';
import {
  type DetectedFace,
  distinctFaces,
  isCutOff,
  overlap,
  rollOf,
  suppress,
  toFace,
} from '../../src/detect/faces.js';
import {
  CANDIDATE_BYTES,
  type Candidate,
  countCandidates,
  listBytes,
  readCandidates,
} from '../../src/detect/kernels/candidates.js';
import { SMALLEST_FACE, searchSteps, shownPart } from '../../src/detect/regions.js';

const candidate = (score: number, x: number, y: number, size: number, cell = 0): Candidate => ({
  item: 0,
  cell,
  score,
  values: Float32Array.from([x, y, size, size, ...Array.from({ length: 10 }, (_, i) => x + i)]),
});

const corners = (x0: number, y0: number, x1: number, y1: number) => ({ x0, y0, x1, y1 });
const face = (x0: number, y0: number, x1: number, y1: number, score = 0.9): DetectedFace => ({
  ...toFace(candidate(score, 0, 0, 1), { centreX: 0, centreY: 0, side: 128, roll: 0, size: 128 }),
  ...corners(x0, y0, x1, y1),
});

/** Five points of an upright face of 20 pixels between the eyes, turned clockwise about its nose. */
function turned(degrees: number, x: number, y: number): readonly number[] {
  const [cosine, sine] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  return [
    [-10, -12],
    [10, -12],
    [0, 0],
    [-8, 9],
    [8, 9],
  ].flatMap(([u = 0, v = 0]) => [x + cosine * u - sine * v, y + sine * u + cosine * v]);
}

describe('overlap', () => {
  it('is intersection over union', () => {
    expect(overlap(corners(0, 0, 2, 2), corners(1, 0, 3, 2))).toBeCloseTo(1 / 3, 12);
    expect(overlap(corners(0, 0, 2, 2), corners(0, 0, 2, 2))).toBe(1);
    expect(overlap(corners(0, 0, 2, 2), corners(2, 0, 4, 2))).toBe(0);
    expect(overlap(corners(0, 0, 2, 2), corners(5, 5, 6, 6))).toBe(0);
    expect(overlap(corners(1, 1, 1, 1), corners(1, 1, 1, 1))).toBe(0);
  });
});

describe('suppress', () => {
  it('makes of those that overlap the best one their mean, weighted by score, with its score', () => {
    const [best, ...others] = suppress([candidate(0.6, 14, 20, 12, 3), candidate(0.9, 11, 20, 15, 1)]);
    expect(others).toEqual([]);
    expect(best?.score).toBe(0.9);
    expect(best?.cell).toBe(1);
    expect(best?.values[0]).toBeCloseTo((0.6 * 14 + 0.9 * 11) / 1.5, 5);
    expect(best?.values[2]).toBeCloseTo((0.6 * 12 + 0.9 * 15) / 1.5, 5);
    expect(best?.values[13]).toBeCloseTo((0.6 * 23 + 0.9 * 20) / 1.5, 5);
  });

  it('keeps what overlaps the best one by no more than 0.3, best first', () => {
    // Widths of 10 at a distance of 6: 4 in common of 16.
    const faces = suppress([candidate(0.7, 26, 20, 10), candidate(0.8, 20, 20, 10), candidate(0.6, 90, 20, 10)]);
    expect(faces.map(({ score }) => score)).toEqual([0.8, 0.7, 0.6]);
    expect(suppress([])).toEqual([]);
  });

  it('ends with empty boxes, which overlap nothing', () => {
    expect(suppress([candidate(0.7, 5, 5, 0, 1), candidate(0.8, 5, 5, 0, 2)])).toHaveLength(2);
  });
});

describe('toFace', () => {
  it('goes from network pixels, counted from the border, to picture pixels, counted from the first centre', () => {
    // The whole of a picture of 256 x 256: two of its pixels are one of the network's.
    const region = { centreX: 127.5, centreY: 127.5, side: 256, roll: 0, size: 128 };
    const values = Float32Array.from([64, 32, 16, 16, ...turned(0, 64, 32)]);
    const found = toFace({ item: 0, cell: 0, score: 0.75, values }, region);
    expect(found).toMatchObject({ kind: 'detector', score: 0.75 });
    expect(found.roll).toBeCloseTo(0, 6);
    expect((found.x0 + found.x1) / 2).toBeCloseTo(127.5, 6);
    expect((found.y0 + found.y1) / 2).toBeCloseTo(63.5 + 0.087 * 32, 6);
    expect(found.keypoints.nose).toEqual({ x: 127.5, y: 63.5 });
    expect(found.keypoints.rightEye).toEqual({ x: 107.5, y: 39.5 });
    expect(found.keypoints.leftMouthCorner).toEqual({ x: 143.5, y: 81.5 });
  });

  it('carries the roll of the face in the picture, whichever way up the region was', () => {
    for (const regionRoll of [0, 90, 180, -90]) {
      for (const roll of [0, 25, -70]) {
        const region = { centreX: 50, centreY: 60, side: 200, roll: regionRoll, size: 100 };
        const values = Float32Array.from([40, 70, 30, 40, ...turned(roll, 40, 70)]);
        const found = toFace({ item: 0, cell: 0, score: 0.9, values }, region);
        const wanted = ((((regionRoll + roll + 180) % 360) + 360) % 360) - 180;
        expect(Math.abs(Math.abs(found.roll - wanted) - 180)).toBeGreaterThan(179.99);
        expect(found.roll > -180 && found.roll <= 180).toBe(true);
        // The middle of the region is at 50 of its pixels; the face's lies 10 left and 20 down of it, of two picture
        // pixels each.
        const radians = (regionRoll * Math.PI) / 180;
        const [cosine, sine] = [Math.cos(radians), Math.sin(radians)];
        // The square lies a little further toward the chin than the network's box of 60 x 80 pixels.
        const chin = ((regionRoll + roll) * Math.PI) / 180;
        const shift = 0.087 * 70;
        expect((found.x0 + found.x1) / 2).toBeCloseTo(50 - 20 * cosine - 40 * sine - shift * Math.sin(chin), 4);
        expect((found.y0 + found.y1) / 2).toBeCloseTo(60 - 20 * sine + 40 * cosine + shift * Math.cos(chin), 4);
        expect(found.x1 - found.x0).toBeCloseTo(0.968 * 70, 4);
        expect(found.y1 - found.y0).toBeCloseTo(0.968 * 70, 4);
      }
    }
  });
});

describe('rollOf', () => {
  const points = ([
    ax = 0,
    ay = 0,
    bx = 0,
    by = 0,
    cx = 0,
    cy = 0,
    dx = 0,
    dy = 0,
    ex = 0,
    ey = 0,
  ]: readonly number[]) => ({
    rightEye: { x: ax, y: ay },
    leftEye: { x: bx, y: by },
    nose: { x: cx, y: cy },
    rightMouthCorner: { x: dx, y: dy },
    leftMouthCorner: { x: ex, y: ey },
  });

  it('is the angle that the points are turned by, clockwise as seen', () => {
    for (const degrees of [-179, -90, -20, 0, 45, 90, 135, 179]) {
      expect(rollOf(points(turned(degrees, 300, 200)))).toBeCloseTo(degrees, 6);
    }
  });

  it('holds in profile, where both eyes and both mouth corners are one', () => {
    expect(Math.abs(rollOf(points([0, 0, 1, 0, 14, 12, 4, 22, 5, 22])))).toBeLessThan(20);
    expect(Math.abs(rollOf(points([0, 0, 0, -1, 12, -14, 22, -4, 22, -5])) + 90)).toBeLessThan(20);
  });
});

describe('distinctFaces', () => {
  it('puts the largest first and drops faces that a surer one from another region shows too, and parts of faces', () => {
    const [small, large] = [face(100, 0, 110, 10), face(0, 0, 40, 40, 0.95)];
    const found = distinctFaces([[small, face(2, 2, 40, 41)], [], [face(10, 10, 20, 20, 0.8)], [large]]);
    expect(found).toEqual([large, small]);
    expect(distinctFaces([])).toEqual([]);
  });

  it('does not let a doubtful large box hide sure small ones', () => {
    const [left, right] = [face(0, 0, 10, 10), face(20, 0, 30, 10)];
    expect(distinctFaces([[left, right], [face(-5, -15, 35, 25, 0.5)]])).toEqual([left, right]);
  });

  it('keeps neighbours that overlap a little, and what one region tells apart', () => {
    expect(distinctFaces([[face(0, 0, 40, 40)], [face(30, 0, 60, 30)]])).toHaveLength(2);
    expect(distinctFaces([[face(0, 0, 40, 40), face(10, 10, 20, 20)]])).toHaveLength(2);
  });
});

describe('isCutOff', () => {
  const region = { centreX: 99.5, centreY: 49.5, side: 100, roll: 0, size: 256 };
  it('is a face that reaches over a border behind which the picture goes on', () => {
    const picture = { width: 400, height: 100 };
    expect(isCutOff(face(60, 20, 100, 60), region, picture)).toBe(false);
    expect(isCutOff(face(40, 20, 80, 60), region, picture)).toBe(true);
    expect(isCutOff(face(120, 20, 160, 60), region, picture)).toBe(true);
    // Above and below, the picture ends where the region does.
    expect(isCutOff(face(60, -10, 100, 30), region, picture)).toBe(false);
    expect(isCutOff(face(60, 70, 100, 110), region, picture)).toBe(false);
  });
});

describe('readCandidates', () => {
  it('sorts what the GPU appended in any order', () => {
    const data = new ArrayBuffer(listBytes(2));
    const [words, floats] = [new Uint32Array(data), new Float32Array(data)];
    words[0] = 7;
    for (const [index, [item, cell, score]] of [
      [1, 5, 0.5],
      [0, 9, 0.75],
    ].entries()) {
      const at = (16 + index * CANDIDATE_BYTES) / 4;
      [words[at], words[at + 1], floats[at + 2], floats[at + 4]] = [item ?? 0, cell ?? 0, score ?? 0, 10 + index];
    }
    expect(countCandidates(data)).toBe(7);
    const [first, second] = readCandidates(data, 2);
    expect(first).toMatchObject({ item: 0, cell: 9 });
    expect(first?.score).toBeCloseTo(0.75, 6);
    expect(second).toMatchObject({ item: 1, cell: 5, score: 0.5 });
    expect([first?.values[0], second?.values[0]]).toEqual([11, 10]);
  });
});

describe('searchSteps', () => {
  const size = 256;
  const stepsOf = (width: number, height: number) => searchSteps({ width, height }, { width, height }, size);

  it('looks at the whole picture, then every other way up, then with a margin, then at tiles', () => {
    const [whole = [], turned = [], margin = [], ...tiled] = stepsOf(640, 480);
    expect(whole).toEqual([{ centreX: 319.5, centreY: 239.5, side: 640, roll: 0, size }]);
    expect(turned).toEqual([90, 180, -90].map((roll) => ({ ...whole[0], roll })));
    expect(margin.map(({ side, roll }) => [side, roll])).toEqual([0, 90, 180, -90].map((roll) => [1280, roll]));
    expect(tiled.map((step) => step.length)).toEqual([16]);
    // No tiles where the whole shows the smallest faces.
    expect(stepsOf(390, 200)).toHaveLength(3);
    expect(stepsOf(20, 20)).toHaveLength(3);
  });

  it('knows which part of a region shows the picture', () => {
    const picture = { width: 640, height: 480 };
    const [[whole] = [], [lying] = [], [margin] = [], [tile] = []] = stepsOf(640, 480);
    const parts = [whole, lying, margin, tile].map((region) => region && shownPart(region, picture));
    expect(parts).toEqual([
      { width: 256, height: 192 },
      { width: 192, height: 256 },
      { width: 128, height: 96 },
      { width: 256, height: 256 },
    ]);
  });

  it.each([
    [1, 1],
    [1, 10_000],
    [16_384, 9],
  ])('looks once at %d x %d, where no face has room', (width, height) => {
    expect(stepsOf(width, height).map((step) => step.length)).toEqual([1]);
  });

  it.each([
    [640, 480],
    [1500, 2400],
    [6000, 600],
    [6000, 4000],
    [8192, 8192],
  ])('shows every face of 20 pixels and up in %d x %d whole, at 13 to 128 pixels of the input', (width, height) => {
    const steps = stepsOf(width, height);
    const regions = steps.flat();
    for (let face = SMALLEST_FACE; face <= Math.min(width, height); face *= 1.37) {
      for (const across of [0, 0.13, 0.37, 0.5, 0.81, 1]) {
        for (const down of [0, 0.29, 0.5, 0.66, 1]) {
          const [x, y] = [across * (width - face) - 0.5, down * (height - face) - 0.5];
          const isSeen = regions.some(({ centreX, centreY, side }) => {
            const inInput = (face * size) / side;
            const half = side / 2 + 1e-6;
            return (
              inInput > 12.999 &&
              inInput <= 128 &&
              x >= centreX - half &&
              y >= centreY - half &&
              x + face <= centreX + half &&
              y + face <= centreY + half
            );
          });
          expect(isSeen, `${face} pixels at ${x}, ${y}`).toBe(true);
        }
      }
    }
  });

  it('looks a bounded number of times, by the texels of the frame', () => {
    expect(stepsOf(6000, 4000).flat().length).toBeLessThan(500);
    const most = stepsOf(8192, 8192).flat().length;
    expect(most).toBeLessThan(1200);
    // A picture that was shrunk to a texture is looked at as the texture is.
    const shrunk = searchSteps({ width: 32768, height: 32768 }, { width: 8192, height: 8192 }, size).flat();
    expect(shrunk).toHaveLength(most);
    expect(shrunk.map(({ side }) => Math.round(side / 4))).toEqual(
      stepsOf(8192, 8192)
        .flat()
        .map(({ side }) => Math.round(side)),
    );
  });
});
