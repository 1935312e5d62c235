/** Heads that follow a face: one with the face's own picture, and one of a glTF file. */
import { decodeShape, type Face, type FaceModel, type FaceTexture, toThreeMatrix } from 'fullpose';
import { writeGlb } from 'fullpose/export';
import * as three from 'three';
import { GLTFLoader } from 'three/addons/loaders/GLTFLoader.js';
import type { Picture, ShownFace } from '../scene.js';
import { feather } from './feather.js';
import { makeParts, paintFromPicture, paintPlain } from './parts.js';
import { findOpenings, morphTargetsOf, type Openings } from './shapes.js';

/** A head in model decimetres, upright, looking along +z. */
export interface Puppet {
  readonly root: three.Object3D;
  /** Takes on an expression: weights by name. */
  express(weights: Readonly<Record<string, number>>): void;
  dispose(): void;
}

/** Decimetres in a metre. */
const decimetres = 10;

/** What heads of one model share. */
export class HeadShop {
  readonly #model: FaceModel;
  readonly #openings: Openings;
  readonly #morphs: readonly three.BufferAttribute[];
  readonly #names: Readonly<Record<string, number>>;

  constructor(model: FaceModel) {
    this.#model = model;
    this.#openings = findOpenings(model);
    this.#morphs = morphTargetsOf(model).map((offsets) => new three.BufferAttribute(offsets, 3));
    this.#names = Object.fromEntries(model.expressionNames.map((name, i) => [name, i]));
  }

  /** The face of a picture, unlit, as the picture has lit it. Eyes and mouth lie behind the face's as it is. */
  fromPicture(picture: Picture, shown: ShownFace, texture: FaceTexture): Puppet {
    const { face } = shown;
    const model = this.#model;
    const geometry = new three.BufferGeometry();
    const neutral = Float32Array.from(decodeShape(model, face.identity, []));
    geometry.setAttribute('position', new three.BufferAttribute(neutral, 3));
    geometry.setAttribute('uv', new three.BufferAttribute(model.uv, 2));
    geometry.setIndex(new three.BufferAttribute(model.triangles, 1));
    geometry.morphTargetsRelative = true;
    geometry.morphAttributes.position = [...this.#morphs];
    const skin = feather(texture);
    const map = new three.CanvasTexture(canvasOf(skin));
    map.colorSpace = three.SRGBColorSpace;
    map.anisotropy = 4;
    const mesh = new three.Mesh(geometry, new three.MeshBasicMaterial({ map }));
    mesh.updateMorphTargets();
    mesh.frustumCulled = false;
    mesh.morphTargetDictionary = { ...this.#names };
    const weights = model.expressionNames.map((name) => face.expression[name] ?? 0);
    const shape = decodeShape(model, face.identity, weights);
    const parts = makeParts(shape, this.#openings, new three.MeshBasicMaterial({ vertexColors: true }));
    paintFromPicture(parts, picture, shown);
    paintSkull(parts.skull, this.#openings.outline, model.uv, skin);
    const root = new three.Group().add(mesh, ...parts.eyes, parts.mouth, parts.skull);
    return puppetOf(root, [mesh]);
  }

  /**
   * A head of a glTF file with morph targets by ARKit's names: the library's own export of the mean face.
   * @throws what three.js does for a file that is none
   */
  async fromGltf(): Promise<Puppet> {
    const model = this.#model;
    const neutral = { identity: new Float32Array(model.identity.count), expression: {} };
    const { scene } = await new GLTFLoader().parseAsync(writeGlb(model, neutral).buffer, '');
    scene.scale.setScalar(decimetres);
    const meshes: three.Mesh[] = [];
    scene.traverse((object) => {
      if (object instanceof three.Mesh) meshes.push(object);
    });
    const material = new three.MeshStandardMaterial({ color: '#c9a58f', roughness: 0.62 });
    for (const mesh of meshes) {
      mesh.material = material;
      mesh.frustumCulled = false;
    }
    const parts = makeParts(model.mean, this.#openings, material);
    paintPlain(parts);
    for (const mesh of meshes) joinNormals(mesh.geometry, parts.skull.geometry, this.#openings.outline);
    const root = new three.Group().add(scene, ...parts.eyes, parts.mouth, parts.skull);
    return puppetOf(root, meshes);
  }
}

/** The head's turn in the picture. */
export function rotationOf({ pose }: Pick<Face, 'pose'>): three.Quaternion {
  const matrix = new three.Matrix4().fromArray(toThreeMatrix(pose));
  return new three.Quaternion().setFromRotationMatrix(new three.Matrix4().extractRotation(matrix));
}

function puppetOf(root: three.Object3D, meshes: readonly three.Mesh[]): Puppet {
  return {
    root,
    express: (weights) => {
      for (const { morphTargetDictionary: names = {}, morphTargetInfluences: influences = [] } of meshes) {
        for (const [name, i] of Object.entries(names)) influences[i] = weights[name] ?? 0;
      }
    },
    dispose: () =>
      root.traverse((object) => {
        if (!(object instanceof three.Mesh)) return;
        object.geometry.dispose();
        for (const material of [object.material].flat()) {
          if ('map' in material && material.map instanceof three.Texture) material.map.dispose();
          material.dispose();
        }
      }),
  };
}

/** Lights face and back of the head as one surface where they meet. */
function joinNormals(face: three.BufferGeometry, skull: three.BufferGeometry, outline: readonly number[]): void {
  const [ours, theirs] = [face.getAttribute('normal'), skull.getAttribute('normal')];
  const [sum, other] = [new three.Vector3(), new three.Vector3()];
  for (const [i, vertex] of outline.entries()) {
    sum.fromBufferAttribute(ours, vertex).add(other.fromBufferAttribute(theirs, i)).normalize();
    ours.setXYZ(vertex, sum.x, sum.y, sum.z);
    theirs.setXYZ(i, sum.x, sum.y, sum.z);
  }
}

/** The back of the head goes on from the colours at the face's outline, into the dark. */
function paintSkull(
  skull: three.Mesh,
  outline: readonly number[],
  uv: ArrayLike<number>,
  { width, height, data }: FaceTexture,
): void {
  const depth = skull.geometry.getAttribute('depth');
  const colours = new three.BufferAttribute(new Float32Array(depth.count * 3), 3);
  const colour = new three.Color();
  for (let i = 0; i < depth.count; i++) {
    const vertex = outline[i % outline.length] ?? 0;
    const x = Math.min(width - 1, Math.floor((uv[vertex * 2] ?? 0) * width));
    const y = Math.min(height - 1, Math.floor((1 - (uv[vertex * 2 + 1] ?? 0)) * height));
    const [r, g, b] = [0, 1, 2].map((c) => (data[(y * width + x) * 4 + c] ?? 0) / 255) as [number, number, number];
    colour.setRGB(r, g, b, three.SRGBColorSpace).multiplyScalar(1 - 0.8 * depth.getX(i));
    colours.setXYZ(i, colour.r, colour.g, colour.b);
  }
  skull.geometry.setAttribute('color', colours);
}

function canvasOf({ width, height, data }: FaceTexture): OffscreenCanvas {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext('2d')?.putImageData(new ImageData(data, width, height), 0, 0);
  return canvas;
}
