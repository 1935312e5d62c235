/** weights/manifest.json (docs/formats.md): the files of a cascade, with their sizes and hashes. */
import { WeightsError } from '../engine/errors.js';
import { show } from '../engine/show.js';
import { asRecord, expectValue, isPositive, parseJson } from '../host/json.js';

const MANIFEST_FORMAT = 'fullpose-weights/1';

export interface ManifestFile {
  readonly bytes: number;
  readonly sha256: string;
}

export interface Manifest {
  readonly faceModel: string;
  readonly network: string;
  readonly iterations: readonly string[];
  readonly files: ReadonlyMap<string, ManifestFile>;
}

/** No folders and no schemes: the files lie where the manifest lies, on the server that the caller named. */
const FILE_NAME = /^\w[\w.-]*$/;

/** @throws WeightsError for a field that is missing or wrong. */
export function parseManifest(text: string): Manifest {
  const json = parseJson(text);
  expectValue(json, 'format', MANIFEST_FORMAT);
  const entries = Object.entries(asRecord(json.files, 'files')).map(([name, value]): [string, ManifestFile] => {
    const { bytes, sha256 } = asRecord(value, `files.${name}`);
    if (!FILE_NAME.test(name)) {
      throw new WeightsError(`files names ${show(name)}; wanted names of files beside the manifest.`);
    }
    if (!isPositive(bytes) || typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) {
      throw new WeightsError(`files.${name} is ${show(value)}; wanted bytes and a sha256 in hexadecimal.`);
    }
    return [name, { bytes, sha256 }];
  });
  const files = new Map(entries);
  const file = (value: unknown, field: string): string => {
    if (typeof value !== 'string' || !files.has(value)) {
      throw new WeightsError(`${field} is ${show(value)}; wanted one of ${show([...files.keys()])}.`);
    }
    return value;
  };
  if (!Array.isArray(json.iterations) || json.iterations.length === 0) {
    throw new WeightsError(`iterations is ${show(json.iterations)}; wanted a list of file names.`);
  }
  return {
    faceModel: file(json.faceModel, 'faceModel'),
    network: file(json.network, 'network'),
    iterations: json.iterations.map((name: unknown, k) => file(name, `iterations[${k}]`)),
    files,
  };
}
