/** The canvas with the picture and the overlays over it. */
import { drawAxes, drawBox, drawImageOverCrop, drawLabel, drawLandmarks, drawMesh } from '../pages/overlay.js';
import { boxOfCrop, countFaces, holds, type Layer, layers, type Scene, type ShownFace } from './scene.js';

/** Small pictures are shown enlarged, so that thin lines stay thin. */
const wantedSide = 1200;

export class View {
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  readonly #triangles: Uint32Array;

  constructor(canvas: HTMLCanvasElement, triangles: Uint32Array) {
    const context = canvas.getContext('2d');
    if (context === null) throw new Error('the browser gave no 2D canvas');
    this.#canvas = canvas;
    this.#context = context;
    this.#triangles = triangles;
  }

  /** @param selected id of the face whose results are shown */
  draw({ picture, faces, isVideo }: Scene, shown: ReadonlySet<Layer>, selected: number): void {
    const { width, height } = picture.image;
    const scale = scaleOf(picture.image);
    if (this.#canvas.width !== width * scale || this.#canvas.height !== height * scale) {
      this.#canvas.width = width * scale;
      this.#canvas.height = height * scale;
    }
    this.#context.setTransform(scale, 0, 0, scale, 0, 0);
    this.#context.drawImage(picture.image, 0, 0);
    for (const layer of layers) {
      if (shown.has(layer)) for (const face of faces) this.#drawLayer(layer, face);
    }
    if (isVideo || faces.length > 1) {
      for (const { id, face } of faces) drawLabel(this.#context, `${id}`, boxOfCrop(face.crop), id === selected);
    }
    this.#canvas.setAttribute('aria-label', `${picture.name}, ${countFaces(faces.length)} aligned`);
  }

  /** Tells assistive technology that the picture is about to change. */
  setBusy(busy: boolean): void {
    this.#canvas.setAttribute('aria-busy', `${busy}`);
  }

  /** What is drawn, as a PNG file. */
  toPng(): Promise<Blob> {
    return new Promise((resolve, reject) => {
      this.#canvas.toBlob((blob) =>
        blob === null ? reject(new Error('the picture is too large to save')) : resolve(blob),
      );
    });
  }

  /** Id of the face under a point of the window; undefined where there is none. */
  faceAt({ picture, faces }: Scene, clientX: number, clientY: number): number | undefined {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    const x = ((clientX - left) / width) * picture.image.width - 0.5;
    const y = ((clientY - top) / height) * picture.image.height - 0.5;
    return faces.find(({ face }) => holds(boxOfCrop(face.crop), x, y))?.id;
  }

  #drawLayer(layer: Layer, { face, box, details: { vertices, maps } }: ShownFace): void {
    const context = this.#context;
    if (layer === 'pncc' && maps !== undefined) drawImageOverCrop(context, maps.pncc, face.crop);
    if (layer === 'depth' && maps !== undefined) drawImageOverCrop(context, maps.depth, face.crop);
    if (layer === 'mesh' && vertices !== undefined) drawMesh(context, vertices, this.#triangles);
    if (layer === 'boxes') drawBox(context, box);
    if (layer === 'landmarks') drawLandmarks(context, face.landmarks, face.visibility);
    if (layer === 'axes') drawAxes(context, face.landmarks, face.pose.matrix);
  }
}

/** Canvas pixels per picture pixel. */
export function scaleOf({ width, height }: ImageBitmap): number {
  return Math.max(1, Math.ceil(wantedSide / Math.max(width, height)));
}
