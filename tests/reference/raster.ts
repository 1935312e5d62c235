/**
 * The rasteriser, the PNCC and the gather of the pose adaptive feature as plain loops over one face, for comparison
 * with raster.wgsl, resolve.wgsl, paf.wgsl and outputs.wgsl. Integers stay below 2^53, so float64 is exact; what the
 * GPU does in f32 is rounded with Math.fround.
 */

const SUBPIXEL = 256;
const MAX_EXTENT = 90 * SUBPIXEL;
const MAX_COORDINATE = 2048;
const TOLERANCE = 3 * SUBPIXEL * 4;

type Point = readonly [x: number, y: number, z: number];

export interface Snapped {
  readonly points: readonly [Point, Point, Point];
  /** Twice the signed area, y down; 0 for a triangle that is never drawn. */
  readonly area: number;
}

export interface Mesh {
  /** [V,3] crop pixels. */
  readonly vertices: Float32Array;
  /** [T,3]. */
  readonly triangles: ArrayLike<number>;
}

export interface Keys {
  readonly idBits: number;
  readonly depthShift: number;
}

export function keysFor(triangleCount: number, size: number): Keys {
  const idBits = triangleCount.toString(2).length;
  const depthBits = (6 * SUBPIXEL * size - 1).toString(2).length;
  return { idBits, depthShift: Math.max(0, depthBits - (32 - idBits)) };
}

const inRange = (value: number): boolean => Math.abs(value) < MAX_COORDINATE;

const snap = (value: number): number => Math.floor(Math.fround(value * SUBPIXEL + 0.5));

export function snapTriangle({ vertices, triangles }: Mesh, triangle: number): Snapped {
  const points = [0, 1, 2].map((corner): Point => {
    const at = triangles[triangle * 3 + corner]! * 3;
    const [x, y, z] = [vertices[at]!, vertices[at + 1]!, vertices[at + 2]!];
    return inRange(x) && inRange(y) && inRange(z) ? [snap(x), snap(y), snap(z)] : [Number.NaN, Number.NaN, Number.NaN];
  });
  const [a, b, c] = points as [Point, Point, Point];
  const extent = (axis: 0 | 1) => Math.max(a[axis], b[axis], c[axis]) - Math.min(a[axis], b[axis], c[axis]);
  const drawable = extent(0) <= MAX_EXTENT && extent(1) <= MAX_EXTENT;
  return { points: [a, b, c], area: drawable ? edge(a, b, c[0], c[1]) : 0 };
}

function edge(p: Point, q: Point, x: number, y: number): number {
  return (q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]);
}

/** A point on the edge belongs to the triangle: the edge is its left one, or its horizontal upper one. */
function owns(p: Point, q: Point): boolean {
  return q[1] < p[1] || (q[1] === p[1] && q[0] > p[0]);
}

function flatDepth({ points: [a, b, c] }: Snapped, size: number): number {
  return a[2] + b[2] + c[2] + 3 * SUBPIXEL * size;
}

/** Keys [size,size] of one face. */
export function rasterReference(mesh: Mesh, size: number): Uint32Array<ArrayBuffer> {
  const drawn = new Uint32Array(size * size);
  drawReference(mesh, size, (pixel, key) => {
    drawn[pixel] = Math.max(drawn[pixel]!, key);
  });
  return drawn;
}

