/**
 * Service worker of the demo: everything comes from the network as long as there is one, and from the last visit where there is none. Weights are
 * left to the library, which keeps them itself.
 */

const cacheName = 'fullpose-demo';

/** The same file comes with other headers where a script asks for it than where this worker does. */
const lenient: CacheQueryOptions = { ignoreVary: true };

/** What of a service worker's world is used here; the DOM's types know only the page's side. */
interface ExtendableEvent extends Event {
  waitUntil(promise: Promise<unknown>): void;
}

interface FetchEvent extends ExtendableEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

interface ServiceWorkerScope {
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
  addEventListener(type: 'install' | 'activate', listener: (event: ExtendableEvent) => void): void;
  addEventListener(type: 'fetch', listener: (event: FetchEvent) => void): void;
  addEventListener(type: 'message', listener: (event: ExtendableEvent & MessageEvent<readonly string[]>) => void): void;
}

const scope = globalThis as unknown as ServiceWorkerScope;

const isKept = ({ method, url }: Request) => {
  const { origin, pathname } = new URL(url);
  return method === 'GET' && origin === location.origin && !pathname.startsWith('/weights/');
};

async function keep(request: Request, response: Response): Promise<void> {
  const cache = await caches.open(cacheName);
  const [old, tag] = [await cache.match(request, lenient), response.headers.get('etag')];
  if (old === undefined || tag === null || old.headers.get('etag') !== tag) await cache.put(request, response);
}

async function answer(event: FetchEvent): Promise<Response> {
  const { request } = event;
  try {
    const response = await fetch(request);
    if (response.status === 200) event.waitUntil(keep(request, response.clone()));
    return response;
  } catch (error) {
    const kept = await (await caches.open(cacheName)).match(request, lenient);
    if (kept !== undefined) return kept;
    throw error;
  }
}

/** Fetches what the page loaded before this worker was there. */
async function keepAll(urls: readonly string[]): Promise<void> {
  const cache = await caches.open(cacheName);
  for (const url of urls) {
    const request = new Request(url);
    if (!isKept(request) || (await cache.match(request, lenient)) !== undefined) continue;
    const response = await fetch(request);
    if (response.status === 200) await cache.put(request, response);
  }
}

scope.addEventListener('install', (event) => event.waitUntil(scope.skipWaiting()));
scope.addEventListener('activate', (event) => event.waitUntil(scope.clients.claim()));
scope.addEventListener('fetch', (event) => {
  if (isKept(event.request)) event.respondWith(answer(event));
});
scope.addEventListener('message', (event) => {
  const done = keepAll(event.data);
  event.waitUntil(done);
  void done.then(
    () => event.ports[0]?.postMessage(true),
    () => event.ports[0]?.postMessage(false),
  );
});

// A module, so that its names are its own.
export {};
