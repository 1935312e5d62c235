import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DEFAULT_SMOOTHING } from '../src/track/smoothing.js';

const read = (path: string) => readFileSync(path, 'utf8');

/** Paths of all pages that are written by hand. */
const pages = readdirSync('docs', { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.md') && !/^(api|\.vitepress)\//.test(path))
  .map((path) => join('docs', path));

describe('the documentation', () => {
  it('has the default of each part of the smoothing', () => {
    const rows = read('docs/tracking.md').matchAll(/^\| `(\w+)`.*\| ([\d.]+) \| ([\d.]+) \|$/gm);
    const told = [...rows].map(([, part, minCutoff, beta]) => [
      part,
      { minCutoff: Number(minCutoff), beta: Number(beta) },
    ]);
    expect(Object.fromEntries(told)).toEqual(DEFAULT_SMOOTHING);
  });

  it('lists every code of an error, and no other', () => {
    const [, union = ''] = /export type ErrorCode =([^;]+);/.exec(read('src/engine/errors.ts')) ?? [];
    const codes = [...union.matchAll(/'([\w-]+)'/g)].map(([, code]) => code);
    const listed = [...read('docs/guide/troubleshooting.md').matchAll(/^\| `([\w-]+)` \|/gm)].map(([, code]) => code);
    expect(codes.length).toBeGreaterThan(5);
    expect(listed).toEqual(codes);
  });

  it('has a page of the API for every entry point, by its name', () => {
    const { exports }: { exports: Record<string, { default?: string }> } = JSON.parse(read('package.json'));
    const entries = Object.entries(exports).flatMap(([path, target]) =>
      target.default ? [[path, target.default]] : [],
    );
    expect(entries.length).toBeGreaterThan(4);
    for (const [path = '', file = ''] of entries) {
      const source = read(file.replace(/^\.\/dist\//, 'src/').replace(/\.js$/, '.ts'));
      expect(source).toContain(`@module fullpose${path.slice(1)}\n`);
    }
  });

  it('has a link to every page', () => {
    const config = read('docs/.vitepress/config.ts');
    expect(pages.length).toBeGreaterThan(15);
    for (const page of pages.filter((path) => path !== join('docs', 'index.md'))) {
      expect(config).toContain(`link: '/${page.replace(/^docs.(.*)\.md$/, '$1')}'`);
    }
  });

  it.each([
    'cli/options.ts',
    'cli/evaluate.ts',
    'cli/compare/options.ts',
    'cli/expressions.ts',
    'bench/tracking/run.ts',
    'reliability/run.ts',
  ])('lists every option of %s', (path) => {
    const told = read('docs/guide/commands.md');
    const options = [...read(path).matchAll(/^ {2}(--[a-z-]+)/gm)].map(([, option = '']) => option);
    expect(options).toContain('--browser');
    expect(options.filter((option) => !told.includes(`\`${option}`) && option !== '--help')).toEqual([]);
  });

  it('links to the code that the site shows in its place', () => {
    const shown = pages.flatMap((page) =>
      [...read(page).matchAll(/^(.*)\n\n<<< (\S+)$/gm)].map(([, before, path = '']) => ({ page, before, path })),
    );
    expect(shown).toHaveLength(pages.reduce((count, page) => count + read(page).split('<<< ').length - 1, 0));
    expect(shown.length).toBeGreaterThan(5);
    for (const { page, before, path } of shown) {
      expect(before).toBe(`[${basename(path)}](${path.replace(/^\.\//, '')})`);
      expect(read(join(dirname(page), path)).length).toBeGreaterThan(0);
    }
  });

  // The build of the site looks for dead pages, not for dead headings.
  it('links to headings that are there', () => {
    const links = [...pages, 'README.md', 'weights/MODEL_CARD.md', 'training/README.md'].flatMap((page) =>
      [...read(page).matchAll(/\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)/g)].map(([, file, anchor]) => ({
        link: `${page}: ${file}#${anchor}`,
        target: file ? join(dirname(page), file) : page,
        anchor,
      })),
    );
    expect(links.length).toBeGreaterThan(5);
    const dead = links.filter(({ target, anchor }) => {
      const headings = [...read(target).matchAll(/^#+ +(.+)$/gm)].map(([, heading = '']) => heading);
      return !headings.some(
        (heading) =>
          heading
            .toLowerCase()
            .match(/[\p{L}\p{N}]+/gu)
            ?.join('-') === anchor,
      );
    });
    expect(dead.map(({ link }) => link)).toEqual([]);
  });
});

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
    const bytes = pictures.map((path) => readFileSync(path).length);
    expect(bytes.reduce((sum, count) => sum + count)).toBeLessThan(300_000);
  });
});