/** Calls `plot` for every pixel that every triangle covers. */
export function drawReference(mesh: Mesh, size: number, plot: (pixel: number, key: number) => void): void {
  const count = mesh.triangles.length / 3;
  const { idBits, depthShift } = keysFor(count, size);
  for (let triangle = 0; triangle < count; triangle++) {
    const snapped = snapTriangle(mesh, triangle);
    if (snapped.area === 0) continue;
    const [a, first, second] = snapped.points;
    const [b, c] = snapped.area < 0 ? [second, first] : [first, second];
    const clamped = Math.min(6 * SUBPIXEL * size - 1, Math.max(1, flatDepth(snapped, size)));
    const depth = Math.max(1, Math.floor(clamped / 2 ** depthShift));
    const key = depth * 2 ** idBits + (2 ** idBits - 1 - triangle);
    const range = (axis: 0 | 1): [number, number] => [
      Math.max(0, Math.ceil(Math.min(a[axis], b[axis], c[axis]) / SUBPIXEL)),
      Math.min(size - 1, Math.floor(Math.max(a[axis], b[axis], c[axis]) / SUBPIXEL)),
    ];
    const [[left, right], [top, bottom]] = [range(0), range(1)];
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= right; x++) {
        const inside = (
          [
            [b, c],
            [c, a],
            [a, b],
          ] as const
        ).every(([p, q]) => {
          const value = edge(p, q, x * SUBPIXEL, y * SUBPIXEL);
          return value > 0 || (value === 0 && owns(p, q));
        });
        if (inside) plot(y * size + x, key);
      }
    }
  }
}

/** PNCC [size,size,3] of one face, exactly as f32. `codes` [V,3] is the unorm16 coordinate code. */
export function resolveReference(
  mesh: Mesh,
  codes: ArrayLike<number>,
  drawn: Uint32Array,
  size: number,
): Float32Array<ArrayBuffer> {
  const { idBits } = keysFor(mesh.triangles.length / 3, size);
  const pncc = new Float32Array(size * size * 3);
  for (const [pixel, key] of drawn.entries()) {
    if (key === 0) continue;
    const triangle = 2 ** idBits - 1 - (key % 2 ** idBits);
    const { points, area: signed } = snapTriangle(mesh, triangle);
    const order = signed < 0 ? ([0, 2, 1] as const) : ([0, 1, 2] as const);
    const [a, b, c] = order.map((corner) => points[corner]) as [Point, Point, Point];
    const [x, y] = [(pixel % size) * SUBPIXEL, Math.floor(pixel / size) * SUBPIXEL];
    const area = Math.abs(signed);
    const drop = 2 ** Math.max(0, area.toString(2).length - 16);
    const whole = Math.floor(area / drop);
    const share = (w: number) => Math.floor((Math.floor(w / drop) * 65536) / whole);
    const b1 = share(edge(c, a, x, y));
    const b2 = Math.min(65536 - b1, share(edge(a, b, x, y)));
    const weights = [65536 - b1 - b2, b1, b2];
    for (let channel = 0; channel < 3; channel++) {
      let sum = 0;
      for (const [i, corner] of order.entries()) {
        sum += weights[i]! * codes[mesh.triangles[triangle * 3 + corner]! * 3 + channel]!;
      }
      pncc[pixel * 3 + channel] = Math.floor(sum / 256) / 2 ** 24;
    }
  }
  return pncc;
}

export interface GatherResult {
  /** [A,3] crop pixels. */
  readonly anchors: Float64Array;
  /** [A], 1 where occluded. */
  readonly occluded: Uint8Array;
  /** [A,27]: v, u, rgb. */
  readonly patches: Float64Array;
}

