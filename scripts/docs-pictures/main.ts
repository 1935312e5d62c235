/** Draws what docs/guide shows of the method: the fit, PNCC, PAF, depth and the coordinate frames. */
import { drawAxes, drawLandmarks, drawMesh } from '../../pages/overlay.js';
import { fetchPicture } from '../../pages/pictures.js';
import { type Crop, type Face, FaceAligner, type FaceModel, fetchWeights, pictureToCrop } from '../../src/index.js';

declare global {
  interface Window {
    /** WebP files by name, base64. */
    docsPictures?: Promise<Readonly<Record<string, string>>>;
  }
}

/** Side of one panel, and the gap between panels, in pixels. */
const panelSide = 384;
const gap = 12;

/** Round the astronaut's face, as the default detector finds it. */
const box = { x0: 177, y0: 80, x1: 272, y1: 175, kind: 'detector' } as const;

type Context = OffscreenCanvasRenderingContext2D;
type Paint = (context: Context) => void;

function contextOf(canvas: OffscreenCanvas): Context {
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (context === null) throw new Error('the browser gave no 2D canvas');
  return context;
}

/** Panels side by side on a transparent ground, as a WebP file in base64. */
async function panels(paints: readonly Paint[], panel = panelSide): Promise<string> {
  const canvas = new OffscreenCanvas(paints.length * (panel + gap) - gap, panel);
  const context = contextOf(canvas);
  for (const [index, paint] of paints.entries()) {
    context.save();
    context.translate(index * (panel + gap), 0);
    context.beginPath();
    context.roundRect(0, 0, panel, panel, 8);
    context.clip();
    paint(context);
    context.restore();
  }
  return toBase64(await canvas.convertToBlob({ type: 'image/webp', quality: 0.85 }));
}

function toBase64(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener('load', () => resolve(String(reader.result).replace(/^.*?,/, '')));
    reader.addEventListener('error', () => reject(reader.error ?? new Error('a picture could not be read back')));
    reader.readAsDataURL(blob);
  });
}

/** Draws in picture pixels, so that the square `side` round the crop's centre fills the panel. */
function overPhoto(crop: Crop, side: number, paint: Paint): Paint {
  return (context) => {
    const scale = panelSide / side;
    context.scale(scale, scale);
    context.translate(side / 2, side / 2);
    context.rotate((-crop.roll * Math.PI) / 180);
    context.translate(-crop.centreX - 0.5, -crop.centreY - 0.5);
    paint(context);
  };
}

/** An image of `size` x `size` pixels, each of the colour that `colourOf` gives: three channels from 0 to 1. */
function image(size: number, colourOf: (pixel: number) => readonly [number, number, number]): OffscreenCanvas {
  const canvas = new OffscreenCanvas(size, size);
  const data = new ImageData(size, size);
  for (let pixel = 0; pixel < size * size; pixel++) {
    for (const [channel, value] of colourOf(pixel).entries()) data.data[pixel * 4 + channel] = 255 * value;
    data.data[pixel * 4 + 3] = 255;
  }
  contextOf(canvas).putImageData(data, 0, 0);
  return canvas;
}

const fill =
  (source: CanvasImageSource, smooth: boolean): Paint =>
  (context) => {
    context.imageSmoothingEnabled = smooth;
    context.drawImage(source, 0, 0, panelSide, panelSide);
  };

function pnccImage({ size, pncc }: { readonly size: number; readonly pncc: Float32Array }): OffscreenCanvas {
  return image(size, (pixel) => [pncc[pixel * 3] ?? 0, pncc[pixel * 3 + 1] ?? 0, pncc[pixel * 3 + 2] ?? 0]);
}

