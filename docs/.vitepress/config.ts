import { readFileSync } from 'node:fs';
import { defineConfig } from 'vitepress';

/** Files outside docs/ that have a page here, by how the pages and those files link to them. */
const pagesOfFiles: Readonly<Record<string, string>> = {
  'README.md': 'guide/getting-started.md',
  'CHANGELOG.md': 'changelog.md',
  'SECURITY.md': 'security.md',
  'weights/MODEL_CARD.md': 'model-card.md',
  'training/README.md': 'training-commands.md',
  'examples/README.md': 'recipes/worker.md',
};

/**
 * Where a relative link of a repository file leads on the site. Pages lie in docs/ or one folder below; what they include from elsewhere
 * in the repository links as if it lay there.
 */
function siteLink(link: string, page: string): string {
  const [path = '', hash = ''] = link.split('#');
  const up = page.includes('/') ? '../' : './';
  const target = path.replace(/^(\.\.?\/)+/, '');
  const known =
    pagesOfFiles[target] ??
    (path.startsWith('../docs/') || path.startsWith('docs/') ? target.replace(/^docs\//, '') : undefined);
  return known === undefined ? link : `${up}${known}${hash === '' ? '' : `#${hash}`}`;
}

const { version, exports } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

/** The generated pages: one for each entry point that is code. */
const entryPoints = Object.entries<{ readonly default?: string }>(exports)
  .filter(([, target]) => target.default !== undefined)
  .map(([path]) => `fullpose${path.slice(1)}`);

export default defineConfig({
  title: 'fullpose',
  description: '3D face alignment from profile to profile, in the browser, on hand-written WebGPU',
  base: process.env.DOCS_BASE ?? '/',
  cleanUrls: false,
  lastUpdated: false,
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  markdown: {
    config: (md) => {
      const render =
        md.renderer.rules.link_open ?? ((tokens, index, options, _, self) => self.renderToken(tokens, index, options));
      md.renderer.rules.link_open = (tokens, index, options, env, self) => {
        const token = tokens[index];
        const href = token?.attrGet('href');
        if (token && href && /^\.{0,2}\/?[\w./-]+\.md(#.*)?$/.test(href))
          token.attrSet('href', siteLink(href, env.relativePath ?? ''));
        return render(tokens, index, options, env, self);
      };
    },
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      { text: 'Guide', link: '/guide/getting-started', activeMatch: '/guide/' },
      { text: 'Recipes', link: '/recipes/worker', activeMatch: '/recipes/' },
      { text: 'API', link: '/api/fullpose', activeMatch: '/api/' },
      { text: version, items: [{ text: 'Changelog', link: '/changelog' }] },
    ],
    sidebar: {
      '/api/': entryPoints.map((name) => ({ text: name, link: `/api/${name}` })),
      '/': [
        {
          text: 'Guide',
          items: [
            { text: 'Getting started', link: '/guide/getting-started' },
            { text: 'Concepts', link: '/guide/concepts' },
            { text: 'Coordinate frames', link: '/guide/coordinates' },
            { text: 'What a face gives', link: '/outputs' },
            { text: 'Limits', link: '/guide/limits' },
            { text: 'Troubleshooting', link: '/guide/troubleshooting' },
            { text: 'Commands', link: '/guide/commands' },
          ],
        },
        {
          text: 'Recipes',
          items: [
            { text: 'Worker', link: '/recipes/worker' },
            { text: 'three.js', link: '/recipes/three' },
            { text: 'Your own detector', link: '/recipes/detector' },
            { text: 'Your own face model', link: '/recipes/model' },
            { text: 'Video', link: '/recipes/video' },
          ],
        },
        {
          text: 'Inside',
          collapsed: true,
          items: [
            { text: 'Architecture', link: '/architecture' },
            { text: 'The frame, line by line', link: '/passes' },
            { text: 'Tracking', link: '/tracking' },
            { text: 'Loading the weights', link: '/loading' },
            { text: "In the caller's encoder", link: '/gpu' },
            { text: 'Files on disk', link: '/formats' },
            { text: 'Performance', link: '/performance' },
            { text: 'Reliability', link: '/reliability' },
            { text: 'Security', link: '/security' },
            { text: 'Training', link: '/training' },
            { text: 'Training, command by command', link: '/training-commands' },
            { text: 'Model card', link: '/model-card' },
          ],
        },
      ],
    },
  },
});
