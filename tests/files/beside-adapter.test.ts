import { afterEach, describe, expect, it, vi } from 'vitest';
import { fetchWeights } from '../../src/cascade/manifest.js';
import { detectorWeights } from '../../src/detect/bundled.js';
import { FaceDetector, fetchDetectorWeights } from '../../src/detect/index.js';
import { besideModule } from '../../src/files/download.js';
import { FaceAligner, WebGPUUnavailableError } from '../../src/index.js';
import { weights } from '../../src/weights.js';

afterEach(() => {
  vi.unstubAllGlobals();
});

const creates = [
  ['FaceAligner', (options: object) => FaceAligner.create(options)],
  ['FaceDetector', (options: object) => FaceDetector.create(options)],
] as const;

/** A server that never sends the whole of a file. */
function stubServer() {
  const aborted: string[] = [];
  const asked: string[] = [];
  vi.stubGlobal('fetch', (url: URL, { signal }: RequestInit = {}) => {
    asked.push(url.href);
    return new Promise((_, reject) => {
      signal?.addEventListener('abort', () => {
        aborted.push(url.href);
        reject(signal.reason);
      });
    });
  });
  return { asked, aborted };
}

describe.each(creates)('%s.create', (_, create) => {
  it('asks for no weights where there is no WebGPU', async () => {
    const { asked } = stubServer();
    vi.stubGlobal('navigator', {});
    await expect(create({ weights: 'https://a.test/manifest.json' })).rejects.toThrow(WebGPUUnavailableError);
    await expect(create({ weights: 'https://a.test/manifest.json' })).rejects.toThrow('navigator.gpu is missing');
    expect(asked).toEqual([]);
  });

  it('ends the download where there is no adapter, and tells that', async () => {
    const { asked, aborted } = stubServer();
    vi.stubGlobal('navigator', { gpu: { requestAdapter: async () => null } });
    await expect(create({ weights: 'https://a.test/manifest.json' })).rejects.toThrow('found no adapter');
    expect(asked).toEqual(['https://a.test/manifest.json']);
    expect(aborted).toEqual(asked);
  });

  it('tells that there is no adapter rather than that the download failed before', async () => {
    vi.stubGlobal('fetch', async () => {
      throw new TypeError('fetch failed');
    });
    vi.stubGlobal('navigator', {
      gpu: { requestAdapter: () => new Promise((resolve) => setTimeout(resolve, 20, null)) },
    });
    await expect(create({ weights: 'https://a.test/manifest.json' })).rejects.toThrow(WebGPUUnavailableError);
  });

  it("gives the caller's reason where that aborts", async () => {
    const { aborted } = stubServer();
    vi.stubGlobal('navigator', { gpu: { requestAdapter: async () => ({}) } });
    const stop = new AbortController();
    const created = create({ weights: 'https://a.test/manifest.json', signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(created).rejects.toThrow('enough');
    expect(aborted).toHaveLength(1);
  });
});

describe('the bundled weights', () => {
  it('are read from files where the package lies in Node', async () => {
    expect((await fetchWeights(weights)).iterations.length).toBeGreaterThan(0);
    expect((await fetchDetectorWeights(detectorWeights)).views.length).toBeGreaterThan(0);
    await expect(fetchWeights(new URL('gone.json', weights.manifest))).rejects.toMatchObject({
      code: 'bad-weights',
      message: expect.stringMatching(/Fetching the manifest from file:.*gone\.json failed/),
    });
  });

  it('have no address where the module has none, and say what to do', () => {
    expect(() => besideModule(() => new URL('../weights/manifest.json', undefined))).toThrow(
      'wanted the option `weights`',
    );
    expect(() => besideModule(() => new URL('../weights/manifest.json', 'blob:https://a.test/1-2'))).toThrow(
      expect.objectContaining({ code: 'bad-input' }),
    );
  });
});
