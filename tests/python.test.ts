import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Diagnostic, PositionEncoding, Workspace } from '@astral-sh/ruff-wasm-nodejs';
import { parse } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { findCycle } from './graphs.js';

const folders = ['training', 'tests/fixtures'];
const files = folders.flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.py'))
    .map((path) => join(folder, path)),
);

describe('Python', () => {
  it('passes ruff with the rules of ruff.toml', () => {
    const ruff = new Workspace(parse(readFileSync('ruff.toml', 'utf8')), PositionEncoding.Utf16);
    const complaints = (text: string, file: string) =>
      ruff
        .check(text)
        .map(({ start_location: { row }, code, message }: Diagnostic) => `${file}:${row} ${code} ${message}`);
    expect(files.length).toBeGreaterThan(20);
    expect(files.flatMap((file) => complaints(readFileSync(file, 'utf8'), file))).toEqual([]);
    const [broken = ''] = complaints('for x in 1 print(x)\n', 'a.py');
    expect(broken).toMatch(/^a\.py:1 invalid-syntax/);
    expect(complaints('import os\n', 'a.py')).toEqual(['a.py:1 F401 `os` imported but unused']);
  });

  it('of training/ imports without loops, within functions too', () => {
    const modules = files.filter((file) => file.startsWith('training/')).map((file) => basename(file, '.py'));
    const imports = new Map(
      modules.map((name) => {
        const found = readFileSync(`training/${name}.py`, 'utf8').matchAll(/^ *from \.(\w*) import (\w+)/gm);
        return [name, [...found].map(([, module, first = '']) => module || first)];
      }),
    );
    expect([...imports.values()].flat().filter((name) => !modules.includes(name))).toEqual([]);
    expect([...imports.values()].flat().length).toBeGreaterThan(50);
    expect(findCycle(imports)).toBeUndefined();
  });
});
