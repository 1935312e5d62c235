import { readFileSync } from 'node:fs';

// One entry point for each one of the package that is code.
const { exports } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const entries = Object.values(exports)
  .map((target) => target.default)
  .filter((path) => path !== undefined)
  .map((path) => `../${path.replace(/^\.\/dist\//, 'src/').replace(/\.js$/, '.ts')}`);

/** @type {Partial<import('typedoc').TypeDocOptions> & Record<string, unknown>} */
export default {
  plugin: ['typedoc-plugin-markdown'],
  entryPoints: entries,
  tsconfig: '../tsconfig.build.json',
  out: './api',
  readme: 'none',
  entryFileName: 'index.md',
  // A page for each class; the rest of an entry point is on its own page.
  outputFileStrategy: 'members',
  membersWithOwnFile: ['Class'],
  hidePageHeader: true,
  hideBreadcrumbs: true,
  useCodeBlocks: true,
  // Anchors of its own: it numbers names that are the same in lower case otherwise than the site numbers its headings.
  useHTMLAnchors: true,
  anchorPrefix: 'api-',
  expandObjects: true,
  parametersFormat: 'table',
  enumMembersFormat: 'table',
  disableSources: true,
  excludeInternal: true,
  excludeProtected: true,
  excludeExternals: true,
  validation: { invalidLink: true, notExported: false },
};
