import { decodeBlob } from '../src/pictures/frame.js';

/** A picture could not be read or decoded. */
export class PictureError extends Error {
  readonly code: 'unreadable' | 'not-a-picture';

  constructor(code: PictureError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'PictureError';
    this.code = code;
  }
}

/**
 * Decodes a picture as it is meant to be seen (EXIF orientation applied), with its colour values as stored: the network
 * was trained on pictures decoded so.
 *
 * @throws PictureError where the browser cannot decode it.
 */
export async function decodePicture(blob: Blob, name: string): Promise<ImageBitmap> {
  try {
    return await decodeBlob(blob, { colorSpaceConversion: 'none', premultiplyAlpha: 'default' });
  } catch (cause) {
    throw new PictureError('not-a-picture', `${name} is not a picture that the browser can decode`, { cause });
  }
}

/** Loads and decodes the picture at `url`. @throws PictureError */
export async function fetchPicture(url: string, name = url): Promise<ImageBitmap> {
  const response = await fetch(url);
  if (!response.ok) throw new PictureError('unreadable', `cannot read ${name}: ${await response.text()}`);
  return decodePicture(await response.blob(), name);
}
