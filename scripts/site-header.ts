import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { globSync } from 'tinyglobby';
import type { HtmlTagDescriptor, Plugin } from 'vite';
import { siteLinks } from '../pages/links.js';

const root = new URL('../', import.meta.url);

/** The pages of the site beside the documentation, as they lie in the repository and, built, on the site. */
export const sitePages: readonly string[] = globSync(
  ['demo/index.html', 'bench/index.html', 'examples/index.html', 'examples/*/index.html', 'tests/browser/index.html'],
  { cwd: fileURLToPath(root) },
).sort();

const { homepage }: { readonly homepage: string } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));

/** Where the source is, for the headers of documentation and pages. */
export const sourceUrl = homepage;

function link(text: string, href: string, attributes: Readonly<Record<string, string>> = {}): HtmlTagDescriptor {
  return { tag: 'a', attrs: { href, ...attributes }, children: text };
}

/**
 * Puts the header and the footer into the pages of the site, with addresses that are relative to the page. On the built
 * site the pages also keep themselves for visits without a network; while the repository is served there is no
 * documentation to link to.
 */
export function siteHeader(): Plugin {
  return {
    name: 'fullpose:site-header',
    transformIndexHtml: {
      order: 'pre',
      handler: (_, { path, server }) => {
        const page = path.replace(/^\//, '').replace(/\/$/, '/index.html');
        if (!sitePages.includes(page)) return [];
        const up = '../'.repeat(page.split('/').length - 1);
        const links = siteLinks.filter(({ isDocumentation }) => !server || !isDocumentation);
        const children = [
          link('fullpose', server ? `${up}demo/` : up, { class: 'home' }),
          ...links.map(({ text, path: to, under }) =>
            link(text, `${up}${to}`, page.startsWith(under) ? { 'aria-current': 'page' } : {}),
          ),
          link('Source', sourceUrl),
        ];
        return [
          { tag: 'link', attrs: { rel: 'stylesheet', href: `${up}pages/header.css` }, injectTo: 'head' },
          ...(server
            ? []
            : ([
                { tag: 'script', attrs: { type: 'module', src: `${up}pages/offline.ts` }, injectTo: 'head' },
              ] satisfies HtmlTagDescriptor[])),
          {
            tag: 'nav',
            attrs: { class: 'site-header', 'aria-label': 'fullpose' },
            children,
            injectTo: 'body-prepend',
          },
          {
            tag: 'nav',
            attrs: { class: 'site-footer', 'aria-label': 'About' },
            children: [
              ...(server ? [] : [link('Model card', `${up}model-card.html`)]),
              link('MIT licence', `${sourceUrl}/blob/main/LICENSE`),
            ],
            injectTo: 'body',
          },
        ];
      },
    },
  };
}
