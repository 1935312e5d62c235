import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findCycle } from './graphs.js';

/** Rooms of src/, each with those that it may import (docs/architecture.md). */
const rooms: Readonly<Record<string, readonly string[]>> = {
  shaders: [],
  engine: ['shaders'],
  files: ['engine'],
  calls: ['engine'],
  pictures: ['calls', 'engine', 'shaders'],
  mmm: ['pictures', 'engine'],
  cascade: ['mmm', 'pictures', 'files', 'engine', 'shaders'],
  align: ['cascade', 'mmm', 'pictures', 'files', 'calls', 'engine'],
  find: ['align', 'detect', 'pictures', 'files', 'calls', 'engine'],
  track: ['find', 'align', 'mmm', 'pictures', 'engine'],
  export: ['mmm', 'pictures', 'engine'],
  detect: ['pictures', 'files', 'calls', 'engine', 'shaders'],
  networks: ['pictures', 'files', 'calls', 'engine', 'shaders'],
};

/** What the modules under `folder` import of the repository, types included: path to paths. */
function importsOf(folder: string): Map<string, string[]> {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
  return new Map(
    paths.map((path) => {
      const file = join(folder, path);
      const specifiers = readFileSync(file, 'utf8').matchAll(/(?:\bfrom|\bimport\(|^import) ?'(\.[^'?]+)(?:\?raw)?'/gm);
      return [file, [...specifiers].map(([, to = '']) => join(dirname(file), to.replace(/\.js$/, '.ts')))];
    }),
  );
}

/** "engine" of src/engine/kernels/add.ts; undefined of the entry points beside the rooms. */
function roomOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

describe('imports run one way', () => {
  const graph = importsOf('src');

  it('has a rule for every room of src/, and no other', () => {
    const folders = readdirSync('src', { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(folders.map(({ name }) => name).sort()).toEqual(Object.keys(rooms).sort());
    expect(graph.size).toBeGreaterThan(80);
    expect([...graph.values()].flat().length).toBeGreaterThan(400);
  });

  it('from room to room', () => {
    const against = [...graph].flatMap(([from, targets]) => {
      const room = roomOf(from);
      if (room === undefined) return [];
      const allowed = [room, ...(rooms[room] ?? [])];
      return (
        targets
          .filter((to) => !allowed.includes(roomOf(to) ?? ''))
          // The bundled weights' URLs lie beside the package's weights/, at the top.
          .filter((to) => !(room === 'align' && to === join('src', 'weights.ts')))
          .map((to) => `${from} imports ${to}`)
      );
    });
    expect(against).toEqual([]);
  });

  it('and from module to module', () => {
    expect(findCycle(graph)).toBeUndefined();
    expect(
      findCycle(
        new Map([
          ['a', ['b']],
          ['b', ['c']],
          ['c', ['b']],
        ]),
      ),
    ).toEqual(['b', 'c', 'b']);
  });

  it('lets src/ know of nothing outside, and scripts/ of neither cli/ nor bench/', () => {
    const outside = [...graph.values()].flat().filter((to) => !to.startsWith('src/'));
    expect(outside).toEqual([]);
    const commands = [...importsOf('scripts').values()].flat().filter((to) => /^(cli|bench)\//.test(to));
    expect(commands).toEqual([]);
  });
});
