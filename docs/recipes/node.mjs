import { readFileSync } from 'node:fs';
import { destroyFinder, findFaces } from 'fullpose/find';
import { PNG } from 'pngjs';
import { create, globals } from 'webgpu';

Object.assign(globalThis, globals);
Object.defineProperty(globalThis, 'navigator', { value: { gpu: create([]) }, configurable: true });

const { width, height, data } = PNG.sync.read(readFileSync(process.argv[2]));
for (const { pose, landmarks } of await findFaces({ width, height, data }))
  console.log(`yaw ${pose.yaw.toFixed(1)}, nose tip: ${landmarks[90].toFixed(0)}, ${landmarks[91].toFixed(0)}`);
await destroyFinder();
process.exit();
