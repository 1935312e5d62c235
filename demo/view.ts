/**
 * The canvas with the picture and what is drawn over it, zoomed as the visitor wants. Lines are as wide on the screen
 * whatever the zoom.
 */
import { find } from '../pages/dom.js';
import {
  type DrawingContext,
  drawAxes,
  drawBox,
  drawImageOverCrop,
  drawLabel,
  drawLandmarks,
  drawMesh,
} from '../pages/overlay.js';
import { boxOfCrop, countFaces, holds, type Layer, layers, type Picture, type ShownFace } from './scene.js';
import {
  aroundFaces,
  between,
  matrixOf,
  moved,
  type Size,
  toCanvas,
  toPicture,
  type Viewport,
  wholeOf,
  zoomedAt,
} from './viewport.js';

/** What is drawn. */
export interface Drawing {
  readonly picture: Picture;
  readonly isVideo: boolean;
  readonly faces: readonly ShownFace[];
  /** Faces in doubt: dashed. */
  readonly doubtful: readonly ShownFace[];
  readonly layers: ReadonlySet<Layer>;
  /** Id of the face whose results are shown. */
  readonly selected: number;
}

/** Draws over the picture, below the overlays. `width` of a line of a screen pixel, in picture pixels. */
export type Underlay = (context: DrawingContext, viewport: Viewport, canvas: Size, width: number) => void;

/** What the view keeps in sight: the faces, the whole picture, or what the visitor has chosen. */
type Aim = 'faces' | 'whole' | 'free';

/** Screen pixels. */
const lineWidth = 1.5;

/** Screen pixels. */
const labelHeight = 22;

/** Part of the way to where it should be that the view of a video goes in a frame. */
const glide = 0.2;

/** Zoom of a press of a button. */
const zoomStep = 1.5;

/** Longer side of a saved picture, at least: lines of small pictures stay thin. */
const savedSide = 1200;

export class View {
  readonly #canvas = find('#view', HTMLCanvasElement);
  readonly #context: CanvasRenderingContext2D;
  readonly #wholeButton = find('#whole', HTMLButtonElement);
  readonly #triangles: () => Uint32Array | undefined;
  #drawing: Drawing | undefined;
  #viewport: Viewport | undefined;
  #aim: Aim = 'faces';
  #mirrored = false;
  /** Effects, of the demo's own making. */
  underlay: Underlay | undefined;

