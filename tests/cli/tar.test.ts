import { describe, expect, it } from 'vitest';
import { parseTar } from '../../cli/data/tar.js';
import { tar } from './files.js';

const bytes = (length: number, value: number) => new Uint8Array(length).fill(value);

describe('parseTar', () => {
  it('reads files whose sizes are below, at and above a block, and skips folders', () => {
    const archive = tar([
      { path: 'val/', data: bytes(0, 0), type: '5' },
      { path: 'val/a.jpg', data: bytes(3, 1) },
      { path: 'val/b.jpg', data: bytes(512, 2) },
      { path: 'val/c.jpg', data: bytes(513, 3) },
      { path: 'd.jpg', data: bytes(0, 0), prefix: 'val/deep' },
    ]);
    const files = parseTar(archive, 'val.tar');
    expect([...files.keys()]).toEqual(['val/a.jpg', 'val/b.jpg', 'val/c.jpg', 'val/deep/d.jpg']);
    expect([...files.values()].map((file) => [file.length, file[0]])).toEqual([
      [3, 1],
      [512, 2],
      [513, 3],
      [0, undefined],
    ]);
  });

  it('refuses a damaged header, a file cut short, and an archive without its end', () => {
    const archive = tar([{ path: 'a', data: bytes(600, 1) }]);
    const damaged = archive.slice();
    damaged[0] = 0x62;
    expect(() => parseTar(damaged, 'val.tar')).toThrow(/val.tar: checksum \d+ of the header at byte 0/);
    expect(() => parseTar(archive.slice(0, 1024), 'val.tar')).toThrow(
      'a needs 600 bytes at 512; the archive ends at 1024',
    );
    expect(() => parseTar(archive.slice(0, 1536), 'val.tar')).toThrow('no end marker');
  });
});
