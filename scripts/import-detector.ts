/**
 * Writes the default face detector's files into `weights/`:
 *
 *     npx tsx scripts/import-detector.ts
 *
 * from the model in the npm package `@mediapipe/face_detection`, a development dependency. Without changes to that or to the converter, the files
 * stay the same to the byte (tests/detect/import.test.ts).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { detectorFiles } from './detector-files.js';
import { repositoryRoot } from './page-host.js';

/** The pinned package's model. */
const model = join(repositoryRoot, 'node_modules/@mediapipe/face_detection/face_detection_short_range.tflite');

for (const [name, bytes] of detectorFiles(readFileSync(model))) {
  writeFileSync(join(repositoryRoot, 'weights', name), bytes);
  process.stderr.write(`weights/${name}: ${bytes.length} bytes\n`);
}
