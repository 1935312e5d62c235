/** The benchmark's page in a headless browser. */

import { mediapipeBase, mediapipeModel } from '../pages/routes.js';
import type { BrowserName } from '../scripts/browser.js';
import { PageHost } from '../scripts/page-host.js';
import { oneFile, packageFiles } from '../scripts/page-plugins.js';
import type { BenchmarkOptions } from './benchmark.js';
import type { Report } from './report.js';

const LOAD_TIMEOUT_MS = 120_000;

/**
 * Runs the benchmark.
 * @param landmarker model of MediaPipe's FaceLandmarker, where that is raced
 * @throws Error with the page's message where it fails there.
 */
export async function measureHeadless(
  browser: BrowserName,
  options: BenchmarkOptions,
  landmarker: Uint8Array | undefined,
  onProgress: (text: string, fraction: number) => void,
): Promise<Report> {
  const mediapipe = '@mediapipe/tasks-vision';
  const host = await PageHost.open({
    browser,
    offline: true,
    plugins:
      landmarker === undefined
        ? []
        : [
            packageFiles(mediapipeBase, `${mediapipe}/wasm`),
            packageFiles(mediapipeBase, mediapipe),
            oneFile(mediapipeModel, landmarker),
          ],
  });
  try {
    const page = await host.openPage('/bench/', async (opened) => {
      await opened.exposeFunction('onBenchmarkProgress', onProgress);
    });
    await page.waitForFunction(() => window.fullposeBench !== undefined, { timeout: LOAD_TIMEOUT_MS });
    return await page.evaluate((wanted) => window.fullposeBench.run(wanted), options);
  } finally {
    await host.close();
  }
}
