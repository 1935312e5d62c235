/**
 * three.js and the aligner on one GPUDevice: the aligned head over its photo, in the head's own frame.
 *
 * The scene is the picture: one unit a pixel, x right, y up, z toward the viewer; picture row y is at -y. The camera is
 * orthographic, as the aligner's is.
 */
import { decodeShape, FaceAligner, pictureCamera, toThreeMatrix } from 'fullpose';
import * as three from 'three/webgpu';
import { requireWebGpu } from '../webgpu.js';

await requireWebGpu();

const canvas = document.querySelector('canvas')!;
const photo = new Image();
photo.src = new URL('../../assets/astronaut.png', import.meta.url).href;
await photo.decode();
const { naturalWidth: width, naturalHeight: height } = photo;

const aligner = await FaceAligner.create({ maxFaces: 1 });
const [face] = await aligner.align(photo, [{ x0: 177, y0: 80, x1: 272, y1: 175, kind: 'detector' }]);
const { pose, identity, expression, landmarks, visibility } = face!;
const { model } = aligner;

/** The aligner's device draws the scene, too: what is in its memory need not leave it. */
export const renderer = new three.WebGPURenderer({ canvas, device: aligner.device, antialias: true });
renderer.setSize(canvas.width, canvas.height, false);
await renderer.init();

export const scene = new three.Scene();
const { left, right, top, bottom, near, far, z } = pictureCamera({ width, height });
export const camera = new three.OrthographicCamera(left, right, top, bottom, near, far);
camera.position.z = z;

const texture = new three.Texture(photo);
texture.colorSpace = three.SRGBColorSpace;
texture.needsUpdate = true;
export const background = new three.Mesh(
  new three.PlaneGeometry(width, height),
  new three.MeshBasicMaterial({ map: texture }),
);
background.position.set((width - 1) / 2, (1 - height) / 2, -width);
scene.add(background);

/** Everything in here is in the head's frame: decimetres, x to the subject's left, y up, z to the front. */
export const head = new three.Group();
head.matrixAutoUpdate = false;
head.matrix.fromArray(toThreeMatrix(pose));
scene.add(head);

const shape = Float32Array.from(decodeShape(model, identity, Object.values(expression)));
const geometry = new three.BufferGeometry();
geometry.setAttribute('position', new three.BufferAttribute(shape, 3));
geometry.setIndex(new three.BufferAttribute(model.triangles, 1));
geometry.computeVertexNormals();
export const mesh = new three.Mesh(
  geometry,
  new three.MeshNormalMaterial({ transparent: true, opacity: 0.6, wireframe: true }),
);
head.add(mesh);

/** A ball on every landmark. */
export const markers = new three.InstancedMesh(
  new three.SphereGeometry(0.012, 12, 8),
  new three.MeshBasicMaterial({ color: '#ffffff', depthTest: false }),
  model.landmarks.length,
);
for (const [point, vertex] of model.landmarks.entries()) {
  markers.setMatrixAt(point, new three.Matrix4().setPosition(new three.Vector3().fromArray(shape, vertex * 3)));
  markers.setColorAt(point, new three.Color(visibility[point] === 1 ? '#00ff88' : '#ff4466'));
}
markers.renderOrder = 1;
head.add(markers);

renderer.render(scene, camera);
document.querySelector('[role="status"]')!.textContent =
  `${model.vertexCount} vertices, yaw ${pose.yaw.toFixed(1)} degrees`;

export { aligner, landmarks };
