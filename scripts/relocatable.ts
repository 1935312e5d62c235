/**
 * Makes the documentation's build work in any folder of any host. VitePress writes one base into every page and script;
 * built with `placeholderBase`, its files are rewritten so that pages name everything relative to themselves, and
 * scripts ask the page where the site begins.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAst } from 'vite';

/** A base that no text has by chance. */
export const placeholderBase = '/__fullpose_site__/';

/** A global variable of the pages: path of the site's root. */
const rootVariable = 'globalThis.fullposeSiteRoot';

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly value?: unknown;
}

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && 'type' in value;

/** A script whose strings have the page's root in place of the placeholder. */
export function relocateScript(code: string): string {
  if (!code.includes(placeholderBase)) return code;
  const inserts: { readonly at: number; readonly text: string }[] = [];
  const visit = (node: Node): void => {
    const isText = node.type === 'TemplateLiteral' || (node.type === 'Literal' && typeof node.value === 'string');
    if (isText && code.slice(node.start, node.end).includes(placeholderBase)) {
      inserts.push(
        { at: node.start, text: '(' },
        { at: node.end, text: `).replaceAll(${JSON.stringify(placeholderBase)},${rootVariable})` },
      );
      return;
    }
    for (const child of Object.values(node).flat()) if (isNode(child)) visit(child);
  };
  visit(parseAst(code) as unknown as Node);
  return inserts.reduceRight((text, { at, text: added }) => text.slice(0, at) + added + text.slice(at), code);
}

/** A page, `depth` folders below the site's root. */
export function relocatePage(page: string, depth: number): string {
  const up = '../'.repeat(depth) || './';
  const scripts = page.replace(
    /(<script\b[^>]*>)([^<]+)(<\/script>)/g,
    (_, open: string, code: string, close: string) => open + relocateScript(code) + close,
  );
  // What is left of the placeholder in scripts is the text that is looked for.
  const kept = scripts
    .split(/(<script\b[^>]*>[^<]+<\/script>)/)
    .map((part, i) => (i % 2 === 1 ? part : part.replaceAll(placeholderBase, up)));
  const root = `<script>${rootVariable}=new URL(${JSON.stringify(up)},location.href).pathname</script>`;
  return kept.join('').replace('<head>', () => `<head>\n    ${root}`);
}

/** Rewrites the build in `folder`. @throws Error where the placeholder is in a kind of file that this does not know. */
export function relocate(folder: string): void {
  for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!/\.(html|js|css|json|svg)$/.test(entry)) continue;
    const path = join(folder, entry);
    const text = readFileSync(path, 'utf8');
    if (!text.includes(placeholderBase)) continue;
    const depth = entry.split(/[/\\]/).length - 1;
    if (entry.endsWith('.html')) writeFileSync(path, relocatePage(text, depth));
    else if (entry.endsWith('.js')) writeFileSync(path, relocateScript(text));
    else if (entry.endsWith('.css')) writeFileSync(path, text.replaceAll(placeholderBase, '../'.repeat(depth) || './'));
    else throw new Error(`${entry}: an address that begins at the root of the host`);
  }
}
