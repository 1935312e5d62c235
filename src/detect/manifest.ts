/** weights/detector.json (docs/formats.md): the detector's files, fetched and parsed. */
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
import { type DetectorWeights, parseDetectorWeights } from './weights.js';

interface Manifest {
  readonly network: string;
  readonly weights: string;
  readonly files: ManifestFiles;
}

const MANIFEST_FORMAT = 'fullpose-detector-manifest/1';

/**
 * Fetches the detector that a manifest lists.
 * @throws as `fetchListed`; ShapeError where layers do not fit each other.
 */
export async function fetchDetectorWeights(
  from: string | URL | WeightUrls,
  options: DownloadOptions = {},
): Promise<DetectorWeights> {
  checkDownloadOptions(options, {});
  return fetchDetector(from, options);
}

/** The same with options that are checked already, and may have others. */
export function fetchDetector(from: string | URL | WeightUrls, options: DownloadOptions): Promise<DetectorWeights> {
  return fetchListed(
    from,
    {
      parseManifest,
      choose: ({ network, weights }) => [network, weights],
      parse: ({ network, weights }, file) =>
        parseDetectorWeights({ network: new TextDecoder().decode(file(network)), weights: file(weights) }),
    },
    options,
  );
}

function parseManifest(text: string): Manifest {
  const json = parseJson(text);
  expectValue(json, 'format', MANIFEST_FORMAT);
  const files = parseManifestFiles(json.files);
  return {
    network: listedFile(files, json.network, 'network'),
    weights: listedFile(files, json.weights, 'weights'),
    files,
  };
}
