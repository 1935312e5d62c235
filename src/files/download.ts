/**
 * Weights from URLs: a manifest and the files that it lists, with progress, checked against the manifest, and kept for
 * the next time.
 */
import { InputError, WebGPUUnavailableError, WeightsError } from '../engine/errors.js';
import { expectObject, expectOptions, type Names, refuse } from '../engine/expect.js';
import { reason, show } from '../engine/show.js';
import { dropFile, findFile, findManifest, keep } from './cache.js';
import { asRecord, inFile, isPositive } from './json.js';

/**
 * Where weights lie: their manifest, and those of its files that are not beside it, by the names that it gives them.
 */
export interface WeightUrls {
  /** Of the manifest: it says which files there are, and their sizes and hashes. */
  readonly manifest: string | URL;
  /** Of its files, by their names there. Default: beside the manifest. */
  readonly files?: Readonly<Record<string, string | URL>>;
}

/** How far a download has come. */
export interface LoadProgress {
  /** The file that is arriving. */
  readonly file: string;
  /** Bytes of all files so far. */
  readonly loaded: number;
  /** Bytes of all files in the end. */
  readonly total: number;
  /** Whether these bytes came out of the browser's cache: no download is going on. */
  readonly fromCache: boolean;
}

/** Options of whatever downloads weights. */
export interface DownloadOptions {
  /** Called whenever bytes have arrived. */
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Ends the downloads and the making of what they are for: `create` rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Whether weights from URLs are kept in the browser's Cache API and looked for there (default true). */
  readonly cache?: boolean;
}

export interface ManifestFile {
  readonly bytes: number;
  readonly sha256: string;
}

/** The files that a manifest lists, by name. */
export type ManifestFiles = ReadonlyMap<string, ManifestFile>;

/** What a manifest of some kind is, and what is made of its files. */
export interface ManifestKind<M extends { readonly files: ManifestFiles }, T> {
  /** @throws WeightsError for a field that is missing or wrong. */
  parseManifest(text: string): M;
  /** The files that are wanted. @throws InputError where the caller wants what is not there. */
  choose(manifest: M): readonly string[];
  /** @param file contents of one that was chosen */
  parse(manifest: M, file: (name: string) => ArrayBuffer): T;
}

/** A manifest is a few hundred bytes; more than this is no manifest. */
const MAX_MANIFEST_BYTES = 2 ** 20;

/**
 * What the types say already, for callers without them.
 * @param others names of the options that are none of downloads
 * @throws InputError
 */
export function checkDownloadOptions<Options extends DownloadOptions>(
  options: Options,
  others: Names<Omit<NoInfer<Options>, keyof DownloadOptions>>,
): void {
  expectOptions<DownloadOptions>(options, { onProgress: 1, signal: 1, cache: 1, ...others });
  const { onProgress, signal, cache = true } = options;
  if (onProgress !== undefined && typeof onProgress !== 'function') refuse('onProgress', onProgress, 'a function');
  if (signal !== undefined && !(signal instanceof AbortSignal)) refuse('signal', signal, 'an AbortSignal');
  if (typeof cache !== 'boolean') refuse('cache', cache, 'true or false');
}

/** No folders and no schemes: the files lie where the manifest lies, on the server that the caller named. */
const FILE_NAME = /^\w[\w.-]*$/;

/** Reads `files` of a manifest. @throws WeightsError for an impossible name, size or hash. */
export function parseManifestFiles(value: unknown): ManifestFiles {
  const entries = Object.entries(asRecord(value, 'files')).map(([name, file]): [string, ManifestFile] => {
    const { bytes, sha256 } = asRecord(file, `files.${name}`);
    if (!FILE_NAME.test(name)) {
      throw new WeightsError(`files names ${show(name)}; wanted names of files beside the manifest.`);
    }
    if (!isPositive(bytes) || typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) {
      throw new WeightsError(`files.${name} is ${show(file)}; wanted bytes and a sha256 in hexadecimal.`);
    }
    return [name, { bytes, sha256 }];
  });
  return new Map(entries);
}

