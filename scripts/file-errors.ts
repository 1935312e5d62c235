/** Why a file cannot be used, in words: what Node says of a missing one is `ENOENT`. */
const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder',
  EEXIST: 'it is a file',
  ENOTDIR: 'a folder of its path is a file',
  EACCES: 'it is not permitted',
};

/** @param error what a call of node:fs threw */
export function fileReason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  return reasons[code] ?? code;
}
