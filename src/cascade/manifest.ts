/** weights/manifest.json (docs/formats.md): the files of a cascade, fetched and parsed. */
import { WeightsError } from '../engine/errors.js';
import { expectWhole } from '../engine/expect.js';
import { show } from '../engine/show.js';
import {
  checkDownloadOptions,
  type DownloadOptions,
  fetchListed,
  listedFile,
  type ManifestFiles,
  parseManifestFiles,
  type WeightUrls,
} from '../files/download.js';
import { expectValue, parseJson } from '../files/json.js';
import { type CascadeWeights, parseWeights } from './weights.js';

/** Options of whatever loads a cascade's weights. */
export interface LoadOptions extends DownloadOptions {
  /** How many iterations to load; default: all there are. Without the last every face's `confidence` is 0.5. */
  readonly iterations?: number;
}

interface Manifest {
  readonly faceModel: string;
  readonly network: string;
  readonly iterations: readonly string[];
  readonly files: ManifestFiles;
}

const MANIFEST_FORMAT = 'fullpose-weights/1';

/**
 * Fetches the weights that a manifest lists, only the files that `iterations` needs; see `fetchListed`.
 * @throws as `fetchListed`; InputError where more iterations are asked for than there are.
 */
export async function fetchWeights(
  from: string | URL | WeightUrls,
  options: LoadOptions = {},
): Promise<CascadeWeights> {
  checkDownloadOptions(options, { iterations: 1 });
  return fetchCascade(from, options);
}

/** The same with options that are checked already, and may have others. */
export function fetchCascade(from: string | URL | WeightUrls, options: LoadOptions): Promise<CascadeWeights> {
  const wanted = ({ iterations }: Manifest): readonly string[] => iterations.slice(0, options.iterations);
  return fetchListed(
    from,
    {
      parseManifest,
      choose: (manifest) => {
        const { iterations } = options;
        if (iterations !== undefined) expectWhole('iterations', iterations, 1, manifest.iterations.length);
        return [manifest.faceModel, manifest.network, ...wanted(manifest)];
      },
      parse: (manifest, file) =>
        parseWeights({
          faceModel: file(manifest.faceModel),
          network: new TextDecoder().decode(file(manifest.network)),
          iterations: wanted(manifest).map(file),
        }),
    },
    options,
  );
}

function parseManifest(text: string): Manifest {
  const json = parseJson(text);
  expectValue(json, 'format', MANIFEST_FORMAT);
  const files = parseManifestFiles(json.files);
  if (!Array.isArray(json.iterations) || json.iterations.length === 0) {
    throw new WeightsError(`iterations is ${show(json.iterations)}; wanted a list of file names.`);
  }
  return {
    faceModel: listedFile(files, json.faceModel, 'faceModel'),
    network: listedFile(files, json.network, 'network'),
    iterations: json.iterations.map((name: unknown, k) => listedFile(files, name, `iterations[${k}]`)),
    files,
  };
}
