/**
 * The README's turning head: the sample's face as a glTF file of the library's (hidden half mirrored), loaded by
 * three.js, turned from profile to profile and back, and each view aligned anew with the landmarks that were found
 * drawn over it.
 */
import { FaceAligner, type FaceBox } from 'fullpose';
import { encodePng, writeGlb } from 'fullpose/export';
import { GLTFLoader } from 'three/addons/loaders/GLTFLoader.js';
import * as three from 'three/webgpu';
import { drawAxes, drawLandmarks } from '../../pages/overlay.js';
import { fetchPicture } from '../../pages/pictures.js';

declare global {
  interface Window {
    /** WebP pictures as data URLs, `side` pixels wide and high. */
    turningHead?: Promise<{ readonly side: number; readonly frames: readonly string[] }>;
  }
}

/** Frames of the way there and back. */
const count = 24;

/** Degrees of yaw: to and fro, slow where it turns round. */
const yaws = Array.from({ length: count }, (_, i) => 80 * Math.sin((2 * Math.PI * i) / count));

/** Pixels of a frame. */
const side = 320;

/** Metres that a view shows. */
const extent = 0.24;

async function head(aligner: FaceAligner): Promise<three.Mesh> {
  const photo = await fetchPicture('/assets/astronaut.png');
  const [face] = await aligner.align(photo, [{ x0: 177, y0: 80, x1: 272, y1: 175, kind: 'detector' }]);
  if (face === undefined) throw new Error('one box gives one face');
  const texture = await encodePng(await aligner.texture(photo, face, { mirror: true }), { alpha: false });
  const file = writeGlb(aligner.model, face, { texture, morphTargets: false });
  const { scene } = await new GLTFLoader().parseAsync(file.buffer, '');
  const mesh = scene.getObjectByName('head');
  if (!(mesh instanceof three.Mesh)) throw new Error('the file has no head');
  // The photo has its own light.
  mesh.material = new three.MeshBasicMaterial({ map: mesh.material.map, side: three.DoubleSide });
  mesh.geometry.center();
  return mesh;
}

/** The tight box of the landmarks' vertices, in pixels of a view. */
function boxOf(mesh: three.Mesh, camera: three.Camera, landmarks: Uint32Array): FaceBox {
  const position = mesh.geometry.getAttribute('position');
  const points = [...landmarks].map((vertex) => {
    const point = new three.Vector3().fromBufferAttribute(position, vertex);
    point.applyMatrix4(mesh.matrixWorld).project(camera);
    return [((point.x + 1) / 2) * side - 0.5, ((1 - point.y) / 2) * side - 0.5] as const;
  });
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  return { x0: Math.min(...xs), y0: Math.min(...ys), x1: Math.max(...xs), y1: Math.max(...ys), kind: 'landmarks' };
}

async function drawTurningHead(): Promise<{ readonly side: number; readonly frames: readonly string[] }> {
  const aligner = await FaceAligner.create();
  const mesh = await head(aligner);
  const renderer = new three.WebGPURenderer({ device: aligner.device, antialias: true });
  renderer.setSize(side, side, false);
  await renderer.init();
  const scene = new three.Scene();
  scene.background = new three.Color('#8f949c');
  scene.add(mesh);
  const half = extent / 2;
  const camera = new three.OrthographicCamera(-half, half, half, -half, 0, 2);
  camera.position.z = 1;

  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = side;
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('the browser gave no 2D canvas');
  const frames: string[] = [];
  for (const yaw of yaws) {
    mesh.rotation.y = (yaw * Math.PI) / 180;
    renderer.render(scene, camera);
    const view = await createImageBitmap(renderer.domElement);
    const [face] = await aligner.align(view, [boxOf(mesh, camera, aligner.model.landmarks)]);
    if (face === undefined) throw new Error('one box gives one face');
    context.drawImage(view, 0, 0);
    drawLandmarks(context, face.landmarks, face.visibility);
    drawAxes(context, face.landmarks, face.pose.matrix);
    frames.push(canvas.toDataURL('image/webp', 0.6));
  }
  return { side, frames };
}

window.turningHead = drawTurningHead();
