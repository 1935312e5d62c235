/**
 * Whether this is Firefox, for what it does otherwise and no feature tells.
 * @param userAgent empty where there is none, as in Node
 */
export function isFirefox(userAgent = globalThis.navigator?.userAgent ?? ''): boolean {
  return /\bFirefox\//.test(userAgent);
}
