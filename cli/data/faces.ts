import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileReason } from '../../scripts/file-errors.js';
import { UsageError } from '../options.js';
import { NpzFile } from './npy.js';
import { parseTar } from './tar.js';

/**
 * A picture of the data set: a crop of 192x192, or of val-infant a whole picture, with its labels in its pixels,
 * 0-based, y down.
 */
export interface LabelledFace {
  /** Member of the split's archive, as "val-afw/01675.jpg". */
  readonly image: string;
  readonly jpeg: Uint8Array;
  /** [68, 2]: the markup, or undefined where the source has none. */
  readonly landmarks2d: Float32Array | undefined;
  /** [68, 3]: the label network's points, undefined for whole pictures. */
  readonly landmarks3d: Float32Array | undefined;
  /** [30, 2]: the fiducials of CFP, undefined elsewhere. */
  readonly fiducials: Float32Array | undefined;
}

/** One 192x192 crop of labels.npz. */
export interface LabelledCrop extends LabelledFace {
  /** [68, 3]: the label network's points, larger z nearer. */
  readonly landmarks3d: Float32Array;
}

export const landmarkCount = 68;

/** The labels and the archive of a split. @throws UsageError where one cannot be read. */
async function readFiles(folder: string, split: string, labelsFile: string) {
  const labelsPath = join(folder, 'faces', labelsFile);
  const tarPath = join(folder, 'faces', `${split}.tar`);
  const read = async (path: string) => {
    try {
      return await readFile(path);
    } catch (error) {
      throw new UsageError(
        `cannot read ${path}: ${fileReason(error)}; wanted, of the split "${split}", a --data folder with ` +
          `faces/${labelsFile} and faces/${split}.tar`,
      );
    }
  };
  return { labelsPath, labels: await read(labelsPath), tarPath, archive: await read(tarPath) };
}

/**
 * Reads one split (as "val-afw") of `<folder>/faces`: labels.npz and `<split>.tar`.
 *
 * @throws UsageError where a file cannot be read, Error where one is damaged or labels and archive disagree.
 */
export async function readSplit(folder: string, split: string): Promise<readonly LabelledCrop[]> {
  const { labelsPath, labels, tarPath, archive } = await readFiles(folder, split, 'labels.npz');
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
      fiducials: undefined,
    });
  });
  if (crops.length === 0) throw new Error(`${labelsPath} has no rows of the split "${split}"`);
  return crops;
}

/** The splits that {@link readHardFaces} reads. */
export const hardSplits = ['val-infant', 'val-cfp', 'val-closed-eyes'] as const;

export const isHardSplit = (name: string): boolean => hardSplits.some((split) => split === name);

/**
 * Reads a split of labels-more.npz (as "val-cfp"), or val-infant with its own file.
 *
 * @throws Error as {@link readSplit}.
 */
export async function readHardFaces(folder: string, split: string): Promise<readonly LabelledFace[]> {
  const isWhole = split === 'val-infant';
  const file = isWhole ? `${split}.npz` : 'labels-more.npz';
  const { labelsPath, labels, tarPath, archive } = await readFiles(folder, split, file);
  const names = isWhole ? ['image', 'landmarks2d'] : ['image', 'landmarks3d', 'landmarks2d', 'fiducials30'];
  const npz = new NpzFile(labels, labelsPath, names);
  const files = parseTar(archive, tarPath);
  const images = npz.strings('image');
  const rows = (name: string, points: number, width: number) => {
    if (!names.includes(name)) return () => undefined;
    const { data } = npz.floats(name, [images.length, points, width]);
    return (row: number) => {
      const values = data.subarray(row * points * width, (row + 1) * points * width);
      return values.some(Number.isNaN) ? undefined : values;
    };
  };
  const landmarks2d = rows('landmarks2d', landmarkCount, 2);
  const landmarks3d = rows('landmarks3d', landmarkCount, 3);
  const fiducials = rows('fiducials30', 30, 2);
  const faces = images.flatMap((image, row): LabelledFace[] => {
    if (!image.startsWith(`${split}/`)) return [];
    const jpeg = files.get(image);
    if (jpeg === undefined) throw new Error(`${tarPath} has no ${image}, which ${labelsPath} names`);
    return [{ image, jpeg, landmarks2d: landmarks2d(row), landmarks3d: landmarks3d(row), fiducials: fiducials(row) }];
  });
  if (faces.length === 0) throw new Error(`${labelsPath} has no rows of the split "${split}"`);
  return faces;
}
