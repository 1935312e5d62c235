/**
 * Weights are megabytes, and of no use without a GPU: they are loaded while one is looked for, and no further where
 * there is none.
 */
import { findAdapter, type GpuOptions, webGPU } from '../engine/device.js';

/**
 * What `load` gives, where the browser has an adapter or the caller a device.
 * @param load ends where the signal of its options aborts: the caller's, or where there is no adapter
 * @throws WebGPUUnavailableError where there is no adapter, whatever became of the load; what `load` throws; the reason
 * of the caller's signal where it aborts.
 */
export async function loadBesideAdapter<
  Options extends Omit<GpuOptions, 'label'> & { readonly signal?: AbortSignal },
  Loaded,
>(options: Options, load: (options: Options) => Promise<Loaded>): Promise<Loaded> {
  const { device, powerPreference, signal } = options;
  if (device !== undefined) {
    const loaded = await load(options);
    signal?.throwIfAborted();
    return loaded;
  }
  // Where there is no WebGPU at all nothing is asked for.
  webGPU();
  const missing = new AbortController();
  const adapter = findAdapter(powerPreference).catch((error: unknown) => {
    missing.abort(error);
    throw error;
  });
  const either = signal === undefined ? missing.signal : AbortSignal.any([signal, missing.signal]);
  const loading = load({ ...options, signal: either });
  const [found, loaded] = await Promise.allSettled([adapter, loading]);
  signal?.throwIfAborted();
  if (found.status === 'rejected') throw found.reason;
  if (loaded.status === 'rejected') throw loaded.reason;
  return loaded.value;
}
