/**
 * The one header of all pages: the site's documentation, demo, benchmark, examples and kernel tests link to each other
 * by this list.
 */

export interface SiteLink {
  readonly text: string;
  /** From the site's root. */
  readonly path: string;
  /** Every page that begins so belongs to this link. */
  readonly under: string;
  /** A page of the documentation, which `npm run dev` does not serve. */
  readonly isDocumentation?: true;
}

export const siteLinks: readonly SiteLink[] = [
  { text: 'Guide', path: 'guide/getting-started.html', under: 'guide/', isDocumentation: true },
  { text: 'Recipes', path: 'recipes/worker.html', under: 'recipes/', isDocumentation: true },
  { text: 'API', path: 'api/fullpose/classes/FaceAligner.html', under: 'api/', isDocumentation: true },
  { text: 'Demo', path: 'demo/', under: 'demo/' },
  { text: 'Benchmark', path: 'bench/', under: 'bench/' },
  { text: 'Examples', path: 'examples/', under: 'examples/' },
  { text: 'Kernel tests', path: 'tests/browser/', under: 'tests/' },
];
