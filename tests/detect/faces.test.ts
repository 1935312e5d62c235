import { describe, expect, it } from 'vitest';
import { type DetectedFace, distinctFaces, overlap, suppress, toFace } from '../../src/detect/faces.js';
import {
  CANDIDATE_BYTES,
  type Candidate,
  countCandidates,
  listBytes,
  readCandidates,
} from '../../src/detect/kernels/candidates.js';
import { MOST_REGIONS, searchSteps } from '../../src/detect/regions.js';

const candidate = (score: number, x: number, y: number, size: number, anchor = 0): Candidate => ({
  item: 0,
  anchor,
  score,
  values: Float32Array.from([x, y, size, size, ...Array.from({ length: 12 }, (_, i) => x + i)]),
});

const corners = (x0: number, y0: number, x1: number, y1: number) => ({ x0, y0, x1, y1 });
const face = (x0: number, y0: number, x1: number, y1: number): DetectedFace => ({
  ...toFace(candidate(0.9, 0, 0, 1), { centreX: 0, centreY: 0, side: 128, roll: 0, size: 128 }),
  ...corners(x0, y0, x1, y1),
});

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
    expect(best?.anchor).toBe(1);
    expect(best?.values[0]).toBeCloseTo((0.6 * 14 + 0.9 * 11) / 1.5, 5);
    expect(best?.values[2]).toBeCloseTo((0.6 * 12 + 0.9 * 15) / 1.5, 5);
    expect(best?.values[15]).toBeCloseTo((0.6 * 25 + 0.9 * 22) / 1.5, 5);
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
    const found = toFace(candidate(0.75, 64, 32, 16), region);
    expect(found).toMatchObject({ x0: 111.5, x1: 143.5, y0: 47.5, y1: 79.5, kind: 'detector', score: 0.75 });
    expect(found.keypoints.rightEye).toEqual({ x: 127.5, y: 129.5 });
    expect(found.keypoints.leftEar).toEqual({ x: 147.5, y: 149.5 });
  });
});

describe('distinctFaces', () => {
  it('puts the largest first and drops faces seen twice, and parts of faces', () => {
    const [small, large] = [face(100, 0, 110, 10), face(0, 0, 40, 40)];
    expect(distinctFaces([[small, face(2, 2, 40, 41)], [], [face(10, 10, 20, 20)], [large]])).toEqual([large, small]);
    expect(distinctFaces([])).toEqual([]);
  });

  it('keeps neighbours that overlap a little, and what one region tells apart', () => {
    expect(distinctFaces([[face(0, 0, 40, 40)], [face(30, 0, 60, 30)]])).toHaveLength(2);
    expect(distinctFaces([[face(0, 0, 40, 40), face(10, 10, 20, 20)]])).toHaveLength(2);
  });
});

describe('readCandidates', () => {
  it('sorts what the GPU appended in any order, and turns logits into scores', () => {
    const data = new ArrayBuffer(listBytes(2));
    const [words, floats] = [new Uint32Array(data), new Float32Array(data)];
    words[0] = 7;
    for (const [index, [item, anchor, score]] of [
      [1, 5, 0],
      [0, 9, Math.log(3)],
    ].entries()) {
      const at = (16 + index * CANDIDATE_BYTES) / 4;
      [words[at], words[at + 1], floats[at + 2], floats[at + 4]] = [item ?? 0, anchor ?? 0, score ?? 0, 10 + index];
    }
    expect(countCandidates(data)).toBe(7);
    const [first, second] = readCandidates(data, 2);
    expect(first).toMatchObject({ item: 0, anchor: 9 });
    expect(first?.score).toBeCloseTo(0.75, 6);
    expect(second).toMatchObject({ item: 1, anchor: 5, score: 0.5 });
    expect([first?.values[0], second?.values[0]]).toEqual([11, 10]);
  });
});

describe('searchSteps', () => {
  it('looks at the whole picture, then with a margin, then at tiles that cover it all with overlap', () => {
    const [width, height] = [900, 400];
    const [whole, margin, ...tiled] = searchSteps({ width, height }, 128);
    expect(whole).toEqual([{ centreX: 449.5, centreY: 199.5, side: 900, roll: 0, size: 128 }]);
    expect(margin).toEqual([{ centreX: 449.5, centreY: 199.5, side: 1800, roll: 0, size: 128 }]);
    expect(tiled.map((tiles) => tiles.length)).toEqual([2, 8]);
    for (const tiles of tiled) {
      for (let x = 0; x < width; x += 30) {
        for (let y = 0; y < height; y += 20) {
          const seen = tiles.some(
            (t) => Math.abs(x - t.centreX) <= t.side / 2 && Math.abs(y - t.centreY) <= t.side / 2,
          );
          expect(seen, `${x}, ${y}`).toBe(true);
        }
      }
    }
    // No tiles in a small picture.
    expect(searchSteps({ width: 90, height: 90 }, 128)).toHaveLength(2);
    expect(searchSteps({ width: 150, height: 90 }, 128)).toHaveLength(3);
    // A face as wide as half a tile lies whole within some tile.
    const [, fine = []] = tiled;
    const half = (fine[0]?.side ?? 0) / 2;
    for (let x = -0.5; x <= width - 0.5 - half; x += 10) {
      const isWhole = fine.some((t) => x >= t.centreX - half - 1e-9 && x + half <= t.centreX + half + 1e-9);
      expect(isWhole, `${x}`).toBe(true);
    }
  });

  it('never has more regions than there is room for', () => {
    for (const width of [1, 63, 100, 1000, 9999]) {
      for (const height of [1, 63, 100, 1000, 9999]) {
        expect(searchSteps({ width, height }, 128).flat().length).toBeLessThanOrEqual(MOST_REGIONS);
      }
    }
    expect(searchSteps({ width: 1000, height: 1000 }, 128).flat()).toHaveLength(MOST_REGIONS);
  });
});
