/**
 * Service worker of the built site. It keeps the pages when it is installed; from then on everything comes from the
 * network as long as there is one, and from what is kept where there is none. Weights are left to the library, which
 * keeps them itself.
 */

/** What of a service worker's world is used here; the DOM's types know only the page's side. */
interface ExtendableEvent extends Event {
  waitUntil(promise: Promise<unknown>): void;
}

interface FetchEvent extends ExtendableEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

interface ServiceWorkerScope {
  /**
   * Written in front of this script by scripts/build-site.ts: a name of its own for every site, and the paths of what
   * is kept, from the root.
   */
  readonly site: { readonly name: string; readonly files: readonly string[] };
  readonly registration: { readonly scope: string };
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: 'install' | 'activate', listener: (event: ExtendableEvent) => void): void;
  addEventListener(type: 'fetch', listener: (event: FetchEvent) => void): void;
}

const worker = globalThis as unknown as ServiceWorkerScope;
const root = worker.registration.scope;
/** Other sites of the origin have caches of their own. */
const prefix = `fullpose pages ${root} `;
const cacheName = prefix + worker.site.name;
const kept = new Set(worker.site.files.map((file) => new URL(file, root).href));

async function install(): Promise<void> {
  const cache = await caches.open(cacheName);
  await cache.addAll([...kept].map((url) => new Request(url, { cache: 'no-cache' })));
  await worker.skipWaiting();
}

async function activate(): Promise<void> {
  const old = (await caches.keys()).filter((name) => name.startsWith(prefix) && name !== cacheName);
  await Promise.all(old.map((name) => caches.delete(name)));
  await worker.clients.claim();
}

/** The kept file that answers a request: of a folder, its page. */
function fileOf(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}${pathname.endsWith('/') ? 'index.html' : ''}`;
}

async function answer(request: Request): Promise<Response> {
  try {
    return await fetch(request);
  } catch (error) {
    // The same file comes with other headers where a script asks for it than where this worker does.
    const response = await caches.match(fileOf(request.url), { cacheName, ignoreVary: true });
    if (response !== undefined) return response;
    throw error;
  }
}

worker.addEventListener('install', (event) => event.waitUntil(install()));
worker.addEventListener('activate', (event) => event.waitUntil(activate()));
worker.addEventListener('fetch', (event) => {
  if (event.request.method === 'GET' && kept.has(fileOf(event.request.url))) event.respondWith(answer(event.request));
});

// A module, so that its names are its own.
export {};
