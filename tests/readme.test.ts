import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { repositoryRoot } from '../scripts/page-host.js';

const read = (path: string) => readFileSync(join(repositoryRoot, path), 'utf8');

/** The first block of code in `language`. */
function firstBlock(markdown: string, language: string): string | undefined {
  return new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'ms').exec(markdown)?.[1];
}

describe('README.md', () => {
  // The package's tests run those two files.
  it.each([
    ['html', 'docs/guide/first-page.html'],
    ['ts', 'docs/guide/first-app.ts'],
  ])('shows first in %s what %s has', (language, path) => {
    expect(firstBlock(read('README.md'), language)).toBe(read(path));
  });

  it('shows pictures that are there, small enough to be loaded at once', () => {
    const pictures = [...read('README.md').matchAll(/(?:src|srcset)="(docs\/[^"]+)"/g)].map(([, path]) => path ?? '');
    expect(pictures.length).toBeGreaterThan(5);
    const bytes = pictures.map((path) => readFileSync(join(repositoryRoot, path)).length);
    expect(bytes.reduce((sum, count) => sum + count)).toBeLessThan(300_000);
  });
});