/** Near is bright; where there is no face, black. */
function depthImage({ size, depth }: { readonly size: number; readonly depth: Float32Array }): OffscreenCanvas {
  const known = depth.filter((value) => !Number.isNaN(value));
  const [far, near] = [Math.min(...known), Math.max(...known)];
  return image(size, (pixel) => {
    const value = depth[pixel] ?? Number.NaN;
    const grey = Number.isNaN(value) ? 0 : 0.15 + (0.85 * (value - far)) / (near - far);
    return [grey, grey, grey];
  });
}

interface Anchor {
  readonly x: number;
  readonly y: number;
  readonly visible: boolean;
}

/** The PAF anchors of a face in picture pixels, row by row, by the rule of docs/architecture.md. */
function anchorsOf(
  { anchors }: FaceModel,
  vertices: Float32Array,
  crop: Crop,
  { size, depth }: { readonly size: number; readonly depth: Float32Array },
): readonly Anchor[] {
  const { scale, roll = 0, x0, y0 } = pictureToCrop(crop);
  const [cosine, sine] = [Math.cos((roll * Math.PI) / 180), Math.sin((roll * Math.PI) / 180)];
  const tolerance = 4;
  return Array.from({ length: anchors.rows * anchors.columns }, (_, index) => {
    const corners = [0, 1, 2].map((corner) => {
      const at = (anchors.vertices[index * 3 + corner] ?? 0) * 3;
      const weight = anchors.weights[index * 3 + corner] ?? 0;
      return { x: vertices[at] ?? 0, y: vertices[at + 1] ?? 0, z: vertices[at + 2] ?? 0, weight };
    });
    const x = corners.reduce((sum, corner) => sum + corner.weight * corner.x, 0);
    const y = corners.reduce((sum, corner) => sum + corner.weight * corner.y, 0);
    const [a, b, c] = corners;
    if (a === undefined || b === undefined || c === undefined) throw new Error('an anchor lies in a triangle');
    const facing = (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x) < 0;
    const column = Math.round(scale * (cosine * x - sine * y) + x0);
    const row = Math.round(scale * (sine * x + cosine * y) + y0);
    const nearest = depth[row * size + column] ?? Number.NaN;
    const own = ((a.z + b.z + c.z) / 3) * scale;
    return { x, y, visible: facing && !(nearest - own > tolerance) };
  });
}

/** The picture at the anchors: 64 x 64 pixels. */
function pafImage(photo: ImageBitmap, anchors: readonly Anchor[]): OffscreenCanvas {
  const canvas = new OffscreenCanvas(photo.width, photo.height);
  const context = contextOf(canvas);
  context.drawImage(photo, 0, 0);
  const { data } = context.getImageData(0, 0, photo.width, photo.height);
  return image(Math.sqrt(anchors.length), (index) => {
    const { x = 0, y = 0, visible = false } = anchors[index] ?? {};
    const at = (Math.round(y) * photo.width + Math.round(x)) * 4;
    const light = (visible ? 1 : 0.35) / 255;
    return [light * (data[at] ?? 0), light * (data[at + 1] ?? 0), light * (data[at + 2] ?? 0)];
  });
}

function drawAnchors(context: Context, anchors: readonly Anchor[]): void {
  const columns = Math.sqrt(anchors.length);
  for (const [index, { x, y, visible }] of anchors.entries()) {
    const [row, column] = [Math.floor(index / columns), index % columns];
    if (row % 2 !== 0 || column % 2 !== 0) continue;
    context.fillStyle = visible ? `hsl(${(300 * column) / columns} 90% 65%)` : 'rgb(0 0 0 / 45%)';
    context.beginPath();
    context.arc(x + 0.5, y + 0.5, 0.75, 0, 2 * Math.PI);
    context.fill();
  }
}

/** The corner of the photo that is shown, in its pixels, and the side of the picture of it. */
const framesShown = 300;
const framesSide = 560;

