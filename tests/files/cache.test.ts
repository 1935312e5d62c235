import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fetchWeights } from '../../src/cascade/manifest.js';
import { WeightsError } from '../../src/engine/errors.js';
import { clearCache } from '../../src/files/cache.js';
import type { LoadProgress } from '../../src/files/download.js';
import { smallWeightBuffers } from '../cascade/small-weights.js';

const BASE = 'https://example.test/weights/';
const MANIFEST = `${BASE}manifest.json`;

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** What the library uses of the Cache API, in memory. */
class FakeCaches {
  readonly entries = new Map<string, Uint8Array<ArrayBuffer>>();
  /** Operations that are refused from now on. */
  refused: readonly ('match' | 'open' | 'put' | 'delete')[] = [];
  #isOpen = false;

  #check(operation: (typeof this.refused)[number]): void {
    if (this.refused.includes(operation)) throw new DOMException('no', 'QuotaExceededError');
  }

  async match(key: string, { cacheName }: { cacheName: string }): Promise<Response | undefined> {
    this.#check('match');
    expect(cacheName).toBe('fullpose-weights');
    const bytes = this.entries.get(key);
    return bytes && new Response(bytes);
  }

  async open(name: string) {
    this.#check('open');
    expect(name).toBe('fullpose-weights');
    this.#isOpen = true;
    return {
      put: async (key: string, response: Response) => {
        this.#check('put');
        this.entries.set(key, new Uint8Array(await response.arrayBuffer()));
      },
      delete: async (key: string | { url: string }) => this.entries.delete(typeof key === 'string' ? key : key.url),
      keys: async () => [...this.entries.keys()].map((url) => ({ url })),
      match: async ({ url }: { url: string }) => new Response(this.entries.get(url)),
    };
  }

  async delete(): Promise<boolean> {
    this.#check('delete');
    this.entries.clear();
    const was = this.#isOpen;
    this.#isOpen = false;
    return was;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }
}

let files: Map<string, Uint8Array<ArrayBuffer>>;
let asked: string[];
let caches: FakeCaches;
let online: boolean;

function publish(iterations = 3): void {
  const weights = smallWeightBuffers(iterations);
  files = new Map([
    ['face_model.safetensors', new Uint8Array(weights.faceModel)],
    ['network.json', new TextEncoder().encode(weights.network)],
    ...weights.iterations.map((file, k) => [`iteration${k}.safetensors`, new Uint8Array(file)] as const),
  ]);
  const manifest = {
    format: 'fullpose-weights/1',
    faceModel: 'face_model.safetensors',
    network: 'network.json',
    iterations: weights.iterations.map((_, k) => `iteration${k}.safetensors`),
    files: Object.fromEntries([...files].map(([name, data]) => [name, { bytes: data.length, sha256: sha256(data) }])),
  };
  files.set('manifest.json', new TextEncoder().encode(JSON.stringify(manifest)));
}

beforeEach(() => {
  publish();
  asked = [];
  online = true;
  caches = new FakeCaches();
  vi.stubGlobal('caches', caches);
  vi.stubGlobal('fetch', async (url: URL, { signal, cache }: RequestInit = {}) => {
    signal?.throwIfAborted();
    expect(cache).toBe('no-cache');
    const name = url.href.slice(BASE.length);
    asked.push(name);
    if (!online) throw new TypeError('Failed to fetch');
    return new Response(files.get(name) ?? 'no such file', { status: files.has(name) ? 200 : 404 });
  });
});

afterEach(() => {
  vi.unstubAllGlobals();
});

const keyOf = (name: string) => `https://fullpose.invalid/${sha256(files.get(name) ?? new Uint8Array())}`;

async function load(options: Parameters<typeof fetchWeights>[1] = {}) {
  asked = [];
  const progress: LoadProgress[] = [];
  const weights = await fetchWeights(MANIFEST, { ...options, onProgress: (step) => progress.push(step) });
  return { weights, progress };
}

