/**
 * Weights from a URL: the manifest (docs/formats.md) and the files that it lists, with progress, checked against the manifest.
 */
import { InputError, WebGPUUnavailableError, WeightsError } from '../engine/errors.js';
import { show } from '../engine/show.js';
import { asRecord, expectValue, inFile, isPositive, parseJson } from '../host/json.js';
import { type CascadeWeights, parseWeights, type WeightBuffers } from './weights.js';

export interface LoadProgress {
  /** The file that is arriving. */
  readonly file: string;
  /** Bytes of all files so far, and in the end. */
  readonly loaded: number;
  readonly total: number;
}

export interface LoadOptions {
  /** How many iterations to load; default: all there are. */
  readonly iterations?: number;
  readonly onProgress?: (progress: LoadProgress) => void;
  readonly signal?: AbortSignal;
}

/** A manifest is a few hundred bytes; more than this is no manifest. */
const MAX_MANIFEST_BYTES = 2 ** 20;

const MANIFEST_FORMAT = 'fullpose-weights/1';

/**
 * Fetches the files that the manifest at `url` lists, only those that `iterations` needs, and checks their sizes and SHA-256. Nothing is kept
 * but the result: a load that fails stops its other downloads and leaves nothing behind.
 * @throws WeightsError naming the file, for an HTTP error, a wrong size or hash, or damaged contents; InputError where more iterations are
 * asked for than there are, or `url` is none; WebGPUUnavailableError outside a secure context; the signal's reason where it aborts.
 */
export async function fetchWeights(url: string | URL, options: LoadOptions = {}): Promise<CascadeWeights> {
  return parseWeights(await fetchWeightFiles(url, options));
}

interface ManifestFile {
  readonly bytes: number;
  readonly sha256: string;
}

interface Manifest {
  readonly faceModel: string;
  readonly network: string;
  readonly iterations: readonly string[];
  readonly files: ReadonlyMap<string, ManifestFile>;
}

async function fetchWeightFiles(url: string | URL, options: LoadOptions): Promise<WeightBuffers> {
  const { signal, onProgress } = options;
  signal?.throwIfAborted();
  if (globalThis.crypto?.subtle === undefined) {
    throw new WebGPUUnavailableError('No crypto.subtle here. Wanted: a secure context (https or localhost).');
  }
  const base = parseUrl(url, globalThis.location?.href);
  const manifestBytes = await fetchFile(base, 'the manifest', MAX_MANIFEST_BYTES, signal, () => {});
  const manifest = inFile(base.href, () => parseManifest(new TextDecoder().decode(manifestBytes)));
  const wanted = options.iterations ?? manifest.iterations.length;
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > manifest.iterations.length) {
    throw new InputError(`iterations is ${show(wanted)}; the weights have ${manifest.iterations.length}.`);
  }
  const names = [manifest.faceModel, manifest.network, ...manifest.iterations.slice(0, wanted)];
  const total = names.reduce((sum, name) => sum + (manifest.files.get(name)?.bytes ?? 0), 0);
  let loaded = 0;
  const failed = new AbortController();
  const either = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  try {
    const [faceModel, network, ...iterations] = await Promise.all(
      names.map(async (name) => {
        const entry = manifest.files.get(name);
        const bytes = await fetchFile(parseUrl(name, base), `'${name}'`, entry?.bytes ?? 0, either, (count) => {
          loaded += count;
          onProgress?.({ file: name, loaded, total });
        });
        await verify(name, bytes, entry);
        return bytes;
      }),
    );
    if (faceModel === undefined || network === undefined) throw new WeightsError('The manifest lists no files.');
    return { faceModel, network: new TextDecoder().decode(network), iterations };
  } catch (error) {
    // Whatever else is still arriving would be thrown away.
    failed.abort(error);
    throw error;
  }
}

function parseUrl(url: string | URL, base: string | URL | undefined): URL {
  try {
    return new URL(url, base);
  } catch (cause) {
    throw new InputError(`${show(url)} is no URL${base === undefined ? '' : ` beside ${show(String(base))}`}.`, {
      cause,
    });
  }
}

/** No folders and no schemes: the files lie where the manifest lies, on the server that the caller named. */
const FILE_NAME = /^\w[\w.-]*$/;

function parseManifest(text: string): Manifest {
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

/** Fetches one file of at most `most` bytes, telling `onBytes` how many each piece of it brought. */
async function fetchFile(
  url: URL,
  what: string,
  most: number,
  signal: AbortSignal | undefined,
  onBytes: (count: number) => void,
): Promise<ArrayBuffer> {
  const failure = (cause: unknown): WeightsError => {
    signal?.throwIfAborted();
    return new WeightsError(`Fetching ${what} from ${url.href} failed: ${String(cause)}`, { cause });
  };
  const response = await fetch(url, signal === undefined ? {} : { signal }).catch((cause: unknown) => {
    throw failure(cause);
  });
  if (!response.ok) {
    await response.body?.cancel().catch(() => {});
    throw new WeightsError(`Fetching ${what} from ${url.href} gave HTTP status ${response.status}; wanted 200.`);
  }
  const chunks: Uint8Array[] = [];
  const reader = response.body?.getReader();
  const next = async () =>
    reader?.read().catch((cause: unknown) => {
      throw failure(cause);
    });
  let length = 0;
  for (let piece = await next(); piece?.value !== undefined; piece = await next()) {
    chunks.push(piece.value);
    length += piece.value.byteLength;
    if (length > most) {
      await reader?.cancel().catch(() => {});
      throw new WeightsError(`${what} has ${length} bytes or more; wanted at most ${most}.`);
    }
    onBytes(piece.value.byteLength);
  }
  signal?.throwIfAborted();
  const file = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    file.set(chunk, at);
    at += chunk.byteLength;
  }
  return file.buffer;
}

async function verify(name: string, file: ArrayBuffer, entry: ManifestFile | undefined): Promise<void> {
  if (file.byteLength !== entry?.bytes) {
    throw new WeightsError(`'${name}' has ${file.byteLength} bytes; the manifest says ${entry?.bytes}.`);
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', file));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  if (hex !== entry.sha256) throw new WeightsError(`'${name}' has SHA-256 ${hex}; the manifest says ${entry.sha256}.`);
}
