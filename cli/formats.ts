/** What `align --format` can ask for: one list, which the usage, the page and the names of the files follow. */
import { facePictures, type PictureOutput } from '../pages/maps.js';

const pictureFormats = Object.keys(facePictures) as PictureOutput[];

/**
 * `json` is the numbers, `png` the overlay, `gltf` a binary glTF file; the outputs of a face that are pictures follow,
 * PNG files each.
 */
export const formats = ['json', 'obj', 'ply', 'gltf', 'png', ...pictureFormats] as const;
export type Format = (typeof formats)[number];

/** Formats that the page makes; JSON is made from its reply. */
export type DrawnFormat = Exclude<Format, 'json'>;
/** Formats of which every face has a file of its own. */
export type FaceFormat = Exclude<DrawnFormat, 'png'>;

/** What the drawn files end in. */
export const drawnEndings = {
  png: '.overlay.png',
  obj: '.obj',
  ply: '.ply',
  gltf: '.glb',
  ...Object.fromEntries(pictureFormats.map((name) => [name, `.${name}.png`])),
} as Readonly<Record<DrawnFormat, string>>;

export function drawnFormats(wanted: readonly Format[]): readonly DrawnFormat[] {
  return wanted.filter((format) => format !== 'json');
}

export function faceFormats(wanted: readonly Format[]): readonly FaceFormat[] {
  return wanted.filter((format) => format !== 'json' && format !== 'png');
}