describe('the cache of weights', () => {
  it('holds every file under its hash after a load, and the next load fetches the manifest alone', async () => {
    const first = await load();
    expect(first.progress.every(({ fromCache }) => !fromCache)).toBe(true);
    for (const [name, bytes] of files) {
      if (name !== 'manifest.json')
        expect(sha256(caches.entries.get(keyOf(name)) ?? new Uint8Array())).toBe(sha256(bytes));
    }
    expect(caches.entries.size).toBe(files.size);

    const second = await load();
    expect(asked).toEqual(['manifest.json']);
    expect(second.progress).toHaveLength(5);
    expect(second.progress.every(({ fromCache }) => fromCache)).toBe(true);
    expect(second.progress.at(-1)).toMatchObject({
      loaded: first.progress.at(-1)?.loaded,
      total: first.progress.at(-1)?.total,
    });
    expect(second.weights.initialParameters).toEqual(first.weights.initialParameters);
  });

  it('serves a page that is offline, or whose server refuses, but not one that never loaded', async () => {
    online = false;
    await expect(load()).rejects.toThrow(/manifest .* failed: TypeError/);
    online = true;
    await load();
    online = false;
    expect((await load()).weights.iterations).toHaveLength(3);
    online = true;
    files.clear();
    expect((await load()).weights.iterations).toHaveLength(3);
    await expect(fetchWeights(`${BASE}other/manifest.json`)).rejects.toThrow(/status 404/);
  });

  it.each([
    ['wrong', (bytes: Uint8Array<ArrayBuffer>) => bytes.map((byte, i) => (i === 500 ? byte ^ 1 : byte))],
    ['truncated', (bytes: Uint8Array<ArrayBuffer>) => bytes.slice(0, 100)],
    ['empty', () => new Uint8Array(0)],
  ])('drops an entry that is %s and fetches the file again', async (_, damage) => {
    await load();
    const name = 'iteration1.safetensors';
    const whole = caches.entries.get(keyOf(name));
    if (whole === undefined) throw new Error('nothing was kept');
    caches.entries.set(keyOf(name), damage(whole));
    const { weights } = await load();
    expect(asked.toSorted()).toEqual([name, 'manifest.json'].toSorted());
    expect(weights.iterations).toHaveLength(3);
    expect(sha256(caches.entries.get(keyOf(name)) ?? new Uint8Array())).toBe(sha256(whole));

    caches.entries.set(keyOf(name), damage(whole));
    online = false;
    await expect(load()).rejects.toThrow(WeightsError);
    expect(caches.entries.has(keyOf(name))).toBe(false);
  });

  it('keeps nothing of a load that failed', async () => {
    files.get('iteration2.safetensors')?.fill(7, 900, 901);
    await expect(load()).rejects.toThrow(/'iteration2\.safetensors' has SHA-256/);
    expect(caches.isOpen).toBe(false);
    const controller = new AbortController();
    const loading = fetchWeights(MANIFEST, { signal: controller.signal, onProgress: () => controller.abort() });
    await expect(loading).rejects.toThrow(/abort/);
    expect(caches.isOpen).toBe(false);
    expect(caches.entries.size).toBe(0);
  });

  it('forgets files that no manifest names any more', async () => {
    await load();
    const old = keyOf('iteration2.safetensors');
    publish(2);
    await load();
    expect(caches.entries.has(old)).toBe(false);
    expect(caches.entries.has(keyOf('iteration1.safetensors'))).toBe(true);
    expect(caches.entries.size).toBe(files.size);
  });

  it('leaves what another load is about to keep', async () => {
    const { files: listed, ...manifest } = JSON.parse(new TextDecoder().decode(files.get('manifest.json')));
    const { 'iteration2.safetensors': _, ...fewer } = listed;
    const other = { ...manifest, iterations: manifest.iterations.slice(0, 2), files: fewer };
    files.set('other.json', new TextEncoder().encode(JSON.stringify(other)));
    const open = caches.open.bind(caches);
    vi.spyOn(caches, 'open').mockImplementation(async (name) => {
      const cache = await open(name);
      const put = async (key: string, response: Response) => {
        await cache.put(key, response);
        // Time enough for the other one.
        if (key === keyOf('iteration2.safetensors')) await new Promise((resolve) => setTimeout(resolve, 50));
      };
      return { ...cache, put };
    });
    await Promise.all([load(), fetchWeights(`${BASE}other.json`)]);
    expect(caches.entries.size).toBe(files.size);
    await load();
    expect(asked).toEqual(['manifest.json']);
  });

  it('is left alone with cache: false, and emptied by clearCache', async () => {
    await load({ cache: false });
    expect(caches.isOpen).toBe(false);
    expect(await clearCache()).toBe(false);
    await load();
    await load({ cache: false });
    expect(asked).toHaveLength(files.size);
    expect(await clearCache()).toBe(true);
    await load();
    expect(asked).toHaveLength(files.size);
  });

  it.each([[['match']], [['open']], [['put']], [['match', 'open', 'put', 'delete']]] as const)(
    'does without where the browser refuses to %s',
    async (refused) => {
      caches.refused = refused;
      expect((await load()).weights.iterations).toHaveLength(3);
      expect((await load()).weights.iterations).toHaveLength(3);
      expect(typeof (await clearCache())).toBe('boolean');
    },
  );

  it('does without where there is none, or where reading it throws', async () => {
    vi.stubGlobal('caches', undefined);
    expect((await load()).weights.iterations).toHaveLength(3);
    expect(await clearCache()).toBe(false);
    Object.defineProperty(globalThis, 'caches', {
      configurable: true,
      get: () => {
        throw new DOMException('sandboxed', 'SecurityError');
      },
    });
    expect((await load()).weights.iterations).toHaveLength(3);
    Reflect.deleteProperty(globalThis, 'caches');
  });
});

describe('weights in other places', () => {
  it('come from the URL that is given for a file, and from beside the manifest otherwise', async () => {
    const moved = files.get('network.json');
    if (moved === undefined) throw new Error('no network');
    files.set('assets/network-4f2a.json', moved);
    files.delete('network.json');
    const urls = { manifest: MANIFEST, files: { 'network.json': `${BASE}assets/network-4f2a.json` } };
    expect((await fetchWeights(urls)).iterations).toHaveLength(3);
    expect(asked).toContain('assets/network-4f2a.json');
    expect(asked).toContain('face_model.safetensors');
  });
});
