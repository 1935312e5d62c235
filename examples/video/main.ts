/** The faces of a video file or webcam, followed from frame to frame. */
import { FaceAligner } from 'fullpose';
import { FaceDetector } from 'fullpose/detect';
import { FaceTracker, type TrackedFace } from 'fullpose/track';
import { requireWebGpu } from '../webgpu.js';

await requireWebGpu();

const video = document.querySelector('video')!;
const canvas = document.querySelector('canvas')!;
const context = canvas.getContext('2d')!;
const status = document.querySelector('[role="status"]')!;

const aligner = await FaceAligner.create({ maxFaces: 4 });
const detector = await FaceDetector.create({ device: aligner.device, search: 'whole' });
const tracker = await FaceTracker.create({ aligner, detector, maxFaces: 4, smoothing: true });

/** Those of the last frame. */
export let faces: readonly TrackedFace[] = [];

/** Frames that come while this one is worked on pass unseen: a slow GPU makes the page less fluent, never late. */
async function onFrame(now: number): Promise<void> {
  try {
    faces = await tracker.track(video, now);
    draw();
    status.textContent = faces.map(({ id, pose }) => `face ${id}: yaw ${pose.yaw.toFixed(0)}`).join(', ') || 'no face';
  } catch (error) {
    status.textContent = String(error);
  }
  video.requestVideoFrameCallback(onFrame);
}

function draw(): void {
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  // Pixel centres are at integers in results and at halves on a canvas.
  context.translate(0.5, 0.5);
  context.fillStyle = '#00ff88';
  context.font = '16px system-ui';
  for (const { id, landmarks, box } of faces) {
    for (let i = 0; i < landmarks.length; i += 3) context.fillRect(landmarks[i]! - 1, landmarks[i + 1]! - 1, 2, 2);
    context.fillText(`${id}`, box.x0, box.y0 - 8);
  }
}

/** Another video has other faces. */
function play(source: { readonly file: File } | { readonly stream: MediaStream }): void {
  tracker.reset();
  video.srcObject = 'stream' in source ? source.stream : null;
  if ('file' in source) video.src = URL.createObjectURL(source.file);
}

const input = document.querySelector('input')!;
input.addEventListener('change', () => {
  const file = input.files?.[0];
  if (file !== undefined) play({ file });
});
document.querySelector('button')!.addEventListener('click', async () => {
  try {
    play({ stream: await navigator.mediaDevices.getUserMedia({ video: true }) });
  } catch (error) {
    status.textContent = String(error);
  }
});
video.requestVideoFrameCallback(onFrame);
status.textContent = 'Ready';
