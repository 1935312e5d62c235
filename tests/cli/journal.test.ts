import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeWhole } from '../../cli/files.js';
import { Journal } from '../../cli/journal.js';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fullpose-journal-'));
  writeFileSync(join(folder, 'source'), '');
  utimesSync(join(folder, 'source'), 1, 1);
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

const source = () => join(folder, 'source');

describe('Journal', () => {
  it('gives back what was added, in order', async () => {
    const path = join(folder, 'new/a.jsonl');
    const journal = new Journal<number>(path);
    expect(await journal.read(source())).toEqual([]);
    await Promise.all(Array.from({ length: 50 }, (_, i) => journal.add(i)));
    expect(await new Journal<number>(path).read(source())).toEqual(Array.from({ length: 50 }, (_, i) => i));
    await journal.clear();
    expect(existsSync(path)).toBe(false);
  });

  it.each([
    ['a line that was cut off', '{"row":1}\n{"row":2}\n{"ro'],
    ['a line that is damaged, and what follows', '{"row":1}\n{"row":2}\n\0\0\0\n{"row":4}\n'],
  ])('drops %s, and grows on from there', async (_, text) => {
    const path = join(folder, 'cut.jsonl');
    writeFileSync(path, text);
    const journal = new Journal<{ readonly row: number }>(path);
    expect(await journal.read(source())).toEqual([{ row: 1 }, { row: 2 }]);
    await journal.add({ row: 3 });
    expect(readFileSync(path, 'utf8')).toBe('{"row":1}\n{"row":2}\n{"row":3}\n');
  });

  it('does not count where what it was made from has changed since', async () => {
    const path = join(folder, 'old.jsonl');
    writeFileSync(path, '1\n');
    utimesSync(path, 0, 0);
    expect(await new Journal<number>(path).read(source())).toEqual([]);
  });
});

describe('writeWhole', () => {
  it('makes the folders, replaces what is there, and leaves nothing beside it', async () => {
    const path = join(folder, 'deep/er/file.txt');
    await writeWhole(path, 'one');
    await writeWhole(path, 'two');
    expect(readFileSync(path, 'utf8')).toBe('two');
    expect(existsSync(`${path}.part`)).toBe(false);
  });
});
