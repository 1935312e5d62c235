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

/** One that has markup. */
export interface MarkedCrop extends LabelledCrop {
  readonly landmarks2d: Float32Array;
}

export const landmarkCount = 68;

/**
 * The labels of a split, and the files of its archive by name.
 *
 * @param names the arrays that are wanted of the labels
 * @throws UsageError where one cannot be read, or the labels know no such split.
 */
async function readFiles(folder: string, split: string, labelsFile: string, names: readonly string[]) {
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
  const npz = new NpzFile(await read(labelsPath), labelsPath, names);
  const images = npz.strings('image');
  if (!images.some((image) => image.startsWith(`${split}/`))) {
    const known = new Set([...images.map((image) => image.slice(0, image.indexOf('/'))), ...hardSplits]);
    known.delete(split);
    throw new UsageError(`${labelsPath} has no split "${split}"; wanted one of ${[...known].join(', ')}`);
  }
  return { labelsPath, npz, images, tarPath, files: parseTar(await read(tarPath), tarPath) };
}

/**
 * Reads one split (as "val-afw") of `<folder>/faces`: labels.npz and `<split>.tar`.
 *
 * @throws UsageError where a file cannot be read or has no such split, Error where one is damaged or labels and archive
 * disagree.
 */
export async function readSplit(folder: string, split: string): Promise<readonly LabelledCrop[]> {
  const names = ['image', 'landmarks3d', 'landmarks2d'];
  const { labelsPath, npz, images, tarPath, files } = await readFiles(folder, split, 'labels.npz', names);
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
  return crops;
}

/**
 * The pictures of a split of labels.npz that have 2D markup.
 *
 * @throws UsageError where none has; otherwise as {@link readSplit}.
 */
export async function readMarked(folder: string, split: string): Promise<readonly MarkedCrop[]> {
  const marked = (await readSplit(folder, split)).filter((crop): crop is MarkedCrop => crop.landmarks2d !== undefined);
  if (marked.length === 0)
    throw new UsageError(
      `no picture of the split "${split}" has 2D markup; wanted one of val-afw, ${hardSplits.join(', ')}, or another that has`,
    );
  return marked;
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
  const names = isWhole ? ['image', 'landmarks2d'] : ['image', 'landmarks3d', 'landmarks2d', 'fiducials30'];
  const { labelsPath, npz, images, tarPath, files } = await readFiles(folder, split, file, names);
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
  return images.flatMap((image, row): LabelledFace[] => {
    if (!image.startsWith(`${split}/`)) return [];
    const jpeg = files.get(image);
    if (jpeg === undefined) throw new Error(`${tarPath} has no ${image}, which ${labelsPath} names`);
    return [{ image, jpeg, landmarks2d: landmarks2d(row), landmarks3d: landmarks3d(row), fiducials: fiducials(row) }];
  });
}
