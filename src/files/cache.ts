/**
 * Weights that a browser has loaded before, in its Cache API: files under their SHA-256, and the manifest of every
 * address that they were loaded from. Nothing here throws: where there is no Cache API, or it refuses (private windows,
 * full disks, sandboxed frames), the weights are fetched as if they were new.
 */
const CACHE_NAME = 'fullpose-weights';

/** Keys are requests; nobody answers at this address. */
const KEYS = 'https://fullpose.invalid/';
const MANIFEST_KEY = `${KEYS}manifest?`;

const fileKey = (sha256: string): string => `${KEYS}${sha256}`;
const manifestKey = (url: URL): string => `${MANIFEST_KEY}${encodeURIComponent(url.href)}`;

/** What a load keeps. */
export interface CachedWeights {
  /** Where the manifest was loaded from, and its bytes. */
  readonly url: URL;
  readonly manifest: ArrayBuffer;
  /** By SHA-256. */
  readonly files: ReadonlyMap<string, ArrayBuffer>;
}

/** The bytes kept under a hash, not yet checked. */
export function findFile(sha256: string): Promise<ArrayBuffer | undefined> {
  return find(fileKey(sha256));
}

/** The manifest as it was when it was last loaded from `url`. */
export function findManifest(url: URL): Promise<ArrayBuffer | undefined> {
  return find(manifestKey(url));
}

/** Forgets a file that turned out to be damaged. */
export async function dropFile(sha256: string): Promise<void> {
  await quietly(async (caches) => (await caches.open(CACHE_NAME)).delete(fileKey(sha256)));
}

/** All that is kept so far. */
let kept: Promise<unknown> = Promise.resolve();

/**
 * Keeps the files of one load, all of them checked, and drops those that no kept manifest names any more. Loads take
 * turns: the files of one whose manifest is still to come are nobody's to another.
 */
export function keep({ url, manifest, files }: CachedWeights): Promise<unknown> {
  kept = kept.then(() =>
    quietly(async (caches) => {
      const cache = await caches.open(CACHE_NAME);
      for (const [sha256, bytes] of files) await cache.put(fileKey(sha256), new Response(bytes));
      await cache.put(manifestKey(url), new Response(manifest));
      const keys = await cache.keys();
      const isManifest = (request: Request) => request.url.startsWith(MANIFEST_KEY);
      const manifests = await Promise.all(keys.filter(isManifest).map(async (key) => (await cache.match(key))?.text()));
      const named = manifests.join();
      for (const key of keys) {
        if (!isManifest(key) && !named.includes(key.url.slice(KEYS.length))) await cache.delete(key);
      }
    }),
  );
  return kept;
}

/**
 * Forgets all weights that this origin has kept. Aligners that are already made go on working.
 * @returns whether there were any
 */
export async function clearCache(): Promise<boolean> {
  return (await quietly((caches) => caches.delete(CACHE_NAME))) ?? false;
}

function find(key: string): Promise<ArrayBuffer | undefined> {
  // Asked by name rather than opened: opening makes a cache.
  return quietly(async (caches) => (await caches.match(key, { cacheName: CACHE_NAME }))?.arrayBuffer());
}

async function quietly<T>(action: (caches: CacheStorage) => Promise<T>): Promise<T | undefined> {
  try {
    // Some browsers throw where this is merely read.
    return await action(globalThis.caches);
  } catch {
    return undefined;
  }
}
