import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readLicences } from '../scripts/lockfile.js';

/**
 * Packages that run a script of their own when they are installed: a prebuilt binary is chosen or checked. No others
 * may.
 */
const INSTALL_SCRIPTS = ['esbuild', 'protobufjs', 'puppeteer', 'vitepress/node_modules/esbuild', 'webgpu'];

interface LockEntry {
  readonly dev?: boolean;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
}

describe('the lockfile', () => {
  it('pins every package by its hash, has none that the library would ship, and knows who runs scripts', () => {
    const { packages }: { packages: Record<string, LockEntry> } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
    const entries = Object.entries(packages).filter(([path]) => path !== '');
    const named = (test: (entry: LockEntry) => boolean) =>
      entries.filter(([, entry]) => test(entry)).map(([path]) => path.replace('node_modules/', ''));
    expect(named(({ integrity }) => integrity?.startsWith('sha512-') !== true)).toEqual([]);
    expect(named(({ dev }) => dev !== true)).toEqual([]);
    expect(named(({ hasInstallScript }) => hasInstallScript === true)).toEqual(INSTALL_SCRIPTS);
  });

  it('is of a package that runs nothing when it is installed', () => {
    const { scripts }: { scripts: Record<string, string> } = JSON.parse(readFileSync('package.json', 'utf8'));
    const hooks = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish'];
    expect(hooks.filter((hook) => hook in scripts)).toEqual([]);
  });

  it('names only packages with licences that are allowed', () => {
    const { allowed, refused } = readLicences(JSON.parse(readFileSync('package-lock.json', 'utf8')));
    expect(refused).toEqual([]);
    expect(allowed.length).toBeGreaterThan(50);
  });

  it('is refused for an unknown licence, and for none', () => {
    const packages = {
      '': { license: 'MIT' },
      'node_modules/a': { version: '1.0.0', license: 'MIT' },
      'node_modules/b': { version: '2.0.0', license: 'SSPL-1.0' },
      'node_modules/b/node_modules/c': { version: '3.0.0' },
    };
    expect(readLicences({ packages })).toEqual({
      allowed: [{ name: 'a', version: '1.0.0', licence: 'MIT' }],
      refused: [
        { name: 'b', version: '2.0.0', licence: 'SSPL-1.0' },
        { name: 'c', version: '3.0.0', licence: 'none stated' },
      ],
    });
  });
});
