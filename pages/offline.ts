/**
 * On the built site: makes visits work without a network from the first one on. Every page of the site loads this
 * module.
 */

/**
 * Whether the pages of the site are kept; resolves once they are. False where the pages are served from the repository,
 * and where the browser has no service workers, or refuses. Weights are not among the pages: the library keeps them
 * itself.
 */
export const keptForOffline: Promise<boolean> = keep();

async function keep(): Promise<boolean> {
  if (import.meta.env.DEV || !('serviceWorker' in navigator)) return false;
  try {
    // Beside the folder of this script, at the root of the site: that is how far a worker reaches.
    await navigator.serviceWorker.register(new URL(/* @vite-ignore */ '../offline-worker.js', import.meta.url));
    await navigator.serviceWorker.ready;
    return true;
  } catch {
    // The page works all the same.
    return false;
  }
}
