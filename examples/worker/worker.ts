/** Aligns video frames away from the page's thread, and draws what it saw on a canvas that the page handed over. */
import { FaceAligner, type FaceBox } from 'fullpose';
import type { Reply, Request } from './messages.js';

const reply = (message: Reply, transfer: Transferable[] = []) => postMessage(message, { transfer });

/** The face of the first frame; in later frames it is where the landmarks were. */
let box: FaceBox = { x0: 133, y0: 60, x1: 204, y1: 131, kind: 'detector' };
let context: OffscreenCanvasRenderingContext2D | null = null;
let aligner: FaceAligner | undefined;

async function start(canvas: OffscreenCanvas): Promise<void> {
  context = canvas.getContext('2d');
  aligner = await FaceAligner.create({ maxFaces: 1 });
  reply({ type: 'ready' });
}

async function align(frame: VideoFrame): Promise<void> {
  try {
    if (aligner === undefined) throw new Error('a frame came before the aligner was ready');
    const [face] = await aligner.align(frame, [box]);
    const landmarks = face!.landmarks.slice();
    box = boxOf(landmarks);
    draw(frame, landmarks);
    const { yaw, roll } = face!.pose;
    reply({ type: 'face', timestamp: frame.timestamp, landmarks, yaw, roll }, [landmarks.buffer]);
  } finally {
    frame.close();
  }
}

function draw(frame: VideoFrame, landmarks: Float32Array): void {
  if (context === null) return;
  context.drawImage(frame, 0, 0);
  context.fillStyle = '#00ff88';
  // Pixel centres are at integers in results and at halves on a canvas.
  for (let i = 0; i < landmarks.length; i += 3) context.fillRect(landmarks[i]! - 1, landmarks[i + 1]! - 1, 3, 3);
}

function boxOf(landmarks: Float32Array): FaceBox {
  const xs = landmarks.filter((_, i) => i % 3 === 0);
  const ys = landmarks.filter((_, i) => i % 3 === 1);
  return { x0: Math.min(...xs), y0: Math.min(...ys), x1: Math.max(...xs), y1: Math.max(...ys), kind: 'landmarks' };
}

addEventListener('message', ({ data }: MessageEvent<Request>) => {
  const done = data.type === 'start' ? start(data.canvas) : align(data.frame);
  done.catch((error: unknown) => reply({ type: 'failed', message: String(error) }));
});
