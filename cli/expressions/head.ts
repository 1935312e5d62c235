/**
 * The sample's head with any expression: the mesh with its weights set, over the photo and with the photo's skin. The
 * eyes are the photo's, seen between the lids; a mouth that opens shows the photo's teeth, and darkness below them.
 */
import {
  cropToPicture,
  decodeVertices,
  type Face,
  type FaceAligner,
  type FaceModel,
  pickVertices,
  toPicturePixels,
} from 'fullpose';
import * as three from 'three/webgpu';
import { arkitName } from '../../src/mmm/blendshapes.js';
import type { Weights } from './cases.js';

/**
 * The square of the photo that is shown: its left upper corner and side, in the photo's pixels; and the side of its
 * picture.
 */
export interface Frame {
  readonly left: number;
  readonly top: number;
  readonly extent: number;
  readonly side: number;
}

/** A picture and what it shows. */
export interface View {
  readonly picture: ImageBitmap;
  /** [68, 3] pixels of the picture. */
  readonly landmarks: Float32Array;
}

/** Of lashes, in the mean face, in decimetres. */
const lashWidth = 0.02;

/** Among the landmarks, first and end. */
const eyes = [
  [36, 42],
  [42, 48],
] as const;
const [outerLips, innerLips] = [
  [48, 60],
  [60, 68],
] as const;

export class Head {
  readonly #aligner: FaceAligner;
  readonly #face: Face;
  readonly #frame: Frame;
  readonly #renderer: three.WebGPURenderer;
  readonly #scene = new three.Scene();
  readonly #camera: three.Camera;
  readonly #positions: three.BufferAttribute;

  /** @param face found in the photo: the place, pose and shape of the head. */
  static async create(aligner: FaceAligner, photo: ImageBitmap, face: Face, frame: Frame): Promise<Head> {
    const renderer = new three.WebGPURenderer({ device: aligner.device, antialias: true });
    renderer.setSize(frame.side, frame.side, false);
    await renderer.init();
    const { width, height, data } = await aligner.texture(photo, lidsUp(aligner, face), { mirror: true });
    const skin = new three.DataTexture(data, width, height);
    skin.colorSpace = three.SRGBColorSpace;
    skin.magFilter = three.LinearFilter;
    skin.minFilter = three.LinearFilter;
    skin.needsUpdate = true;
    return new Head(aligner, face, frame, renderer, skin, backgroundOf(photo, face, frame));
  }

