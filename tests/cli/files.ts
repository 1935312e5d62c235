/** Writes small .npy and tar files for the tests of their readers. */

interface NpyOptions {
  readonly version?: 1 | 2;
  readonly fortran?: boolean;
}

export function npy(
  descr: string,
  shape: readonly number[],
  data: ArrayBufferView,
  { version = 1, fortran = false }: NpyOptions = {},
): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const text = `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': ${tuple}, }`;
  const lengthBytes = version === 1 ? 2 : 4;
  const start = 8 + lengthBytes;
  const header = `${text.padEnd(Math.ceil((start + text.length + 1) / 64) * 64 - start - 1)}\n`;
  const bytes = new Uint8Array(start + header.length + data.byteLength);
  bytes.set([0x93, ...new TextEncoder().encode('NUMPY'), version, 0]);
  const view = new DataView(bytes.buffer);
  if (version === 1) view.setUint16(8, header.length, true);
  else view.setUint32(8, header.length, true);
  bytes.set(new TextEncoder().encode(header), start);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start + header.length);
  return bytes;
}

export interface TarEntry {
  readonly path: string;
  readonly data: Uint8Array;
  readonly type?: string;
  readonly prefix?: string;
}

export function tar(entries: readonly TarEntry[]): Uint8Array {
  const blocks = entries.map(({ path, data, type = '0', prefix = '' }) => {
    const block = new Uint8Array(512 + Math.ceil(data.length / 512) * 512);
    const put = (text: string, at: number) => block.set(new TextEncoder().encode(text), at);
    put(path, 0);
    put(`${data.length.toString(8).padStart(11, '0')}\0`, 124);
    put(' '.repeat(8), 148);
    put(type, 156);
    put('ustar\0', 257);
    put(prefix, 345);
    const sum = block.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    put(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    block.set(data, 512);
    return block;
  });
  const archive = new Uint8Array(blocks.reduce((total, block) => total + block.length, 0) + 1024);
  let at = 0;
  for (const block of blocks) {
    archive.set(block, at);
    at += block.length;
  }
  return archive;
}
