/** `npm run --silent licences`: every package of the lockfile by licence. Exit code 1 for one that is not allowed. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type LockedPackage, readLicences } from './lockfile.js';

const lockfile = join(fileURLToPath(new URL('.', import.meta.url)), '../package-lock.json');
const { allowed, refused } = readLicences(JSON.parse(readFileSync(lockfile, 'utf8')));

const line = ({ name, version, licence }: LockedPackage): string => `${licence.padEnd(24)} ${name} ${version}`;

process.stdout.write(`${[...allowed].map(line).sort().join('\n')}\n`);
if (refused.length > 0) {
  process.stderr.write(`not allowed:\n${refused.map(line).join('\n')}\n`);
  process.exitCode = 1;
}
