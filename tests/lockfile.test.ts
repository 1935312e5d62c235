import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readLicences } from '../scripts/lockfile.js';

describe('the lockfile', () => {
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
