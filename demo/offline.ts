/**
 * Makes the next visit work without a network.
 * @param needed addresses beside those that have been loaded by now
 * @returns whether all of it is kept; false where the browser has no service workers, or refuses.
 */
export async function keepForOffline(needed: readonly string[]): Promise<boolean> {
  if (!('serviceWorker' in navigator)) return false;
  try {
    await navigator.serviceWorker.register(new URL('./offline-worker.ts', import.meta.url), { type: 'module' });
    const { active } = await navigator.serviceWorker.ready;
    const loaded = performance.getEntriesByType('resource').map(({ name }) => name);
    const urls = [location.href, ...needed.map((url) => new URL(url, location.href).href), ...loaded];
    const { port1, port2 } = new MessageChannel();
    const kept = new Promise<boolean>((resolve) => {
      port1.onmessage = ({ data }) => resolve(data === true);
    });
    active?.postMessage(urls, [port2]);
    return await kept;
  } catch {
    // The page works all the same.
    return false;
  }
}