  private constructor(
    aligner: FaceAligner,
    face: Face,
    frame: Frame,
    renderer: three.WebGPURenderer,
    skin: three.Texture,
    background: three.Texture,
  ) {
    this.#aligner = aligner;
    this.#face = face;
    this.#frame = frame;
    this.#renderer = renderer;
    const { model } = aligner;
    const geometry = new three.BufferGeometry();
    this.#positions = new three.BufferAttribute(new Float32Array(model.vertexCount * 3), 3);
    geometry.setAttribute('position', this.#positions);
    // The texture's first row is its upper one.
    const uv = Float32Array.from(model.uv, (value, i) => (i % 2 === 1 ? 1 - value : value));
    geometry.setAttribute('uv', new three.BufferAttribute(uv, 2));
    geometry.setIndex(new three.BufferAttribute(model.triangles, 1));
    geometry.setAttribute('color', new three.BufferAttribute(lashes(model), 3));
    // The photo has its own light.
    const material = new three.MeshBasicMaterial({ map: skin, side: three.DoubleSide, vertexColors: true });
    const mesh = new three.Mesh(geometry, material);
    mesh.frustumCulled = false;
    this.#scene.add(mesh);
    this.#scene.background = background;
    const { left, top, extent } = frame;
    // Picture pixels, y up; pixel centres are at integers.
    const half = extent / 2;
    this.#camera = new three.OrthographicCamera(-half, half, half, -half, 0, 2000);
    this.#camera.position.set(left - 0.5 + half, -(top - 0.5 + half), 1000);
  }

  /** The head with these weights and no others; where the model has a weight in parts, all of them. */
  async view(weights: Weights): Promise<View> {
    const { model, layout } = this.#aligner;
    const { parameters, crop } = this.#face;
    const set = parameters.slice();
    const [first, count] = layout.expression;
    set.set(
      Float32Array.from({ length: count }, (_, i) => weights[arkitName(model.expressionNames[i]!)] ?? 0),
      first,
    );
    const vertices = toPicturePixels(decodeVertices(model, layout, set, crop.size), cropToPicture(crop));
    for (let i = 0; i < model.vertexCount; i++) {
      this.#positions.setXYZ(i, vertices[i * 3]!, -vertices[i * 3 + 1]!, vertices[i * 3 + 2]!);
    }
    this.#positions.needsUpdate = true;
    this.#renderer.render(this.#scene, this.#camera);
    const { left, top, extent, side } = this.#frame;
    const zoom = side / extent;
    const landmarks = Float32Array.from(pickVertices(vertices, model.landmarks), (value, i) => {
      return i % 3 === 2 ? value * zoom : (value - (i % 3 === 0 ? left : top) + 0.5) * zoom - 0.5;
    });
    return { picture: await createImageBitmap(this.#renderer.domElement), landmarks };
  }
}

/**
 * The face with its eyes wider open than they are: lids take their skin from above the lashes, and nothing of the eye.
 */
function lidsUp({ model, layout }: FaceAligner, face: Face): Face {
  const parameters = face.parameters.slice();
  for (const [i, name] of model.expressionNames.entries()) {
    const at = layout.expression[0] + i;
    if (name.startsWith('eyeBlink')) parameters[at] = parameters[at]! - 0.4;
  }
  return { ...face, parameters };
}

/** Vertex colours: dark along the lids' edges, as lashes make them, or a shut eye would be a lid without an end. */
function lashes(model: FaceModel): Float32Array {
  const place = (vertex: number) => new three.Vector3().fromArray(model.mean, vertex * 3);
  const points = [...model.landmarks].map(place);
  const edges = eyes.flatMap(([from, end]) =>
    points.slice(from, end).map((point, i, lid) => new three.Line3(point, lid[(i + 1) % lid.length]!)),
  );
  const nearest = new three.Vector3();
  const distance = (point: three.Vector3) =>
    Math.min(...edges.map((edge) => edge.closestPointToPoint(point, true, nearest).distanceTo(point)));
  const shade = (vertex: number) => (distance(place(vertex)) < lashWidth ? 0.25 : 1);
  const shades = Array.from({ length: model.vertexCount }, (_, vertex) => shade(vertex));
  return Float32Array.from(shades.flatMap((value) => [value, value, value]));
}

/** The photo, dark where a mouth may open; its teeth stay. */
function backgroundOf(photo: ImageBitmap, { landmarks }: Face, { left, top, extent, side }: Frame): three.Texture {
  const canvas = document.createElement('canvas');
  canvas.width = side;
  canvas.height = side;
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('the browser gave no 2D canvas');
  const zoom = side / extent;
  context.imageSmoothingQuality = 'high';
  context.setTransform(zoom, 0, 0, zoom, -left * zoom, -top * zoom);
  context.drawImage(photo, 0, 0);
  const place = (point: number) => [landmarks[point * 3]! + 0.5, landmarks[point * 3 + 1]! + 0.5] as const;
  const trace = ([from, end]: readonly [number, number]) => {
    for (let point = from; point < end; point++) context.lineTo(...place(point));
    context.closePath();
  };
  // From the lips down to the chin, but for the opening of the photo's own lips.
  context.beginPath();
  trace(outerLips);
  trace(innerLips);
  context.fillStyle = '#2a1210';
  context.fill('evenodd');
  const [[x0], [x1, y], [, chin]] = [place(49), place(53), place(8)];
  context.fillRect(x0, y, x1 - x0, 0.7 * (chin - y));
  const texture = new three.CanvasTexture(canvas);
  texture.colorSpace = three.SRGBColorSpace;
  return texture;
}