  /** @param triangles of the mesh; undefined while there is no model */
  constructor(triangles: () => Uint32Array | undefined) {
    const context = this.#canvas.getContext('2d');
    if (context === null) throw new Error('the browser gave no 2D canvas');
    this.#context = context;
    this.#triangles = triangles;
    new ResizeObserver(() => this.#resize()).observe(this.#canvas);
    this.#connectControls();
  }

  get canvas(): HTMLCanvasElement {
    return this.#canvas;
  }

  /** Where a point of the picture is on the canvas, as `setTransform` takes it. */
  get matrix(): readonly number[] {
    return this.#viewport === undefined ? [1, 0, 0, 1, 0, 0] : matrixOf(this.#viewport, this.#canvas);
  }

  /** Shows left as right, as mirrors do. */
  set mirrored(mirrored: boolean) {
    this.#mirrored = mirrored;
    this.#viewport = undefined;
    this.redraw();
  }

  /** Keeps the faces or the whole picture in sight from now on. */
  aim(aim: 'faces' | 'whole'): void {
    this.#aim = aim;
    this.#viewport = undefined;
    this.redraw();
  }

  show(drawing: Drawing): void {
    this.#drawing = drawing;
    this.redraw();
    const { picture, faces } = drawing;
    this.#canvas.setAttribute('aria-label', `${picture.name}, ${countFaces(faces.length)} aligned`);
  }

  clear(): void {
    this.#drawing = undefined;
    this.#viewport = undefined;
    this.#canvas.setAttribute('aria-label', 'No picture yet');
    this.redraw();
  }

  /** Tells assistive technology that the picture is about to change. */
  setBusy(busy: boolean): void {
    this.#canvas.setAttribute('aria-busy', `${busy}`);
  }

  redraw(): void {
    const { width, height } = this.#canvas;
    this.#context.setTransform(1, 0, 0, 1, 0, 0);
    this.#context.clearRect(0, 0, width, height);
    const drawing = this.#drawing;
    if (drawing === undefined || width === 0 || height === 0) return;
    const viewport = this.#place(drawing);
    this.#viewport = viewport;
    this.#wholeButton.textContent = this.#aim === 'whole' ? 'Face' : 'Whole picture';
    draw(this.#context, drawing, viewport, this.#canvas, pixelRatio(), this.#triangles(), this.underlay);
  }

  /** The whole picture with what is drawn over it, as a PNG file. */
  toPng(): Promise<Blob> {
    const drawing = this.#drawing;
    if (drawing === undefined) throw new Error('there is no picture to save');
    const { width, height } = drawing.picture.image;
    const scale = Math.max(1, Math.ceil(savedSide / Math.max(width, height)));
    const canvas = new OffscreenCanvas(width * scale, height * scale);
    const context = canvas.getContext('2d');
    if (context === null) throw new Error('the browser gave no 2D canvas');
    // A line of the screen is as wide on a picture that is as large as the screen.
    const ratio = (Math.max(width, height) * scale) / savedSide;
    draw(context, drawing, wholeOf(drawing.picture.image, canvas), canvas, ratio, this.#triangles(), this.underlay);
    return canvas.convertToBlob({ type: 'image/png' });
  }

  /** Id of the face under a point of the window; undefined where there is none. */
  faceAt(clientX: number, clientY: number): number | undefined {
    if (this.#drawing === undefined || this.#viewport === undefined) return undefined;
    const [x, y] = toPicture(this.#viewport, this.#canvas, ...this.#onCanvas(clientX, clientY));
    return this.#drawing.faces.find(({ face }) => holds(boxOfCrop(face.crop), x, y))?.id;
  }

  /** The viewport of this frame. */
  #place({ picture: { image }, faces, isVideo }: Drawing): Viewport {
    const [last, mirrored] = [this.#viewport, this.#mirrored];
    if (this.#aim === 'free' && last !== undefined) return last;
    if (this.#aim !== 'faces') return wholeOf(image, this.#canvas, mirrored);
    // Until there are faces the view stays.
    if (faces.length === 0) return last ?? wholeOf(image, this.#canvas, mirrored);
    const boxes = faces.map(({ face }) => face.box);
    const wanted = aroundFaces(boxes, image, this.#canvas, mirrored);
    return isVideo && last !== undefined ? between(last, wanted, glide) : wanted;
  }

  #onCanvas(clientX: number, clientY: number): readonly [number, number] {
    const { left, top } = this.#canvas.getBoundingClientRect();
    return [(clientX - left) * pixelRatio(), (clientY - top) * pixelRatio()];
  }

  #resize(): void {
    const [width, height] = [this.#canvas.clientWidth, this.#canvas.clientHeight].map((side) =>
      Math.round(side * pixelRatio()),
    );
    if (width === undefined || height === undefined || (this.#canvas.width === width && this.#canvas.height === height))
      return;
    this.#canvas.width = width;
    this.#canvas.height = height;
    this.#viewport = undefined;
    this.redraw();
  }

  #zoom(factor: number, x = this.#canvas.width / 2, y = this.#canvas.height / 2): void {
    if (this.#drawing === undefined || this.#viewport === undefined) return;
    this.#aim = 'free';
    this.#viewport = zoomedAt(this.#viewport, factor, x, y, this.#drawing.picture.image, this.#canvas);
    this.redraw();
  }

  #move(dx: number, dy: number): void {
    if (this.#drawing === undefined || this.#viewport === undefined) return;
    this.#aim = 'free';
    const [x, y] = [dx * pixelRatio(), dy * pixelRatio()];
    this.#viewport = moved(this.#viewport, x, y, this.#drawing.picture.image, this.#canvas);
    this.redraw();
  }

  #connectControls(): void {
    this.#wholeButton.addEventListener('click', () => this.aim(this.#aim === 'whole' ? 'faces' : 'whole'));
    find('#zoom-in', HTMLButtonElement).addEventListener('click', () => this.#zoom(zoomStep));
    find('#zoom-out', HTMLButtonElement).addEventListener('click', () => this.#zoom(1 / zoomStep));
    this.#canvas.addEventListener(
      'wheel',
      (event) => {
        // Without the key the page scrolls. A pinch on a touchpad comes with it.
        if (!event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        this.#zoom(1.01 ** -event.deltaY, ...this.#onCanvas(event.clientX, event.clientY));
      },
      { passive: false },
    );
    const pointers = new Map<number, { readonly x: number; readonly y: number }>();
    this.#canvas.addEventListener('pointerdown', (event) => {
      pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      this.#canvas.setPointerCapture(event.pointerId);
    });
    for (const type of ['pointerup', 'pointercancel'] as const) {
      this.#canvas.addEventListener(type, ({ pointerId }) => pointers.delete(pointerId));
    }
    this.#canvas.addEventListener('pointermove', (event) => {
      const last = pointers.get(event.pointerId);
      if (last === undefined) return;
      const now = { x: event.clientX, y: event.clientY };
      const [other] = [...pointers].flatMap(([id, point]) => (id === event.pointerId ? [] : [point]));
      if (other !== undefined) {
        const apart = (p: { readonly x: number; readonly y: number }) => Math.hypot(p.x - other.x, p.y - other.y);
        const middle = this.#onCanvas((now.x + other.x) / 2, (now.y + other.y) / 2);
        this.#zoom(apart(now) / Math.max(1, apart(last)), ...middle);
      } else if (event.pointerType === 'mouse') {
        this.#move(now.x - last.x, now.y - last.y);
      }
      pointers.set(event.pointerId, now);
    });
  }
}

function pixelRatio(): number {
  return Math.max(1, window.devicePixelRatio);
}

/** @param ratio canvas pixels of a screen pixel */
function draw(
  context: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D,
  { picture, isVideo, faces, doubtful, layers: wanted, selected }: Drawing,
  viewport: Viewport,
  canvas: Size,
  ratio: number,
  triangles: Uint32Array | undefined,
  underlay: Underlay | undefined,
): void {
  const pen = { width: (lineWidth * ratio) / viewport.scale };
  context.setTransform(...matrixOf(viewport, canvas));
  context.imageSmoothingQuality = 'high';
  context.drawImage(picture.image, 0, 0);
  underlay?.(context, viewport, canvas, ratio / viewport.scale);
  for (const layer of layers) {
    if (!wanted.has(layer)) continue;
    for (const {
      face,
      box,
      details: { vertices, maps },
    } of faces) {
      if (layer === 'pncc' && maps !== undefined) drawImageOverCrop(context, maps.pncc, face.crop);
      if (layer === 'depth' && maps !== undefined) drawImageOverCrop(context, maps.depth, face.crop);
      if (layer === 'mesh' && vertices !== undefined && triangles !== undefined) {
        drawMesh(context, vertices, triangles, { width: 0.75 * pen.width });
      }
      if (layer === 'boxes') drawBox(context, box, { ...pen, dashed: false });
      if (layer === 'landmarks') drawLandmarks(context, face.landmarks, face.visibility, pen);
      if (layer === 'axes') drawAxes(context, face.landmarks, face.pose.matrix, pen);
    }
    for (const { face, box } of doubtful) {
      if (layer === 'boxes') drawBox(context, box, { ...pen, dashed: true });
      if (layer === 'landmarks') drawLandmarks(context, face.landmarks, face.visibility, { ...pen, dashed: true });
    }
  }
  context.setTransform(1, 0, 0, 1, 0, 0);
  const label = (text: string, { face }: ShownFace, strong: boolean) => {
    const { x0, x1, y0 } = face.box;
    const [x, y] = toCanvas(viewport, canvas, viewport.mirrored ? x1 : x0, y0);
    const height = labelHeight * ratio;
    drawLabel(context, text, x, Math.max(y - height / 2, height), height, strong);
  };
  if (isVideo || faces.length > 1) for (const shown of faces) label(`${shown.id}`, shown, shown.id === selected);
  for (const shown of doubtful) label(`${Math.round(100 * shown.face.confidence)} %`, shown, false);
}