/** Anchors, their occlusion and their 3 x 3 patches of `image` [size,size,3]. */
export function gatherReference(
  mesh: Mesh,
  anchorVertices: ArrayLike<number>,
  anchorWeights: ArrayLike<number>,
  drawn: Uint32Array,
  image: ArrayLike<number>,
  size: number,
): GatherResult {
  const count = anchorVertices.length / 3;
  const anchors = new Float64Array(count * 3);
  const occluded = new Uint8Array(count);
  const patches = new Float64Array(count * 27);
  const keys = keysFor(mesh.triangles.length / 3, size);
  for (let anchor = 0; anchor < count; anchor++) {
    for (let axis = 0; axis < 3; axis++) {
      for (let corner = 0; corner < 3; corner++) {
        anchors[anchor * 3 + axis]! +=
          anchorWeights[anchor * 3 + corner]! * mesh.vertices[anchorVertices[anchor * 3 + corner]! * 3 + axis]!;
      }
    }
    const [x, y] = [anchors[anchor * 3]!, anchors[anchor * 3 + 1]!];
    const own = snapTriangle({ vertices: mesh.vertices, triangles: anchorVertices }, anchor);
    occluded[anchor] = isOccluded(own, x, y, drawn, keys, size) ? 1 : 0;
    if (!inRange(x) || !inRange(y)) continue;
    const pixel = (px: number, py: number, channel: number): number =>
      px < 0 || py < 0 || px >= size || py >= size ? 0 : image[(py * size + px) * 3 + channel]!;
    const [fx, fy] = [Math.floor(x), Math.floor(y)];
    for (let tap = 0; tap < 27; tap++) {
      const px = fx + (Math.floor(tap / 3) % 3) - 1;
      const py = fy + Math.floor(tap / 9) - 1;
      const channel = tap % 3;
      const [ax, ay] = [x - fx, y - fy];
      const top = pixel(px, py, channel) * (1 - ax) + pixel(px + 1, py, channel) * ax;
      const bottom = pixel(px, py + 1, channel) * (1 - ax) + pixel(px + 1, py + 1, channel) * ax;
      patches[anchor * 27 + tap] = top * (1 - ay) + bottom * ay;
    }
  }
  return { anchors, occluded, patches };
}

/** Whether a point (x, y) of the triangle `own` faces away or lies behind something. */
export function isOccluded(
  own: Snapped,
  x: number,
  y: number,
  drawn: Uint32Array,
  { idBits, depthShift }: Keys,
  size: number,
): boolean {
  if (own.area >= 0) return true;
  const [px, py] = [Math.floor(x + 0.5), Math.floor(y + 0.5)];
  if (px < 0 || py < 0 || px >= size || py >= size) return false;
  const depth = Math.floor(drawn[py * size + px]! / 2 ** idBits) * 2 ** depthShift;
  return depth > flatDepth(own, size) + TOLERANCE;
}

/**
 * Pose adaptive convolution in float64.
 * @param weights [C,27], `bias` [C]
 * @returns [A,C]
 */
export function pafReference(
  { occluded, patches }: GatherResult,
  weights: ArrayLike<number>,
  bias: ArrayLike<number>,
): Float64Array<ArrayBuffer> {
  const channels = bias.length;
  const output = new Float64Array(occluded.length * channels);
  for (let anchor = 0; anchor < occluded.length; anchor++) {
    for (let c = 0; c < channels; c++) {
      let sum = bias[c]!;
      for (let tap = 0; tap < 27; tap++) sum += weights[c * 27 + tap]! * patches[anchor * 27 + tap]!;
      output[anchor * channels + c] = Math.max(0, sum * (occluded[anchor] === 1 ? 0.5 : 1));
    }
  }
  return output;
}

/** Which of `landmarks` (vertices) are visible: 1 or 0 each. */
export function landmarkVisibilityReference(
  mesh: Mesh,
  landmarks: ArrayLike<number>,
  drawn: Uint32Array,
  size: number,
): number[] {
  const count = mesh.triangles.length / 3;
  const { idBits, depthShift } = keysFor(count, size);
  return Array.from({ length: landmarks.length }, (_, i) => {
    const vertex = landmarks[i]!;
    const [x, y, z] = [0, 1, 2].map((axis) => mesh.vertices[vertex * 3 + axis]!) as [number, number, number];
    if (!inRange(x) || !inRange(y) || !inRange(z)) return 0;
    let front = 0;
    for (let triangle = 0; triangle < count; triangle++) {
      if ([0, 1, 2].some((corner) => mesh.triangles[triangle * 3 + corner] === vertex)) {
        front -= snapTriangle(mesh, triangle).area;
      }
    }
    if (front <= 0) return 0;
    const [px, py] = [Math.floor(x + 0.5), Math.floor(y + 0.5)];
    if (px < 0 || py < 0 || px >= size || py >= size) return 1;
    const depth = Math.floor(drawn[py * size + px]! / 2 ** idBits) * 2 ** depthShift;
    return depth > 3 * (snap(z) + SUBPIXEL * size) + TOLERANCE ? 0 : 1;
  });
}
