import { describe, expect, it } from 'vitest';
import { type DetectedFace, distinctFaces, overlap, searchSteps } from '../detectors/detector.js';

const face = (x0: number, y0: number, x1: number, y1: number): DetectedFace => ({ x0, y0, x1, y1, kind: 'detector' });

describe('overlap', () => {
  it('is intersection over union', () => {
    expect(overlap(face(0, 0, 2, 2), face(1, 0, 3, 2))).toBeCloseTo(1 / 3, 12);
    expect(overlap(face(0, 0, 2, 2), face(0, 0, 2, 2))).toBe(1);
    expect(overlap(face(0, 0, 2, 2), face(2, 0, 4, 2))).toBe(0);
    expect(overlap(face(0, 0, 2, 2), face(5, 5, 6, 6))).toBe(0);
  });
});

describe('distinctFaces', () => {
  it('puts the largest first and drops faces seen twice', () => {
    const [small, large, again] = [face(100, 0, 110, 10), face(0, 0, 40, 40), face(2, 2, 40, 41)];
    expect(distinctFaces([small, large, again])).toEqual([large, small]);
    expect(distinctFaces([])).toEqual([]);
  });
});

describe('searchSteps', () => {
  it('looks at the whole picture, then with a margin, then at tiles that cover it all with overlap', () => {
    const [width, height] = [900, 400];
    const [whole, margin, ...tiled] = searchSteps(width, height);
    expect(whole).toEqual([{ x: 0, y: 0, width, height }]);
    expect(margin).toEqual([{ x: -450, y: -200, width: 1800, height: 800 }]);
    expect(tiled.map((tiles) => tiles.length)).toEqual([2, 8]);
    for (const tiles of tiled) {
      for (let x = 0; x <= width; x += 30) {
        for (let y = 0; y <= height; y += 20) {
          const seen = tiles.some((t) => x >= t.x && x <= t.x + t.width && y >= t.y && y <= t.y + t.height);
          expect(seen, `${x}, ${y}`).toBe(true);
        }
      }
    }
    // No tiles in a small picture.
    expect(searchSteps(90, 90)).toHaveLength(2);
    expect(searchSteps(150, 90)).toHaveLength(3);
    // A face as wide as half a tile lies whole within some tile.
    const [, fine = []] = tiled;
    const half = (fine[0]?.width ?? 0) / 2;
    for (let x = 0; x <= width - half; x += 10) {
      expect(fine.some((t) => x >= t.x - 1e-9 && x + half <= t.x + t.width + 1e-9)).toBe(true);
    }
  });
});
