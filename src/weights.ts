/**
 * Where the bundled weights lie: beside the module, wherever that was loaded from. Every file is named by a `new URL`
 * of its own, which is what bundlers look for when they copy files and rename them; it is looked at when the weights
 * are loaded, not when the module is.
 *
 * ```ts
 * import { weights } from 'fullpose/weights';
 * const aligner = await FaceAligner.create({ weights });
 * ```
 *
 * @module fullpose/weights
 */
import { besideModule, type WeightUrls } from './files/download.js';

/**
 * The bundled weights: what `FaceAligner.create` loads where it is given none.
 * @throws InputError from its fields where the module has no address, as in a classic script.
 */
export const weights: WeightUrls = {
  get manifest() {
    return besideModule(() => new URL('../weights/manifest.json', import.meta.url));
  },
  get files() {
    return besideModule(() => ({
      'face_model.safetensors': new URL('../weights/face_model.safetensors', import.meta.url),
      'network.json': new URL('../weights/network.json', import.meta.url),
      'iteration0.safetensors': new URL('../weights/iteration0.safetensors', import.meta.url),
      'iteration1.safetensors': new URL('../weights/iteration1.safetensors', import.meta.url),
      'iteration2.safetensors': new URL('../weights/iteration2.safetensors', import.meta.url),
    }));
  },
};
