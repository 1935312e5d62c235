/** What is put on the faces of the picture: pose and depth say where it is, and the head hides what is behind it. */
import { decodeShape, type FaceModel, toThreeMatrix } from 'fullpose';
import * as three from 'three';
import { findOpenings, type Openings, skullOf } from '../head/shapes.js';
import type { ShownFace } from '../scene.js';
import { type Size, toPicture, type Viewport } from '../viewport.js';
import { makeGlasses, paintMask } from './props.js';

export type Worn = 'glasses' | 'mask';

/** One head in the scene. */
interface Head {
  readonly group: three.Group;
  readonly face: three.BufferGeometry;
  readonly skull: three.BufferGeometry;
  readonly glasses: three.Object3D;
  readonly mask: three.Mesh;
  /** The face that it has the shape of. */
  shaped?: ShownFace['face'];
}

export class Wardrobe {
  readonly #model: FaceModel;
  readonly #openings: Openings;
  readonly #canvas = document.createElement('canvas');
  readonly #renderer: three.WebGLRenderer;
  readonly #scene = new three.Scene();
  readonly #camera = new three.OrthographicCamera();
  readonly #glasses: three.Object3D;
  readonly #maskMaterial: three.Material;
  /** Hides what is behind it, and is not seen itself. */
  readonly #hider = new three.MeshBasicMaterial({ colorWrite: false, side: three.DoubleSide });
  readonly #heads: Head[] = [];

  /** @throws Error where the browser has no WebGL. */
  constructor(model: FaceModel) {
    this.#model = model;
    this.#openings = findOpenings(model);
    this.#renderer = new three.WebGLRenderer({
      canvas: this.#canvas,
      antialias: true,
      alpha: true,
      preserveDrawingBuffer: true,
    });
    this.#glasses = makeGlasses(model);
    // In the same place as the face that hides: a little nearer.
    this.#maskMaterial = new three.MeshLambertMaterial({
      map: paintMask(model),
      transparent: true,
      polygonOffset: true,
      polygonOffsetFactor: -1,
      polygonOffsetUnits: -4,
    });
    const light = new three.DirectionalLight('#ffffff', 2);
    light.position.set(-0.4, 0.8, 1);
    this.#scene.add(new three.HemisphereLight('#ffffff', '#8a8078', 1.6), light);
  }

  /** Draws what the faces wear over the picture. The context's transform is the picture's. */
  draw(
    context: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D,
    faces: readonly ShownFace[],
    wanted: ReadonlySet<Worn>,
    viewport: Viewport,
    canvas: Size,
  ): void {
    if (faces.length === 0 || wanted.size === 0) return;
    while (this.#heads.length < faces.length) this.#heads.push(this.#makeHead());
    for (const [i, head] of this.#heads.entries()) {
      const shown = faces[i];
      head.group.visible = shown !== undefined;
      if (shown === undefined) continue;
      this.#dress(head, shown, wanted);
    }
    // The part of the picture that is seen, not mirrored: the context mirrors it.
    const [x0, y0] = toPicture({ ...viewport, mirrored: false }, canvas, 0, 0);
    const [x1, y1] = toPicture({ ...viewport, mirrored: false }, canvas, canvas.width, canvas.height);
    const deep = 8 * Math.max(...faces.map(({ face }) => face.pose.scale));
    Object.assign(this.#camera, { left: x0, right: x1, top: -y0, bottom: -y1, near: 0, far: 2 * deep });
    this.#camera.position.z = deep;
    this.#camera.updateProjectionMatrix();
    if (this.#canvas.width !== canvas.width || this.#canvas.height !== canvas.height) {
      this.#renderer.setSize(canvas.width, canvas.height, false);
    }
    this.#renderer.render(this.#scene, this.#camera);
    context.drawImage(this.#canvas, x0 + 0.5, y0 + 0.5, x1 - x0, y1 - y0);
  }

  #dress(head: Head, { face }: ShownFace, wanted: ReadonlySet<Worn>): void {
    head.group.matrix.fromArray(toThreeMatrix(face.pose));
    head.glasses.visible = wanted.has('glasses');
    head.mask.visible = wanted.has('mask');
    if (head.shaped === face) return;
    head.shaped = face;
    const model = this.#model;
    const weights = model.expressionNames.map((name) => face.expression[name] ?? 0);
    const shape = decodeShape(model, face.identity, weights);
    setPositions(head.face, shape);
    head.face.computeVertexNormals();
    setPositions(head.skull, skullOf(shape, this.#openings.outline).positions);
    // Glasses fit by the eyes' distance and the nose's bridge.
    const at = (values: ArrayLike<number>, point: number) =>
      new three.Vector3().fromArray(
        Array.from({ length: 3 }, (_, axis) => values[(model.landmarks[point] ?? 0) * 3 + axis] ?? 0),
      );
    const width = (values: ArrayLike<number>) => at(values, 45).distanceTo(at(values, 36));
    const scale = width(shape) / width(model.mean);
    head.glasses.scale.setScalar(scale);
    head.glasses.position.copy(at(shape, 27)).sub(at(model.mean, 27).multiplyScalar(scale));
  }

  #makeHead(): Head {
    const face = new three.BufferGeometry();
    face.setAttribute('position', new three.BufferAttribute(Float32Array.from(this.#model.mean), 3));
    face.setAttribute('uv', new three.BufferAttribute(this.#model.uv, 2));
    face.setIndex(new three.BufferAttribute(this.#model.triangles, 1));
    const { positions, triangles } = skullOf(this.#model.mean, this.#openings.outline);
    const skull = new three.BufferGeometry();
    skull.setAttribute('position', new three.BufferAttribute(positions, 3));
    skull.setIndex(new three.BufferAttribute(triangles, 1));
    const [glasses, mask] = [this.#glasses.clone(), new three.Mesh(face, this.#maskMaterial)];
    const hiders = [new three.Mesh(face, this.#hider), new three.Mesh(skull, this.#hider)];
    const group = new three.Group().add(...hiders, mask, glasses);
    group.matrixAutoUpdate = false;
    // Depth first.
    for (const hider of hiders) hider.renderOrder = -1;
    group.traverse((object) => {
      object.frustumCulled = false;
    });
    this.#scene.add(group);
    return { group, face, skull, glasses, mask };
  }
}

function setPositions(geometry: three.BufferGeometry, values: ArrayLike<number>): void {
  const position = geometry.getAttribute('position');
  if (!(position instanceof three.BufferAttribute)) throw new Error('wanted positions of their own');
  position.array.set(values);
  position.needsUpdate = true;
}
