/** How often pictures travel to the GPU. */
import type { Page } from 'puppeteer';

declare global {
  interface Window {
    pictureUploads?: number;
  }
}

/**
 * Counts from the next document on: every way by which a picture gets into a texture, save the pixel that `create`
 * warms up with.
 */
export async function countUploads(page: Page): Promise<void> {
  await page.evaluateOnNewDocument(() => {
    window.pictureUploads = 0;
    for (const name of ['copyExternalImageToTexture', 'writeTexture'] as const) {
      const call: (...args: never[]) => undefined = GPUQueue.prototype[name];
      Object.defineProperty(GPUQueue.prototype, name, {
        value(this: GPUQueue, ...args: never[]) {
          const size: unknown = args.at(-1);
          if (String(size) !== '1,1') window.pictureUploads = (window.pictureUploads ?? 0) + 1;
          return call.apply(this, args);
        },
      });
    }
  });
}

/** Uploads since this was asked last. */
export function takeUploads(page: Page): Promise<number | undefined> {
  return page.evaluate(() => {
    const count = window.pictureUploads;
    window.pictureUploads = 0;
    return count;
  });
}
