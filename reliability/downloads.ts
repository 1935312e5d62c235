/**
 * Downloads that fail, and a cache that lies: the caller hears of it, nothing half-loaded is kept, and the next load is
 * right.
 */
import { clearCache, FullposeError, fetchWeights, parseWeights } from '../src/index.js';
import { smallWeightBuffers } from '../tests/cascade/small-weights.js';
import { type Fault, isFault, manifestOf, NETWORK_FAULTS } from './faults.js';
import { Tally } from './tally.js';

/** How a load ended. */
interface Loaded {
  /** Undefined where it loaded. */
  readonly code: string | undefined;
  readonly message: string;
  /** Names of the files that came out of the cache, and of those that were fetched. */
  readonly kept: ReadonlySet<string>;
  readonly fetched: ReadonlySet<string>;
}

/** Loads weights; what loads must be the right ones. */
async function load(fault: Fault, abortAfterBytes = Number.POSITIVE_INFINITY): Promise<Loaded> {
  const controller = new AbortController();
  const [kept, fetched] = [new Set<string>(), new Set<string>()];
  let settled = false;
  try {
    const { initialParameters, iterations } = await fetchWeights(manifestOf(fault), {
      signal: controller.signal,
      onProgress: ({ file, loaded, fromCache }) => {
        if (settled) throw new Error('progress after the end');
        (fromCache ? kept : fetched).add(file);
        if (loaded >= abortAfterBytes) controller.abort();
      },
    });
    const right = parseWeights(smallWeightBuffers());
    const numbers = [initialParameters, ...iterations.map(({ tensors }) => tensors.get('conv.weight')?.data)];
    const wanted = [
      right.initialParameters,
      ...right.iterations.map(({ tensors }) => tensors.get('conv.weight')?.data),
    ];
    if (numbers.join() !== wanted.join()) throw new Error('the weights are other ones');
    return { code: undefined, message: '', kept, fetched };
  } catch (error) {
    const message = String(error);
    if (error instanceof FullposeError) return { code: error.code, message, kept, fetched };
    // An abort rejects with the signal's reason, as every web API does.
    if (controller.signal.aborted && error === controller.signal.reason)
      return { code: 'aborted', message, kept, fetched };
    throw error;
  } finally {
    settled = true;
  }
}

const CACHE = 'fullpose-weights';

/** What the cache holds: requests' URLs. */
async function entries(): Promise<readonly string[]> {
  if (!(await caches.has(CACHE))) return [];
  return (await (await caches.open(CACHE)).keys()).map(({ url }) => url).sort();
}

/** Replaces an entry's contents, or removes the entry. */
async function damage(
  url: string,
  contents: ((bytes: Uint8Array) => Uint8Array<ArrayBuffer>) | undefined,
): Promise<void> {
  const cache = await caches.open(CACHE);
  const response = await cache.match(url);
  if (response === undefined) throw new Error(`the cache has no ${url}`);
  if (contents === undefined) await cache.delete(url);
  else await cache.put(url, new Response(contents(new Uint8Array(await response.arrayBuffer()))));
}

/** Runs `action` while a global is replaced. */
async function replacing<T>(name: 'fetch' | 'caches', value: unknown, action: () => Promise<T>): Promise<T> {
  const original = Object.getOwnPropertyDescriptor(globalThis, name);
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  try {
    return await action();
  } finally {
    if (original === undefined) Reflect.deleteProperty(globalThis, name);
    else Object.defineProperty(globalThis, name, original);
  }
}

const offline = <T>(action: () => Promise<T>): Promise<T> =>
  replacing('fetch', () => Promise.reject(new TypeError('Failed to fetch')), action);

