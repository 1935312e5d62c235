/** The library on a page with a strict Content-Security-Policy. Built into one script by the server. */
import { FaceAligner } from '../../src/index.js';

export interface StrictReply {
  /** Directives that the library broke. */
  readonly violations: readonly string[];
  readonly finite: boolean;
  /** Whether the policy is in force: evaluating text must fail. */
  readonly textIsRefused: boolean;
}

declare global {
  interface Window {
    fullposeStrict?: (manifest: string) => Promise<StrictReply>;
  }
}

window.fullposeStrict = async (manifest) => {
  const broken: string[] = [];
  addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) =>
    broken.push(`${effectiveDirective} ${blockedURI}`),
  );
  const aligner = await FaceAligner.create({ weights: manifest, maxFaces: 1 });
  const picture = new ImageData(64, 48);
  const [face] = await aligner.align(picture, [{ x0: 10, y0: 8, x1: 50, y1: 44, kind: 'landmarks' }]);
  const finite = face?.landmarks.every(Number.isFinite) ?? false;
  if (face !== undefined) await aligner.render(face);
  aligner.destroy();
  await new Promise((resolve) => setTimeout(resolve, 50));
  const violations = [...broken];
  let textIsRefused = false;
  try {
    Reflect.construct(Function, ['return 1']);
  } catch {
    textIsRefused = true;
  }
  return { violations, finite, textIsRefused };
};
