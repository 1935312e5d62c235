/** The adapters' part that runs in Node, on Dawn (scripts/node-gpu.ts). */
import type { PixelData } from '../src/pictures/frame.js';
import { loadFromDisk } from '../tests/browser/node.js';
import { type AdapterResult, measureAdapters } from './adapters.js';

export default function measureInNode(sample: PixelData): Promise<readonly AdapterResult[]> {
  return measureAdapters(loadFromDisk, sample);
}
