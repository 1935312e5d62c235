/**
 * Writes the compute pipelines of a frame as JSON for an offline shader compiler:
 *
 *     npx tsx scripts/dump-pipelines.ts PIPELINES.json [--rivals]
 *
 * A list of { label, wgsl, entryPoint, constants, invocations, macs }: one entry a stage, for one face; with `--rivals` also the convolutions
 * of onnxruntime-web and TensorFlow.js on Net^0.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { PageHost } from './page-host.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rivals: { type: 'boolean', default: false } },
});
const [path] = positionals;
if (path === undefined) throw new Error('usage: npx tsx scripts/dump-pipelines.ts PIPELINES.json [--rivals]');

const host = await PageHost.open();
try {
  const page = await host.openPage('/bench/pipelines.html');
  await page.waitForFunction(() => typeof window.listPipelines === 'function', { timeout: 120_000 });
  const pipelines = await page.evaluate((rivals) => window.listPipelines(rivals), values.rivals);
  await writeFile(path, JSON.stringify(pipelines, null, 1));
  process.stderr.write(`${pipelines.length} pipelines\n`);
} finally {
  await host.close();
}