/** The file that a field of a manifest names. @throws WeightsError where it is not among `files`. */
export function listedFile(files: ManifestFiles, value: unknown, field: string): string {
  if (typeof value !== 'string' || !files.has(value)) {
    throw new WeightsError(`${field} is ${show(value)}; wanted one of ${show([...files.keys()])}.`);
  }
  return value;
}

/**
 * Fetches the wanted files that a manifest lists, checks their sizes and SHA-256, and parses them. What the browser has
 * kept of an earlier load is not fetched again, and where the manifest cannot be had, the one of the last load will do:
 * after one load a page works offline. A load that fails stops its other downloads and leaves nothing behind, in the
 * cache either.
 * @param options checked by `checkDownloadOptions`; they may have others
 * @throws WeightsError naming the file, for an HTTP error, a wrong size or hash, or damaged contents; InputError where
 * a URL is none; WebGPUUnavailableError outside a secure context; the signal's reason where it aborts; what `kind`
 * throws.
 */
export async function fetchListed<M extends { readonly files: ManifestFiles }, T>(
  from: string | URL | WeightUrls,
  kind: ManifestKind<M, T>,
  options: DownloadOptions,
): Promise<T> {
  const { signal, cache = true } = options;
  signal?.throwIfAborted();
  if (globalThis.crypto?.subtle === undefined) {
    throw new WebGPUUnavailableError('No crypto.subtle here. Wanted: a secure context (https or localhost).');
  }
  const urls: WeightUrls = isUrl(from) ? { manifest: from } : from;
  expectObject(urls, 'weights');
  const { files: elsewhere = {} } = urls;
  expectObject(elsewhere, 'weights.files');
  const url = parseUrl(urls.manifest, globalThis.location?.href);
  const { manifest, bytes } = await fetchManifest(url, (text) => kind.parseManifest(text), cache, signal);
  const names = kind.choose(manifest);
  const urlOf = (name: string) => parseUrl(elsewhere[name] ?? name, url);
  const files = await fetchFiles(names, manifest.files, urlOf, options);
  const result = kind.parse(manifest, (name) => files.get(name) ?? new ArrayBuffer(0));
  // Data and blob URLs are no addresses to come back to.
  if (cache && url.protocol.startsWith('http')) {
    const byHash = [...files].map(([name, file]) => [manifest.files.get(name)?.sha256 ?? '', file] as const);
    await keep({ url, manifest: bytes, files: new Map(byHash) });
  }
  return result;
}

/**
 * Addresses beside a module, made now.
 * @throws InputError where the module has no address: in a bundle that is a classic script, or a worker from a blob.
 */
export function besideModule<T>(addresses: () => T): T {
  try {
    return addresses();
  } catch (cause) {
    throw new InputError(
      'Where the package lies is not known here (a classic script, or a worker from a blob); wanted the option `weights`.',
      { cause },
    );
  }
}

/** The manifest from the network, or, where it cannot be had there, as the last load kept it. */
async function fetchManifest<M>(
  url: URL,
  parseManifest: (text: string) => M,
  cache: boolean,
  signal: AbortSignal | undefined,
): Promise<{ readonly manifest: M; readonly bytes: ArrayBuffer }> {
  const parse = (bytes: ArrayBuffer) => ({
    manifest: inFile(url.href, () => parseManifest(new TextDecoder().decode(bytes))),
    bytes,
  });
  let bytes: ArrayBuffer;
  try {
    bytes = await fetchFile(url, 'the manifest', MAX_MANIFEST_BYTES, signal, () => {});
  } catch (cause) {
    signal?.throwIfAborted();
    const kept = cache && cause instanceof WeightsError ? await findManifest(url) : undefined;
    if (kept === undefined) throw cause;
    return parse(kept);
  }
  return parse(bytes);
}

