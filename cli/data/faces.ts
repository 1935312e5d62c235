import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NpzFile } from './npy.js';
import { parseTar } from './tar.js';

/** One 192x192 crop of the data set with its labels; points are in crop pixels, 0-based, y down. */
export interface LabelledCrop {
  /** Member of the split's archive, as "val-afw/01675.jpg". */
  readonly image: string;
  readonly jpeg: Uint8Array;
  /** [68, 3]: the label network's points, larger z nearer. */
  readonly landmarks3d: Float32Array;
  /** [68, 2]: the markup, or undefined where the source has none. */
  readonly landmarks2d: Float32Array | undefined;
}

export const landmarkCount = 68;

/**
 * Reads one split (as "val-afw") of `<folder>/faces`: labels.npz and `<split>.tar`.
 *
 * @throws Error where a file is missing or damaged, or labels and archive disagree.
 */
export async function readSplit(folder: string, split: string): Promise<readonly LabelledCrop[]> {
  const labelsPath = join(folder, 'faces', 'labels.npz');
  const tarPath = join(folder, 'faces', `${split}.tar`);
  const [labels, archive] = await Promise.all([readFile(labelsPath), readFile(tarPath)]);
  const npz = new NpzFile(labels, labelsPath, ['image', 'landmarks3d', 'landmarks2d']);
  const files = parseTar(archive, tarPath);
  const images = npz.strings('image');
  const points3d = npz.floats('landmarks3d', [images.length, landmarkCount, 3]).data;
  const points2d = npz.floats('landmarks2d', [images.length, landmarkCount, 2]).data;
  const crops: LabelledCrop[] = [];
  images.forEach((image, row) => {
    if (!image.startsWith(`${split}/`)) return;
    const jpeg = files.get(image);
    if (jpeg === undefined) throw new Error(`${tarPath} has no ${image}, which ${labelsPath} names`);
    const markup = points2d.subarray(row * landmarkCount * 2, (row + 1) * landmarkCount * 2);
    crops.push({
      image,
      jpeg,
      landmarks3d: points3d.subarray(row * landmarkCount * 3, (row + 1) * landmarkCount * 3),
      landmarks2d: markup.some(Number.isNaN) ? undefined : markup,
    });
  });
  if (crops.length === 0) throw new Error(`${labelsPath} has no rows of the split "${split}"`);
  return crops;
}
