/**
 * Drawing of an aligned face over its picture. All coordinates are picture pixels: 0-based, pixel centres at integers,
 * y down.
 */
import { LANDMARK_CONTOURS } from '../src/mmm/landmarks.js';

export type DrawingContext = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

/** Colours of the lines along the face, by their names in `LANDMARK_CONTOURS`. */
export const contourColours: Readonly<Record<string, string>> = {
  jaw: '#58a6ff',
  rightBrow: '#f2cc60',
  leftBrow: '#f2cc60',
  noseBridge: '#56d364',
  noseBase: '#56d364',
  rightEye: '#d2a8ff',
  leftEye: '#d2a8ff',
  outerLips: '#ff7b72',
  innerLips: '#ff7b72',
} satisfies Record<keyof typeof LANDMARK_CONTOURS, string>;

const axisColours = ['#f85149', '#3fb950', '#388bfd'] as const;

/** The nose tip among the 68 points. */
const noseTip = 30;

/** Length of a pose axis in decimetres. */
const axisLength = 0.7;

/** Pixel centres lie at integers here and at halves on a canvas. */
function onCanvas(context: DrawingContext, draw: () => void): void {
  context.save();
  context.translate(0.5, 0.5);
  context.lineJoin = 'round';
  context.lineCap = 'round';
  draw();
  context.restore();
}

/** Line width that suits a face whose points are spread over `landmarks`. */
function penWidth(landmarks: ArrayLike<number>): number {
  let [top, bottom] = [Infinity, -Infinity];
  for (let i = 1; i < landmarks.length; i += 3) {
    top = Math.min(top, landmarks[i] ?? 0);
    bottom = Math.max(bottom, landmarks[i] ?? 0);
  }
  return Math.max(0.75, (bottom - top) / 160);
}

/** How lines are drawn. */
export interface Pen {
  /** Width of a line in picture pixels; by default what suits the size of the face. */
  readonly width?: number;
  /** Whether lines are dashed: for what is in doubt. */
  readonly dashed?: boolean;
}

/**
 * Points and the lines along them; points that cannot be seen are rings, and dashed lines have none. `landmarks` [68,
 * 3], `visibility` [68].
 */
export function drawLandmarks(
  context: DrawingContext,
  landmarks: ArrayLike<number>,
  visibility: ArrayLike<number>,
  { width: pen = penWidth(landmarks), dashed = false }: Pen = {},
): void {
  const at = (index: number) => [landmarks[index * 3] ?? 0, landmarks[index * 3 + 1] ?? 0] as const;
  onCanvas(context, () => {
    for (const [name, { points, closed }] of Object.entries(LANDMARK_CONTOURS)) {
      const colour = contourColours[name] ?? '';
      context.strokeStyle = colour;
      context.fillStyle = colour;
      context.lineWidth = pen;
      context.globalAlpha = 0.7;
      context.beginPath();
      for (const index of points) context.lineTo(...at(index));
      if (closed) context.closePath();
      context.setLineDash(dashed ? [pen * 4, pen * 3] : []);
      context.stroke();
      context.globalAlpha = 1;
      if (dashed) continue;
      for (const index of points) {
        const visible = (visibility[index] ?? 0) > 0.5;
        context.beginPath();
        context.arc(...at(index), pen * 1.8, 0, 2 * Math.PI);
        if (visible) context.fill();
        else context.stroke();
      }
    }
  });
}

/** The edges of the triangles that face the viewer. `vertices` [V, 3], `triangles` [T, 3]. */
export function drawMesh(
  context: DrawingContext,
  vertices: ArrayLike<number>,
  triangles: ArrayLike<number>,
  { width = 0.5 }: Pen = {},
): void {
  onCanvas(context, () => {
    context.strokeStyle = 'rgb(255 255 255 / 35%)';
    context.lineWidth = width;
    context.beginPath();
    for (let corner = 0; corner < triangles.length; corner += 3) {
      const [ax, ay] = point(vertices, triangles[corner] ?? 0);
      const [bx, by] = point(vertices, triangles[corner + 1] ?? 0);
      const [cx, cy] = point(vertices, triangles[corner + 2] ?? 0);
      // Counter-clockwise with y up is clockwise, and so negative, with y down.
      if ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax) >= 0) continue;
      context.moveTo(ax, ay);
      context.lineTo(bx, by);
      context.lineTo(cx, cy);
      context.closePath();
    }
    context.stroke();
  });
}