/** The files `names`, by name, each from the cache or the network. */
async function fetchFiles(
  names: readonly string[],
  listed: ManifestFiles,
  urlOf: (name: string) => URL,
  { signal, onProgress, cache = true }: DownloadOptions,
): Promise<ReadonlyMap<string, ArrayBuffer>> {
  const total = names.reduce((sum, name) => sum + (listed.get(name)?.bytes ?? 0), 0);
  const failed = new AbortController();
  const either = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  let loaded = 0;
  const fetchOne = async (name: string): Promise<[string, ArrayBuffer]> => {
    const entry = listed.get(name);
    if (entry === undefined) throw new WeightsError(`The manifest lists no '${name}'.`);
    const count = (bytes: number, fromCache: boolean): void => {
      loaded += bytes;
      onProgress?.({ file: name, loaded, total, fromCache });
    };
    const kept = cache ? await findChecked(entry) : undefined;
    if (kept !== undefined) {
      either.throwIfAborted();
      count(kept.byteLength, true);
      return [name, kept];
    }
    const file = await fetchFile(urlOf(name), `'${name}'`, entry.bytes, either, (bytes) => count(bytes, false));
    const difference = await differenceFrom(entry, file);
    if (difference !== undefined) throw new WeightsError(`'${name}' ${difference}.`);
    return [name, file];
  };
  try {
    return new Map(await Promise.all(names.map(fetchOne)));
  } catch (error) {
    // Whatever else is still arriving would be thrown away.
    failed.abort(error);
    throw error;
  }
}

/** The file as the cache keeps it; a damaged one is dropped. */
async function findChecked(entry: ManifestFile): Promise<ArrayBuffer | undefined> {
  const kept = await findFile(entry.sha256);
  if (kept === undefined || (await differenceFrom(entry, kept)) === undefined) return kept;
  await dropFile(entry.sha256);
  return undefined;
}

function isUrl(value: unknown): value is string | URL {
  return typeof value === 'string' || value instanceof URL;
}

function parseUrl(url: string | URL, base: string | URL | undefined): URL {
  if (!isUrl(url)) refuse("A file's address", url, 'a URL');
  try {
    return new URL(url, base);
  } catch (cause) {
    throw new InputError(
      `${show(url)} is no URL${base === undefined ? '' : ` beside ${show(base instanceof URL ? base.href : base)}`}.`,
      {
        cause,
      },
    );
  }
}

/** What is used of Node's files. */
interface NodeFiles {
  readFile(url: URL, options: { readonly signal?: AbortSignal }): Promise<Uint8Array>;
}

/** Node's own files, which its `fetch` does not read; undefined in a browser. */
function nodeFiles(): NodeFiles | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?(name: string): unknown } };
  return process?.getBuiltinModule?.('node:fs/promises') as NodeFiles | undefined;
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
    return new WeightsError(`Fetching ${what} from ${url.href} failed: ${reason(cause)}`, { cause });
  };
  const local = url.protocol === 'file:' ? nodeFiles() : undefined;
  if (local !== undefined) {
    const file = await local.readFile(url, signal === undefined ? {} : { signal }).catch((cause: unknown) => {
      throw failure(cause);
    });
    if (file.byteLength > most) throw new WeightsError(`${what} has ${file.byteLength} bytes; wanted at most ${most}.`);
    onBytes(file.byteLength);
    return new Uint8Array(file).buffer;
  }
  // Files keep their names when weights change: a copy that the HTTP cache holds is asked after.
  const init: RequestInit = { cache: 'no-cache', ...(signal !== undefined && { signal }) };
  const response = await fetch(url, init).catch((cause: unknown) => {
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

/** What is wrong with a file's contents, to follow its name in a message; undefined where nothing is. */
async function differenceFrom({ bytes, sha256 }: ManifestFile, file: ArrayBuffer): Promise<string | undefined> {
  if (file.byteLength !== bytes) return `has ${file.byteLength} bytes; the manifest says ${bytes}`;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', file));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex === sha256 ? undefined : `has SHA-256 ${hex}; the manifest says ${sha256}`;
}
