/** Drawing of an aligned face over its picture. All coordinates are picture pixels: 0-based, pixel centres at integers, y down. */

export type DrawingContext = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

/** The parts of the 68 iBUG points: first and last index, whether the line closes, and the colour. */
export const landmarkParts = [
  { name: 'jaw', first: 0, last: 16, closed: false, colour: '#58a6ff' },
  { name: 'right brow', first: 17, last: 21, closed: false, colour: '#f2cc60' },
  { name: 'left brow', first: 22, last: 26, closed: false, colour: '#f2cc60' },
  { name: 'nose bridge', first: 27, last: 30, closed: false, colour: '#56d364' },
  { name: 'nose base', first: 31, last: 35, closed: false, colour: '#56d364' },
  { name: 'right eye', first: 36, last: 41, closed: true, colour: '#d2a8ff' },
  { name: 'left eye', first: 42, last: 47, closed: true, colour: '#d2a8ff' },
  { name: 'outer lips', first: 48, last: 59, closed: true, colour: '#ff7b72' },
  { name: 'inner lips', first: 60, last: 67, closed: true, colour: '#ff7b72' },
] as const;

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

/** Points and the lines between them, by part; points that cannot be seen are rings. `landmarks` [68, 3], `visibility` [68]. */
export function drawLandmarks(
  context: DrawingContext,
  landmarks: ArrayLike<number>,
  visibility: ArrayLike<number>,
): void {
  const pen = penWidth(landmarks);
  const at = (point: number) => [landmarks[point * 3] ?? 0, landmarks[point * 3 + 1] ?? 0] as const;
  onCanvas(context, () => {
    for (const { first, last, closed, colour } of landmarkParts) {
      context.strokeStyle = colour;
      context.fillStyle = colour;
      context.lineWidth = pen;
      context.globalAlpha = 0.7;
      context.beginPath();
      for (let point = first; point <= last; point++) context.lineTo(...at(point));
      if (closed) context.closePath();
      context.stroke();
      context.globalAlpha = 1;
      for (let point = first; point <= last; point++) {
        const visible = (visibility[point] ?? 0) > 0.5;
        context.beginPath();
        context.arc(...at(point), pen * 1.8, 0, 2 * Math.PI);
        if (visible) context.fill();
        else context.stroke();
      }
    }
  });
}

/** The edges of the triangles that face the viewer. `vertices` [V, 3], `triangles` [T, 3]. */
export function drawMesh(context: DrawingContext, vertices: ArrayLike<number>, triangles: ArrayLike<number>): void {
  onCanvas(context, () => {
    context.strokeStyle = 'rgb(255 255 255 / 35%)';
    context.lineWidth = 0.5;
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
export function drawAxes(context: DrawingContext, landmarks: ArrayLike<number>, matrix: ArrayLike<number>): void {
  const [x, y] = point(landmarks, noseTip);
  onCanvas(context, () => {
    context.lineWidth = penWidth(landmarks) * 2;
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

export function drawBox(
  context: DrawingContext,
  box: { readonly x0: number; readonly y0: number; readonly x1: number; readonly y1: number },
): void {
  onCanvas(context, () => {
    context.strokeStyle = 'rgb(255 255 255 / 80%)';
    context.lineWidth = Math.max(1, (box.x1 - box.x0) / 200);
    context.setLineDash([context.lineWidth * 4, context.lineWidth * 3]);
    context.strokeRect(box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0);
  });
}

/** The normalised coordinate code: the mean face's coordinates, each axis stretched to [0, 1]. `mean` [V, 3]; result [V, 3]. */
export function normalisedCoordinates(mean: ArrayLike<number>): Float32Array {
  const low = [Infinity, Infinity, Infinity];
  const high = [-Infinity, -Infinity, -Infinity];
  for (let i = 0; i < mean.length; i++) {
    low[i % 3] = Math.min(low[i % 3] ?? 0, mean[i] ?? 0);
    high[i % 3] = Math.max(high[i % 3] ?? 0, mean[i] ?? 0);
  }
  return Float32Array.from({ length: mean.length }, (_, i) => {
    const [least, most] = [low[i % 3] ?? 0, high[i % 3] ?? 1];
    return ((mean[i] ?? 0) - least) / (most - least);
  });
}

/**
 * Adds a face, coloured by `colours` [V, 3] in [0, 1], to an RGBA image: nearest surface wins, by `depth` [height * width], which starts at
 * -Infinity. This draws for people to look at; the network's own PNCC is made on the GPU at the crop's size.
 */
export function paintMesh(
  image: { readonly width: number; readonly height: number; readonly data: Uint8ClampedArray },
  depth: Float32Array,
  vertices: ArrayLike<number>,
  triangles: ArrayLike<number>,
  colours: ArrayLike<number>,
): void {
  const { width, height, data } = image;
  for (let corner = 0; corner < triangles.length; corner += 3) {
    const ids = [triangles[corner] ?? 0, triangles[corner + 1] ?? 0, triangles[corner + 2] ?? 0] as const;
    const [ax, ay, az] = point(vertices, ids[0]);
    const [bx, by, bz] = point(vertices, ids[1]);
    const [cx, cy, cz] = point(vertices, ids[2]);
    const area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
    if (area === 0) continue;
    const left = Math.max(0, Math.ceil(Math.min(ax, bx, cx)));
    const right = Math.min(width - 1, Math.floor(Math.max(ax, bx, cx)));
    const top = Math.max(0, Math.ceil(Math.min(ay, by, cy)));
    const bottom = Math.min(height - 1, Math.floor(Math.max(ay, by, cy)));
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= right; x++) {
        const wb = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) / area;
        const wc = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / area;
        const wa = 1 - wb - wc;
        if (wa < 0 || wb < 0 || wc < 0) continue;
        const z = wa * az + wb * bz + wc * cz;
        const pixel = y * width + x;
        if (z <= (depth[pixel] ?? 0)) continue;
        depth[pixel] = z;
        for (let channel = 0; channel < 3; channel++) {
          const value =
            wa * (colours[ids[0] * 3 + channel] ?? 0) +
            wb * (colours[ids[1] * 3 + channel] ?? 0) +
            wc * (colours[ids[2] * 3 + channel] ?? 0);
          data[pixel * 4 + channel] = 255 * value;
        }
        data[pixel * 4 + 3] = 255;
      }
    }
  }
}

function point(values: ArrayLike<number>, index: number): readonly [number, number, number] {
  return [values[index * 3] ?? 0, values[index * 3 + 1] ?? 0, values[index * 3 + 2] ?? 0];
}