/**
 * The head's axes at the nose tip: x to the subject's left in red, y up in green, z to the front in blue.
 * `matrix` 3x4, row-major: model decimetres to picture pixels.
 */
export function drawAxes(
  context: DrawingContext,
  landmarks: ArrayLike<number>,
  matrix: ArrayLike<number>,
  { width = penWidth(landmarks) }: Pen = {},
): void {
  const [x, y] = point(landmarks, noseTip);
  onCanvas(context, () => {
    context.lineWidth = width * 2;
    // The axis that points away most is drawn first.
    const order = [0, 1, 2].sort((a, b) => (matrix[8 + a] ?? 0) - (matrix[8 + b] ?? 0));
    for (const axis of order) {
      context.strokeStyle = axisColours[axis] ?? '';
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(x + axisLength * (matrix[axis] ?? 0), y + axisLength * (matrix[4 + axis] ?? 0));
      context.stroke();
    }
  });
}

/** A box, turned about its middle by its roll: degrees clockwise. */
interface Box {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
  readonly roll?: number;
}

/** Draws in the frame of something that is turned by `roll` degrees about (x, y): its middle is the origin. */
function turnedAbout(context: DrawingContext, x: number, y: number, roll: number, draw: () => void): void {
  context.save();
  context.translate(x, y);
  context.rotate((roll * Math.PI) / 180);
  draw();
  context.restore();
}

export function drawBox(
  context: DrawingContext,
  { x0, y0, x1, y1, roll = 0 }: Box,
  { width: pen, dashed = true }: Pen = {},
): void {
  const [width, height] = [x1 - x0, y1 - y0];
  onCanvas(context, () => {
    context.strokeStyle = 'rgb(255 255 255 / 80%)';
    context.lineWidth = pen ?? Math.max(1, width / 200);
    if (dashed) context.setLineDash([context.lineWidth * 4, context.lineWidth * 3]);
    turnedAbout(context, (x0 + x1) / 2, (y0 + y1) / 2, roll, () => {
      context.strokeRect(-width / 2, -height / 2, width, height);
    });
  });
}

/**
 * A face's number or a word about it in a plate whose lower left corner is at (x, y); `strong` for the face that is
 * looked at.
 */
export function drawLabel(
  context: DrawingContext,
  text: string,
  x: number,
  y: number,
  height: number,
  strong: boolean,
): void {
  context.save();
  context.font = `600 ${height * 0.7}px system-ui, sans-serif`;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  const width = Math.max(height, context.measureText(text).width + height * 0.6);
  context.fillStyle = strong ? '#0b5cc9' : 'rgb(20 23 28 / 75%)';
  context.beginPath();
  context.roundRect(x, y - height, width, height, height / 4);
  context.fill();
  context.fillStyle = '#ffffff';
  context.fillText(text, x + width / 2, y - height * 0.46);
  context.restore();
}

/** An image of a crop, over the square of picture that it shows. */
export function drawImageOverCrop(
  context: DrawingContext,
  image: CanvasImageSource,
  crop: { readonly centreX: number; readonly centreY: number; readonly side: number; readonly roll: number },
): void {
  const { centreX, centreY, side, roll } = crop;
  onCanvas(context, () => {
    turnedAbout(context, centreX, centreY, roll, () => context.drawImage(image, -side / 2, -side / 2, side, side));
  });
}

function point(values: ArrayLike<number>, index: number): readonly [number, number, number] {
  return [values[index * 3] ?? 0, values[index * 3 + 1] ?? 0, values[index * 3 + 2] ?? 0];
}
