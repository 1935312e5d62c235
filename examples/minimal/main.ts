import { FaceAligner } from 'fullpose';
import { requireWebGpu } from '../webgpu.js';

await requireWebGpu();
const photo = document.querySelector('img')!;
await photo.decode();
const aligner = await FaceAligner.create();
const [face] = await aligner.align(photo, [{ x0: 177, y0: 80, x1: 272, y1: 175, kind: 'detector' }]);
const { landmarks, pose } = face!;

const canvas = document.querySelector('canvas')!;
[canvas.width, canvas.height] = [photo.naturalWidth, photo.naturalHeight];
const context = canvas.getContext('2d')!;
context.fillStyle = '#00ff88';
for (let i = 0; i < landmarks.length; i += 3) context.fillRect(landmarks[i]! - 0.5, landmarks[i + 1]! - 0.5, 2, 2);
document.querySelector('[role="status"]')!.textContent =
  `yaw ${pose.yaw.toFixed(1)}, pitch ${pose.pitch.toFixed(1)} degrees`;

export { landmarks };
