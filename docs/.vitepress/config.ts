import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { defineConfig } from 'vitepress';
import { siteLinks } from '../../pages/links.js';
import { sourceUrl } from '../../scripts/site-header.js';

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
 * Where a relative link of a repository file leads on the site. Pages lie in docs/ or one folder below; what they
 * include from elsewhere in the repository links as if it lay there.
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

/** The generated pages: one for each entry point that is code, and one for each of its classes. */
const entryPoints = Object.entries<{ readonly default?: string }>(exports)
  .filter(([, target]) => target.default !== undefined)
  .map(([path]) => `fullpose${path.slice(1)}`);

/** Names of an entry point's classes, the aligner before all. */
function classesOf(name: string): readonly string[] {
  const folder = new URL(`../api/${name}/classes/`, import.meta.url);
  const names = existsSync(folder) ? readdirSync(folder).map((file) => file.replace(/\.md$/, '')) : [];
  const rank = (text: string) => [text !== 'FaceAligner', text.endsWith('Error')].map(Number).join();
  return names.sort((a, b) => rank(a).localeCompare(rank(b)) || a.localeCompare(b));
}

const base = process.env.DOCS_BASE;

export default defineConfig({
  title: 'fullpose',
  description: '3D face alignment from profile to profile, in the browser, on hand-written WebGPU',
  base: base ?? '/',
  cleanUrls: false,
  lastUpdated: false,
  head: [
    ['link', { rel: 'icon', href: 'data:,' }],
    // Of the whole site, which has the worker at its root.
    ...(base === undefined
      ? []
      : [
          ['script', {}, `navigator.serviceWorker?.register(${JSON.stringify(`${base}offline-worker.js`)})`] as [
            string,
            Record<string, string>,
            string,
          ],
        ]),
  ],
  markdown: {
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    config: (md) => {
      // Where Markdown is read as it is, a link stands for the code that the site shows below it.
      md.core.ruler.before('normalize', 'links_to_code', (state) => {
        state.src = state.src.replace(/^\[[^\]]+\]\([^)]+\)\n\n(?=<<< )/gm, '');
      });
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
      // Pages that are none of the documentation are left to the browser.
      ...siteLinks.map(({ text, path, under, isDocumentation }) => ({
        text,
        link: `/${path}`,
        ...(isDocumentation ? { activeMatch: `/${under}` } : { target: '_self' }),
      })),
      { text: 'Source', link: sourceUrl },
      { text: version, items: [{ text: 'Changelog', link: '/changelog' }] },
    ],
    sidebar: {
      '/api/': entryPoints.map((name) => ({
        text: name,
        link: `/api/${name}/`,
        items: classesOf(name).map((text) => ({ text, link: `/api/${name}/classes/${text}` })),
      })),
      '/': [
        {
          text: 'Guide',
          items: [
            { text: 'Getting started', link: '/guide/getting-started' },
            { text: 'Concepts', link: '/guide/concepts' },
            { text: 'Coordinate frames', link: '/guide/coordinates' },
            { text: 'What a face gives', link: '/outputs' },
            { text: 'Expressions', link: '/expressions' },
            { text: 'Limits', link: '/guide/limits' },
            { text: 'Beside others', link: '/guide/others' },
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
            { text: 'Your own network', link: '/recipes/network' },
            { text: 'Video', link: '/recipes/video' },
            { text: 'Rigs: ARKit, VRM, glTF', link: '/recipes/rigs' },
            { text: 'In a framework', link: '/recipes/frameworks' },
            { text: 'In Node', link: '/recipes/node' },
          ],
        },
        {
          text: 'Inside',
          items: [
            { text: 'Architecture', link: '/architecture' },
            { text: 'The frame, line by line', link: '/passes' },
            { text: 'Tracking', link: '/tracking' },
            { text: 'Loading the weights', link: '/loading' },
            { text: "In the caller's encoder", link: '/gpu' },
            { text: 'Files on disk', link: '/formats' },
            { text: 'Performance', link: '/performance' },
            { text: 'Arithmetic in 16 bits', link: '/notes/f16-arithmetic' },
            { text: 'Devices', link: '/devices' },
            {
              text: 'Notes',
              link: '/notes/index',
              collapsed: true,
              items: [
                { text: 'The benchmark', link: '/notes/benchmark' },
                { text: 'Convolutions and weights', link: '/notes/convolutions' },
                { text: 'Decode, raster, resolve, PAF', link: '/notes/geometry' },
                { text: 'Loops', link: '/notes/loops' },
                { text: 'A coarse mesh', link: '/notes/coarse-mesh' },
                { text: "What a GPU's compiler says", link: '/notes/gpu-compiler' },
              ],
            },
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
