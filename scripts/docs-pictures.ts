/**
 * `npm run docs:pictures`: draws the pictures of the documentation anew, from the sample photo by the shipped weights.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PageHost, repositoryRoot } from './page-host.js';

/** The home page names its picture by its address, so that one is copied as it is. */
const folderOf = (name: string) => join(repositoryRoot, name === 'hero' ? 'docs/public' : 'docs/images');

const host = await PageHost.open();
try {
  const page = await host.openPage('/scripts/docs-pictures/');
  page.on('pageerror', (error) => process.stderr.write(`${String(error)}\n`));
  await page.waitForFunction(() => window.docsPictures !== undefined);
  const pictures = await page.evaluate(() => window.docsPictures);
  for (const [name, base64] of Object.entries(pictures ?? {})) {
    const path = join(folderOf(name), `${name}.webp`);
    await writeFile(path, Buffer.from(base64, 'base64'));
    process.stdout.write(`${path}\n`);
  }
} finally {
  await host.close();
}
