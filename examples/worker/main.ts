/**
 * Makes video frames from a canvas and gives them to a worker, the next one when the last is done: no queue builds up,
 * however slow the GPU.
 */
import { requireWebGpu } from '../webgpu.js';
import type { Reply, Request } from './messages.js';

await requireWebGpu();

/** Microseconds. */
const frameDuration = 100_000;

const source = document.querySelector<HTMLCanvasElement>('#source')!;
const context = source.getContext('2d')!;
const status = document.querySelector('[role="status"]')!;
const photo = new Image();
photo.src = new URL('../../assets/astronaut.png', import.meta.url).href;
await photo.decode();

/** Radians by which the head is tilted in a frame: to and fro in 8 seconds of video. */
export const tiltOf = (timestamp: number) => 0.25 * Math.sin((2 * Math.PI * timestamp) / 8e6);

function paint(tilt: number): void {
  const { width, height } = source;
  context.resetTransform();
  context.clearRect(0, 0, width, height);
  context.translate(width / 2, height / 2);
  context.rotate(tilt);
  context.drawImage(photo, -width / 2, -height / 2, width, height);
}

const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
const send = (message: Request, transfer: Transferable[]) => worker.postMessage(message, transfer);

const result = document.querySelector<HTMLCanvasElement>('#result')!.transferControlToOffscreen();
send({ type: 'start', canvas: result }, [result]);

/** What the worker said last. */
export let latest: Reply | undefined;

worker.addEventListener('message', ({ data }: MessageEvent<Reply>) => {
  latest = data;
  if (data.type === 'failed') status.textContent = data.message;
  if (data.type === 'face') status.textContent = `roll ${data.roll.toFixed(1)}, yaw ${data.yaw.toFixed(1)} degrees`;
  // The first frame is upright: there the worker knows where to look.
  if (data.type === 'ready') sendFrame(0);
  if (data.type === 'face') requestAnimationFrame(() => sendFrame(data.timestamp + frameDuration));
});

function sendFrame(timestamp: number): void {
  paint(tiltOf(timestamp));
  const frame = new VideoFrame(source, { timestamp });
  send({ type: 'frame', frame }, [frame]);
}
