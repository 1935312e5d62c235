/** The bundled weights, read file by file as their manifest says. */
import type { WeightBuffers } from '../../src/cascade/weights.js';

/** @param load gives a file of the repository, by its path from the root */
export async function shippedWeights(load: (path: string) => Promise<ArrayBuffer>): Promise<WeightBuffers> {
  const text = async (name: string) => new TextDecoder().decode(await load(`weights/${name}`));
  const manifest: { readonly faceModel: string; readonly network: string; readonly iterations: readonly string[] } =
    JSON.parse(await text('manifest.json'));
  const [network, faceModel, ...iterations] = await Promise.all([
    text(manifest.network),
    load(`weights/${manifest.faceModel}`),
    ...manifest.iterations.map((name) => load(`weights/${name}`)),
  ]);
  return { faceModel, network, iterations };
}
