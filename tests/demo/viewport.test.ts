import { describe, expect, it } from 'vitest';
import { aroundFaces, between, matrixOf, moved, toCanvas, toPicture, wholeOf, zoomedAt } from '../../demo/viewport.js';

const picture = { width: 512, height: 512 };
const canvas = { width: 800, height: 400 };
const face = { x0: 177, y0: 80, x1: 271, y1: 174 };

describe('the view of a picture', () => {
  it('shows all of it', () => {
    const view = wholeOf(picture, canvas);
    expect(toCanvas(view, canvas, -0.5, -0.5)).toEqual([200, 0]);
    expect(toCanvas(view, canvas, 511.5, 511.5)).toEqual([600, 400]);
  });

  it('opens on the face: 62 % of the shorter side, in the middle', () => {
    const view = aroundFaces([face], picture, canvas);
    const [[x0, y0], [x1, y1]] = [toCanvas(view, canvas, face.x0, face.y0), toCanvas(view, canvas, face.x1, face.y1)];
    expect(y1 - y0).toBeCloseTo(0.62 * 400, 6);
    expect(x1 - x0).toBeCloseTo(0.62 * 400, 6);
    expect((y0 + y1) / 2).toBeCloseTo(200, 6);
    // The picture reaches as far to the left as is shown.
    expect((x0 + x1) / 2).toBeCloseTo(400, 6);
  });

  it('shows no ground beside a picture that fills the canvas, and all of it where there is no face', () => {
    const view = aroundFaces([{ x0: 0, y0: 0, x1: 60, y1: 60 }], picture, canvas);
    expect(toCanvas(view, canvas, -0.5, -0.5)).toEqual([0, 0].map((value) => expect.closeTo(value, 6)));
    expect(aroundFaces([], picture, canvas)).toEqual(wholeOf(picture, canvas));
    expect(aroundFaces([{ x0: -900, y0: -900, x1: 900, y1: 900 }], picture, canvas)).toEqual(wholeOf(picture, canvas));
  });

  it.each([false, true])('goes there and back (mirrored: %s)', (mirrored) => {
    const view = aroundFaces([face], picture, canvas, mirrored);
    const [x, y] = toPicture(view, canvas, ...toCanvas(view, canvas, 201, 99));
    expect(x).toBeCloseTo(201, 6);
    expect(y).toBeCloseTo(99, 6);
    const nearer = toCanvas(view, canvas, 180, 99)[0] < toCanvas(view, canvas, 200, 99)[0];
    expect(nearer).toBe(!mirrored);
    expect(matrixOf(view, canvas)[0]).toBe(mirrored ? -view.scale : view.scale);
  });

  it.each([false, true])('zooms about a point and follows a pointer (mirrored: %s)', (mirrored) => {
    const view = aroundFaces([face], picture, canvas, mirrored);
    const at = toPicture(view, canvas, 300, 250);
    const zoomed = zoomedAt(view, 2, 300, 250, picture, canvas);
    expect(zoomed.scale).toBeCloseTo(2 * view.scale, 6);
    expect(toCanvas(zoomed, canvas, ...at)).toEqual([300, 250].map((value) => expect.closeTo(value, 6)));
    const dragged = moved(zoomed, 30, -20, picture, canvas);
    expect(toCanvas(dragged, canvas, ...at)).toEqual([330, 230].map((value) => expect.closeTo(value, 6)));
    expect(zoomedAt(view, 1e-6, 300, 250, picture, canvas)).toEqual(wholeOf(picture, canvas, mirrored));
  });

  it('glides', () => {
    const [from, to] = [wholeOf(picture, canvas), aroundFaces([face], picture, canvas)];
    expect(between(from, to, 0)).toEqual(from);
    expect(between(from, to, 1)).toEqual(to);
    expect(between(from, to, 0.5).scale).toBeCloseTo((from.scale + to.scale) / 2, 6);
  });
});