function expectThat(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

/** Files of the small weights: face model, network and three iterations. */
const FILES = 5;

const flip = (bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(bytes, (byte, i) => (i === 40 ? byte ^ 1 : byte));
const halve = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => Uint8Array.from(bytes.subarray(0, bytes.length / 2));
const empty = (): Uint8Array<ArrayBuffer> => new Uint8Array(0);

export async function checkDownloads(onProgress: (done: number) => void): Promise<Tally> {
  const tally = new Tally();
  const run = async (name: string, action: () => Promise<void>): Promise<void> => {
    await tally.run(name, action);
    onProgress(tally.counts.cases);
  };
  await clearCache();
  await checkFaults(run);
  await checkCache(run);
  await clearCache();
  return tally;
}

type RunCase = (name: string, action: () => Promise<void>) => Promise<void>;

/** With an empty cache every fault is told, and leaves nothing behind. */
async function checkFaults(run: RunCase): Promise<void> {
  for (const [fault, wanted] of Object.entries(NETWORK_FAULTS)) {
    await run(`download, ${fault}`, async () => {
      if (!isFault(fault)) return;
      const { code, message } = await load(fault, wanted === 'aborted' ? 10_000 : undefined);
      expectThat(code === wanted, `ended with ${code}: ${message}; wanted ${wanted}`);
      expectThat(wanted === undefined || message.length > 20, `says only "${message}"`);
      const kept = [...(await entries()), ...(await indexedDB.databases())].length;
      expectThat(kept === (wanted === undefined ? FILES + 1 : 0), `${kept} entries are kept`);
    });
  }
  await run('download, no network', async () => {
    await clearCache();
    const { code } = await offline(() => load('none'));
    expectThat(code === 'bad-weights' && (await entries()).length === 0, `ended with ${code}`);
  });
}

/** Each case begins with a cache that holds one good load. */
async function checkCache(run: RunCase): Promise<void> {
  const isManifest = (url: string) => url.includes('manifest?');
  const cached = (name: string, action: (files: readonly string[], manifest: string) => Promise<void>) =>
    run(`cache, ${name}`, async () => {
      await clearCache();
      await load('none');
      const all = await entries();
      const manifest = all.find(isManifest);
      expectThat(all.length === FILES + 1 && manifest !== undefined, `the cache holds ${all.length} entries`);
      await action(
        all.filter((url) => !isManifest(url)),
        manifest ?? '',
      );
      // Whatever happened, the next load with a network is right and leaves a whole cache.
      const next = await load('none');
      expectThat(next.code === undefined, `the next load: ${next.message}`);
      expectThat((await entries()).join() === all.join(), 'the cache holds other entries than before');
      const last = await load('none');
      expectThat(
        last.kept.size === FILES && last.fetched.size === 0,
        `${last.fetched.size} files are fetched for ever`,
      );
    });
  const expectLoad = async (loading: Promise<Loaded>, fetched: number): Promise<void> => {
    const { code, message, ...loaded } = await loading;
    expectThat(code === undefined, `ended with ${code}: ${message}`);
    expectThat(loaded.fetched.size === fetched, `${loaded.fetched.size} files were fetched; wanted ${fetched}`);
  };

  for (const [how, contents] of Object.entries({ changed: flip, halved: halve, emptied: empty, gone: undefined })) {
    for (let file = 0; file < FILES; file++) {
      await cached(`file ${file} ${how}`, async (files) => {
        await damage(files[file] ?? '', contents);
        await expectLoad(load('none'), 1);
      });
    }
    await cached(`manifest ${how}`, async (_, manifest) => {
      await damage(manifest, contents);
      await expectLoad(load('none'), 0);
    });
    await cached(`manifest ${how}, no network`, async (_, manifest) => {
      // A changed byte may leave a manifest that reads as well; a wrong hash then fails the file.
      await damage(manifest, contents === flip ? halve : contents);
      const { code } = await offline(() => load('none'));
      expectThat(code === 'bad-weights', `ended with ${code}`);
    });
    await cached(`file ${how}, no network`, async (files) => {
      await damage(files[2] ?? '', contents);
      const { code } = await offline(() => load('none'));
      expectThat(code === 'bad-weights', `ended with ${code}`);
    });
  }
  await cached('all there, no network', () =>
    expectLoad(
      offline(() => load('none')),
      0,
    ),
  );
  // The same hashes: what the server would send is not asked for.
  for (const fault of ['short', 'other-bytes', 'missing', 'cut-off', 'slow'] as const) {
    await run(`cache, all there, server ${fault}`, async () => {
      await clearCache();
      await load('none');
      await expectLoad(load(fault), 0);
      await clearCache();
    });
  }
  await cached('aborted while it is read', async () => {
    const { code } = await load('none', 1);
    expectThat(code === 'aborted', `ended with ${code}`);
  });
  await cached('two loads at once into an empty one', async () => {
    await clearCache();
    const both = await Promise.all([load('none'), load('none')]);
    expectThat(
      both.every(({ code }) => code === undefined),
      both.map(({ message }) => message).join(),
    );
  });
  const refuse = () => Promise.reject(new DOMException('the disk is full', 'QuotaExceededError'));
  const full = { open: refuse, match: refuse, delete: refuse, has: refuse };
  for (const [how, value] of Object.entries({ 'that refuses': full, 'that is not there': undefined })) {
    await cached(how, () => replacing('caches', value, () => expectLoad(load('none'), FILES)));
  }
  const { put } = Cache.prototype;
  await cached('that fills up in the middle', async () => {
    await clearCache();
    let puts = 0;
    Cache.prototype.put = function (...args) {
      return ++puts > 3 ? refuse() : put.apply(this, args);
    };
    try {
      await expectLoad(load('none'), FILES);
    } finally {
      Cache.prototype.put = put;
    }
    // No manifest without its files: offline there is nothing to find.
    const { code } = await offline(() => load('none'));
    expectThat(code === 'bad-weights', `offline ended with ${code}`);
  });
}
