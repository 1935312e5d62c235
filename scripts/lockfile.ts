/**
 * Licences of the packages that the lockfile names. They are development dependencies all: the library ships none of
 * them.
 */

export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  /** SPDX, as the package states it. */
  readonly licence: string;
}

/** Licences that a development dependency may have. */
export const ALLOWED: readonly string[] = [
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'MIT OR Apache-2.0',
  'MPL-2.0',
  'Python-2.0',
];

/** Packages of a parsed package-lock.json, by whether their licence is allowed. */
export function readLicences(lockfile: { readonly packages: Readonly<Record<string, unknown>> }): {
  readonly allowed: readonly LockedPackage[];
  readonly refused: readonly LockedPackage[];
} {
  const packages = Object.entries(lockfile.packages)
    .filter(([path]) => path !== '')
    .map(([path, entry]) => describe(path, entry));
  return {
    allowed: packages.filter(({ licence }) => ALLOWED.includes(licence)),
    refused: packages.filter(({ licence }) => !ALLOWED.includes(licence)),
  };
}

function describe(path: string, entry: unknown): LockedPackage {
  const { version, license } =
    typeof entry === 'object' && entry !== null ? { version: '', license: '', ...entry } : {};
  return { name: path.replace(/^.*node_modules\//, ''), version: version || '?', licence: license || 'none stated' };
}
