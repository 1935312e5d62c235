import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ListError, parseList, readList, resolveImage } from '../../cli/list.js';

const parseRow = (row: unknown) => parseList(JSON.stringify([row]), 'list.json')[0];

describe('parseList', () => {
  it('reads rows with and without boxes', () => {
    const rows = parseList(
      '[{"image": "a.jpg", "box": [1, 2, 3.5, 4], "boxKind": "landmarks"}, {"image": "b.jpg"}, {"image": "c", "box": null}]',
      'list.json',
    );
    expect(rows).toEqual([
      { image: 'a.jpg', box: { x0: 1, y0: 2, x1: 3.5, y1: 4, kind: 'landmarks' } },
      { image: 'b.jpg', box: undefined },
      { image: 'c', box: undefined },
    ]);
    expect(parseRow({ image: 'a', box: [-5, 0, 5, 9], boxKind: 'detector' })).toMatchObject({
      box: { kind: 'detector' },
    });
  });

  it.each([
    ['no JSON', '[{', /^list.json is not JSON: /],
    ['no array', '{"image": "a.jpg"}', /^list.json holds {"image":"a.jpg"}; wanted an array of rows$/],
    ['null', 'null', /holds null/],
  ])('refuses a list that is %s', (_, text, message) => {
    expect(() => parseList(text, 'list.json')).toThrow(ListError);
    expect(() => parseList(text, 'list.json')).toThrow(message);
  });

  it.each([
    [7, '7; wanted an object'],
    [[], '[]; wanted an object'],
    [{ box: [0, 0, 1, 1] }, '"image" is missing; wanted a path'],
    [{ image: '' }, '"image" is ""; wanted a path'],
    [{ image: 'a', box: [0, 0, 1, 1] }, '"box" without "boxKind"'],
    [{ image: 'a', roll: 90 }, '"roll" without "box"; wanted a box that it turns'],
    [{ image: 'a', Box: [0, 0, 1, 1], box_kind: 1 }, 'unknown "Box", "box_kind"; wanted some of "image", "box"'],
    [{ image: 'a', boxKind: 'faces' }, '"boxKind" is "faces"; wanted "landmarks" or "detector"'],
    [{ image: 'a', box: [0, 0, 1], boxKind: 'detector' }, '"box" is [0,0,1]; wanted [x0, y0, x1, y1]'],
    [{ image: 'a', box: [0, 0, 1, null], boxKind: 'detector' }, '"box" is [0,0,1,null]; wanted'],
    [{ image: 'a', box: '0 0 1 1', boxKind: 'detector' }, '"box" is "0 0 1 1"; wanted'],
    [{ image: 'a', box: [5, 0, 5, 1], boxKind: 'detector' }, '"box" is [5,0,5,1]; wanted x0 < x1 and y0 < y1'],
  ])('a bad row %j fails alone, with its index', (row, message) => {
    const rows = parseList(JSON.stringify([{ image: 'good.jpg' }, row]), 'list.json');
    expect(rows[0]).toEqual({ image: 'good.jpg', box: undefined });
    expect(rows[1]).toHaveProperty('error', expect.stringContaining(message));
    expect(rows[1]).toHaveProperty('error', expect.stringContaining('list.json, row 1: '));
  });

  it('keeps the name of a bad row that has one', () => {
    expect(parseRow({ image: 'a.jpg', boxKind: 1 })).toMatchObject({ image: 'a.jpg' });
    expect(parseRow({})).toMatchObject({ image: null });
  });
});

describe('readList', () => {
  it.each([
    ['gone.json', 'there is no such file'],
    ['tests', 'it is a folder'],
  ])('says of %s that %s', async (path, reason) => {
    await expect(readList(path)).rejects.toThrow(ListError);
    await expect(readList(path)).rejects.toThrow(`cannot read the list ${path}: ${reason}`);
  });
});

describe('resolveImage', () => {
  it('looks where the command was started, then beside the list', () => {
    const folder = mkdtempSync(join(tmpdir(), 'fullpose-'));
    try {
      mkdirSync(join(folder, 'lists'));
      writeFileSync(join(folder, 'here.png'), '');
      writeFileSync(join(folder, 'lists', 'beside.png'), '');
      const list = join(folder, 'lists', 'list.json');
      expect(resolveImage('here.png', folder, list)).toBe(join(folder, 'here.png'));
      expect(resolveImage('beside.png', folder, list)).toBe(join(folder, 'lists', 'beside.png'));
      expect(resolveImage('gone.png', folder, list)).toBe(join(folder, 'gone.png'));
      expect(resolveImage('/abs/a.png', folder, list)).toBe('/abs/a.png');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
