const blockBytes = 512;

/**
 * Reads the regular files of a ustar archive (names up to 100 bytes plus prefix). The contents are views of `archive`.
 *
 * @param name for messages.
 * @throws Error where the archive is damaged or cut short.
 */
export function parseTar(archive: Uint8Array, name: string): ReadonlyMap<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  let offset = 0;
  while (offset + blockBytes <= archive.length) {
    const header = archive.subarray(offset, offset + blockBytes);
    if (header.every((byte) => byte === 0)) return files;
    const path = [text(header, 345, 155), text(header, 0, 100)].filter((part) => part !== '').join('/');
    const size = octal(header, 124, 12);
    const stored = octal(header, 148, 8);
    const sum = header.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 0x20 : byte), 0);
    if (sum !== stored) throw new Error(`${name}: checksum ${stored} of the header at byte ${offset}; wanted ${sum}`);
    const start = offset + blockBytes;
    if (start + size > archive.length) {
      throw new Error(`${name}: ${path} needs ${size} bytes at ${start}; the archive ends at ${archive.length}`);
    }
    const type = String.fromCharCode(header[156] ?? 0);
    if (type === '0' || type === '\0') files.set(path, archive.subarray(start, start + size));
    offset = start + Math.ceil(size / blockBytes) * blockBytes;
  }
  throw new Error(`${name}: the archive has no end marker`);
}

function text(header: Uint8Array, start: number, length: number): string {
  const field = header.subarray(start, start + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

function octal(header: Uint8Array, start: number, length: number): number {
  return Number.parseInt(text(header, start, length).trim() || '0', 8);
}
