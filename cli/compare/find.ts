import { mediapipeBase, mediapipeModel } from '../../pages/routes.js';
import type { BrowserName } from '../../scripts/browser.js';
import { PageHost } from '../../scripts/page-host.js';
import { indexedPictures, oneFile, packageFiles } from '../../scripts/page-plugins.js';
import type { LabelledFace } from '../data/faces.js';
import type { Found } from '../figures.js';
import { createProgress } from '../progress.js';
import { boxOf, jpegOf, note } from '../questions.js';
import { findingOf, viewsOf } from './landmarker.js';

const startTimeoutMs = 180_000;

/** What the FaceLandmarker finds of each face. */
export async function findByLandmarker(
  browser: BrowserName,
  model: Uint8Array,
  faces: readonly LabelledFace[],
): Promise<readonly Found[]> {
  const host = await PageHost.open({
    browser,
    // The package would post statistics.
    offline: true,
    packages: ['@mediapipe/tasks-vision'],
    plugins: [
      packageFiles(mediapipeBase, '@mediapipe/tasks-vision/wasm'),
      oneFile(mediapipeModel, model),
      indexedPictures(async (index) => jpegOf(faces[index])),
    ],
  });
  const progress = createProgress(faces.length, 'pictures, FaceLandmarker');
  try {
    const page = await host.openPage('/cli/compare/', (opened) => {
      opened.on('pageerror', (error) => note(`page: ${String(error)}`));
    });
    await page.waitForFunction(() => window.findRival !== undefined, { timeout: startTimeoutMs });
    const findings: Found[] = [];
    for (const [index, face] of faces.entries()) {
      const views = viewsOf(boxOf(face));
      const reply = await page.evaluate((i, shown) => window.findRival!(i, shown), index, views);
      findings.push(reply === null ? undefined : findingOf(reply, views));
      progress.step();
    }
    return findings;
  } finally {
    progress.stop();
    await host.close();
  }
}
