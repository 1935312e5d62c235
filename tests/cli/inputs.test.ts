import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawnEndings } from '../../cli/formats.js';
import { distinctStems, findPictures, overwritten } from '../../cli/inputs.js';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fullpose-inputs-'));
  for (const path of [
    'a.png',
    'notes.txt',
    'photos/10.JPG',
    'photos/2.jpg',
    'photos/2.png',
    'photos/2.overlay.png',
    'photos/2.2.pncc.png',
    'photos/2.depth.png',
    'photos/2.texture.png',
    'photos/.hidden.png',
    'photos/summer [1]/beach.webp',
    'photos/summer [1]/list.json',
    'empty/read.me',
  ]) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), '');
  }
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

const find = async (...argv: readonly string[]) => {
  const { pictures, missing } = await findPictures(argv, folder);
  return { pictures: pictures.map(({ path, stem }) => [path.slice(folder.length + 1), stem]), missing };
};

describe('findPictures', () => {
  it('takes what is named outright, whatever it is and whether it is there', async () => {
    expect(await find('a.png', 'notes.txt', 'gone.png', 'photos/2.overlay.png')).toEqual({
      pictures: [
        ['a.png', 'a'],
        ['notes.txt', 'notes'],
        ['gone.png', 'gone'],
        ['photos/2.overlay.png', '2.overlay'],
      ],
      missing: [],
    });
  });

  it('takes the pictures of a folder and of those within, by number, and keeps their folders', async () => {
    expect(await find('photos')).toEqual({
      pictures: [
        ['photos/2.jpg', '2'],
        ['photos/2.png', '2-2'],
        ['photos/10.JPG', '10'],
        ['photos/summer [1]/beach.webp', 'summer [1]/beach'],
      ],
      missing: [],
    });
  });

  it('expands patterns, but not the names of folders', async () => {
    expect((await find('photos/*.jpg')).pictures).toEqual([
      ['photos/2.jpg', '2'],
      ['photos/10.JPG', '10'],
    ]);
    expect((await find('photos/summer [1]/*')).pictures).toEqual([['photos/summer [1]/beach.webp', 'beach']]);
    expect((await find(join(folder, '**/*.{webp,png}'))).pictures).toEqual([
      ['a.png', 'a'],
      ['photos/2.png', 'photos/2'],
      ['photos/summer [1]/beach.webp', 'photos/summer [1]/beach'],
    ]);
  });

  it('takes each picture once', async () => {
    expect((await find('photos/2.jpg', 'photos', './photos/2.png')).pictures.map(([path]) => path)).toEqual([
      'photos/2.jpg',
      'photos/2.png',
      'photos/10.JPG',
      'photos/summer [1]/beach.webp',
    ]);
  });

  it('says which argument yields nothing, and takes the others', async () => {
    expect(await find('empty', 'a.png', 'photos/*.gif')).toEqual({
      pictures: [['a.png', 'a']],
      missing: ['no picture in empty', 'no picture matches photos/*.gif'],
    });
  });
});

describe('distinctStems', () => {
  it('are the paths without extension, made distinct', () => {
    expect(distinctStems(['face.png', 'face.jpg', 'other.tar.png', 'face-2.png', 'Face', 'b/face.png'])).toEqual([
      'face',
      'face-2',
      'other.tar',
      'face-2-2',
      'Face-3',
      'b/face',
    ]);
    // The mesh of its second face is two.2.obj.
    expect(distinctStems(['two.png', 'two.2.png', 'two.10.png', 'film.3.png', 'film.4.png'])).toEqual([
      'two',
      'two.2-2',
      'two.10-2',
      'film.3',
      'film.4',
    ]);
  });

  it('give files of which none has the name of another, or of a folder of another', () => {
    const part = fc.array(
      fc.constantFrom('a', 'A', '\u00e9', 'e\u0301', '.2', '.3', '-2', '.obj', '.json', '.png', '.overlay'),
      {
        minLength: 1,
        maxLength: 4,
      },
    );
    const path = fc
      .array(part, { minLength: 1, maxLength: 2 })
      .map((parts) => parts.map((some) => some.join('')).join('/'));
    const isName = (name: string) => name.split('/').every((some) => !/^\.*$/.test(some));
    fc.assert(
      fc.property(fc.uniqueArray(path.filter(isName), { maxLength: 8 }), (paths) => {
        const endings = ['.json', ...Object.values(drawnEndings)];
        const files = distinctStems(paths).flatMap((stem) =>
          ['', '.2', '.3', '.4'].flatMap((number) => endings.map((ending) => `${stem}${number}${ending}`)),
        );
        const names = files.map((file) => file.normalize('NFC').toLowerCase());
        const distinct = new Set(names);
        expect(distinct.size).toBe(files.length);
        for (const name of names) {
          for (let end = name.indexOf('/'); end >= 0; end = name.indexOf('/', end + 1)) {
            expect(distinct.has(name.slice(0, end)), name).toBe(false);
          }
        }
      }),
      { numRuns: 300, seed: 3 },
    );
  });
});

describe('overwritten', () => {
  it('are the pictures that the run would write over', () => {
    const pictures = ['/p/a.png', '/p/a.overlay.png', '/p/a.2.pncc.png', '/q/a.overlay.png'].map((path, i) => ({
      path,
      stem: ['a', 'b', 'c', 'd'][i] ?? '',
    }));
    expect(overwritten(pictures, '/p', ['png', 'pncc'])).toEqual(['/p/a.overlay.png', '/p/a.2.pncc.png']);
    expect(overwritten(pictures, '/p', ['json', 'obj'])).toEqual([]);
    expect(overwritten(pictures, '/out', ['png', 'pncc'])).toEqual([]);
  });
});