/** The photo with the axes of the picture, the box, the crop and the axes of the head, each named. */
function drawFrames(context: Context, photo: ImageBitmap, { crop, pose, landmarks }: Face): void {
  context.scale(framesSide / framesShown, framesSide / framesShown);
  context.drawImage(photo, 0, 0);
  context.fillStyle = 'rgb(0 0 0 / 35%)';
  context.fillRect(0, 0, photo.width, photo.height);
  context.font = '600 11px system-ui, sans-serif';
  context.lineWidth = 2;
  const name = (text: string, x: number, y: number, colour: string) => {
    context.fillStyle = colour;
    context.fillText(text, x, y);
  };
  const line = (colour: string, ...points: readonly (readonly [number, number])[]) => {
    context.strokeStyle = colour;
    context.beginPath();
    for (const point of points) context.lineTo(...point);
    context.stroke();
  };
  line('#fff', [3, 90], [3, 3], [90, 3]);
  name('x', 95, 9, '#fff');
  name('y', 3, 103, '#fff');
  name('pixel (0, 0)', 9, 18, '#fff');
  context.strokeStyle = '#f2cc60';
  context.save();
  context.translate(crop.centreX, crop.centreY);
  context.rotate((crop.roll * Math.PI) / 180);
  context.strokeRect(-crop.side / 2, -crop.side / 2, crop.side, crop.side);
  context.restore();
  name('crop', crop.centreX - crop.side / 2, crop.centreY - crop.side / 2 - 6, '#f2cc60');
  context.strokeStyle = '#58a6ff';
  context.setLineDash([6, 5]);
  context.strokeRect(box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0);
  context.setLineDash([]);
  name('box', box.x1 + 5, box.y1, '#58a6ff');
  drawAxes(context, landmarks, pose.matrix);
  const [noseX = 0, noseY = 0] = landmarks.subarray(90);
  for (const [axis, [text, colour]] of (
    [
      ['X', '#ff7b72'],
      ['Y', '#56d364'],
      ['Z', '#79c0ff'],
    ] as const
  ).entries()) {
    const [x, y] = [noseX + 0.85 * (pose.matrix[axis] ?? 0), noseY + 0.85 * (pose.matrix[4 + axis] ?? 0)];
    name(text, x - 5, y + 6, colour);
  }
}

async function draw(): Promise<Readonly<Record<string, string>>> {
  const [photo, weights] = await Promise.all([
    fetchPicture('/assets/astronaut.png'),
    fetchWeights('/weights/manifest.json'),
  ]);
  const aligner = await FaceAligner.create({ weights });
  const [face] = await aligner.align(photo, [box]);
  if (face === undefined) throw new Error('one box gives one face');
  const { model } = aligner;
  const first: Face = { ...face, parameters: new Float32Array(weights.initialParameters) };
  const vertices = await aligner.vertices(face);
  const rendering = await aligner.render(face);
  const before = await aligner.render(first);
  const anchors = anchorsOf(model, vertices, face.crop, rendering);

  const { crop } = face;
  const cropped = overPhoto(crop, crop.side, (context) => context.drawImage(photo, 0, 0));
  const over = (paint: Paint) =>
    overPhoto(crop, crop.side, (context) => {
      context.drawImage(photo, 0, 0);
      paint(context);
    });
  const mesh = over((context) => drawMesh(context, vertices, model.triangles));
  const points = over((context) => drawLandmarks(context, face.landmarks, face.visibility));
  const hero = over((context) => {
    drawMesh(context, vertices, model.triangles);
    drawLandmarks(context, face.landmarks, face.visibility);
    drawAxes(context, face.landmarks, face.pose.matrix);
  });
  const pictures = {
    hero: await panels([hero]),
    face: await panels([cropped, mesh, points, fill(depthImage(rendering), true)]),
    pncc: await panels([cropped, fill(pnccImage(before), true), fill(pnccImage(rendering), true)]),
    paf: await panels([over((context) => drawAnchors(context, anchors)), fill(pafImage(photo, anchors), false)]),
    coordinates: await panels([(context) => drawFrames(context, photo, face)], framesSide),
  };
  aligner.destroy();
  return pictures;
}

window.docsPictures = draw();
