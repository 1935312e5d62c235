import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { distinctStems, findPictures } from '../../cli/inputs.js';

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
  });
});
