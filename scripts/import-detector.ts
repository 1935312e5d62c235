/**
 * Writes the default face detector's files into `weights/`:
 *
 *     npx tsx scripts/import-detector.ts [MODEL]
 *
 * from YuNet's .onnx file (default: that of `../shared/data`). Without changes to that or to the converter, the files
 * stay the same to the byte (tests/detect/import.test.ts).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { detectorFiles } from './detector-files.js';
import { repositoryRoot } from './page-host.js';

const model = process.argv[2] ?? join(repositoryRoot, '../shared/data/yunet/yunet_n_dynamic.onnx');

for (const [name, bytes] of detectorFiles(readFileSync(model))) {
  writeFileSync(join(repositoryRoot, 'weights', name), bytes);
  process.stderr.write(`weights/${name}: ${bytes.length} bytes\n`);
}
