import { describe, expect, it } from 'vitest';
import { sureFaces } from '../../src/align/sure.js';

/** A face whose points fill a square. */
const face = (confidence: number, x: number, side: number) => ({
  confidence,
  landmarks: Float32Array.of(x, 0, 0, x + side, side, 0),
});

describe('sureFaces', () => {
  it('leaves out what is less sure, and keeps the order', () => {
    const faces = [face(0.9, 0, 50), face(0.4, 100, 50), face(0.5, 200, 50), face(1, 300, 50)];
    expect(sureFaces(faces, 0.5)).toEqual([faces[0], faces[2], faces[3]]);
    expect(sureFaces(faces, 0)).toEqual(faces);
    expect(sureFaces([], 0.5)).toEqual([]);
  });

  it('keeps the surest of faces that lie on each other, and of equally sure ones the first', () => {
    const faces = [face(0.7, 0, 60), face(0.9, 5, 50), face(0.9, 8, 50), face(0.8, 90, 50)];
    expect(sureFaces(faces, 0.5)).toEqual([faces[1], faces[3]]);
  });

  it('keeps a small face in front of a large one', () => {
    const faces = [face(0.9, 0, 300), face(0.9, 20, 60)];
    expect(sureFaces(faces, 0.5)).toEqual(faces);
  });
});
