import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** The tree of docs/architecture.md: every path, with what is said of it. Indented paths lie in the one above. */
function rooms(): Map<string, string> {
  const [, tree = ''] = /^## Rooms\n\n```\n([\s\S]*?)^```/m.exec(readFileSync('docs/architecture.md', 'utf8')) ?? [];
  const found = new Map<string, string>();
  let [outer, path] = ['', ''];
  for (const line of tree.split('\n')) {
    const [, indent, name] = /^( {2})?([\w./-]+) {2,}/.exec(line) ?? [];
    if (name !== undefined) {
      path = indent === undefined ? name : join(outer, name);
      if (indent === undefined) outer = name;
    }
    found.set(
      path,
      `${found.get(path) ?? ''} ${name === undefined ? line : line.slice(line.indexOf(name) + name.length)}`,
    );
  }
  found.delete('');
  return found;
}

describe('docs/architecture.md', () => {
  const named = rooms();

  it('names rooms that are there', () => {
    expect(named.size).toBeGreaterThan(20);
    expect([...named.keys()].filter((path) => !existsSync(path))).toEqual([]);
  });

  it('names every room', () => {
    const folders = (folder: string) =>
      readdirSync(folder, { withFileTypes: true })
        .filter(
          (entry) => entry.isDirectory() && !/^(\.|node_modules$|dist$|site$|out$|coverage$|assets$)/.test(entry.name),
        )
        .map(({ name }) => `${join(folder, name)}/`);
    const wanted = [...folders('.').filter((path) => path !== 'src/'), ...folders('src')];
    expect(wanted.filter((path) => !named.has(path))).toEqual([]);
  });

  it('names every module of src/, and none that is gone', () => {
    for (const [room, text] of named) {
      if (!room.startsWith('src/') || !room.endsWith('/')) continue;
      const modules = readdirSync(room).filter((file) => file.endsWith('.ts'));
      const listed = [...text.matchAll(/(?<![\w/])[\w-]+\.ts\b/g)].map(([name]) => name);
      const inner = [...named.keys()].filter((path) => path.startsWith(room) && path.endsWith('.ts'));
      expect([...listed, ...inner.map((path) => path.slice(room.length))].sort(), room).toEqual(modules.sort());
    }
  });
});
