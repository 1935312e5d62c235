/** A detector that is not the library's: here the visitor, who drags a box round a face or types it. */
import { type Detector, FaceAligner, type FaceBox } from 'fullpose';
import { requireWebGpu } from '../webgpu.js';

await requireWebGpu();
const photo = document.querySelector('img')!;
const canvas = document.querySelector('canvas')!;
const input = document.querySelector('input')!;
const status = document.querySelector('[role="status"]')!;

/** All that the library asks of a detector; `FaceTracker` takes it as well. */
class Visitor implements Detector {
  async detect(): Promise<FaceBox[]> {
    const [x0, y0, x1, y1] = input.value.split(/[ ,]+/).map(Number) as [number, number, number, number];
    return [
      { x0: Math.min(x0, x1), y0: Math.min(y0, y1), x1: Math.max(x0, x1), y1: Math.max(y0, y1), kind: 'detector' },
    ];
  }
}

await photo.decode();
[canvas.width, canvas.height] = [photo.naturalWidth, photo.naturalHeight];
const context = canvas.getContext('2d')!;
context.strokeStyle = context.fillStyle = '#00ff88';
const aligner = await FaceAligner.create();
const detector = new Visitor();
const picture = await aligner.upload(photo);

/** [68,3] each. */
export let landmarks: readonly Float32Array[] = [];

async function align(): Promise<void> {
  try {
    const boxes = await detector.detect();
    // The box lies round the face in another way than the library expects. A second run, in the box of what the first
    // one found, forgives that.
    const first = await aligner.align(picture, boxes);
    const faces = await aligner.align(
      picture,
      first.map(({ box }) => box),
    );
    landmarks = faces.map((face) => face.landmarks);
    draw(boxes);
    status.textContent = faces.map(({ confidence }) => `a face, ${Math.round(100 * confidence)} % sure`).join();
  } catch (error) {
    // A box without size, or something that is no number.
    status.textContent = error instanceof Error ? error.message : String(error);
  }
}

function draw(boxes: readonly FaceBox[]): void {
  context.clearRect(0, 0, canvas.width, canvas.height);
  for (const { x0, y0, x1, y1 } of boxes) context.strokeRect(x0, y0, x1 - x0, y1 - y0);
  for (const points of landmarks) {
    for (let i = 0; i < points.length; i += 3) context.fillRect(points[i]! - 0.5, points[i + 1]! - 0.5, 2, 2);
  }
}

/** Of a pointer, in pixels of the picture. */
function at({ offsetX, offsetY }: PointerEvent): string {
  const scale = canvas.width / canvas.clientWidth;
  return `${Math.round(offsetX * scale)} ${Math.round(offsetY * scale)}`;
}

let start: string | undefined;
canvas.addEventListener('pointerdown', (event) => {
  canvas.setPointerCapture(event.pointerId);
  start = at(event);
});
canvas.addEventListener('pointermove', (event) => {
  if (start !== undefined) input.value = `${start} ${at(event)}`;
});
canvas.addEventListener('pointerup', () => {
  start = undefined;
  void align();
});
input.addEventListener('change', () => void align());
await align();
