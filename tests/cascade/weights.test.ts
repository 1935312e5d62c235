import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fetchWeights } from '../../src/cascade/manifest.js';
import { parseWeights } from '../../src/cascade/weights.js';
import { InputError, ShapeError, WeightsError } from '../../src/engine/errors.js';
import type { LoadProgress } from '../../src/files/download.js';
import { safetensorsFile, smallModelFile } from '../mmm/files.js';
import { SMALL_METADATA, SMALL_NETWORK, smallIterationTensors, smallWeightBuffers } from './small-weights.js';

const BASE = 'https://example.test/weights/';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** The small weights as files, with their manifest. */
function smallFiles(): Map<string, Uint8Array<ArrayBuffer>> {
  const { faceModel, network, iterations } = smallWeightBuffers();
  const files = new Map<string, Uint8Array<ArrayBuffer>>([
    ['face_model.safetensors', new Uint8Array(faceModel)],
    ['network.json', new TextEncoder().encode(network)],
    ...iterations.map((file, k): [string, Uint8Array<ArrayBuffer>] => [
      `iteration${k}.safetensors`,
      new Uint8Array(file),
    ]),
  ]);
  const manifest = {
    format: 'fullpose-weights/1',
    faceModel: 'face_model.safetensors',
    network: 'network.json',
    iterations: [0, 1, 2].map((k) => `iteration${k}.safetensors`),
    files: Object.fromEntries([...files].map(([name, data]) => [name, { bytes: data.length, sha256: sha256(data) }])),
  };
  files.set('manifest.json', new TextEncoder().encode(JSON.stringify(manifest)));
  return files;
}

let files: Map<string, Uint8Array<ArrayBuffer>>;
let asked: string[];

beforeEach(() => {
  files = smallFiles();
  asked = [];
  vi.stubGlobal('fetch', async (url: URL, { signal }: RequestInit = {}) => {
    signal?.throwIfAborted();
    const name = url.href.slice(BASE.length);
    asked.push(name);
    const data = files.get(name);
    if (data === undefined) return new Response('no such file', { status: 404 });
    // In pieces, as a network brings them.
    let at = 0;
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (signal?.aborted) controller.error(signal.reason);
        else if (at < data.length) controller.enqueue(data.slice(at, at + 1000));
        else controller.close();
        at += 1000;
      },
    });
    return new Response(stream);
  });
});

afterEach(() => {
  vi.unstubAllGlobals();
});

const change = (name: string, edit: (json: Record<string, unknown>) => void): void => {
  const json: Record<string, unknown> = JSON.parse(new TextDecoder().decode(files.get(name)));
  edit(json);
  files.set(name, new TextEncoder().encode(JSON.stringify(json)));
};

describe('fetching weights', () => {
  it('loads every file once, with progress in bytes', async () => {
    const progress: LoadProgress[] = [];
    const weights = await fetchWeights(`${BASE}manifest.json`, { onProgress: (step) => progress.push(step) });
    expect(weights.iterations).toHaveLength(3);
    expect(weights.network.cropSize).toBe(32);
    expect([...asked].sort()).toEqual([...files.keys()].sort());
    const total = [...files].reduce((sum, [name, { length }]) => sum + (name === 'manifest.json' ? 0 : length), 0);
    expect(progress.every((step, i) => step.loaded > (progress[i - 1]?.loaded ?? 0))).toBe(true);
    expect(progress.at(-1)).toMatchObject({ loaded: total, total });
    expect(new Set(progress.map(({ file }) => file)).size).toBe(5);
  });

  it('fetches only the iterations that are wanted', async () => {
    const weights = await fetchWeights(new URL(`${BASE}manifest.json`), { iterations: 1 });
    expect(weights.iterations).toHaveLength(1);
    expect(asked).not.toContain('iteration1.safetensors');
  });

  it.each([0, 4, 1.5])('refuses %s iterations of 3', async (iterations) => {
    const loading = fetchWeights(`${BASE}manifest.json`, { iterations });
    await expect(loading).rejects.toThrow(InputError);
    await expect(loading).rejects.toThrow(`iterations is ${iterations}; wanted a whole number from 1 to 3.`);
  });

  it('stops where the signal says so, with its reason', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(fetchWeights(`${BASE}manifest.json`, { signal: controller.signal })).rejects.toBe(reason);
    expect(asked).toEqual([]);

    const later = new AbortController();
    const loading = fetchWeights(`${BASE}manifest.json`, {
      signal: later.signal,
      onProgress: () => later.abort(reason),
    });
    await expect(loading).rejects.toBe(reason);
  });

  it.each<[string, () => void, RegExp]>([
    ['a file that is missing', () => files.delete('iteration1.safetensors'), /'iteration1\.safetensors'.*status 404/],
    ['a manifest that is missing', () => files.delete('manifest.json'), /the manifest.*status 404/],
    [
      'a file that was changed',
      () => files.get('face_model.safetensors')?.fill(7, 1000, 1001),
      /'face_model\.safetensors' has SHA-256 [0-9a-f]{64}; the manifest says/,
    ],
    [
      'a file that was cut',
      () => files.set('network.json', new Uint8Array(10)),
      /'network\.json' has 10 bytes; the manifest says \d+/,
    ],
    [
      'a manifest of another kind',
      () => change('manifest.json', (json) => (json.format = 'x')),
      /manifest\.json: format is "x"/,
    ],
    [
      'a manifest without a hash',
      () => change('manifest.json', (json) => (json.files = { 'network.json': { bytes: 3 } })),
      /files\.network\.json is \{"bytes":3\}; wanted bytes and a sha256/,
    ],
    [
      'a manifest that names no such file',
      () => change('manifest.json', (json) => (json.network = 'n')),
      /network is "n"; wanted one of/,
    ],
    [
      'a manifest without iterations',
      () => change('manifest.json', (json) => (json.iterations = [])),
      /iterations is \[\]/,
    ],
    [
      'a manifest that is a page',
      () => files.set('manifest.json', new TextEncoder().encode('<!doctype html>')),
      /starts with "<!doctype/,
    ],
  ])('refuses %s', async (_, damage, message) => {
    damage();
    const loading = fetchWeights(`${BASE}manifest.json`);
    await expect(loading).rejects.toThrow(WeightsError);
    await expect(loading).rejects.toThrow(message);
  });

  it('says where a file could not be had from', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('network down')));
    await expect(fetchWeights(`${BASE}manifest.json`)).rejects.toThrow(/manifest from https:.*network down/);
  });
});

