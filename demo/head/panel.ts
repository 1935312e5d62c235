/** The head beside the picture: to turn with the pointer, and following the face's turn and expression. */
import type { Face, FaceModel, FaceTexture } from 'fullpose';
import * as three from 'three';
import { OrbitControls } from 'three/addons/controls/OrbitControls.js';
import { find } from '../../pages/dom.js';
import type { Picture, ShownFace } from '../scene.js';
import { HeadShop, type Puppet, rotationOf } from './puppet.js';

/** What the camera looks at: the middle of the head. Decimetres. */
const middle = [0, 0.02, 0.38] as const;

/** Degrees. */
const fieldOfView = 24;

/** Decimetres from the middle of the head: all of it is seen, however it is turned. */
const distance = 6.6;

/** Width over height of a canvas from which on the head's height is what has to fit. */
const widest = 0.9;

/** What tests and the console see of the head. */
export interface HeadState {
  readonly rotation: readonly number[];
  readonly weights: Readonly<Record<string, number>>;
  readonly skin: string;
}

export class HeadPanel {
  readonly canvas = find('#head', HTMLCanvasElement);
  readonly #skin = find('#head-skin', HTMLSelectElement);
  readonly #follows = find('#head-follows', HTMLInputElement);
  readonly #shop: HeadShop;
  readonly #renderer: three.WebGLRenderer;
  readonly #scene = new three.Scene();
  readonly #camera = new three.PerspectiveCamera(fieldOfView, 1, 0.5, 40);
  readonly #controls: OrbitControls;
  /** Turns with the face. */
  readonly #neck = new three.Group();
  #photo: Puppet | undefined;
  #avatar: Promise<Puppet> | undefined;
  #worn: Puppet | undefined;
  #face: Face | undefined;
  #pending = false;

  /** @throws Error where the browser has no WebGL. */
  constructor(model: FaceModel) {
    this.#shop = new HeadShop(model);
    // Kept after it is drawn: recordings copy it.
    const { canvas } = this;
    this.#renderer = new three.WebGLRenderer({ canvas, antialias: true, alpha: true, preserveDrawingBuffer: true });
    this.#controls = new OrbitControls(this.#camera, canvas);
    this.#controls.enablePan = false;
    // The wheel scrolls the page.
    this.#controls.enableZoom = false;
    this.#controls.target.set(...middle);
    this.#controls.addEventListener('change', () => this.#invalidate());
    // One finger scrolls the page up and down, and turns the head to the sides.
    canvas.style.touchAction = 'pan-y';
    const key = new three.DirectionalLight('#fff4e6', 2.2);
    key.position.set(-2, 3, 5);
    const rim = new three.DirectionalLight('#9ec5ff', 1.4);
    rim.position.set(4, 1, -3);
    this.#scene.add(new three.HemisphereLight('#eef4ff', '#5b4a44', 1.3), key, rim, this.#neck);
    this.#neck.position.set(...middle);
    this.#skin.addEventListener('change', () => void this.#wear());
    this.#follows.addEventListener('change', () => this.#pose());
    find('#head-front', HTMLButtonElement).addEventListener('click', () => this.lookFromFront());
    new ResizeObserver(() => this.#resize()).observe(canvas);
    this.lookFromFront();
  }

  get state(): HeadState {
    return {
      rotation: this.#neck.quaternion.toArray(),
      weights: this.#face?.expression ?? {},
      skin: this.#skin.value,
    };
  }

  /** As mirrors show it. */
  set mirrored(mirrored: boolean) {
    this.#neck.scale.x = mirrored ? -1 : 1;
    this.#invalidate();
  }

  lookFromFront(): void {
    const [x, y, z] = middle;
    this.#camera.position.set(x, y, z + distance);
    this.#controls.update();
    this.#invalidate();
  }

  /** Gives the head the face of a picture. */
  showPicture(picture: Picture, shown: ShownFace, texture: FaceTexture): void {
    const before = this.#photo;
    this.#photo = this.#shop.fromPicture(picture, shown, texture);
    this.#face = shown.face;
    void this.#wear().then(() => before?.dispose());
  }

  /** Turns the head and moves its face as a face does; at rest where there is none. */
  follow(face: Face | undefined): void {
    this.#face = face;
    this.#pose();
  }

  /** Puts on the head that is wanted. */
  async #wear(): Promise<void> {
    if (this.#skin.value === 'avatar') this.#avatar ??= this.#shop.fromGltf();
    const puppet = this.#skin.value === 'avatar' ? await this.#avatar : this.#photo;
    if (puppet === this.#worn) return this.#pose();
    this.#neck.clear();
    if (puppet !== undefined) {
      puppet.root.position.set(...middle).negate();
      this.#neck.add(puppet.root);
    }
    this.#worn = puppet;
    this.#pose();
  }

  #pose(): void {
    const face = this.#face;
    this.#worn?.express(face?.expression ?? {});
    if (face !== undefined && this.#follows.checked) this.#neck.quaternion.copy(rotationOf(face));
    else this.#neck.quaternion.identity();
    // A turn that is seen in a mirror.
    if (this.#neck.scale.x < 0) {
      const { x, y, z, w } = this.#neck.quaternion;
      this.#neck.quaternion.set(x, -y, -z, w);
    }
    this.#invalidate();
  }

  #resize(): void {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (width === 0 || height === 0) return;
    this.#renderer.setPixelRatio(Math.min(2, window.devicePixelRatio));
    this.#renderer.setSize(width, height, false);
    this.#camera.aspect = width / height;
    // A narrow canvas shows all of the head from the side, too.
    this.#camera.fov = fieldOfView * Math.max(1, widest / this.#camera.aspect);
    this.#camera.updateProjectionMatrix();
    this.#renderer.render(this.#scene, this.#camera);
  }

  /** Draws before the browser next shows the page, once however often it is asked. */
  #invalidate(): void {
    if (this.#pending) return;
    this.#pending = true;
    requestAnimationFrame(() => {
      this.#pending = false;
      this.#renderer.render(this.#scene, this.#camera);
    });
  }
}
