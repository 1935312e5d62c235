import { describe, expect, it } from 'vitest';
import { placeholderBase, relocatePage, relocateScript } from '../scripts/relocatable.js';

/** What a script gives where the site begins at `root`. */
function run(code: string, root: string): unknown {
  return new Function('globalThis', `${relocateScript(code)}; return result`)({ fullposeSiteRoot: root });
}

describe('a script of the documentation', () => {
  it('asks where the site begins, in strings and templates', () => {
    const code = `const name = 'a', result = ["${placeholderBase}x.js", \`<a href="${placeholderBase}\${name}">\`, '/other/']`;
    expect(run(code, '/some/where/')).toEqual(['/some/where/x.js', '<a href="/some/where/a">', '/other/']);
    expect(run(code, '/')).toEqual(['/x.js', '<a href="/a">', '/other/']);
  });

  it('stays as it is where it names nothing', () => {
    expect(relocateScript('const a = "b";')).toBe('const a = "b";');
  });
});

describe('a page of the documentation', () => {
  const page = `<html><head><link href="${placeholderBase}a.css"></head><script>f("${placeholderBase}")</script></html>`;

  it.each([
    [0, './a.css'],
    [2, '../../a.css'],
  ])('%i folders below the root names files relative to itself', (depth, href) => {
    const relocated = relocatePage(page, depth);
    expect(relocated).toContain(`href="${href}"`);
    expect(relocated).toContain(`new URL(${JSON.stringify(href.slice(0, -5))},location.href).pathname`);
    // Only as what scripts look for.
    expect(relocated.split(placeholderBase)).toHaveLength(3);
  });
});
