/**
 * For what only WebGL carries.
 * @param needs what needs it, and for what: "It draws with"
 * @throws Error where the browser has no WebGL.
 */
export function expectWebGL(needs: string): void {
  if (new OffscreenCanvas(1, 1).getContext('webgl2') !== null) return;
  throw new Error(`${needs} WebGL, which this browser does not give (headless Firefox never does on Linux)`);
}
