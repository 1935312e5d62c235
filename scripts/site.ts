/** `npm run site [-- FOLDER]`: the whole site as static files, into `site/` unless a folder is named. */
import { resolve } from 'node:path';
import { buildSite } from './build-site.js';

const folder = resolve(process.argv[2] ?? 'site');
await buildSite(folder);
process.stdout.write(`${folder}\n`);