describe('parsing weights', () => {
  const network = (edit: Record<string, unknown>) => JSON.stringify({ ...SMALL_NETWORK, ...edit });
  const pac = (edit: Record<string, unknown>) => network({ pac: { ...SMALL_NETWORK.pac, ...edit } });
  const first = (edit: ReturnType<typeof smallIterationTensors>, metadata: Record<string, string> = SMALL_METADATA) => [
    safetensorsFile({ ...smallIterationTensors(0), ...edit }, metadata),
  ];

  it.each([
    ['no iterations', { iterations: [] }, /0 iterations/],
    ['an iteration of another format', { iterations: first({}, { format: 'y' }) }, /iteration 0: .*'format' is "y"/],
    [
      'no p^0',
      { iterations: [safetensorsFile(smallIterationTensors(1), SMALL_METADATA)] },
      /initial_parameters.*missing/,
    ],
    [
      'a p^0 that is not finite',
      { iterations: first({ initial_parameters: { shape: [16], data: new Float32Array(16).fill(Number.NaN) } }) },
      /not all finite/,
    ],
    ['a damaged face model', { faceModel: new ArrayBuffer(4) }, /In the face model: /],
    ['a face model with other bases', { faceModel: smallModelFile({ identityCount: 6 }) }, /6 identity.*network has 5/],
    [
      'a face model with other anchors',
      { faceModel: smallModelFile({ anchorRows: 3, anchorColumns: 6 }) },
      /3 x 6 anchors.*4 x 6/,
    ],
    ['a network that is no JSON', { network: '{' }, /network description: The file starts with "\{"/],
    ['another network format', { network: network({ format: 'z' }) }, /format is "z"/],
    ['an odd crop', { network: network({ cropSize: 31 }) }, /cropSize is 31/],
    ['no parameters', { network: network({ parameters: undefined }) }, /parameters\.count/],
    ['patches of 5 x 5', { network: pac({ patch: 5 }) }, /patch is 5; wanted 3/],
    ['anchors in a row', { network: pac({ anchors: [24] }) }, /wanted a name, anchors/],
    [
      'an update of other length',
      { network: network({ layers: SMALL_NETWORK.layers.slice(0, 2) }) },
      /output is \[1, 1, 8\]; wanted an update of 16/,
    ],
  ])('refuses %s', (_, change, message) => {
    expect(() => parseWeights({ ...smallWeightBuffers(1), ...change })).toThrow(WeightsError);
    expect(() => parseWeights({ ...smallWeightBuffers(1), ...change })).toThrow(message);
  });

  it('refuses layers that do not fit each other', () => {
    const layers = SMALL_NETWORK.layers.map((layer) => (layer.name === 'fc1' ? { ...layer, inFeatures: 7 } : layer));
    expect(() => parseWeights({ ...smallWeightBuffers(1), network: network({ layers }) })).toThrow(ShapeError);
  });
});
